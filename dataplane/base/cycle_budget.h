// SPDX-License-Identifier: Apache-2.0
// How long the expensive part of a burst may take. Asked between two packets; costs one read of the
// cycle counter. A worker that was taken off its core has not worked: before the budget counts as
// spent, the thread's CPU time must have moved as well (one system call, only then).
#pragma once

#include <cstdint>

#include "dataplane/base/clock.h"
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace weir {

inline uint64_t cycles_now() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<uint64_t>(clock_ns(CLOCK_MONOTONIC));
#endif
}

class CycleBudget {
 public:
  // budget_ns 0: without end. cycles_per_us: of cycles_now().
  CycleBudget(TimeNs budget_ns, uint64_t cycles_per_us) noexcept
      : budget_ns_(budget_ns),
        cycles_(static_cast<uint64_t>(budget_ns / kNsPerUs) * cycles_per_us) {}

  void begin() noexcept {
    if (cycles_ == 0) return;
    end_ = cycles_now() + cycles_;
    confirming_ = spent_ = false;
  }
  bool is_spent() noexcept {
    if (cycles_ == 0 || spent_) return spent_;
    if (cycles_now() < end_) return false;
    const TimeNs cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    // Over by the wall; watch a quarter more of it being worked before believing that.
    spent_ = confirming_ && cpu - cpu_ns_ >= budget_ns_ / 8;
    confirming_ = true;
    cpu_ns_ = cpu;
    end_ = cycles_now() + cycles_ / 4;
    return spent_;
  }

 private:
  TimeNs budget_ns_;
  uint64_t cycles_;
  uint64_t end_ = 0;
  TimeNs cpu_ns_ = 0;
  bool confirming_ = false, spent_ = false;
};

// Measured against the monotonic clock for 2 ms; for start, not for the packet path.
inline uint64_t measure_cycles_per_us() noexcept {
  const TimeNs began_ns = clock_ns(CLOCK_MONOTONIC);
  const uint64_t began = cycles_now();
  TimeNs now_ns = began_ns;
  while (now_ns - began_ns < 2 * kNsPerMs) now_ns = clock_ns(CLOCK_MONOTONIC);
  return (cycles_now() - began) * static_cast<uint64_t>(kNsPerUs) /
         static_cast<uint64_t>(now_ns - began_ns);
}

}  // namespace weir
