// SPDX-License-Identifier: Apache-2.0
#include "control/intake/intake.h"

#include <atomic>

namespace weir {

Intake::Intake(Segment& segment, const IntakeSettings& settings)
    : segment_(segment), settings_(settings), inventory_(settings), flows_(settings) {
  for (uint32_t w = 0; w < segment.workers(); ++w) rings_.push_back(segment.event_ring(w));
  take_timeouts();
  // relaxed: only a change matters, and it is looked for again at each step.
  epoch_ = segment.header().dataplane.epoch.load(std::memory_order_relaxed);
}

void Intake::take_timeouts() {
  const FlowSettings& f = segment_.settings().flow;
  flow_silence_ns_ = std::max({f.tcp_new_ns, f.tcp_established_ns, f.udp_new_ns,
                               f.udp_established_ns, f.other_ns}) +
                     2 * f.update_every_ns;
}

void Intake::watch_data_plane() {
  const uint64_t epoch = segment_.header().dataplane.epoch.load(std::memory_order_relaxed);
  if (epoch == epoch_) return;
  epoch_ = epoch;
  flows_.forget_live();
}

void Intake::note(const FlowStart& r) {
  inventory_.started(r);
  flows_.started(r);
}

void Intake::note(const FlowUpdate& r) {
  if (r.cause == UpdateCause::kEstablished) inventory_.answered(r);
  inventory_.counted(r, flows_.reported(r));
}

void Intake::note(const FlowEnd& r) {
  inventory_.counted(r, flows_.reported(r));
  flows_.ended(r);
}

uint64_t Intake::malformed() const noexcept {
  uint64_t all = malformed_;
  for (const SpscByteRing& ring : rings_) all += ring.corruptions();
  return all;
}

}  // namespace weir
