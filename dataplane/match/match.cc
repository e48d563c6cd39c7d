// SPDX-License-Identifier: Apache-2.0
#include "dataplane/match/match.h"

#include <hs/hs_runtime.h>

#include <algorithm>

#include "dataplane/base/check.h"
#include "dataplane/match/contents.h"
#include "dataplane/match/rule_header.h"

namespace weir {

// One packet against the rules.
class PacketMatch {
 public:
  PacketMatch(const LoadedRules& rules, Matcher& matcher, const Headers& headers,
              const FlowSide& flow, Hits& hits) noexcept
      : rules_(rules),
        image_(rules.image()),
        matcher_(matcher),
        header_(image_, headers, flow),
        contents_(image_, matcher.room_),
        hits_(hits) {}

  // Returns how many bytes were scanned.
  uint32_t packet(const PacketView& view, const Headers& headers, Inspect inspect,
                  std::span<const uint8_t> before) noexcept {
    hits_.count = 0;
    hits_.truncated = false;
    if (inspect == Inspect::kNo || !headers.has(kHasIp)) return 0;
    begin(payload_of(view, headers), before);
    const PacketKind kind = kind_of(headers.proto);
    if (inspect == Inspect::kFirstOfDirection) {
      for (uint32_t rule : image_.header_list(HeaderList::kOncePerDirection, kind)) ask(rule);
    }
    for (uint32_t rule : image_.header_list(HeaderList::kEachPacket, kind)) ask(rule);
    return scan();
  }

  // More of its packet's stream, for the rules that ask the stream. Returns as packet().
  uint32_t more(std::span<const uint8_t> bytes, std::span<const uint8_t> before) noexcept {
    begin(bytes, before);
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
    let_pass_win(hits_, rules_);
    return scanned;
  }

  void begin(std::span<const uint8_t> payload, std::span<const uint8_t> before) noexcept {
    payload_ = payload;
    join(before);
    contents_.begin(window_, payload_);
    passed_ = is_passed(hits_, rules_);
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
    if (rule.contents_count == 0 || rule.payload_min != 0 || rule.payload_max != 65535 ||
        (rule.flow & kFlowPacketsAlone) != 0) {
      return false;
    }
    bool first = true;
    for (const ImageContent& c : contents_of(rule)) {
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
    const auto contents = contents_of(rule);
    contents_.look_at(window_);
    bool agrees = contents_.agree(contents, Proof::kHolds);
    contents_.look_at(window_.first(window_.size() - payload_.size()));
    agrees = agrees && !contents_.agree(contents, Proof::kNone);
    contents_.look_at(payload_);
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
    if (passed_ && index > hits_.rule[0]) return;
    const ImageRule& rule = image_.rules()[index];
    if (!payload_agrees(rule) || !header_.agrees(rule)) return;
    const bool joined = of_stream_alone_ || window_.size() != payload_.size();
    // Proven for the window: in a part of it only if that is all of it.
    const Proof proof = joined ? Proof::kNone : Proof::kHolds;
    if ((!of_stream_alone_ && contents_.agree(contents_of(rule), proof)) ||
        (joined && stream_agrees(rule))) {
      keep_hit(hits_, index);
      passed_ = is_passed(hits_, rules_);
    }
  }

  bool payload_agrees(const ImageRule& rule) const noexcept {
    const size_t bytes = payload_.size();
    if (bytes < rule.payload_min || bytes > rule.payload_max) return false;
    return (rule.flags & kRuleNeedsPayload) == 0 || bytes != 0;
  }

  std::span<const ImageContent> contents_of(const ImageRule& rule) const noexcept {
    return image_.contents().subspan(rule.contents, rule.contents_count);
  }

  const LoadedRules& rules_;
  const RuleImage& image_;
  Matcher& matcher_;
  HeaderMatch header_;
  ContentMatch contents_;
  Hits& hits_;
  std::span<const uint8_t> payload_;
  std::span<const uint8_t> window_;  // ends with the payload
  bool passed_ = false;              // hits_.rule[0] is a pass rule
  bool of_stream_alone_ = false;
};

MatchCounts match(std::span<const PacketView> packets, std::span<const Headers> headers,
                  std::span<Inspect> inspect, const LoadedRules& rules, Matcher& matcher,
                  CycleBudget& budget, std::span<Hits> hits, std::span<const uint8_t> before,
                  const FlowSide& flow) noexcept {
  MatchCounts counts;
  if (rules.count() == 0) {
    for (Hits& h : hits) {
      h.count = 0;
      h.truncated = false;
    }
    return counts;
  }
  for (size_t i = 0; i < packets.size(); ++i) {
    if (inspect[i] != Inspect::kNo && budget.is_spent()) {
      inspect[i] = Inspect::kNo;
      ++counts.unscanned;
    }
    PacketMatch one(rules, matcher, headers[i], flow, hits[i]);
    const uint32_t scanned = one.packet(packets[i], headers[i], inspect[i], before);
    counts.packets += scanned != 0;
    counts.bytes += scanned;
  }
  return counts;
}

MatchCounts match_more(const Headers& headers, std::span<const uint8_t> bytes,
                       std::span<const uint8_t> before, const LoadedRules& rules, Matcher& matcher,
                       CycleBudget& budget, Hits& hits, const FlowSide& flow) noexcept {
  constexpr size_t kPartBytes = 32'768, kJoinedBytes = 1024;  // what a Matcher has room for
  MatchCounts counts;
  if (rules.count() == 0) return counts;
  PacketMatch packet_match(rules, matcher, headers, flow, hits);
  for (size_t at = 0; at < bytes.size(); at += kPartBytes) {
    if (budget.is_spent()) {
      counts.unscanned = 1;
      return counts;
    }
    const auto part = bytes.subspan(at, std::min(kPartBytes, bytes.size() - at));
    if (at != 0) before = bytes.subspan(at - kJoinedBytes, kJoinedBytes);
    counts.bytes += packet_match.more(part, before);
  }
  return counts;
}

}  // namespace weir
