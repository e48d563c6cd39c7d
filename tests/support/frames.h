// SPDX-License-Identifier: Apache-2.0
// Builds whole frames, checksums right, for tests of the data plane. Layers are put on from the
// outside in: Frame().ethernet().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpSyn).
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/decode/decode.h"

namespace weir::testing {

class Frame {
 public:
  Frame& ethernet(uint16_t type = 0x0800) {
    raw({2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1});
    return u16(type);
  }
  // After ethernet(0x8100) or (0x88a8): one tag and the type that follows it.
  Frame& vlan(uint16_t id, uint16_t type = 0x0800) { return u16(id).u16(type); }
  Frame& ipv4(const std::string& src, const std::string& dst, uint8_t proto = kProtoTcp,
              uint16_t fragment = 0) {
    l3_ = bytes_.size();
    src_ = *parse_ip_address(src);
    dst_ = *parse_ip_address(dst);
    raw({0x45, 0, 0, 0, 0, 1}).u16(fragment).raw({64, proto, 0, 0});
    append(src_.bytes.data() + 12, 4);
    append(dst_.bytes.data() + 12, 4);
    v4_ = true;
    proto_ = proto;
    return *this;
  }
  Frame& ipv6(const std::string& src, const std::string& dst, uint8_t next = kProtoTcp) {
    l3_ = bytes_.size();
    src_ = *parse_ip_address(src);
    dst_ = *parse_ip_address(dst);
    raw({0x60, 0, 0, 0, 0, 0, next, 64});
    append(src_.bytes.data(), 16);
    append(dst_.bytes.data(), 16);
    v4_ = false;
    proto_ = next;
    return *this;
  }
  Frame& tcp(uint16_t src, uint16_t dst, uint8_t flags, const std::string& payload = "",
             uint32_t seq = 1, uint32_t ack = 0) {
    l4_ = bytes_.size();
    proto_ = kProtoTcp;
    u16(src).u16(dst).u32(seq).u32(ack).raw({0x50, flags, 0x20, 0, 0, 0, 0, 0});
    return text(payload).seal(16);
  }
  Frame& udp(uint16_t src, uint16_t dst, const std::string& payload = "") {
    l4_ = bytes_.size();
    proto_ = kProtoUdp;
    u16(src).u16(dst).u16(static_cast<uint16_t>(8 + payload.size())).u16(0);
    return text(payload).seal(6);
  }
  Frame& icmp(uint8_t type, uint8_t code, const std::string& rest = "") {
    raw({type, code, 0, 0, 0, 0, 0, 0});
    return text(rest).seal(0);
  }
  Frame& raw(std::initializer_list<int> values) {
    for (const int v : values) bytes_.push_back(static_cast<uint8_t>(v));
    return *this;
  }
  Frame& text(const std::string& s) {
    append(reinterpret_cast<const uint8_t*>(s.data()), s.size());
    return *this;
  }
  Frame& u16(uint16_t v) { return raw({v >> 8, v & 0xff}); }
  Frame& u32(uint32_t v) {
    return u16(static_cast<uint16_t>(v >> 16)).u16(static_cast<uint16_t>(v));
  }
  Frame& at(size_t offset, uint8_t v) {
    bytes_[offset] = v;
    return *this;
  }
  // Fills lengths and checksums of the last IP layer. checksum_at: within the transport header; 0:
  // none.
  Frame& seal(size_t checksum_at = 0) {
    const auto l3_bytes = static_cast<uint16_t>(bytes_.size() - l3_);
    if (v4_) {
      store_be16(&bytes_[l3_ + 2], l3_bytes);
      store_be16(&bytes_[l3_ + 10], 0);
      store_be16(&bytes_[l3_ + 10], sum(&bytes_[l3_], 20, 0));
    } else {
      store_be16(&bytes_[l3_ + 4], static_cast<uint16_t>(l3_bytes - 40));
    }
    if (checksum_at != 0) {
      const size_t length = bytes_.size() - l4_;
      const size_t skip = v4_ ? 12 : 0, width = v4_ ? 4 : 16;
      uint64_t pseudo = proto_ + length;
      pseudo = add(src_.bytes.data() + skip, width, pseudo);
      pseudo = add(dst_.bytes.data() + skip, width, pseudo);
      store_be16(&bytes_[l4_ + checksum_at], 0);
      store_be16(&bytes_[l4_ + checksum_at], sum(&bytes_[l4_], length, pseudo));
    }
    return *this;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  PacketView view(TimeNs now = 0, Side side = Side::kA) const {
    const auto n = static_cast<uint32_t>(bytes_.size());
    return {.data = bytes_.data(), .bytes = n, .wire_bytes = n, .time_ns = now, .side = side};
  }
  Headers headers(LinkType link = LinkType::kEthernet) const {
    Headers h;
    decode_packet(view(), link, h);
    return h;
  }

 private:
  static uint64_t add(const uint8_t* p, size_t n, uint64_t s) {
    for (; n >= 2; p += 2, n -= 2) s += load_be16(p);
    return n == 1 ? s + (static_cast<uint64_t>(*p) << 8) : s;
  }
  static uint16_t sum(const uint8_t* p, size_t n, uint64_t s) {
    s = add(p, n, s);
    while (s >> 16 != 0) s = (s >> 16) + (s & 0xffff);
    return static_cast<uint16_t>(~s);
  }
  void append(const uint8_t* p, size_t n) { bytes_.insert(bytes_.end(), p, p + n); }
  std::vector<uint8_t> bytes_;
  size_t l3_ = 0, l4_ = 0;
  IpAddress src_, dst_;
  uint8_t proto_ = 0;
  bool v4_ = true;
};

}  // namespace weir::testing
