// SPDX-License-Identifier: Apache-2.0
// Flows: one bidirectional conversation each, found by a key that is the same for both directions.
// One FlowTable per worker, touched by it alone; nothing is allocated after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/contract/settings.h"
#include "dataplane/decode/decode.h"

namespace weir {

// The two ends in canonical order (the smaller address, then port, first), where they were met, and
// the protocol. Compared and hashed as bytes: no padding, reserved is zero.
struct FlowKey {
  IpAddress lo{}, hi{};
  uint16_t lo_port = 0, hi_port = 0;
  uint16_t vlan[2] = {};
  uint8_t proto = 0;
  uint8_t wire = 0;
  uint8_t network[3] = {}, reserved[3] = {};  // Headers::network: tenants share addresses
  bool operator==(const FlowKey&) const noexcept = default;
};
static_assert(sizeof(FlowKey) == 48);

// What later stages still want of a flow. A settled flow has none of these set and costs decode,
// track and decide. Written by the stage it names (cleared), set at creation.
enum FlowFlag : uint16_t {
  kWantsClassify = 1u << 0,
  kWantsMatch = 1u << 1,
  kInitiatorIsLo = 1u << 2,   // track
  kMidstream = 1u << 3,       // track: TCP, first packet was not a SYN
  kTunnelledFlow = 1u << 4,   // track
  kBlockedByRule = 1u << 5,   // decide: the rest of it goes the way of cold.rule_*
  kAlerted = 1u << 6,         // decide
  kOneWay = 1u << 7,          // track: an ICMP type without an answering type
  kAppGuessed = 1u << 8,      // classify
  kClassifiedOnce = 1u << 9,  // classify: kClassified was told
  kNoAnswerTold = 1u << 10,   // track
  kDeepEnough = 1u << 11,     // match: inspected to its depth; << 1: from the responder
  kWantsParse = 1u << 13,     // cleared by parse
  kHasStream = 1u << 14,      // reassemble: its state for this flow is set up
  kStreamWindow = 1u << 15,   // match: it looks at a window past its depth
};

constexpr uint32_t kNoFlow = 0xffffffff, kNoSlot = 0xffffffff;

// The hot part: two cache lines. Writers: track, unless a comment names another stage.
struct alignas(64) Flow {
  FlowKey key;
  TimeNs last_ns = 0;
  uint16_t flags = 0;
  FlowState state = FlowState::kNew;
  uint8_t side = 0;           // Side of the initiator
  uint8_t tcp_flags[2] = {};  // all seen, [0] from the initiator
  uint8_t protocol = 0;       // parse: EvidenceKind + 1 of what it speaks; 0: not known
  // second line
  uint64_t packets[2] = {};  // [0] from the initiator
  uint64_t bytes[2] = {};
  FlowId id = 0;                     // 0: the slot is free
  uint32_t verdict_generation = 0;   // decide: the table this flow was last judged against
  uint32_t verdict_slot = kNoSlot;   // decide
  uint32_t classify_slot = kNoSlot;  // classify
  uint16_t app_master = 0, app = 0;  // classify
  uint32_t fin_seen = 0;             // bit per direction
  uint32_t parse_slot = kNoSlot;     // parse
};
static_assert(sizeof(Flow) == 128);

// What settled flows do not touch per packet.
struct alignas(64) FlowCold {
  TimeNs first_ns = 0;
  TimeNs told_ns = 0;                               // features: last FlowUpdate or FlowStart
  VerdictId verdict = 0;                            // decide: last that dropped a packet
  uint64_t dropped_packets = 0, dropped_bytes = 0;  // decide
  uint32_t rule_sid = 0;                            // decide: rule that blocks the rest
  uint32_t rule_rate_slot = kNoSlot;                // decide: meter of a ratelimit rule
  uint32_t matched_bytes[2] = {};      // match: payload already inspected, per direction
  uint16_t classified_packets = 0;     // classify
  Action rule_action = Action::kPass;  // decide: what rule_sid does
  uint8_t seen_directions = 0;         // match: bit per direction, first packet was matched
  MacAddress src_mac{}, dst_mac{};     // of the initiator and the responder
};
static_assert(sizeof(FlowCold) == 128);

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

// A flow that is no longer in the table, as it was.
struct EndedFlow {
  Flow flow;
  FlowCold cold;
  EndReason why = EndReason::kTimeout;
  uint32_t index = kNoFlow;
};

class FlowTable {
 public:
  // id_base: the first id is one more. seed: makes collisions unpredictable from outside.
  FlowTable(const FlowSettings& settings, FlowId id_base, uint64_t seed);
  static uint64_t bytes_for(uint64_t flows_max) noexcept;

  uint32_t find(const FlowKey& key) const noexcept { return find(key, hash(key)); }
  uint32_t find(const FlowKey& key, uint64_t hash) const noexcept;
  // Adds key, which must not be there. kNoFlow: no room.
  uint32_t insert(const FlowKey& key, uint64_t hash) noexcept;
  void erase(uint32_t index) noexcept;

  uint64_t hash(const FlowKey& key) const noexcept;
  void prefetch_bucket(uint64_t hash) const noexcept;
  Flow& flow(uint32_t i) noexcept { return flows_[i]; }
  const Flow& flow(uint32_t i) const noexcept { return flows_[i]; }
  FlowCold& cold(uint32_t i) noexcept { return cold_[i]; }
  const FlowCold& cold(uint32_t i) const noexcept { return cold_[i]; }
  uint32_t index_of(const Flow& f) const noexcept {
    return static_cast<uint32_t>(&f - flows_.get());
  }
  uint32_t capacity() const noexcept { return capacity_; }
  uint32_t size() const noexcept { return size_; }
  uint64_t impossible() const noexcept { return impossible_; }  // broken invariants survived
  bool is_expired(const Flow& f, TimeNs now) const noexcept;

  // A slot to give up for a new flow: the first of the next kEvictLook without answer, or closed.
  uint32_t evict_candidate() noexcept;

  // Next at most `slots` slots, round and round: expired flows are removed and given to ended(i)
  // before that; the others to living(i). Either is called with the flow still in place.
  template <class Ended, class Living>
  void sweep(uint32_t slots, TimeNs now, Ended&& ended, Living&& living) {
    for (uint32_t n = 0; n < slots && size_ != 0; ++n) {
      sweep_at_ = sweep_at_ + 1 >= high_water_ ? 0 : sweep_at_ + 1;
      if (sweep_at_ + 8 < high_water_) __builtin_prefetch(&flows_[sweep_at_ + 8]);
      Flow& f = flows_[sweep_at_];
      if (f.id == 0) continue;
      if (is_expired(f, now)) {
        ended(sweep_at_);
        erase(sweep_at_);
      } else {
        living(sweep_at_);
      }
    }
  }

  // TCP flows that have been waiting for their answer for tcp_embryonic_ns, at most `most` of them.
  template <class NoAnswer>
  void unanswered(TimeNs now, uint32_t most, NoAnswer&& no_answer) {
    for (uint32_t n = 0; n < most && waiting_head_ != waiting_tail_; ++n) {
      const Waiting& w = waiting_[waiting_head_ % capacity_];
      if (w.since_ns + settings_.tcp_embryonic_ns > now) return;
      ++waiting_head_;
      Flow& f = flows_[w.index];
      if (f.id != w.id || f.state != FlowState::kNew || (f.flags & kNoAnswerTold) != 0) continue;
      f.flags |= kNoAnswerTold;
      no_answer(w.index);
    }
  }
  void await_answer(uint32_t index, TimeNs now) noexcept;

  FlowId next_id() noexcept { return ++last_id_; }
  const FlowSettings& settings() const noexcept { return settings_; }

 private:
  static constexpr unsigned kSlots = 8;
  static constexpr uint32_t kEvictLook = 64;
  struct alignas(64) Bucket {
    uint16_t tag[kSlots] = {};  // 0: empty
    uint32_t index[kSlots] = {};
  };
  static_assert(sizeof(Bucket) == 64);
  struct Waiting {
    TimeNs since_ns;
    FlowId id;
    uint32_t index;
  };
  static uint16_t tag_of(uint64_t hash) noexcept { return static_cast<uint16_t>(hash >> 48) | 1u; }
  uint64_t first_bucket(uint64_t hash) const noexcept { return hash & bucket_mask_; }
  uint64_t second_bucket(uint64_t hash) const noexcept {
    return (hash ^ (uint64_t{tag_of(hash)} * 0x5bd1e995u + 1)) & bucket_mask_;
  }
  uint32_t find_in(uint64_t bucket, uint16_t tag, const FlowKey& key) const noexcept;

  FlowSettings settings_;
  uint64_t seed_;
  uint32_t capacity_;
  uint64_t bucket_mask_;
  std::unique_ptr<Bucket[]> buckets_;
  std::unique_ptr<Flow[]> flows_;
  std::unique_ptr<FlowCold[]> cold_;
  std::unique_ptr<uint32_t[]> free_;    // stack of free slots
  std::unique_ptr<Waiting[]> waiting_;  // FIFO, capacity_ long
  uint64_t waiting_head_ = 0, waiting_tail_ = 0;
  uint32_t free_count_, size_ = 0;
  uint32_t high_water_ = 0, sweep_at_ = 0, evict_at_ = 0;  // high_water_: on from it, never used
  uint64_t impossible_ = 0;
  FlowId last_id_;
};

Endpoints endpoints_of(const Flow& f) noexcept;  // src is the initiator, as in records
FlowKey key_of(const Headers& h, uint8_t wire, bool& src_is_lo) noexcept;

struct TrackStats {
  uint64_t created = 0, ended = 0, evicted = 0, refused_full = 0;
};

struct TrackResult {
  size_t packets;  // how many of the burst were tracked
  size_t ended;    // how many flows ended because of them
};

// The stage. Writes tracked[i] and to `ended` the flows that this burst put an end to (reuse of a
// closed flow's ports, expiry found at look-up, eviction), at most two per packet. Order of packets
// within a flow is kept. It stops short before a packet that ends a flow which an earlier packet of
// the same burst belongs to: send those first, then call again with the rest.
TrackResult track(std::span<const PacketView> packets, std::span<const Headers> headers,
                  uint8_t wire, FlowTable& table, TrackStats& stats, std::span<Tracked> tracked,
                  std::span<EndedFlow> ended) noexcept;

}  // namespace weir
