// SPDX-License-Identifier: Apache-2.0
// Time. TimeNs is the packet clock: nanoseconds since the Unix epoch, as a capture would stamp it.
// Live, it is CLOCK_MONOTONIC plus an offset fixed when the shared segment is made, the same in
// both planes, so that a step of the wall clock neither expires nor prolongs a verdict. In replay
// it is the capture's own. The TSC is not used for time of day: its nominal rate is off by seconds
// a day.
#pragma once

#include <cstdint>
#include <ctime>

namespace weir {

using TimeNs = int64_t;

constexpr TimeNs kNsPerUs = 1'000;
constexpr TimeNs kNsPerMs = 1'000'000;
constexpr TimeNs kNsPerSecond = 1'000'000'000;

inline TimeNs clock_ns(clockid_t id) noexcept {
  timespec t{};
  clock_gettime(id, &t);
  return TimeNs{t.tv_sec} * kNsPerSecond + t.tv_nsec;
}

// The packet clock of a live system.
class PacketClock {
 public:
  explicit PacketClock(TimeNs offset_ns) noexcept : offset_ns_(offset_ns) {}
  static TimeNs fresh_offset_ns() noexcept {
    return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
  }
  TimeNs now() const noexcept { return clock_ns(CLOCK_MONOTONIC) + offset_ns_; }

 private:
  TimeNs offset_ns_;
};

}  // namespace weir
