// SPDX-License-Identifier: Apache-2.0
// Private to io: the bypass relay of a network card, kept open by the heartbeat of the workers. The
// card's own timer closes the relay when nobody resets it, so that it acts where no program of ours
// can: a dead kernel, a power cut. Other bypass hardware is driven by a command of `weir run`.
// Main thread only.
#pragma once

#include <cstdint>

#include "dataplane/base/result.h"
#include "dataplane/contract/settings.h"

namespace weir {

// What the card can do; the real ones are those of DPDK's ixgbe driver (rte_pmd_ixgbe.h), which
// return 0 or a negative errno.
struct BypassCalls {
  int (*init)(uint16_t port);
  int (*set_state)(uint16_t port, uint32_t* state);
  int (*set_event)(uint16_t port, uint32_t event, uint32_t state);
  int (*set_timeout)(uint16_t port, uint32_t code);
  int (*reset_timer)(uint16_t port);
};
extern const BypassCalls kIxgbeBypass;

class BypassNic {
 public:
  static constexpr TimeNs kResetEveryNs =
      250 * kNsPerMs;  // of a timer of 1.5 s, the card's shortest

  // Arms it: the timer, what happens when it runs out (worker stalled) and when the power goes
  // (stopping), by the wire's fail policies: open lets traffic bypass, closed isolates the ports.
  static Result<BypassNic> start(uint16_t port, const WireSettings& wire, const BypassCalls& calls);
  // The workers of the wire move. Resets the timer, seldom enough to be called at every look.
  void beat(TimeNs now) noexcept;
  // Orderly end: what `stopping` says, with the timer off.
  void stop() noexcept;
  uint64_t failures() const noexcept { return failures_; }

 private:
  BypassNic(uint16_t port, uint32_t end_state, const BypassCalls& calls) noexcept
      : port_(port), end_state_(end_state), calls_(&calls) {}
  uint16_t port_;
  uint32_t end_state_;
  const BypassCalls* calls_;
  TimeNs reset_ns_ = 0;
  uint64_t failures_ = 0;
};

}  // namespace weir
