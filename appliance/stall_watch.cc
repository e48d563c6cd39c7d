// SPDX-License-Identifier: Apache-2.0
#include "appliance/stall_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace weir {

void StallWatch::begin(const Pulse& pulse, TimeNs now) noexcept {
  started_ = true;
  cpu_known_ = false;
  beats_ = pulse.beats;
  looked_ns_ = now;
  silent_ns_ = idle_ns_ = 0;
}

TimeNs StallWatch::look(const Pulse& pulse, TimeNs now) noexcept {
  if (!is_silent(pulse.beats)) {
    begin(pulse, now);
    return 0;
  }
  const TimeNs passed = std::clamp<TimeNs>(now - looked_ns_, 0, look_most_ns_);
  looked_ns_ = now;
  silent_ns_ += passed;
  if (!cpu_known_) {  // the first silent look: from here on its CPU time is followed
    cpu_known_ = true;
    first_cpu_ns_ = cpu_ns_ = pulse.cpu_ns;
  }
  // As long as it wants a CPU or has just used one, it is not blocked.
  const bool idle = pulse.state != 'R' && pulse.cpu_ns == cpu_ns_;
  idle_ns_ = idle ? idle_ns_ + passed : 0;
  cpu_ns_ = pulse.cpu_ns;
  const bool stuck = cpu_ns_ - first_cpu_ns_ >= limit_ns_ || idle_ns_ >= limit_ns_ ||
                     silent_ns_ >= kPatience * limit_ns_;
  return stuck ? silent_ns_ : 0;
}

Pulse read_pulse(uint64_t beats, pid_t pid, pid_t thread, clockid_t cpu) noexcept {
  Pulse pulse{.beats = beats, .state = 'X'};
  timespec t{};
  if (clock_gettime(cpu, &t) == 0) pulse.cpu_ns = TimeNs{t.tv_sec} * kNsPerSecond + t.tv_nsec;
  char path[64], text[256];
  if (pid == 0) {
    std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
  } else {
    std::snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, thread);
  }
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return pulse;
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return pulse;
  text[n] = 0;
  // "12 (name) S ...": a name may itself hold a bracket, the state is behind the last one.
  const char* end = std::strrchr(text, ')');
  unsigned flags = 0;
  if (end != nullptr &&
      std::sscanf(end + 1, " %c %*d %*d %*d %*d %*d %u", &pulse.state, &flags) == 2) {
    constexpr unsigned kExiting =
        0x4;  // PF_EXITING of the kernel's task flags: 9th of proc(5) stat
    if ((flags & kExiting) != 0) pulse.state = 'X';
  }
  return pulse;
}

}  // namespace weir
