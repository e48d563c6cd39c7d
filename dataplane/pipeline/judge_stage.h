// SPDX-License-Identifier: Apache-2.0
// Private to pipeline: between parsers and rules. What a parser states while a packet is looked
// into is told as evidence, and held against the rules at once, in that packet's name: it has not
// been decided yet, so a rule can stop it and what follows. Where no rule asks for anything of the
// kind, that costs a comparison.
#pragma once

#include "dataplane/contract/settings.h"
#include "dataplane/features/features.h"
#include "dataplane/flow/flow.h"
#include "dataplane/match/match.h"

namespace weir {

// What rules may ask of t's flow, and of the packet's place in it.
inline FlowSide flow_side_of(const Headers& h, const Tracked& t) noexcept {
  FlowSide side;
  if (t.flow == nullptr) return side;
  const Flow& f = *t.flow;
  side.known = true;
  side.to_server = t.direction == 0;
  const bool opens = h.proto == kProtoTcp && (h.tcp_flags & kTcpSyn) != 0;
  side.established =
      !opens && (f.state == FlowState::kEstablished || f.state == FlowState::kClosed);
  if (f.protocol != 0) side.applications = uint64_t{1} << (f.protocol - 1);
  return side;
}

class JudgeStage final : public EvidenceSink {
 public:
  explicit JudgeStage(EventWriter& events) noexcept : events_(events) {}

  // rules: null, or not empty. worker: whose Matcher it uses.
  void use(const LoadedRules* rules, unsigned worker) noexcept {
    rules_ = rules;
    worker_ = worker;
  }
  uint64_t wanted_kinds() const noexcept {
    return rules_ == nullptr ? 0 : rules_->wanted_kinds();
  }

  // The packet at hand, until leave(); it has a flow, and only what is stated of that is judged.
  // Not called for packets that no rule is to see.
  void enter(const Headers& h, const Tracked& t, CycleBudget& budget) noexcept {
    headers_ = &h;
    tracked_ = &t;
    budget_ = &budget;
  }
  void leave() noexcept { tracked_ = nullptr; }

  // Takes what has hit since; `transaction` is then that of the event that did. true: some.
  bool take(Hits& hits, uint32_t& transaction) noexcept {
    if (hits_.count == 0) return false;
    add_hits(hits, hits_, *rules_);
    transaction = transaction_;
    hits_.count = 0;
    hits_.truncated = false;
    transaction_ = kNoTransaction;
    return true;
  }
  MatchCounts take_counts() noexcept { return std::exchange(counts_, {}); }

  void evidence(const Evidence& e) noexcept override {
    events_.evidence(e);
    judge(e);
  }
  void under_way(const Evidence& e) noexcept override { judge(e); }

 private:
  void judge(const Evidence& e) noexcept {
    // First: between packets the rules may be gone.
    if (tracked_ == nullptr || tracked_->flow->id != e.flow) return;
    if ((wanted_kinds() >> static_cast<unsigned>(e.kind) & 1) == 0) return;
    FlowSide side = flow_side_of(*headers_, *tracked_);
    side.applications |= uint64_t{1} << static_cast<unsigned>(e.kind);
    const unsigned before = hits_.count;
    const MatchCounts one =
        match_stated(e, *headers_, side, *rules_, rules_->matcher(worker_), *budget_, hits_);
    counts_.unscanned += one.unscanned;
    counts_.bytes += one.bytes;
    if (hits_.count == before) return;
    // Of hits in several events nobody could say which is whose.
    transaction_ = before == 0 || transaction_ == e.transaction ? e.transaction : kNoTransaction;
  }

  EventWriter& events_;
  const LoadedRules* rules_ = nullptr;
  unsigned worker_ = 0;
  const Headers* headers_ = nullptr;
  const Tracked* tracked_ = nullptr;
  CycleBudget* budget_ = nullptr;
  Hits hits_;
  MatchCounts counts_;
  uint32_t transaction_ = kNoTransaction;
};

}  // namespace weir
