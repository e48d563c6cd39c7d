// SPDX-License-Identifier: Apache-2.0
// Private to io: link-state propagation of one wire as a state machine. A port that has lost its
// link takes its partner down, so that the devices on both ends see a dead wire as one, and brings
// it back when the link is back. Pure: what the ports say and the time come in, what to do comes
// out; the caller does it.
//
// No loops: one side at most is held down, always because of the other, and while it is held its
// own link says nothing (we took it) and is not listened to. After its release it has kSettleNs to
// negotiate before a missing link counts as a loss.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/base/clock.h"
#include "dataplane/base/packet_view.h"

namespace weir {

struct LinkOrder {
  Side side = Side::kA;
  enum class Act : uint8_t { kTakeDown, kRestore } act = Act::kTakeDown;
};

class LinkPair {
 public:
  static constexpr TimeNs kSettleNs = 5 * kNsPerSecond;  // copper negotiates for up to 4 s

  // debounce_ns: a link must be down, or up again, for so long before anything is done about it.
  explicit LinkPair(TimeNs debounce_ns) noexcept : debounce_ns_(debounce_ns) {}

  // One look at both ports; what to do about it, at most one thing.
  std::optional<LinkOrder> look(bool a_up, bool b_up, TimeNs now) noexcept;
  // The last order could not be carried out: no more are given, losses are still counted.
  void cannot() noexcept {
    held_.reset();
    gives_orders_ = false;
  }

  std::optional<Side> held() const noexcept { return held_; }  // taken down by us
  uint64_t losses(Side side) const noexcept { return link_[index(side)].losses; }

 private:
  struct Link {
    bool now_up = true;     // as last seen
    bool counts_up = true;  // debounced
    TimeNs changed_ns = 0, settled_ns = 0;
    uint64_t losses = 0;
  };
  void see(Link& link, bool up, TimeNs now) const noexcept;

  TimeNs debounce_ns_;
  bool started_ = false, gives_orders_ = true;
  Link link_[2];
  std::optional<Side> held_;
};

}  // namespace weir
