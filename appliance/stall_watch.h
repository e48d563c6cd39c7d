// SPDX-License-Identifier: Apache-2.0
// Tells a thread that is stuck from one that waits for its turn on a crowded machine. Used by the
// data plane's main thread for each worker and by `weir run` for the data plane as a whole. Time,
// beats and CPU time come in as arguments; read_pulse() is the part that asks the kernel.
#pragma once

#include <sys/types.h>

#include "dataplane/base/clock.h"

namespace weir {

constexpr int kExitStalled = 70;  // weir-dataplane: one of its workers is stuck

// What is known of a thread at one look. Only `beats` is needed while it moves.
struct Pulse {
  uint64_t beats = 0;  // any number that changes whenever the thread moves
  TimeNs cpu_ns = 0;   // CPU time it has used so far
  char state = 'R';  // as proc(5) spells it: R runs or wants to, S sleeps, D uninterruptible, T...
};

class StallWatch {
 public:
  // A thread that stays R without CPU is descheduled, not stuck: it has this many times the limit.
  static constexpr int kPatience = 10;

  // limit_ns: without a beat for so long. look_every_ns: at most twice this counts per look, so
  // that a watcher that was itself stopped (SIGSTOP, a paused machine) blames nobody for its own
  // absence.
  StallWatch(TimeNs limit_ns, TimeNs look_every_ns) noexcept
      : limit_ns_(limit_ns), look_most_ns_(2 * look_every_ns) {}

  // True: the beat has not changed since the last look, so cpu_ns and state are worth asking for.
  bool is_silent(uint64_t beats) const noexcept { return started_ && beats == beats_; }

  bool has_been_silent() const noexcept { return silent_ns_ != 0; }  // at the last look

  // For how long it has been stuck, 0: it is not, as far as one can tell. Stuck: no beat, and of
  // that silence at least limit_ns burned on a CPU (an endless loop), or limit_ns in a state in
  // which it does not even ask for one (blocked, stopped, dead), or kPatience times limit_ns of
  // whatever.
  TimeNs look(const Pulse& pulse, TimeNs now) noexcept;
  void forget() noexcept { started_ = false; }

 private:
  void begin(const Pulse& pulse, TimeNs now) noexcept;

  TimeNs limit_ns_, look_most_ns_;
  bool started_ = false, cpu_known_ = false;
  uint64_t beats_ = 0;
  TimeNs looked_ns_ = 0, silent_ns_ = 0, idle_ns_ = 0;
  TimeNs first_cpu_ns_ = 0, cpu_ns_ = 0;
};

// State and CPU time of a thread of ours (pid 0) or of a process. cpu: as pthread_getcpuclockid or
// clock_getcpuclockid gave it. A thread that is gone, or on its way there, has state 'X'.
Pulse read_pulse(uint64_t beats, pid_t pid, pid_t thread, clockid_t cpu) noexcept;

}  // namespace weir
