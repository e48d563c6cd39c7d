// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/ip_address.h"

#include <arpa/inet.h>

#include <charconv>

namespace weir {

std::string to_string(const IpAddress& a) {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = a.is_v4();
  inet_ntop(v4 ? AF_INET : AF_INET6, a.bytes.data() + (v4 ? 12 : 0), text, sizeof text);
  return text;
}

std::string to_ipv6_string(const IpAddress& a) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, a.bytes.data(), text, sizeof text);
  return text;
}

std::string to_string(const IpPrefix& p) {
  if (p.bits == 128) return to_string(p.address);
  if (p.bits == 0) return "any";
  const bool v4 = p.address.is_v4() && p.bits >= 96;
  return to_string(p.address) + "/" + std::to_string(p.bits - (v4 ? 96 : 0));
}

Result<IpAddress> parse_ip_address(std::string_view text) {
  const std::string copy(text);
  uint8_t raw[16];
  if (inet_pton(AF_INET, copy.c_str(), raw) == 1) return IpAddress::from_v4(raw);
  if (inet_pton(AF_INET6, copy.c_str(), raw) == 1) return IpAddress::from_v6(raw);
  return fail("'" + copy + "' is not an IPv4 or IPv6 address");
}

Result<IpPrefix> parse_ip_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  auto address = parse_ip_address(text.substr(0, slash));
  if (!address) return tl::make_unexpected(address.error());
  if (slash == std::string_view::npos) return IpPrefix{*address, 128};
  const std::string_view length = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, code] = std::from_chars(length.data(), length.data() + length.size(), bits);
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned most = v4 ? 32 : 128;
  if (code != std::errc{} || end != length.data() + length.size() || bits > most) {
    return fail("'" + std::string(text) + "': the prefix length must be 0 to " +
                std::to_string(most));
  }
  if (v4) bits += 96;
  return IpPrefix{masked(*address, bits), static_cast<uint8_t>(bits)};
}

}  // namespace weir
