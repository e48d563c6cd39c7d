// SPDX-License-Identifier: Apache-2.0
// Flows: one bidirectional conversation each, found by a key that is the same for both directions.
// One FlowTable per worker, touched by it alone; nothing is allocated after construction.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/decode/decode.h"
#include "dataplane/flow/record.h"
#include "dataplane/flow/table.h"

namespace weir {

// What track found out of one packet.
enum TrackEvent : uint8_t {
  kFlowStarted = 1u << 0,
  kFlowEstablished = 1u << 1,  // this packet is the first answer
  kFlowRefused = 1u << 2,      // this packet (RST) refused it
  kQuotedRefused = 1u << 3,    // an ICMP error refused the flow `quoted`
  kNoRoomForFlow = 1u << 4,    // the table is full and nothing in it gives way
};
struct Tracked {
  Flow* flow = nullptr;  // null: not IP, a later fragment, or the table is full
  uint32_t index = kNoFlow;
  uint32_t quoted = kNoFlow;        // flow that an ICMP error speaks of
  uint8_t events = 0;               // TrackEvent
  uint8_t direction = 0;            // 0: from the initiator, 1: from the responder
  FlowState was = FlowState::kNew;  // before this packet
};

// Who is told that a flow ends, while it still stands in the table. now: of the packet that did it.
class FlowEnds {
 public:
  virtual void flow_ends(uint32_t index, EndReason why, TimeNs now) noexcept = 0;

 protected:
  ~FlowEnds() = default;
};

// The ends of a flow as records tell them: src is the initiator.
inline Endpoints endpoints_of(const Flow& f) noexcept {
  const FlowKey& k = f.key;
  const bool lo = (f.flags & kInitiatorIsLo) != 0;
  const int vlans = k.vlan[1] != 0 ? 2 : k.vlan[0] != 0 ? 1 : 0;
  return {.src = lo ? k.lo : k.hi,
          .dst = lo ? k.hi : k.lo,
          .src_port = lo ? k.lo_port : k.hi_port,
          .dst_port = lo ? k.hi_port : k.lo_port,
          .proto = k.proto,
          .vlan_count = static_cast<uint8_t>(vlans),
          .vlan = {k.vlan[0], k.vlan[1]},
          .mapped = k.mapped};
}
FlowKey key_of(const Headers& h, uint8_t wire, bool& src_is_lo) noexcept;

struct TrackStats {
  uint64_t created = 0, ended = 0, evicted = 0, refused_full = 0;
};

// The stage. Writes tracked[i] and tells `ends` of the flows that this burst puts an end to (reuse
// of a closed flow's ports, expiry found at look-up, eviction), at most two per packet. Order of
// packets within a flow is kept. Returns how many of the burst were tracked: it stops short before
// a packet that ends a flow which an earlier packet of the same burst belongs to. Send those first,
// then call again with the rest.
size_t track(std::span<const PacketView> packets, std::span<const Headers> headers, uint8_t wire,
             FlowTable& table, TrackStats& stats, std::span<Tracked> tracked,
             FlowEnds& ends) noexcept;

}  // namespace weir
