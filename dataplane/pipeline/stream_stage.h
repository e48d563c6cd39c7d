// SPDX-License-Identifier: Apache-2.0
// Private to pipeline: what reassembly makes of one TCP packet, told to the stages around it: to
// track whether a reset counts, to decide that the packet is refused or could not be looked into.
#pragma once

#include "dataplane/contract/stats_page.h"
#include "dataplane/flow/reassemble.h"
#include "dataplane/verdict/verdict.h"

namespace weir {

class StreamStage {
 public:
  explicit StreamStage(const Settings& s) : streams_(s.streams, s.flow.flows_max) {}

  // Of a SYN that carries nothing its number is enough until somebody answers: most of a flood's
  // are all there is.
  static bool opens_bare(const Headers& h, const Tracked& t) noexcept {
    return is_bare_syn(h) && t.direction == 0 && t.flow != nullptr &&
           (t.flow->flags & kHasStream) == 0;
  }
  static void remember(const Headers& h, const Tracked& t, FlowCold& cold) noexcept {
    cold.isn = h.tcp_seq;
    t.flow->flags |= kIsnKnown;
  }

  // p, h: a TCP packet of t's flow that is looked into. out: empty; one that is refused adds
  // nothing to it.
  void add(const PacketView& p, const Headers& h, const Tracked& t, FlowCold& cold, Plight& plight,
           StreamBytes& out) noexcept {
    if ((t.flow->flags & kHasStream) == 0) {
      if (opens_bare(h, t)) return remember(h, t, cold);
      if ((t.flow->flags & kIsnKnown) != 0) streams_.open(*t.flow, t.index, cold.isn);
      t.flow->flags &= ~kIsnKnown;
    }
    const bool reset = (h.tcp_flags & kTcpRst) != 0;
    if (reset && t.was == FlowState::kEstablished && !streams_.accepts_reset(p, h, t)) {
      t.flow->state = t.was;  // its receiver goes on, and so do we
    }
    const SegmentFate fate = streams_.add(p, h, t, out);
    if (fate == SegmentFate::kConflict) plight.refused = Reason::kStreamConflict;
    if (fate == SegmentFate::kNoRoom && plight.cause == FailCause::kCount) {
      plight.cause = FailCause::kStreamMemoryFull;
    }
  }

  // Whether rules look into t's direction past its depth changes: nothing joins what lies between.
  void follow_depth(Flow& f, const Tracked& t, bool was_deep, bool wanted) noexcept {
    if (wanted) {
      f.flags |= kStreamWindow;
    } else if (!was_deep || (f.flags & kStreamWindow) != 0) {
      f.flags &= ~kStreamWindow;
      if ((f.flags & kWantsParse) == 0) streams_.forget(f, t.index, t.direction);
    }
  }

  void fetch(uint32_t index) const noexcept { streams_.fetch(index); }

  // Nobody wants to look into the flow any more, or it has ended.
  void release(Flow& f, uint32_t index) noexcept {
    streams_.release(f, index);
    f.flags &= ~kHasStream;
  }

  void publish(StatsPage& s) const noexcept {
    s.streams_held.set(streams_.streams_held());
    s.stream_bytes_held.set(streams_.bytes_held());
    s.stream_gaps.set(streams_.stats().gaps);
    s.stream_conflicts.set(streams_.stats().conflicts);
    s.stream_refused_full.set(streams_.stats().refused_full);
  }

 private:
  Reassembler streams_;
};

}  // namespace weir
