// SPDX-License-Identifier: Apache-2.0
// Part of flow.h: what is kept of one flow. Two cache lines of key and counters that every packet
// touches, some more that only its beginning and end do, and what few flows ever need.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/contract/event_record.h"
#include "dataplane/decode/decode.h"

namespace weir {

// The two ends in an order of the table's own (by the words of the address as they lie in memory,
// then by port), where they were met, and the protocol. Compared and hashed as bytes: no padding,
// reserved is zero.
struct FlowKey {
  IpAddress lo{}, hi{};
  uint16_t lo_port = 0, hi_port = 0;
  uint16_t vlan[2] = {};
  uint8_t proto = 0;
  uint8_t wire = 0;
  uint8_t network[3] = {};  // Headers::network: tenants share addresses
  uint8_t is_free = 0;      // in the table: the slot is, and so equals no flow's key
  uint8_t mapped = 0;   // 1: kMappedIpv4, another flow than IPv4's of the same addresses
  uint8_t reserved = 0;
  using Words = std::array<uint64_t, 6>;
  bool is(const Words& o) const noexcept {
    uint64_t differs = 0;
    for (unsigned i = 0; i < 6; ++i) {
      uint64_t w;
      std::memcpy(&w, reinterpret_cast<const uint8_t*>(this) + 8 * i, sizeof w);
      differs |= w ^ o[i];
    }
    return differs == 0;
  }
  Words words() const noexcept { return std::bit_cast<Words>(*this); }
  bool operator==(const FlowKey& o) const noexcept { return is(o.words()); }
};
static_assert(sizeof(FlowKey) == 48 && std::has_unique_object_representations_v<FlowKey>);

// What later stages still want of a flow. A settled flow has none of these set and costs decode,
// track and decide. Written by the stage it names (cleared), set at creation.
enum FlowFlag : uint32_t {
  kWantsClassify = 1u << 0,
  kWantsMatch = 1u << 1,
  kInitiatorIsLo = 1u << 2,   // track
  kMidstream = 1u << 3,       // track: TCP, first packet was not a SYN
  kTunnelledFlow = 1u << 4,   // track
  kBlockedByRule = 1u << 5,   // decide: the rest of it goes the way of FlowDrops::rule_*
  kAlerted = 1u << 6,         // decide
  kOneWay = 1u << 7,          // track: an ICMP type without an answering type
  kAppGuessed = 1u << 8,      // classify
  kClassifiedOnce = 1u << 9,  // classify: kClassified was told
  kNoAnswerTold = 1u << 10,   // track
  kDeepEnough = 1u << 11,     // match: inspected to its depth; << 1: from the responder
  kWantsParse = 1u << 13,     // cleared by parse
  kHasStream = 1u << 14,      // reassemble: its state for this flow is set up
  kStreamWindow = 1u << 15,   // match: it looks at a window past its depth
  kHasDrops = 1u << 16,       // its FlowDrops is in use
  kStopped = 1u << 18,       // decide: all that comes of it is dropped, counted by what it counts
  kIsnKnown = 1u << 17,       // reassemble: of the initiator, all that is kept of a bare SYN
};

constexpr uint32_t kNoFlow = 0xffffffff, kNoSlot = 0xffffffff;

// The hot part: two cache lines. A settled flow's packets only read the first, so that it leaves
// the cache without being written back, and write the second. Writers: track, unless a comment
// names another stage.
struct alignas(64) Flow {
  FlowKey key;
  uint32_t flags = 0;
  uint32_t verdict_generation = 0;   // decide: the table this flow was last judged against
  uint32_t verdict_slot = kNoSlot;   // decide
  uint32_t classify_slot = kNoSlot;  // classify
  // second line
  TimeNs last_ns = 0;
  uint64_t packets[2] = {};  // [0] from the initiator
  uint64_t bytes[2] = {};
  FlowId id = 0;                     // 0: the slot is free
  uint16_t app_master = 0, app = 0;  // classify
  uint32_t parse_slot = kNoSlot;     // parse
  uint16_t transactions = 0;  // parse: what was told of it, where it keeps no state; saturates
  uint8_t protocol = 0;       // parse: EvidenceKind + 1 of what it speaks; 0: not known
  FlowState state = FlowState::kNew;
  uint8_t side = 0;           // Side of the initiator
  uint8_t fin_seen = 0;       // bit per direction
  uint8_t tcp_flags[2] = {};  // all seen, [0] from the initiator
};
static_assert(sizeof(Flow) == 128 && offsetof(Flow, last_ns) == 64);

// What settled flows do not touch per packet.
struct FlowCold {
  TimeNs first_ns = 0;
  uint32_t told = 0;                // features: last FlowUpdate or FlowStart, see tell()
  uint32_t matched_bytes[2] = {};   // match: payload already inspected, per direction
  MacAddress src_mac{}, dst_mac{};  // of the initiator and the responder
  uint16_t classified_packets = 0;  // classify
  uint8_t seen_directions = 0;      // match: bit per direction, first packet was matched
  uint8_t reserved = 0;
  uint32_t isn = 0;  // reassemble: kIsnKnown

  // In units of about a millisecond, modulo 2^32 of them (52 days).
  void tell(TimeNs now) noexcept { told = tick(now); }
  bool is_due(TimeNs last_ns, TimeNs now, TimeNs every) const noexcept {
    const bool news = static_cast<int32_t>(tick(last_ns) - told) > 0;
    return news && TimeNs{tick(now) - told} >= every >> kTickShift;
  }

 private:
  static constexpr unsigned kTickShift = 20;
  static uint32_t tick(TimeNs t) noexcept { return static_cast<uint32_t>(t >> kTickShift); }
};
static_assert(sizeof(FlowCold) == 40);

struct FlowTraffic {
  uint64_t packets = 0, bytes = 0;
};

// What came of verdicts and rules that stop packets of a flow. Most flows never have it: its memory
// comes with its first use. Writer: decide. In the table, while a flow is kStopped: packets and
// bytes short (modulo 2^64) of what was dropped by all that the flow counts, so that a packet that
// is dropped need not come here.
struct FlowDrops {
  VerdictId verdict = 0;  // last that dropped a packet
  uint64_t packets = 0, bytes = 0;
  uint32_t rule_sid = 0;               // rule that blocks the rest
  Action rule_action = Action::kPass;  // what rule_sid does

  // by: the verdict that dropped a packet; 0: a rule or fail policy.
  void count(VerdictId by, uint32_t wire_bytes) noexcept {
    ++packets;
    bytes += wire_bytes;
    if (by != 0) verdict = by;
  }
};
static_assert(sizeof(FlowDrops) == 32);

// All of a flow, to be told of.
struct FlowView {
  const Flow& flow;
  const FlowCold& cold;
  FlowDrops drops;
};

}  // namespace weir
