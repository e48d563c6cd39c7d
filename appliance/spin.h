// SPDX-License-Identifier: Apache-2.0
// Whether a loop that waits for something due within moments may spin instead of napping: a nap
// costs its wake-up, tens of microseconds; but where others want this CPU, who spins is put off
// for a whole turn, which is milliseconds. So it spins until that happens, then naps for a while;
// and never for more than a fifth of the time: the kernel's own packet work may need this CPU.
#pragma once

#include "dataplane/base/clock.h"

namespace weir {

class Spin {
 public:
  // now: of this round. To be called in each round that could spin; true: this one shall.
  bool is_good(TimeNs now) noexcept {
    const bool put_off = spun_ && now - last_ns_ > kPutOffNs;
    if (spun_) spent_ns_ += now - last_ns_;
    if (put_off || spent_ns_ > kMostNs) {
      not_before_ns_ = now + kPauseNs;
      spent_ns_ = 0;
    }
    spun_ = now >= not_before_ns_;
    if (now - last_ns_ > kPauseNs) spent_ns_ = 0;
    last_ns_ = now;
    return spun_;
  }
  void stop() noexcept { spun_ = false; }  // the round did something else

 private:
  static constexpr TimeNs kPutOffNs = kNsPerMs;  // no round of either program takes as long
  static constexpr TimeNs kPauseNs = 100 * kNsPerMs;
  static constexpr TimeNs kMostNs = 25 * kNsPerMs;  // then the pause
  TimeNs last_ns_ = 0, not_before_ns_ = INT64_MIN, spent_ns_ = 0;
  bool spun_ = false;
};

}  // namespace weir
