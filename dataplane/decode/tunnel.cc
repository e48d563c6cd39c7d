// SPDX-License-Identifier: Apache-2.0
#include "dataplane/decode/tunnel.h"

#include "dataplane/base/bytes.h"

namespace weir {

namespace {

constexpr uint8_t kProtoIpIp = 4, kProtoIpv6 = 41, kProtoGre = 47;
constexpr unsigned kGtpExtensionsMax = 8;
constexpr uint16_t kGtpUserPort = 2152, kCapwapDataPort = 5247, kTeredoPort = 3544;
constexpr uint16_t kVxlanPort = 4789, kVxlanOldPort = 8472, kVxlanGpePort = 4790;
constexpr uint16_t kGenevePort = 6081;
constexpr uint16_t kBridged = 0x6558;  // transparent Ethernet bridging (RFC 1701)
constexpr uint16_t kErspan2 = 0x88be, kErspan3 = 0x22eb, kPptp = 0x880b, kWccp = 0x883e;

LinkHeader ip_at(uint32_t at) noexcept {
  return {.next = LinkNext::kIpByVersion, .offset = at};
}

LinkHeader ethernet_at(const Frame& f, uint32_t at) noexcept {
  if (!f.holds(at, 14)) return {};
  LinkHeader l = read_link(f.data + at, f.end - at, LinkType::kEthernet);
  l.offset += at;
  return l;
}

// A payload that an EtherType names.
LinkHeader typed_at(const Frame& f, uint16_t type, uint32_t at) noexcept {
  if (type == kBridged) return ethernet_at(f, at);
  return {.next = LinkNext::kEthertype, .ethertype = type, .offset = at};
}

// PPP as PPTP carries it: address and control may be left out, the protocol shortened (RFC 1661
// section 6.5, 6.6).
LinkHeader ppp_at(const Frame& f, uint32_t at) noexcept {
  if (f.holds(at, 2) && f.data[at] == 0xff && f.data[at + 1] == 0x03) at += 2;
  if (!f.holds(at, 2)) return {};
  const bool is_short = (f.data[at] & 1) != 0;
  const uint16_t protocol = is_short ? f.data[at] : load_be16(f.data + at);
  if (protocol != 0x0021 && protocol != 0x0057) return {};
  return ip_at(at + (is_short ? 1 : 2));
}

LinkHeader erspan_at(const Frame& f, uint16_t type, bool numbered, uint32_t at) noexcept {
  if (type == kErspan2) return ethernet_at(f, numbered ? at + 8 : at);  // without: type I
  if (!f.holds(at, 12)) return {};
  const bool has_platform = (f.data[at + 11] & 1) != 0;
  return ethernet_at(f, at + (has_platform ? 20 : 12));
}

LinkHeader gre_payload(const Frame& f, uint32_t at, uint32_t& network) noexcept {
  if (!f.holds(at, 4)) return {};
  const uint16_t flags = load_be16(f.data + at), type = load_be16(f.data + at + 2);
  const unsigned version = flags & 7;
  const bool has_key = (flags & 0x2000) != 0, numbered = (flags & 0x1000) != 0;
  uint32_t here = at + 4;
  if (version == 1) {  // RFC 2637 section 4.1
    if (type != kPptp || !has_key || !numbered) return {};
    return ppp_at(f, here + 8 + ((flags & 0x0080) != 0 ? 4 : 0));
  }
  if (version != 0 || (flags & 0x4000) != 0) return {};  // source routing: nobody's any more
  if ((flags & 0x8000) != 0) here += 4;
  if (has_key) {
    if (!f.holds(here, 4)) return {};
    if (type == kBridged) network = load_be32(f.data + here) >> 8;  // RFC 7637 section 3.2
    here += 4;
  }
  if (numbered) here += 4;
  if (type == kErspan2 || type == kErspan3) return erspan_at(f, type, numbered, here);
  if (type == kWccp) {  // version 2 puts 4 bytes of its own before the packet
    if (!f.holds(here, 1)) return {};
    return ip_at(f.data[here] >> 4 == 4 ? here : here + 4);
  }
  return typed_at(f, type, here);
}

// GTP-U version 1 (3GPP TS 29.281 section 5.1): where the user's packet begins.
LinkHeader gtp_payload(const Frame& f, uint32_t at) noexcept {
  if (!f.holds(at, 8)) return {};
  const uint8_t flags = f.data[at];
  const bool user_data = flags >> 5 == 1 && (flags & 0x10) != 0 && f.data[at + 1] == 0xff;
  if (!user_data) return {};
  uint32_t here = at + 8;
  if ((flags & 0x07) == 0) return ip_at(here);
  if (!f.holds(here, 4)) return {};
  uint8_t next = (flags & 0x04) != 0 ? f.data[here + 3] : uint8_t{0};
  here += 4;
  for (unsigned n = 0; next != 0 && n < kGtpExtensionsMax; ++n) {
    if (!f.holds(here, 1)) return {};
    const uint32_t bytes = f.data[here] * 4u;
    if (bytes == 0 || !f.holds(here, bytes)) return {};
    next = f.data[here + bytes - 1];
    here += bytes;
  }
  return next == 0 ? ip_at(here) : LinkHeader{};
}

// CAPWAP data channel (RFC 5415 section 4.3): an 802.3 or 802.11 frame.
LinkHeader capwap_payload(const Frame& f, uint32_t at) noexcept {
  if (!f.holds(at, 8)) return {};
  const uint32_t word = load_be32(f.data + at);
  const uint32_t header_bytes = (word >> 19 & 0x1f) * 4;
  const bool plain = word >> 24 == 0, fragment = (word & 0x80) != 0, native = (word & 0x100) != 0;
  if (!plain || fragment || header_bytes < 8 || !f.holds(at, header_bytes)) return {};
  const uint32_t inner = at + header_bytes;
  LinkHeader l = native ? read_tunnelled_80211(f.data + inner, f.end - inner)
                        : read_link(f.data + inner, f.end - inner, LinkType::kEthernet);
  l.offset += inner;
  return l;
}

// RFC 7348 section 5; draft-ietf-nvo3-vxlan-gpe section 3 where a next protocol is given.
LinkHeader vxlan_payload(const Frame& f, uint32_t at, bool generic, uint32_t& network) noexcept {
  if (!f.holds(at, 8) || (f.data[at] & 0x08) == 0) return {};
  network = load_be32(f.data + at + 4) >> 8;
  const bool named = generic && (f.data[at] & 0x04) != 0;
  if (!named || f.data[at + 3] == 3) return ethernet_at(f, at + 8);
  return f.data[at + 3] == 1 || f.data[at + 3] == 2 ? ip_at(at + 8) : LinkHeader{};
}

// RFC 8926 section 3.4.
LinkHeader geneve_payload(const Frame& f, uint32_t at, uint32_t& network) noexcept {
  if (!f.holds(at, 8) || f.data[at] >> 6 != 0) return {};
  const uint32_t options_bytes = (f.data[at] & 0x3fu) * 4;
  if ((f.data[at + 1] & 0x80) != 0 || !f.holds(at + 8, options_bytes)) return {};  // control
  network = load_be32(f.data + at + 4) >> 8;
  return typed_at(f, load_be16(f.data + at + 2), at + 8 + options_bytes);
}

// RFC 4380 section 5.1.1: authentication and origin indication may stand before the IPv6 packet.
LinkHeader teredo_payload(const Frame& f, uint32_t at) noexcept {
  if (f.holds(at, 4) && load_be16(f.data + at) == 0x0001) {
    at += 4u + f.data[at + 2] + f.data[at + 3] + 9;
  }
  if (f.holds(at, 8) && load_be16(f.data + at) == 0x0000) at += 8;
  if (!f.holds(at, 40) || f.data[at] >> 4 != 6) return {};
  return ip_at(at);
}

LinkHeader udp_payload(const Frame& f, const Headers& h, uint32_t& network) noexcept {
  const uint32_t at = h.payload_offset;
  const auto is_port = [&h](uint16_t port) { return h.src_port == port || h.dst_port == port; };
  if (is_port(kGtpUserPort)) {
    const LinkHeader l = gtp_payload(f, at);
    if (l.next != LinkNext::kNothing) return l;
  }
  if (is_port(kCapwapDataPort)) return capwap_payload(f, at);
  if (is_port(kTeredoPort)) return teredo_payload(f, at);
  switch (h.dst_port) {  // the source port is the sender's choice
    case kVxlanPort:
    case kVxlanOldPort:
      return vxlan_payload(f, at, false, network);
    case kVxlanGpePort:
      return vxlan_payload(f, at, true, network);
    case kGenevePort:
      return geneve_payload(f, at, network);
    default:
      return {};
  }
}

}  // namespace

LinkHeader tunnel_payload(const Frame& f, uint32_t at, const Headers& h,
                          uint32_t& network) noexcept {
  network = 0;
  switch (h.proto) {
    case kProtoIpIp:
    case kProtoIpv6:
      return ip_at(at);
    case kProtoGre:
      return gre_payload(f, at, network);
    case kProtoUdp:
      return h.has(kHasL4) ? udp_payload(f, h, network) : LinkHeader{};
    default:
      return {};
  }
}

}  // namespace weir
