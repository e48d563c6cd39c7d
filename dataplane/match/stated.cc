// SPDX-License-Identifier: Apache-2.0
// Rules over what parsers state. An event may come in parts, as more of it becomes known: a rule
// hits with the part that makes it hold, once.
#include <hs/hs_runtime.h>

#include <charconv>

#include "dataplane/base/check.h"
#include "dataplane/match/contents.h"
#include "dataplane/match/rule_header.h"

namespace weir {

namespace {

// As EVE shows them. Writes to `to`, which has room for three bytes of each; returns the end.
uint8_t* write_hex(std::span<const uint8_t> bytes, bool colons, uint8_t* to) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  bool first = true;
  for (const uint8_t b : bytes) {
    if (colons && !first) *to++ = ':';
    first = false;
    *to++ = static_cast<uint8_t>(kDigits[b >> 4]);
    *to++ = static_cast<uint8_t>(kDigits[b & 15]);
  }
  return to;
}

constexpr size_t kNumberBytesMax = 20;

uint8_t* write_text(const FactValue& v, uint8_t* to) noexcept {
  auto* chars = reinterpret_cast<char*>(to);
  switch (fact_info(v.fact).type) {
    case FactType::kHex:
      return write_hex(v.bytes, false, to);
    case FactType::kHexColon:
      return write_hex(v.bytes, true, to);
    case FactType::kNumber:
      return to + (std::to_chars(chars, chars + kNumberBytesMax, v.number()).ptr - chars);
    case FactType::kSigned: {
      const auto number = static_cast<int64_t>(v.number());
      return to + (std::to_chars(chars, chars + kNumberBytesMax, number).ptr - chars);
    }
    default:
      std::copy(v.bytes.begin(), v.bytes.end(), to);
      return to + v.bytes.size();
  }
}

}  // namespace

class StatedMatch {
 public:
  StatedMatch(const Evidence& event, const Headers& headers, const FlowSide& flow,
              const LoadedRules& rules, Matcher& matcher, Hits& hits) noexcept
      : event_(event),
        from_server_(flow.known && !flow.to_server),
        rules_(rules),
        image_(rules.image()),
        matcher_(matcher),
        header_(image_, headers, flow),
        contents_(image_, matcher.room_),
        hits_(hits) {}

  // Returns how many bytes were scanned.
  uint32_t run() noexcept {
    write_facts();
    if (shown_ == matcher_.stated_.size()) return 0;  // of what is new nobody asks anything
    if (++matcher_.event_ == 0) {                     // the numbers have gone round
      std::fill(matcher_.asked_.begin(), matcher_.asked_.end(), 0);
      matcher_.event_ = 1;
    }
    uint32_t scanned = 0;
    for (const StatedFact& f : matcher_.stated_) {
      fact_ = f.fact;
      for (const uint32_t rule : image_.fact_list(f.fact)) ask(rule);
      if (rules_.fact_database() == nullptr) continue;
      scanned += f.bytes;
      [[maybe_unused]] const hs_error_t code = hs_scan(
          rules_.fact_database(), reinterpret_cast<const char*>(matcher_.text_.data() + f.at),
          f.bytes + 1u, 0, matcher_.scratch_, on_pattern, this);
      ASSERT(code == HS_SUCCESS);
    }
    let_pass_win(hits_, rules_);
    return scanned;
  }

 private:
  // Those that a rule wants, as text.
  void write_facts() noexcept {
    matcher_.stated_.clear();
    shown_ = 0;
    size_t used = 0;
    const uint8_t* const shown_end = event_.facts.data() + event_.shown;
    each_fact(event_.facts, [&](const FactValue& v) {
      if (!rules_.wants(v.fact)) return;
      const size_t room = 1 + std::max(3 * v.bytes.size(), kNumberBytesMax);
      if (matcher_.text_.size() - used < room ||
          matcher_.stated_.size() == matcher_.stated_.capacity()) {
        return;  // cannot be: there is room for the longest event
      }
      uint8_t* const text = matcher_.text_.data() + used;
      text[0] = '.';
      const uint8_t* const end = write_text(v, text + 1);
      matcher_.stated_.push_back({v.fact, static_cast<uint16_t>(end - text - 1),
                                  static_cast<uint32_t>(used)});
      if (v.bytes.data() <= shown_end && event_.shown != 0) shown_ = matcher_.stated_.size();
      used += static_cast<size_t>(end - text);
    });
  }

  static int on_pattern(unsigned id, unsigned long long, unsigned long long, unsigned,
                        void* self) noexcept {
    auto& match = *static_cast<StatedMatch*>(self);
    const std::span<const FactPattern> patterns = match.image_.fact_patterns();
    if (id >= patterns.size()) return 0;  // the database is not ours to check
    const FactPattern& p = patterns[id];
    if (p.fact != static_cast<uint32_t>(match.fact_)) return 0;
    for (const uint32_t rule :
         match.image_.fact_pattern_rules().subspan(p.rules.first, p.rules.count)) {
      match.ask(rule);
    }
    return 0;
  }

  void ask(uint32_t index) noexcept {
    if (matcher_.asked_[index] == matcher_.event_) return;  // else many facts times many rules
    matcher_.asked_[index] = matcher_.event_;
    if (is_passed(hits_, rules_) && index > hits_.rule[0]) return;
    const ImageRule& rule = image_.rules()[index];
    const bool as_sent = header_.agrees(rule);
    // What the client said may be told of with the server's answer: then the rule may mean either.
    const bool may_turn = from_server_ && !event_.one_message;
    if (!as_sent && !(may_turn && header_.agrees(rule, Way::kBack))) return;
    const size_t all = matcher_.stated_.size();
    if (!holds(rule, 0, all)) return;
    if (shown_ != 0 && holds(rule, 0, shown_)) return;  // hit before
    if (!as_sent && shown_ != 0 && holds(rule, shown_, all)) return;  // the server's alone
    keep_hit(hits_, index);
  }

  // Whether facts [from, to) have all that the rule wants.
  bool holds(const ImageRule& rule, size_t from, size_t to) noexcept {
    for (const ImageBuffer& b : image_.buffers().subspan(rule.buffers, rule.buffers_count)) {
      if (!is_there(b, from, to)) return false;
    }
    return true;
  }

  bool is_there(const ImageBuffer& b, size_t from, size_t to) noexcept {
    if (event_.one_message && b.sayer != Sayer::kEither &&
        (b.sayer == Sayer::kClient) != event_.from_client) {
      return false;
    }
    for (size_t i = from; i < to; ++i) {
      const StatedFact& f = matcher_.stated_[i];
      const auto fact = static_cast<uint16_t>(f.fact);
      if (std::find(std::begin(b.fact), std::end(b.fact), fact) == std::end(b.fact)) continue;
      if (agrees(b, f)) return true;
    }
    return false;
  }

  bool agrees(const ImageBuffer& b, const StatedFact& f) noexcept {
    std::span<const uint8_t> text(matcher_.text_.data() + f.at, f.bytes + size_t{1});
    if ((b.flags & kBufferDotPrefix) == 0) text = text.subspan(1);
    if (text.size() < b.size_min || text.size() > b.size_max) return false;
    contents_.begin(text, text);
    if ((b.flags & kBufferLowerCase) != 0) contents_.fold();
    return contents_.agree(image_.contents().subspan(b.contents, b.contents_count), Proof::kNone);
  }

  const Evidence& event_;
  const bool from_server_;
  const LoadedRules& rules_;
  const RuleImage& image_;
  Matcher& matcher_;
  HeaderMatch header_;
  ContentMatch contents_;
  Hits& hits_;
  Fact fact_ = Fact::kCount;  // being scanned
  size_t shown_ = 0;          // so many of the stated rules have seen before
};

MatchCounts match_stated(const Evidence& event, const Headers& headers, const FlowSide& flow,
                         const LoadedRules& rules, Matcher& matcher, CycleBudget& budget,
                         Hits& hits) noexcept {
  MatchCounts counts;
  if ((rules.wanted_kinds() >> static_cast<unsigned>(event.kind) & 1) == 0) return counts;
  if (budget.is_spent()) {
    counts.unscanned = 1;
    return counts;
  }
  StatedMatch one(event, headers, flow, rules, matcher, hits);
  counts.bytes = one.run();
  return counts;
}

void add_hits(Hits& hits, const Hits& more, const LoadedRules& rules) noexcept {
  for (unsigned i = 0; i < more.count; ++i) keep_hit(hits, more.rule[i]);
  hits.truncated = hits.truncated || more.truncated;
  let_pass_win(hits, rules);
}

}  // namespace weir
