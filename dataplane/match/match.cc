// SPDX-License-Identifier: Apache-2.0
#include "dataplane/match/match.h"

#include <hs/hs_runtime.h>

#include <algorithm>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/base/check.h"

namespace weir {

namespace {

PacketKind kind_of(uint8_t proto) noexcept {
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

}  // namespace

// One packet against the rules. Lives for a burst; begin() makes it the next packet's.
class PacketMatch {
 public:
  PacketMatch(const LoadedRules& rules, Matcher& matcher) noexcept
      : rules_(rules), image_(rules.image()), matcher_(matcher) {}

  // Returns how many bytes were scanned.
  uint32_t packet(const PacketView& view, const Headers& headers, Inspect inspect,
                  std::span<const uint8_t> before, Hits& hits) noexcept {
    hits.count = 0;
    hits.truncated = false;
    if (inspect == Inspect::kNo || !headers.has(kHasIp)) return 0;
    begin(payload_of(view, headers), headers, before, hits);
    const PacketKind kind = kind_of(headers.proto);
    if (inspect == Inspect::kFirstOfDirection) {
      for (uint32_t rule : image_.header_list(HeaderList::kOncePerDirection, kind)) ask(rule);
    }
    for (uint32_t rule : image_.header_list(HeaderList::kEachPacket, kind)) ask(rule);
    return scan();
  }

  // More of its packet's stream, for the rules that ask the stream. Returns as packet().
  uint32_t more(std::span<const uint8_t> bytes, const Headers& headers,
                std::span<const uint8_t> before, Hits& hits) noexcept {
    begin(bytes, headers, before, hits);
    of_stream_alone_ = true;
    const uint32_t scanned = scan();
    of_stream_alone_ = false;
    return scanned;
  }

 private:
  uint32_t scan() noexcept {
    uint32_t scanned = 0;
    if (!payload_.empty() && rules_.database() != nullptr) {
      scanned = static_cast<uint32_t>(window_.size());
      [[maybe_unused]] const hs_error_t code =
          hs_scan(rules_.database(), reinterpret_cast<const char*>(window_.data()), scanned, 0,
                  matcher_.scratch_, on_pattern, this);
      ASSERT(code == HS_SUCCESS);
    }
    if (passed_) {  // pass wins: nothing else is told of this packet
      hits_->count = 1;
      hits_->truncated = false;
    }
    return scanned;
  }

  void begin(std::span<const uint8_t> payload, const Headers& headers,
             std::span<const uint8_t> before, Hits& hits) noexcept {
    headers_ = &headers;
    hits_ = &hits;
    payload_ = payload;
    join(before);
    lowered_ = false;
    passed_ = hits.count != 0 && rules_.rule(hits.rule[0]).action == Action::kPass;
    const bool v6 = headers.ip_version == 6;
    kind_bit_ =
        static_cast<uint16_t>(1u << (static_cast<unsigned>(kind_of(headers.proto)) + (v6 ? 8 : 0)));
    // ICMP's type and code stand in the same fields, but they are no ports.
    has_ports_ = headers.has(kHasL4) && (headers.proto == kProtoTcp || headers.proto == kProtoUdp ||
                                         headers.proto == kProtoSctp);
  }

  // Makes the window: as much of `before` as fits, then the payload, which is then seen in it.
  void join(std::span<const uint8_t> before) noexcept {
    window_ = payload_;
    uint8_t* out = matcher_.window_.data();
    if (payload_.empty() || before.empty() || matcher_.window_.size() < payload_.size()) return;
    before = before.last(std::min(before.size(), matcher_.window_.size() - payload_.size()));
    std::copy(before.begin(), before.end(), out);
    std::copy(payload_.begin(), payload_.end(), out + before.size());
    window_ = {out, before.size() + payload_.size()};
    payload_ = window_.subspan(before.size());
  }

  // Whether the rule may be asked of the stream: nothing in it counts from where a packet begins or
  // ends.
  bool is_for_stream(const ImageRule& rule) const noexcept {
    if (rule.contents_count == 0 || rule.payload_min != 0 || rule.payload_max != 65535)
      return false;
    bool first = true;
    for (const ImageContent& c : image_.contents().subspan(rule.contents, rule.contents_count)) {
      if ((c.flags & (kContentNegated | kContentAtEnd)) != 0) return false;
      const bool relative = (c.flags & kContentRelative) != 0;
      if (relative ? first : (c.from != 0 || c.to != INT32_MAX)) return false;
      first = false;
    }
    return true;
  }

  // A match that ends in the payload but begins before it: in the window, and not yet without it.
  bool stream_agrees(const ImageRule& rule) noexcept {
    if (!is_for_stream(rule)) return false;
    const std::span<const uint8_t> payload = payload_;
    payload_ = window_;
    bool agrees = contents_agree(rule);
    payload_ = window_.first(window_.size() - payload.size());
    agrees = agrees && !contents_agree(rule);
    payload_ = payload;
    return agrees;
  }

  static int on_pattern(unsigned id, unsigned long long, unsigned long long, unsigned,
                        void* self) noexcept {
    auto& match = *static_cast<PacketMatch*>(self);
    const std::span<const ImageSpan> patterns = match.image_.patterns();
    if (id >= patterns.size()) return 0;  // the database is not ours to check
    for (uint32_t rule :
         match.image_.pattern_rules().subspan(patterns[id].first, patterns[id].count)) {
      match.ask(rule);
    }
    return 0;
  }

  void ask(uint32_t index) noexcept {
    if (passed_ && index > hits_->rule[0]) return;
    const ImageRule& rule = image_.rules()[index];
    if (!header_agrees(rule)) return;
    const bool joined = of_stream_alone_ || window_.size() != payload_.size();
    if ((!of_stream_alone_ && contents_agree(rule)) || (joined && stream_agrees(rule))) {
      hit(index, rule);
    }
  }

  // Keeps the best kHitsMax, best first.
  void hit(uint32_t index, const ImageRule& rule) noexcept {
    unsigned at = hits_->count;
    while (at > 0 && hits_->rule[at - 1] > index) --at;
    if (at > 0 && hits_->rule[at - 1] == index) return;
    if (hits_->count == kHitsMax) hits_->truncated = true;
    if (at == kHitsMax) return;
    const unsigned kept = std::min<unsigned>(hits_->count, kHitsMax - 1);
    for (unsigned i = kept; i > at; --i) hits_->rule[i] = hits_->rule[i - 1];
    hits_->rule[at] = index;
    hits_->count = static_cast<uint8_t>(kept + 1);
    if (at == 0) passed_ = rule.action == Action::kPass;
  }

  bool header_agrees(const ImageRule& rule) const noexcept {
    if ((rule.kinds & kind_bit_) == 0) return false;
    const size_t bytes = payload_.size();
    if (bytes < rule.payload_min || bytes > rule.payload_max) return false;
    if ((rule.flags & kRuleNeedsPayload) != 0 && bytes == 0) return false;
    if ((rule.flags & kRuleNeedsPorts) != 0 && !has_ports_) return false;
    const Headers& h = *headers_;
    if (ends_agree(rule, h.src, h.src_port, h.dst, h.dst_port)) return true;
    return (rule.flags & kRuleBothWays) != 0 &&
           ends_agree(rule, h.dst, h.dst_port, h.src, h.src_port);
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
    if (headers_->ip_version == 6) {
      return holds(image_.v6_ranges().subspan(s.v6.first, s.v6.count), address);
    }
    return holds(image_.v4_ranges().subspan(s.v4.first, s.v4.count),
                 load_be32(address.bytes.data() + 12));
  }

  static constexpr int64_t kNowhere = -1;

  // The payload as the content wants it: as it is, or in lower case (made once per packet).
  const uint8_t* text_for(const ImageContent& c) noexcept {
    if ((c.flags & kContentNocase) == 0) return payload_.data();
    if (!lowered_) {
      uint8_t* out = matcher_.lower_.data();
      for (size_t i = 0; i < window_.size(); ++i) {
        const uint8_t b = window_[i];
        out[i] = static_cast<uint8_t>(b + ((b >= 'A' && b <= 'Z') ? 'a' - 'A' : 0));
      }
      lowered_ = true;
    }
    return matcher_.lower_.data() + (payload_.data() - window_.data());
  }

  // First occurrence that begins at `from` or later; if it must end the payload, the only one.
  int64_t find(const ImageContent& c, int64_t from) noexcept {
    const auto size = static_cast<int64_t>(payload_.size());
    from = std::max<int64_t>(from, 0);
    if ((c.flags & kContentAtEnd) != 0) from = std::max(from, size - c.length);
    if (from > size - c.length) return kNowhere;
    const uint8_t* text = text_for(c);
    const void* at = memmem(text + from, static_cast<size_t>(size - from),
                            image_.bytes().data() + c.bytes, c.length);
    return at == nullptr ? kNowhere : static_cast<const uint8_t*>(at) - text;
  }

  // Rules with relative contents are answered exactly and in linear time: for each content the set
  // of all places where the chain up to it can end is kept, sorted, so neither a first match that
  // leads nowhere nor a payload made to backtrack matters.
  struct Ends {
    uint16_t* at;
    size_t count;
  };

  bool contents_agree(const ImageRule& rule) noexcept {
    if (rule.contents_count == 0) return true;
    uint16_t start = 0;  // before any match, relative means from the beginning
    Ends ends{&start, 1};
    Ends spare{matcher_.ends_[0].data(), 0}, next{matcher_.ends_[1].data(), 0};
    for (const ImageContent& c : image_.contents().subspan(rule.contents, rule.contents_count)) {
      const bool negated = (c.flags & kContentNegated) != 0;
      const bool keeps = (c.flags & kContentKeepEnds) != 0;
      // Proven for the window: in a part of it only if that is all of it.
      const bool whole = payload_.size() == window_.size();
      if ((c.flags & kContentProven) != 0 && !keeps && whole) continue;
      if ((c.flags & kContentRelative) == 0 && (negated || !keeps)) {
        if (occurs(c) == negated) return false;
        continue;
      }
      next.count = 0;
      if ((c.flags & kContentRelative) == 0) {
        const uint16_t zero = 0;
        follow(c, {&zero, 1}, keeps, next);
      } else if (negated) {
        keep_unfollowed(c, ends, next);
      } else {
        follow(c, {ends.at, ends.count}, keeps, next);
      }
      if (next.count == 0) return false;
      if (ends.at != &start) spare = ends;
      ends = next;
      next = spare;
    }
    return true;
  }

  static int64_t limit(int64_t end, const ImageContent& c) noexcept {
    return c.to == INT32_MAX ? INT64_MAX : end + c.to;
  }

  bool occurs(const ImageContent& c) noexcept {
    const int64_t at = find(c, c.from);
    return at != kNowhere && at + c.length <= limit(0, c);
  }

  // All ends of c that follow one of `before`; only the first one, unless all are needed.
  void follow(const ImageContent& c, std::span<const uint16_t> before, bool all,
              Ends& out) noexcept {
    size_t nearest = 0;
    const int64_t last = limit(before.back(), c);
    for (int64_t at = find(c, before.front() + int64_t{c.from}); at != kNowhere;
         at = find(c, at + 1)) {
      const int64_t end = at + c.length;
      if (end > last) return;
      // The latest of the earlier ends that still lies far enough before is the one that counts.
      while (nearest + 1 < before.size() && before[nearest + 1] + int64_t{c.from} <= at) ++nearest;
      if (end > limit(before[nearest], c)) continue;
      out.at[out.count++] = static_cast<uint16_t>(end);
      if (!all) return;
    }
  }

  // Those of `before` that no c follows.
  void keep_unfollowed(const ImageContent& c, const Ends& before, Ends& out) noexcept {
    int64_t at = 0;
    bool searched = false;
    for (size_t i = 0; i < before.count; ++i) {
      const int64_t from = std::max<int64_t>(before.at[i] + int64_t{c.from}, 0);
      if (!searched || (at != kNowhere && at < from)) at = find(c, from);
      searched = true;
      if (at == kNowhere || at + c.length > limit(before.at[i], c)) {
        out.at[out.count++] = before.at[i];
      }
    }
  }

  const LoadedRules& rules_;
  const RuleImage& image_;
  Matcher& matcher_;
  const Headers* headers_ = nullptr;
  Hits* hits_ = nullptr;
  std::span<const uint8_t> payload_;
  std::span<const uint8_t> window_;  // ends with the payload
  uint16_t kind_bit_ = 0;
  bool has_ports_ = false;
  bool lowered_ = false;
  bool passed_ = false;  // hits_->rule[0] is a pass rule
  bool of_stream_alone_ = false;
};

MatchCounts match(std::span<const PacketView> packets, std::span<const Headers> headers,
                  std::span<Inspect> inspect, const LoadedRules& rules, Matcher& matcher,
                  CycleBudget& budget, std::span<Hits> hits,
                  std::span<const uint8_t> before) noexcept {
  MatchCounts counts;
  if (rules.count() == 0) {
    for (Hits& h : hits) {
      h.count = 0;
      h.truncated = false;
    }
    return counts;
  }
  PacketMatch packet_match(rules, matcher);
  for (size_t i = 0; i < packets.size(); ++i) {
    if (inspect[i] != Inspect::kNo && budget.is_spent()) {
      inspect[i] = Inspect::kNo;
      ++counts.unscanned;
    }
    const uint32_t scanned =
        packet_match.packet(packets[i], headers[i], inspect[i], before, hits[i]);
    counts.packets += scanned != 0;
    counts.bytes += scanned;
  }
  return counts;
}

MatchCounts match_more(const Headers& headers, std::span<const uint8_t> bytes,
                       std::span<const uint8_t> before, const LoadedRules& rules, Matcher& matcher,
                       CycleBudget& budget, Hits& hits) noexcept {
  constexpr size_t kPartBytes = 32'768, kJoinedBytes = 1024;  // what a Matcher has room for
  MatchCounts counts;
  if (rules.count() == 0) return counts;
  PacketMatch packet_match(rules, matcher);
  for (size_t at = 0; at < bytes.size(); at += kPartBytes) {
    if (budget.is_spent()) {
      counts.unscanned = 1;
      return counts;
    }
    const auto part = bytes.subspan(at, std::min(kPartBytes, bytes.size() - at));
    if (at != 0) before = bytes.subspan(at - kJoinedBytes, kJoinedBytes);
    counts.bytes += packet_match.more(part, headers, before, hits);
  }
  return counts;
}

}  // namespace weir
