// SPDX-License-Identifier: Apache-2.0
// A wire as a worker sees it: two ports from which bursts come and to which they go. One virtual
// call per burst; what is behind it (DPDK ports, a capture, a test's frames) is known only here.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/base/link_type.h"
#include "dataplane/base/packet_view.h"
#include "dataplane/contract/verdict.h"

namespace weir {

// What transmit writes for a frame that another worker sends and accounts for (as sent, or as
// dropped by a reason of its own). No reason of a drop, so it counts nowhere.
constexpr Reason kUnderWay = Reason::kCount;

class WireIo {
 public:
  virtual ~WireIo() = default;

  // What arrived at `side`, at most packets.size(), all of one link type; returns how many. The
  // caller owns them until transmit. now: packet clock, for ports that do not stamp by themselves.
  virtual uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) = 0;

  // Sends those of a burst received at `from` whose reason is kNone out of the other side, in
  // order, and frees the rest. A frame that the port does not take is freed too and gets its reason
  // written; one that another worker sends for this one gets kUnderWay.
  virtual void transmit(Side from, std::span<const PacketView> packets,
                        std::span<Reason> reasons) = 0;

  // Sends a frame of our own out of `side`. false: not possible now.
  virtual bool inject(Side side, std::span<const uint8_t> frame, TimeNs now) = 0;

  virtual LinkType link() const = 0;  // of the burst received last

  // Frames moved on behalf of other workers since last asked: work, though nothing was received.
  virtual uint32_t take_moved() { return 0; }

  // Counters that only the port knows, refreshed by the caller now and then (not per burst).
  virtual uint64_t missed(Side) const { return 0; }
  virtual bool is_link_up(Side) const { return true; }
};

}  // namespace weir
