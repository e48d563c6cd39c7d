// SPDX-License-Identifier: Apache-2.0
// Private to match: whether a packet's headers and flow are what a rule's header asks for.
#pragma once

#include <algorithm>

#include "dataplane/base/bytes.h"
#include "dataplane/match/match.h"

namespace weir {

inline PacketKind kind_of(uint8_t proto) noexcept {
  switch (proto) {
    case kProtoTcp:
      return PacketKind::kTcp;
    case kProtoUdp:
      return PacketKind::kUdp;
    case kProtoSctp:
      return PacketKind::kSctp;
    case kProtoIcmp:
      return PacketKind::kIcmp4;
    case kProtoIcmp6:
      return PacketKind::kIcmp6;
    default:
      return PacketKind::kOther;
  }
}

// Whether x lies in one of the sorted, disjoint ranges.
template <class Range, class Value>
bool holds(std::span<const Range> ranges, const Value& x) noexcept {
  const auto above =
      std::upper_bound(ranges.begin(), ranges.end(), x,
                       [](const Value& value, const Range& range) { return value < range.first; });
  return above != ranges.begin() && !((above - 1)->last < x);
}

enum class Way : uint8_t { kAsSent, kBack };

class HeaderMatch {
 public:
  HeaderMatch(const RuleImage& image, const Headers& headers, const FlowSide& flow) noexcept
      : image_(image), headers_(headers), flow_(flow) {
    const bool v6 = headers.ip_version == 6;
    kind_bit_ =
        static_cast<uint16_t>(1u << (static_cast<unsigned>(kind_of(headers.proto)) + (v6 ? 8 : 0)));
    // ICMP's type and code stand in the same fields, but they are no ports.
    has_ports_ = headers.has(kHasL4) && (headers.proto == kProtoTcp || headers.proto == kProtoUdp ||
                                         headers.proto == kProtoSctp);
  }

  // What the packet and its flow are, whatever they say. Way::kBack: seen as one from its receiver
  // to its sender.
  bool agrees(const ImageRule& rule, Way way = Way::kAsSent) const noexcept {
    if ((rule.kinds & kind_bit_) == 0) return false;
    if ((rule.flags & kRuleNeedsPorts) != 0 && !has_ports_) return false;
    if ((rule.flow != 0 || rule.applications != 0) && !flow_agrees(rule, way)) return false;
    const Headers& h = headers_;
    const bool both = (rule.flags & kRuleBothWays) != 0;
    if ((both || way == Way::kAsSent) && ends_agree(rule, h.src, h.src_port, h.dst, h.dst_port)) {
      return true;
    }
    return (both || way == Way::kBack) && ends_agree(rule, h.dst, h.dst_port, h.src, h.src_port);
  }

 private:
  bool flow_agrees(const ImageRule& rule, Way way) const noexcept {
    if (!flow_.known) return false;
    if (rule.applications != 0 && (rule.applications & flow_.applications) == 0) return false;
    const bool to_server = flow_.to_server == (way == Way::kAsSent);
    if ((rule.flow & kFlowToServer) != 0 && !to_server) return false;
    if ((rule.flow & kFlowToClient) != 0 && to_server) return false;
    if ((rule.flow & kFlowIsEstablished) != 0 && !flow_.established) return false;
    return (rule.flow & kFlowNotEstablished) == 0 || !flow_.established;
  }

  bool ends_agree(const ImageRule& rule, const IpAddress& src, uint16_t src_port,
                  const IpAddress& dst, uint16_t dst_port) const noexcept {
    if ((rule.flags & kRuleNeedsPorts) != 0) {
      if (src_port < rule.src_port_first || src_port > rule.src_port_last ||
          dst_port < rule.dst_port_first || dst_port > rule.dst_port_last ||
          !port_in(rule.src_ports, src_port) || !port_in(rule.dst_ports, dst_port)) {
        return false;
      }
    }
    return address_in(rule.src_set, src) && address_in(rule.dst_set, dst);
  }

  bool port_in(uint32_t set, uint16_t port) const noexcept {
    if (set == kNoIndex) return true;
    const ImageSpan s = image_.port_sets()[set];
    return holds(image_.port_ranges().subspan(s.first, s.count), port);
  }

  bool address_in(uint32_t set, const IpAddress& address) const noexcept {
    if (set == kNoIndex) return true;
    const AddressSet& s = image_.address_sets()[set];
    if (headers_.ip_version == 6) {
      return holds(image_.v6_ranges().subspan(s.v6.first, s.v6.count), address);
    }
    return holds(image_.v4_ranges().subspan(s.v4.first, s.v4.count),
                 load_be32(address.bytes.data() + 12));
  }

  const RuleImage& image_;
  const Headers& headers_;
  const FlowSide flow_;
  uint16_t kind_bit_ = 0;
  bool has_ports_ = false;
};

// Keeps the best kHitsMax, best first.
inline void keep_hit(Hits& hits, uint32_t index) noexcept {
  unsigned at = hits.count;
  while (at > 0 && hits.rule[at - 1] > index) --at;
  if (at > 0 && hits.rule[at - 1] == index) return;
  if (hits.count == kHitsMax) hits.truncated = true;
  if (at == kHitsMax) return;
  const unsigned kept = std::min<unsigned>(hits.count, kHitsMax - 1);
  for (unsigned i = kept; i > at; --i) hits.rule[i] = hits.rule[i - 1];
  hits.rule[at] = index;
  hits.count = static_cast<uint8_t>(kept + 1);
}

inline bool is_passed(const Hits& hits, const LoadedRules& rules) noexcept {
  return hits.count != 0 && rules.rule(hits.rule[0]).action == Action::kPass;
}

// Pass wins: nothing else is told of this packet.
inline void let_pass_win(Hits& hits, const LoadedRules& rules) noexcept {
  if (!is_passed(hits, rules)) return;
  hits.count = 1;
  hits.truncated = false;
}

}  // namespace weir
