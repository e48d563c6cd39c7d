// SPDX-License-Identifier: Apache-2.0
#include "dataplane/decode/link.h"

#include "dataplane/base/bytes.h"

namespace weir {

namespace {

enum class ControlOrder : uint8_t { kAsSent, kSwapped };

constexpr uint16_t kEthertypeMin = 0x0600;  // below it: an 802.3 length, LLC follows

LinkHeader ethertype_at(uint16_t type, uint32_t offset) noexcept {
  return {.next = LinkNext::kEthertype, .ethertype = type, .offset = offset};
}

// 802.2 LLC with SNAP (RFC 1042) carries an ethertype; other LLC (STP and friends) is nothing to
// us.
LinkHeader read_llc(const uint8_t* data, uint32_t end, uint32_t at) noexcept {
  if (at > end || end - at < 8) return {};
  if (data[at] != 0xaa || data[at + 1] != 0xaa || data[at + 2] != 0x03) return {};
  return ethertype_at(load_be16(data + at + 6), at + 8);
}

LinkHeader read_ethernet(const uint8_t* data, uint32_t end, uint32_t at) noexcept {
  if (end - at < 14) return {};
  const uint16_t type = load_be16(data + at + 12);
  LinkHeader l = type >= kEthertypeMin ? ethertype_at(type, at + 14) : read_llc(data, end, at + 14);
  l.has_mac = at == 0;
  return l;
}

// The family's number differs between systems, and the packet says its version itself.
constexpr LinkHeader kAfterFamily{.next = LinkNext::kIpByVersion, .offset = 4};

LinkHeader read_ppp(const uint8_t* data, uint32_t end) noexcept {
  if (end < 4) return {};
  // Cisco HDLC and PPP in HDLC-like framing (RFC 1662) both have 4 bytes; bare PPP has 2.
  if (data[0] == 0x0f || data[0] == 0x8f) return ethertype_at(load_be16(data + 2), 4);
  const uint32_t at = data[0] == 0xff && data[1] == 0x03 ? 2 : 0;
  const uint16_t protocol = load_be16(data + at);
  if (protocol == 0x0021 || protocol == 0x0057) {
    return {.next = LinkNext::kIpByVersion, .offset = at + 2};
  }
  return {};
}

LinkHeader read_80211(const uint8_t* data, uint32_t end, uint32_t at,
                      ControlOrder order = ControlOrder::kAsSent) noexcept {
  if (at > end || end - at < 24) return {};
  const uint8_t kind = data[at + (order == ControlOrder::kAsSent ? 0 : 1)];
  const uint8_t flags = data[at + (order == ControlOrder::kAsSent ? 1 : 0)];
  const uint8_t type = (kind >> 2) & 3, subtype = kind >> 4;
  const bool is_protected = (flags & 0x40) != 0;
  if (type != 2 || (subtype & 4) != 0 || is_protected) return {};  // data frames with a body only
  uint32_t header = 24;
  if ((flags & 3) == 3) header += 6;                           // fourth address
  if ((subtype & 8) != 0) header += 2;                         // QoS control
  if ((subtype & 8) != 0 && (flags & 0x80) != 0) header += 4;  // HT control
  return read_llc(data, end, at + header);
}

LinkHeader read_radiotap(const uint8_t* data, uint32_t end) noexcept {
  if (end < 8) return {};
  const uint32_t bytes = data[2] | static_cast<uint32_t>(data[3]) << 8;
  if (bytes < 8 || bytes > end) return {};
  return read_80211(data, end, bytes);
}

LinkHeader read_ppi(const uint8_t* data, uint32_t end) noexcept {
  if (end < 8) return {};
  const uint32_t bytes = data[2] | static_cast<uint32_t>(data[3]) << 8;
  const uint32_t inner = data[4] | static_cast<uint32_t>(data[5]) << 8;
  if (bytes < 8 || bytes > end) return {};
  if (inner == 1) return read_ethernet(data, end, bytes);
  if (inner == 105) return read_80211(data, end, bytes);
  return {};
}

}  // namespace

LinkHeader read_tunnelled_80211(const uint8_t* data, uint32_t end) noexcept {
  const LinkHeader l = read_80211(data, end, 0);
  return l.next != LinkNext::kNothing ? l : read_80211(data, end, 0, ControlOrder::kSwapped);
}

LinkHeader read_link(const uint8_t* data, uint32_t end, LinkType link) noexcept {
  switch (link) {
    case LinkType::kEthernet:
      return read_ethernet(data, end, 0);
    case LinkType::kRawIp:
      return {.next = LinkNext::kIpByVersion, .offset = 0};
    case LinkType::kNull:
    case LinkType::kLoop:
      return end < 4 ? LinkHeader{} : kAfterFamily;
    case LinkType::kLinuxSll:
      return end < 16 ? LinkHeader{} : ethertype_at(load_be16(data + 14), 16);
    case LinkType::kLinuxSll2:
      return end < 20 ? LinkHeader{} : ethertype_at(load_be16(data), 20);
    case LinkType::kPpp:
      return read_ppp(data, end);
    case LinkType::kIeee80211:
      return read_80211(data, end, 0);
    case LinkType::kRadiotap:
      return read_radiotap(data, end);
    case LinkType::kPpi:
      return read_ppi(data, end);
    case LinkType::kUnknown:
      return {};
  }
  return {};
}

}  // namespace weir
