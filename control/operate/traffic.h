// SPDX-License-Identifier: Apache-2.0
// The accounts of the wires, summed over the workers' stats pages: what came in, what left, what
// was dropped and why. The one place that judges received = sent + dropped + held.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/contract/segment.h"

namespace weir {

struct PacketsBytes {
  uint64_t packets = 0, bytes = 0;
};

struct PortTraffic {
  PacketsBytes received, sent, injected;
  uint64_t missed = 0;
  bool link = false;
};

struct WireTraffic {
  PortTraffic side[2];
  PacketsBytes received, sent, held;  // both sides together
  uint64_t dropped[kReasonCount] = {};
  uint64_t dropped_bytes[kReasonCount] = {};
  uint64_t would_drop[kReasonCount] = {};
  uint64_t fail_open[kFailCauses] = {};  // sent uninspected
  bool balanced = true;                  // see Traffic

  uint64_t dropped_packets() const noexcept;
  // received - sent - dropped - held; 0 when every packet is accounted for.
  int64_t unaccounted() const noexcept {
    return static_cast<int64_t>(received.packets - sent.packets - dropped_packets() - held.packets);
  }
};

struct Traffic {
  std::vector<WireTraffic> wires;
  WireTraffic total;     // side[] stays empty
  bool balanced = true;  // every wire is
};

// As the counters stand. Exact when the workers are idle or gone (replay, the end of a run).
Traffic read_traffic(const Segment& segment);

// Of running workers, whose counters cannot be read at one instant: looks again, for at most a
// millisecond, until they agree; then lets pass a difference that bursts under way explain, if
// packets moved meanwhile.
Traffic read_traffic_live(const Segment& segment);

}  // namespace weir
