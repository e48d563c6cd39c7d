// SPDX-License-Identifier: Apache-2.0
// The only place that decides to drop. One Verdicts per worker, used by that worker alone: it keeps
// the standing verdicts (programmed by the control plane, gone when they expire) and turns them, a
// packet's rule hits and the wire's mode into one Decision per packet.
//
// Strongest first: a pass verdict; a drop, reject, keep or rate-limit verdict that the flow is not
// spared from; a rule that already blocks the flow; the packet's own hits. What is dropped always
// has a Reason.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/contract/event_record.h"
#include "dataplane/flow/flow.h"
#include "dataplane/match/match.h"

namespace weir {

struct Decision {
  VerdictId verdict = 0;  // that dropped it; 0: none
  uint32_t rule_sid = 0;  // that dropped it; 0: none
  uint32_t verdict_slot = 0xffffffff;
  Reason reason = Reason::kNone;         // enforced: anything else is not sent
  Reason would = Reason::kNone;          // what enforce would have said; equals reason there
  bool answer = false;                   // send RST or ICMP unreachable (kReject, enforced)
  FailCause opened = FailCause::kCount;  // went uninspected, as the wire's fail policy says
  bool settled = false;  // rules hit it, but an earlier packet of the burst had passed or
                         // blocked its flow: the hits count for nothing
};

// What came to light of a packet before its inspection, or kept it from it.
struct Plight {
  FailCause cause = FailCause::kCount;  // of not being inspected; kCount: it was
  Reason refused = Reason::kNone;       // why it is not to go on whatever is in it
};

// Receives what the control plane is to be told of verdicts.
class VerdictReports {
 public:
  virtual void report(const VerdictReport& r) = 0;

 protected:
  ~VerdictReports() = default;
};

class Meters;
class VerdictTable;
struct StandingVerdict;
struct VerdictHits;

class Verdicts {
 public:
  // meters: of every worker of the process; outlives them.
  Verdicts(uint32_t verdicts_max, Meters& meters);
  ~Verdicts();
  static uint64_t bytes_for(uint32_t verdicts_max) noexcept;

  // One command of the control plane; its outcome goes to `reports`. flows: to count what leaked.
  void apply(const VerdictCommand& command, const FlowTable& flows, TimeNs now,
             VerdictReports& reports);

  // Between bursts: expires at most 32 verdicts, goes on with a listing (16 reports), tells of
  // first hits.
  void step(TimeNs now, VerdictReports& reports);

  // The table as it stands now, for flows to be held against.
  class Standing {
   public:
    explicit Standing(uint32_t generation) noexcept : generation_(generation) {}
    bool is_known(const Flow& f) const noexcept { return f.verdict_generation == generation_; }
    bool has_none(const Flow& f) const noexcept {  // no branch: it is asked of every packet
      return (unsigned{is_known(f)} & unsigned{f.verdict_slot == kNoSlot}) != 0;
    }

   private:
    uint32_t generation_;
  };
  Standing now() const noexcept;

  // Before drop and judge: what stands against a flow is far from it in memory, and asked for all
  // at once it is waited for once. rows: all of which it is not known that nothing does.
  void fetch(std::span<const Tracked> tracked, Rows rows) const noexcept;

  // Before judge, on a wire that enforces; rows: packets whose flows there are and of which no more
  // is to be told than that they were dropped. Of these it drops silently, as decide() does, those
  // that a verdict or rule stops whatever is in them, where nothing is kept of their flow any more,
  // and writes reasons[i]. Returns them: no other stage need see them. A flow that it has dropped
  // all of in this burst is from then on kStopped.
  Rows drop(std::span<const PacketView> packets, std::span<const Tracked> tracked, FlowTable& flows,
            std::span<Reason> reasons, Rows rows) noexcept;

  // After drop: flows of rows that it did not drop are no longer kStopped. packets: all that track
  // counted; dropped: those that drop() dropped.
  static void resume(std::span<const PacketView> packets, std::span<const Tracked> tracked,
                     FlowTable& flows, Rows rows, Rows dropped) noexcept;

  // Stage, right after track: looks up the verdict of each packet's flow where it is not known yet
  // (new flow, table changed, application became known). Returns the packets that have a verdict
  // and writes decisions[i] of these, nothing decided yet.
  Rows judge(std::span<const PacketView> packets, std::span<const Headers> headers,
             std::span<const Tracked> tracked, const FlowTable& flows,
             std::span<Decision> decisions, Rows rows = kAllRows) noexcept;

  // Whether the packet's verdict stops it whatever is in it, so that nobody need look inside.
  bool is_stopped(const Decision& d) const noexcept;
  // Whether it is a pass verdict.
  bool is_trusted(const Decision& d) const noexcept;
  // Whether it is something that its device has always done: a verdict says so, and nothing else
  // concerns it.
  bool is_spared(const Decision& d) const noexcept;

  // Stage. became_known[i]: the packet told what application its flow is. plights[i]: what kept
  // rules from seeing it (the wire's fail policy then counts) or refuses it; neither touches what a
  // pass verdict covers. Writes decisions[i] and, of the flow, what its field comments say; of
  // `rows` alone: nothing concerns the others.
  void decide(std::span<const PacketView> packets, std::span<const Tracked> tracked,
              std::span<const bool> became_known, std::span<const Hits> hits,
              std::span<const Plight> plights, const LoadedRules* rules, const WireSettings& wire,
              FlowTable& flows, std::span<Decision> decisions, Rows rows = kAllRows) noexcept;

  // Packets that decide() let go are sent now (not held): remembered, to count what leaked.
  void passed(std::span<const PacketView> packets, std::span<const Tracked> tracked,
              Rows rows) noexcept;

  uint32_t standing() const noexcept;
  uint64_t installed() const noexcept { return installed_; }
  uint64_t expired() const noexcept { return expired_; }
  uint64_t refused() const noexcept { return refused_; }

 private:
  struct History;
  uint32_t entries_due(TimeNs now) noexcept;
  uint32_t verdict_of(const Tracked& tracked, const FlowTable& flows,
                      const PacketView& packet) noexcept;
  void look_up(Flow& flow, const FlowCold& cold, const PacketView& packet) noexcept;
  void decide_one(const PacketView& packet, const Tracked& tracked, const Hits& hits,
                  const Plight& plight, const LoadedRules* rules, const WireSettings& wire,
                  FlowTable& flows, Decision& decision) noexcept;
  bool is_over(const Tracked& tracked, const FlowTable& flows) const noexcept;
  void count_stopped(uint32_t slot, const PacketView& packet) noexcept;
  Reason by_verdict(const PacketView& packet, const Tracked& tracked, FlowTable& flows,
                    Decision& decision, bool& is_trusted) noexcept;
  bool is_within(const StandingVerdict& e, const PacketView& packet, const Tracked& tracked,
                 const FlowTable& flows) noexcept;
  Reason by_rules(const PacketView& packet, const Tracked& tracked, const Hits& hits,
                  const LoadedRules* rules, Mode mode, FlowTable& flows,
                  Decision& decision) noexcept;
  bool is_within(uint32_t limit, const LoadedRules& rules, const PacketView& packet,
                 const Tracked& tracked) noexcept;
  VerdictReport make_report(uint32_t slot, ReportKind kind, TimeNs now) const noexcept;
  VerdictReport make_report(const Verdict& v, ReportKind kind, TimeNs now) const noexcept;
  VerdictReport make_report(const StandingVerdict& e, const VerdictHits& hits, ReportKind kind,
                            TimeNs now) const noexcept;
  void count_leaks(StandingVerdict& e, const FlowTable& flows) const noexcept;

  std::unique_ptr<VerdictTable> table_;
  Meters& meters_;
  std::unique_ptr<History> history_;
  uint64_t installed_ = 0, expired_ = 0, refused_ = 0;
  TimeNs swept_ns_ = 0;
  uint32_t list_at_ = 0;  // position of a listing under way
  bool listing_ = false, listing_hits_only_ = false;
  static constexpr uint32_t kFirstHitsMax = 64;
  VerdictId first_hits_[kFirstHitsMax];
  uint32_t first_hits_count_ = 0;
};

// Frames that answer a rejected packet, made from it: TCP RST to both ends, ICMP or ICMPv6 port
// unreachable (RFC 792, RFC 4443 section 3.1) to the sender of anything else. None for what must
// not be answered: RST, ICMP errors, multicast, later fragments, tunnelled packets.
struct Answer {
  bool to_sender = false;  // leaves by the side the packet came in; else by the other
  uint16_t bytes = 0;
  uint8_t frame[1514];
};
// Writes at most two; returns how many.
size_t make_answers(const PacketView& packet, const Headers& headers, LinkType link,
                    std::span<Answer, 2> answers) noexcept;

}  // namespace weir
