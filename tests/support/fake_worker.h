// SPDX-License-Identifier: Apache-2.0
// A worker without packets: takes verdict commands from its mailbox, answers with reports, stops
// flows as a worker would (pass over drop, the operator over models), and writes flow records into
// its ring. For tests of the control plane against a segment in ordinary memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>

#include "dataplane/contract/segment.h"
#include "tests/support/records.h"

namespace weir::test {

enum class Outcome { kAnswered, kRefused, kSilent };

class FakeWorker {
 public:
  FakeWorker(Segment& segment, uint32_t index)
      : segment_(segment), index_(index), ring_(segment.event_ring(index)) {}

  // The data plane comes up, or comes up again with nothing it had.
  void start(TimeNs) {
    Presence& me = segment_.header().dataplane;
    verdicts_.clear();
    waiting_.clear();
    segment_.worker(index_).mailbox.reset();
    if (index_ == 0) me.epoch.fetch_add(1, std::memory_order_relaxed);
    me.state.store(ProgramState::kRunning, std::memory_order_release);
  }

  uint32_t commands_max = 64;  // taken per step; 0: it does not look at its mailbox
  uint32_t verdicts_max = 65'536;
  uint64_t installs = 0, lost_records = 0;

  void step(TimeNs now) {
    VerdictCommand c;
    for (uint32_t n = 0; n < commands_max && segment_.worker(index_).mailbox.pop(c); ++n) {
      apply(c, now);
    }
    while (!waiting_.empty() && waiting_.front().first <= now) {
      push(waiting_.front().second);
      waiting_.pop_front();
    }
    for (auto it = verdicts_.begin(); it != verdicts_.end();) {
      if (it->second.verdict.expire_ns > now) {
        ++it;
        continue;
      }
      report(it->second, ReportKind::kExpired, now);
      it = verdicts_.erase(it);
    }
  }

  // A first packet of a flow and what becomes of it. false: a verdict stopped it.
  bool flow(const Endpoints& e, Outcome outcome, TimeNs now, bool with_end = false) {
    const FlowId id = (FlowId{index_} << 56) | ++flows_;
    push(flow_start(id, e, now));
    if (Standing* s = deciding(e); s != nullptr && s->verdict.action == Action::kDrop) {
      if (s->packets++ == 0) {
        s->first_hit_ns = now;
        report(*s, ReportKind::kFirstHit, now);
      }
      s->bytes += 60;
      s->last_hit_ns = now;
      auto r = flow_update(id, e, UpdateCause::kNoAnswer, now, now + kNsPerSecond);
      r.verdict = s->verdict.id;
      if (e.proto == kTcp) waiting_.push_back({now + kNsPerSecond, r});
      return false;
    }
    if (outcome == Outcome::kSilent) {
      const auto r = flow_update(id, e, UpdateCause::kNoAnswer, now, now + kNsPerSecond);
      if (e.proto == kTcp) waiting_.push_back({now + kNsPerSecond, r});
      return true;
    }
    const TimeNs then = now + 200 * kNsPerUs;
    const bool answered = outcome == Outcome::kAnswered;
    push(flow_update(id, e, answered ? UpdateCause::kEstablished : UpdateCause::kRefused, now,
                     then));
    if (with_end) {
      push(flow_end(id, e, answered ? FlowState::kClosed : FlowState::kRefused, now, then));
    }
    return true;
  }

  template <class T>
  void push(T r) {
    r.header.worker = static_cast<uint8_t>(index_);
    if (!ring_.push(&r, sizeof r)) ++lost_records;
  }

  bool stops(const Endpoints& e) {
    const Standing* s = deciding(e);
    return s != nullptr && s->verdict.action == Action::kDrop;
  }
  size_t standing() const { return verdicts_.size(); }
  const Verdict* standing(VerdictId id) const {
    const auto it = verdicts_.find(id);
    return it == verdicts_.end() ? nullptr : &it->second.verdict;
  }
  // As an earlier control process left it.
  void put(const Verdict& v, TimeNs now) { verdicts_[v.id] = {v, now}; }

 private:
  struct Standing {
    Verdict verdict;
    TimeNs installed_ns = 0;
    uint64_t packets = 0, bytes = 0;
    TimeNs first_hit_ns = 0, last_hit_ns = 0;
  };

  static bool agrees(const VerdictMatch& m, const Endpoints& e) {
    const auto one_way = [&m](const IpAddress& src, uint16_t sport, const IpAddress& dst,
                              uint16_t dport) {
      return m.src.contains(src) && m.dst.contains(dst) &&
             (m.src_port == 0 || m.src_port == sport) && (m.dst_port == 0 || m.dst_port == dport);
    };
    if (m.proto != 0 && m.proto != e.proto) return false;
    return one_way(e.src, e.src_port, e.dst, e.dst_port) ||
           (m.either && one_way(e.dst, e.dst_port, e.src, e.src_port));
  }
  bool is_spared(VerdictId from, const Endpoints& e) const {
    return std::any_of(verdicts_.begin(), verdicts_.end(), [&](const auto& entry) {
      const Verdict& v = entry.second.verdict;
      return v.action == Action::kSpare && v.spared_from == from && agrees(v.match, e);
    });
  }
  Standing* deciding(const Endpoints& e) {
    Standing* best = nullptr;
    int best_rank = -1;
    for (auto& [id, s] : verdicts_) {
      if (s.verdict.action == Action::kSpare || !agrees(s.verdict.match, e)) continue;
      if (is_spared(id, e)) continue;
      const int rank = (s.verdict.origin == Origin::kOperator ? 2 : 0) +
                       (s.verdict.action == Action::kPass ? 1 : 0);
      if (rank > best_rank) best = &s, best_rank = rank;
    }
    return best;
  }
  void apply(const VerdictCommand& c, TimeNs now) {
    const VerdictId id = c.verdict.id;
    switch (c.kind) {
      case CommandKind::kInstall: {
        ++installs;
        const bool room = verdicts_.contains(id) || verdicts_.size() < verdicts_max;
        if (!room) return report({c.verdict, 0}, ReportKind::kRefused, now);
        verdicts_[id] = {c.verdict, now};
        return report(verdicts_[id], ReportKind::kInstalled, now);
      }
      case CommandKind::kRemove: {
        const auto it = verdicts_.find(id);
        report(it == verdicts_.end() ? Standing{} : it->second, ReportKind::kRemoved, now);
        if (it != verdicts_.end()) verdicts_.erase(it);
        return;
      }
      case CommandKind::kList:
      case CommandKind::kListHits:
        for (const auto& [known, s] : verdicts_) report(s, ReportKind::kStanding, now);
        return report({}, ReportKind::kListEnd, now);
    }
  }
  void report(const Standing& s, ReportKind kind, TimeNs now) {
    auto r = record<VerdictReport>(RecordType::kVerdictReport, now);
    r.verdict = s.verdict;
    r.kind = kind;
    r.installed_ns = s.installed_ns;
    r.packets = s.packets;
    r.bytes = s.bytes;
    r.first_hit_ns = s.first_hit_ns;
    r.last_hit_ns = s.last_hit_ns;
    push(r);
  }

  Segment& segment_;
  uint32_t index_;
  SpscByteRing ring_;
  std::map<VerdictId, Standing> verdicts_;
  std::deque<std::pair<TimeNs, FlowUpdate>> waiting_;  // answers that will not come
  uint64_t flows_ = 0;
};

}  // namespace weir::test
