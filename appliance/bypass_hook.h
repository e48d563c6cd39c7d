// SPDX-License-Identifier: Apache-2.0
// The operator's command that switches the bypass relay of one wire: COMMAND... on, off or beat.
// Run by `weir run`, one call at a time, each ended by force when it takes too long. Never blocks
// but in finish().
#pragma once

#include <optional>
#include <string>

#include "appliance/child.h"
#include "control/operate/config.h"
#include "dataplane/contract/segment.h"

namespace weir {

class BypassHook {
 public:
  BypassHook(const BypassCommand& command, std::string wire, Guard::Wire& told)
      : command_(command), wire_(std::move(wire)), told_(told) {}
  BypassHook(BypassHook&&) = default;

  // What the relay should be; the calls follow in step().
  enum class State : uint8_t { kUnknown, kOff, kOn };
  void want(State state) { wanted_ = state; }
  // Starts and reaps calls. moves: the workers run, so a heartbeat is due.
  void step(TimeNs now, bool moves);
  // Waits, at most one call's time each for the one under way and for the one that is wanted.
  void finish();

 private:
  void start(const char* word, TimeNs now);
  void reap(TimeNs now);
  void failed(const std::string& how, TimeNs now);

  const BypassCommand& command_;
  std::string wire_;
  Guard::Wire& told_;
  State wanted_ = State::kUnknown, is_ = State::kUnknown, asked_ = State::kUnknown;
  std::optional<Child> call_;
  const char* word_ = "";
  TimeNs give_up_ns_ = 0, again_ns_ = 0, beat_ns_ = 0;
  bool timed_out_ = false, has_failed_ = false;
};

}  // namespace weir
