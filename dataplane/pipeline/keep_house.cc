// SPDX-License-Identifier: Apache-2.0
// What a worker does between bursts: commands, expiry, who is there to decide, counters, the end.
#include <algorithm>

#include "dataplane/pipeline/pacing.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/pipeline/stream_stage.h"

namespace weir {

namespace {

constexpr uint32_t kCommandsPerPoll = 64;
constexpr uint32_t kSweepPerPoll = 64;  // at most: flow slots, datagrams
constexpr uint32_t kUnansweredPerPoll = 64;
constexpr TimeNs kControlGoneNs = 3 * kNsPerSecond;  // six of its heartbeats
constexpr uint32_t kCpuEvery = 1024;  // polls; reading the thread's CPU clock is a system call

}  // namespace

void Worker::flow_ends(uint32_t index, EndReason why, TimeNs now) noexcept {
  Flow& flow = flows_.flow(index);
  parsers_.finish(flow, now);
  classifier_->finish(flow);
  streams_->release(flow, index);
  events_.flow_end(flows_.view(index), why, now);
}

// now: when the poll began. It may have taken long, on a shared core, and when a verdict came into
// force is told to people: the clock is read again.
void Worker::take_commands(TimeNs now) {
  if (share_.mailbox.empty()) return;
  if (is_live(header_)) now = PacketClock(static_cast<TimeNs>(header_.clock_offset_ns)).now();
  VerdictCommand command;
  for (uint32_t n = 0; n < kCommandsPerPoll && share_.mailbox.pop(command); ++n) {
    verdicts_.apply(command, flows_, now, events_);
  }
}

void Worker::keep_house(TimeNs now) {
  take_commands(now);
  verdicts_.step(now, events_);
  events_.tell_counted(now, false);
  fragments_.expire(now, kSweepPerPoll);
  if (polls_ % kPublishEvery == 0) look_at_control();
  if (pacing_->held.size != 0) release_held(now);
  flows_.unanswered(now, kUnansweredPerPoll, [&](uint32_t i) {
    pacing_->suspects.failed(endpoints_of(flows_.flow(i)).src, now);
    events_.flow_update(flows_.view(i), UpdateCause::kNoAnswer, now);
  });
  flows_.sweep(
      kSweepPerPoll, now,
      [&](uint32_t i) {
        const bool closed = flows_.flow(i).state == FlowState::kClosed;
        flow_ends(i, closed ? EndReason::kClosed : EndReason::kTimeout, now);
        ++track_stats_.ended;
      },
      [&](uint32_t i) {
        FlowCold& c = flows_.cold(i);
        if (!c.is_due(flows_.flow(i).last_ns, now, settings_.flow.update_every_ns)) return;
        c.tell(now);
        events_.flow_update(flows_.view(i), UpdateCause::kPeriodic, now);
      });
}

bool Worker::expects_verdict(TimeNs now) const noexcept {
  return pacing_->is_control_there && pacing_->suspects.expect_verdict(now);
}

// Who decides, and by which rules. Both are another program's, which may be away.
void Worker::look_at_control() noexcept {
  const TimeNs beat = header_.control.heartbeat_ns.load(std::memory_order_relaxed);
  const TimeNs age = clock_ns(CLOCK_MONOTONIC) - beat;
  pacing_->is_control_there = beat != 0 && age < kNsPerSecond;
  if (!is_live(header_)) return;
  const RuleSlot& slot = header_.rules;
  const bool reads_rules =
      header_.control.state.load(std::memory_order_relaxed) == ProgramState::kStarting ||
      slot.requested_generation.load(std::memory_order_relaxed) != 0;
  const bool awaits_rules =
      reads_rules && slot.loaded_generation.load(std::memory_order_relaxed) == 0;
  plight_ = beat == 0 || awaits_rules ? FailCause::kStarting
            : age > kControlGoneNs    ? FailCause::kControlGone
                                      : FailCause::kCount;
}

bool Worker::finish(TimeNs now, uint32_t flows_max) {
  pacing_->is_control_there = false;  // nothing stays in our hands
  release_held(now);
  uint32_t told = 0;
  for (; finish_at_ < flows_.capacity() && told < flows_max; ++finish_at_) {
    Flow& f = flows_.flow(finish_at_);
    if (f.id == 0) continue;
    const bool closed = f.state == FlowState::kClosed;
    flow_ends(finish_at_, closed ? EndReason::kClosed : EndReason::kShutdown, now);
    flows_.erase(finish_at_);
    ++track_stats_.ended;
    ++told;
  }
  if (finish_at_ >= flows_.capacity()) events_.tell_counted(now, true);
  publish_stats();
  return finish_at_ >= flows_.capacity();
}

void Worker::publish_stats() {
  StatsPage& s = share_.stats;
  s.flows_active.set(flows_.size());
  s.impossible.set(flows_.impossible());
  s.flows_created.set(track_stats_.created);
  s.flows_ended.set(track_stats_.ended);
  s.flows_evicted.set(track_stats_.evicted);
  s.flows_refused_full.set(track_stats_.refused_full);
  s.classified_packets.set(classifier_->stats().packets);
  s.classify_flows.set(classifier_->stats().active);
  s.classify_refused_full.set(classifier_->stats().refused_full);
  streams_->publish(s);
  const ParseStats& p = parsers_.stats();
  s.parse_flows.set(p.flows);
  s.parse_malformed.set(p.malformed);
  s.parse_evicted.set(p.evicted);
  s.parse_no_buffer.set(p.no_buffer);
  s.parse_gaps.set(p.gaps);
  s.verdicts_standing.set(verdicts_.standing());
  s.verdicts_installed.set(verdicts_.installed());
  s.verdicts_expired.set(verdicts_.expired());
  s.verdicts_refused.set(verdicts_.refused());
  const InForce* now = in_force_.acquire();
  s.rule_image_generation.set(now == nullptr || now->rules == nullptr ? 0
                                                                      : now->rules->generation());
  for (const WorkerWire& w : wires_) {
    for (const Side side : {Side::kA, Side::kB}) {
      PortStats& port = s.wire[w.index].side[index(side)];
      port.missed_packets.set(w.io->missed(side));
      port.link_up.set(w.io->is_link_up(side) ? 1 : 0);
    }
  }
  if (polls_ % kCpuEvery == 0) {
    s.cpu_ns.set(static_cast<uint64_t>(clock_ns(CLOCK_THREAD_CPUTIME_ID)));
  }
}

}  // namespace weir
