// SPDX-License-Identifier: Apache-2.0
// Flows: one bidirectional conversation each, found by a key that is the same for both directions.
// One FlowTable per worker, touched by it alone; nothing is allocated after construction.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <type_traits>

#include "dataplane/base/huge_array.h"
#include "dataplane/contract/settings.h"
#include "dataplane/decode/decode.h"
#include "dataplane/flow/bucket.h"

namespace weir {

// The two ends in canonical order (the smaller address, then port, first), where they were met, and
// the protocol. Compared and hashed as bytes: no padding, reserved is zero.
struct FlowKey {
  IpAddress lo{}, hi{};
  uint16_t lo_port = 0, hi_port = 0;
  uint16_t vlan[2] = {};
  uint8_t proto = 0;
  uint8_t wire = 0;
  uint8_t network[3] = {};  // Headers::network: tenants share addresses
  uint8_t is_free = 0;      // in the table: the slot is, and so equals no flow's key
  uint8_t reserved[2] = {};
  using Words = std::array<uint64_t, 6>;
  Words words() const noexcept { return std::bit_cast<Words>(*this); }
  bool operator==(const FlowKey& o) const noexcept {
    const Words a = words(), b = o.words();
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
            (a[5] ^ b[5])) == 0;
  }
};
static_assert(sizeof(FlowKey) == 48 && std::has_unique_object_representations_v<FlowKey>);

// What later stages still want of a flow. A settled flow has none of these set and costs decode,
// track and decide. Written by the stage it names (cleared), set at creation.
enum FlowFlag : uint16_t {
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
  kHasDrops = 1u << 14,       // its FlowDrops is in use
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
  uint16_t reserved = 0;
  // second line
  uint64_t packets[2] = {};  // [0] from the initiator
  uint64_t bytes[2] = {};
  FlowId id = 0;                     // 0: the slot is free
  uint32_t verdict_generation = 0;   // decide: the table this flow was last judged against
  uint32_t verdict_slot = kNoSlot;   // decide
  uint32_t classify_slot = kNoSlot;  // classify
  uint16_t app_master = 0, app = 0;  // classify
  uint32_t fin_seen = 0;             // bit per direction
  uint32_t reserved2 = 0;
};
static_assert(sizeof(Flow) == 128);

// What settled flows do not touch per packet.
struct FlowCold {
  TimeNs first_ns = 0;
  uint32_t told = 0;                // features: last FlowUpdate or FlowStart, see tell()
  uint16_t stream_tail[2] = {};     // match: where last bytes are kept
  uint32_t matched_bytes[2] = {};   // match: payload already inspected, per direction
  MacAddress src_mac{}, dst_mac{};  // of the initiator and the responder
  uint16_t classified_packets = 0;  // classify
  uint8_t seen_directions = 0;      // match: bit per direction, first packet was matched
  uint8_t reserved = 0;

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

// What came of verdicts and rules that stop packets of a flow. Most flows never have it: its memory
// comes with its first use. Writer: decide.
struct FlowDrops {
  VerdictId verdict = 0;  // last that dropped a packet
  uint64_t packets = 0, bytes = 0;
  uint32_t rule_sid = 0;               // rule that blocks the rest
  uint32_t rate_slot = kNoSlot;        // meter of a rate per flow
  Action rule_action = Action::kPass;  // what rule_sid does
};
static_assert(sizeof(FlowDrops) == 40);

// All of a flow, to be told of.
struct FlowView {
  const Flow& flow;
  const FlowCold& cold;
  const FlowDrops& drops;
};

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
  uint32_t quoted = kNoFlow;  // flow that an ICMP error speaks of
  uint8_t events = 0;         // TrackEvent
  uint8_t direction = 0;      // 0: from the initiator, 1: from the responder
};

// A flow that is no longer in the table, as it was.
struct EndedFlow {
  Flow flow;
  FlowCold cold;
  FlowDrops drops;
  EndReason why = EndReason::kTimeout;
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

  // The steps of a look-up one by one, so that a burst waits for memory once per step and not once
  // per packet: fetch the first bucket, guess, fetch the second where there was no guess, guess
  // again; a guess begins to fetch its flow and may be wrong.
  void prefetch_first(uint64_t hash) const noexcept {
    __builtin_prefetch(&buckets_[first_bucket(hash)]);
  }
  void prefetch_second(uint64_t hash) const noexcept {
    __builtin_prefetch(&buckets_[second_bucket(hash)]);
  }
  uint32_t guess_first(uint64_t hash) const noexcept {
    return guess(buckets_[first_bucket(hash)], tag_of(hash));
  }
  uint32_t guess_second(uint64_t hash) const noexcept {
    return guess(buckets_[second_bucket(hash)], tag_of(hash));
  }

  Flow& flow(uint32_t i) noexcept { return flows_[i]; }
  const Flow& flow(uint32_t i) const noexcept { return flows_[i]; }
  FlowCold& cold(uint32_t i) noexcept { return cold_[i]; }
  const FlowCold& cold(uint32_t i) const noexcept { return cold_[i]; }
  const FlowDrops& drops(uint32_t i) const noexcept {
    return (flows_[i].flags & kHasDrops) != 0 ? drops_[i] : kNoDrops;
  }
  FlowDrops& drops_to_write(uint32_t i) noexcept;
  void prefetch_drops(uint32_t i) const noexcept { __builtin_prefetch(&drops_[i]); }
  FlowView view(uint32_t i) const noexcept { return {flows_[i], cold_[i], drops(i)}; }
  uint32_t capacity() const noexcept { return capacity_; }
  uint32_t size() const noexcept { return size_; }
  uint64_t impossible() const noexcept { return impossible_; }  // broken invariants survived
  bool is_expired(const Flow& f, TimeNs now) const noexcept {
    const TimeNs idle = now - f.last_ns;
    return idle > shortest_timeout_ns_ && idle > timeout_of(f);
  }

  // A slot to give up for a new flow: the first of `kEvictLook` after the last look that never got
  // an answer or is closed. kNoFlow: none of them is.
  uint32_t evict_candidate() noexcept;

  // Some of the slots, round and round, all of them within kSweepRoundNs of packet clock as far as
  // `most` per call allows: expired flows are removed and given to ended(i) before that; the others
  // to living(i). Either is called with the flow still in place.
  template <class Ended, class Living>
  void sweep(uint32_t most, TimeNs now, Ended&& ended, Living&& living) {
    constexpr uint32_t kAhead = 8;
    for (uint32_t n = slots_due(most, now); n != 0 && size_ != 0; --n) {
      sweep_at_ = sweep_at_ + 1 >= high_water_ ? 0 : sweep_at_ + 1;
      if (sweep_at_ + kAhead < high_water_) {
        __builtin_prefetch(&flows_[sweep_at_ + kAhead]);
        __builtin_prefetch(&cold_[sweep_at_ + kAhead]);
      }
      Flow& f = flows_[sweep_at_];
      if (f.key.is_free != 0) continue;
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
      const Waiting& w = waiting_[waiting_head_ & waiting_mask_];
      Flow& f = flows_[w.index];
      const bool is_same = f.key.is_free == 0 && static_cast<uint32_t>(f.id) == w.id;
      if (is_same && cold_[w.index].first_ns + settings_.tcp_embryonic_ns > now) return;
      ++waiting_head_;
      if (!is_same || f.state != FlowState::kNew || (f.flags & kNoAnswerTold) != 0) continue;
      f.flags |= kNoAnswerTold;
      no_answer(w.index);
    }
  }
  void await_answer(uint32_t index) noexcept;

  FlowId next_id() noexcept { return ++last_id_; }
  const FlowSettings& settings() const noexcept { return settings_; }

 private:
  static constexpr uint32_t kEvictLook = 64;
  static constexpr TimeNs kSweepRoundNs = kNsPerSecond;
  struct Waiting {
    uint32_t index, id;  // id: its lower half
  };
  static constexpr FlowDrops kNoDrops{};
  static uint16_t tag_of(uint64_t hash) noexcept { return static_cast<uint16_t>(hash >> 48) | 1u; }
  uint64_t first_bucket(uint64_t hash) const noexcept { return hash & bucket_mask_; }
  uint64_t second_bucket(uint64_t hash) const noexcept {
    return (hash ^ (uint64_t{tag_of(hash)} * 0x5bd1e995u + 1)) & bucket_mask_;
  }
  uint32_t guess(const FlowBucket& bucket, uint16_t tag) const noexcept {
    const unsigned slots = bucket.slots_with(tag);
    if (slots == 0) return kNoFlow;
    const uint32_t index = bucket.index[std::countr_zero(slots)];
    __builtin_prefetch(&flows_[index], 1);
    __builtin_prefetch(&flows_[index].packets, 1);
    return index;
  }
  uint32_t find_in(const FlowBucket& bucket, uint16_t tag, const FlowKey& key) const noexcept;
  TimeNs timeout_of(const Flow& f) const noexcept;
  uint32_t slots_due(uint32_t most, TimeNs now) noexcept;

  FlowSettings settings_;
  TimeNs shortest_timeout_ns_;
  uint64_t seed_;
  uint32_t capacity_;
  uint64_t bucket_mask_, waiting_mask_;
  HugeArray<FlowBucket> buckets_;
  HugeArray<Flow> flows_;
  HugeArray<FlowCold> cold_;
  HugeArray<FlowDrops> drops_;
  HugeArray<Waiting> waiting_;  // FIFO, for half as many as there are flows
  uint64_t waiting_head_ = 0, waiting_tail_ = 0;
  uint32_t free_head_ = kNoFlow;  // slots given back, the next of each in its verdict_slot
  uint32_t size_ = 0;
  uint32_t high_water_ = 0;  // slots from here on were never used
  uint32_t sweep_at_ = 0, evict_at_ = 0;
  TimeNs swept_ns_ = 0;
  uint64_t impossible_ = 0;
  FlowId last_id_;
};

// The ends of a flow as records tell them: src is the initiator.
Endpoints endpoints_of(const Flow& f) noexcept;
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
