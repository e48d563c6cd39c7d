// SPDX-License-Identifier: Apache-2.0
// An IPv4 or IPv6 address in one shape: 16 bytes, network order, IPv4 as ::ffff:a.b.c.d
// (RFC 4291 section 2.5.5.2), so that keys, prefixes and comparisons know only one kind.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/result.h"

namespace weir {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  // Written as one word: who reads it as a word right after does not wait for smaller stores.
  static IpAddress from_v4(const uint8_t* p) noexcept {
    IpAddress a;
    uint32_t v4;
    std::memcpy(&v4, p, sizeof v4);
    const uint64_t low = uint64_t{v4} << 32 | 0xffff0000u;  // in memory: 0 0 ff ff, then v4
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(a.bytes.data() + 8, &low, sizeof low);
    return a;
  }
  static IpAddress from_v6(const uint8_t* p) noexcept {
    IpAddress a;
    std::memcpy(a.bytes.data(), p, 16);
    return a;
  }
  bool is_v4() const noexcept { return high() == 0 && low() >> 32 == 0xffff; }
  bool is_unspecified() const noexcept {
    const IpAddress v4_any = from_v4(reinterpret_cast<const uint8_t*>("\0\0\0\0"));
    return *this == IpAddress{} || *this == v4_any;
  }
  // Multicast, or the IPv4 limited broadcast address.
  bool is_multicast() const noexcept {
    if (!is_v4()) return bytes[0] == 0xff;
    return (bytes[12] & 0xf0) == 0xe0 ||
           (bytes[12] == 255 && bytes[13] == 255 && bytes[14] == 255 && bytes[15] == 255);
  }
  bool operator==(const IpAddress& o) const noexcept {
    return high() == o.high() && low() == o.low();
  }
  std::strong_ordering operator<=>(const IpAddress& o) const noexcept {
    return high() != o.high() ? high() <=> o.high() : low() <=> o.low();
  }

  // a with all but the first `bits` bits cleared.
  friend IpAddress masked(const IpAddress& a, unsigned bits) noexcept {
    IpAddress m;
    store_be64(m.bytes.data(), a.high() & leading(bits));
    store_be64(m.bytes.data() + 8, bits > 64 ? a.low() & leading(bits - 64) : 0);
    return m;
  }
  // Whether its first `bits` bits are o's.
  bool shares(unsigned bits, const IpAddress& o) const noexcept {
    const uint64_t differs = (high() ^ o.high()) & leading(bits);
    return bits <= 64 ? differs == 0 : (differs | ((low() ^ o.low()) & leading(bits - 64))) == 0;
  }

 private:
  static uint64_t leading(unsigned bits) noexcept {
    return bits == 0 ? 0 : bits >= 64 ? ~uint64_t{0} : ~uint64_t{0} << (64 - bits);
  }
  uint64_t high() const noexcept { return load_be64(bytes.data()); }
  uint64_t low() const noexcept { return load_be64(bytes.data() + 8); }
};
static_assert(sizeof(IpAddress) == 16);

// A network: address and how many of its 128 leading bits count. An IPv4 /24 has bits = 120.
// bits = 0 holds every address.
struct IpPrefix {
  IpAddress address{};
  uint8_t bits = 0;

  bool contains(const IpAddress& a) const noexcept { return a.shares(bits, address); }
  bool operator==(const IpPrefix&) const noexcept = default;
};

std::string to_string(const IpAddress& a);  // "10.0.0.1", "fe80::1"
std::string to_ipv6_string(const IpAddress& a);  // "::ffff:10.0.0.1" too
std::string to_string(const IpPrefix& p);   // "10.0.0.0/24"; a single host without "/32"
Result<IpAddress> parse_ip_address(std::string_view text);
Result<IpPrefix> parse_ip_prefix(std::string_view text);  // address, or address/length

}  // namespace weir
