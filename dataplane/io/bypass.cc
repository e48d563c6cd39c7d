// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/bypass.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
extern "C" {  // this header of the driver does not say so itself
#include <rte_pmd_ixgbe.h>
}

#include <string>

namespace weir {

namespace {

// Numbers of the driver's interface: see the comments of rte_pmd_ixgbe.h.
constexpr uint32_t kNormal = 1, kBypassed = 2, kIsolated = 3;
constexpr uint32_t kMainPowerOff = 3, kAuxiliaryPowerOff = 4, kTimerRanOut = 5;
constexpr uint32_t kTimerOff = 0, kTimer1500Ms = 1;

uint32_t state_for(const WireSettings& wire, FailCause cause) {
  return wire.on(cause) == FailPolicy::kOpen ? kBypassed : kIsolated;
}

}  // namespace

const BypassCalls kIxgbeBypass = {
    rte_pmd_ixgbe_bypass_init, rte_pmd_ixgbe_bypass_state_set, rte_pmd_ixgbe_bypass_event_store,
    rte_pmd_ixgbe_bypass_wd_timeout_store, rte_pmd_ixgbe_bypass_wd_reset};

Result<BypassNic> BypassNic::start(uint16_t port, const WireSettings& wire,
                                   const BypassCalls& calls) {
  const uint32_t at_end = state_for(wire, FailCause::kStopping);
  uint32_t normal = kNormal;
  int code = calls.init(port);
  if (code == 0) code = calls.set_event(port, kMainPowerOff, at_end);
  if (code == 0) code = calls.set_event(port, kAuxiliaryPowerOff, at_end);
  if (code == 0) {
    code = calls.set_event(port, kTimerRanOut, state_for(wire, FailCause::kWorkerStalled));
  }
  if (code == 0) code = calls.set_timeout(port, kTimer1500Ms);
  if (code == 0) code = calls.set_state(port, &normal);
  if (code != 0)
    return fail(std::string("has no bypass relay that Weir can drive: ") + rte_strerror(-code));
  return BypassNic(port, at_end, calls);
}

void BypassNic::beat(TimeNs now) noexcept {
  if (now - reset_ns_ < kResetEveryNs) return;
  reset_ns_ = now;
  if (calls_->reset_timer(port_) != 0) ++failures_;
}

void BypassNic::stop() noexcept {
  uint32_t state = end_state_;
  if (calls_->set_timeout(port_, kTimerOff) != 0) ++failures_;
  if (calls_->set_state(port_, &state) != 0) ++failures_;
}

}  // namespace weir
