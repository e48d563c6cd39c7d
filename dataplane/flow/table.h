// SPDX-License-Identifier: Apache-2.0
// Part of flow.h: the table of one worker's flows. Nothing is allocated after construction, and
// pointers to flows stay good while they live.
#pragma once

#include <bit>
#include <cstdint>

#include "dataplane/base/hash.h"
#include "dataplane/base/huge_array.h"
#include "dataplane/base/prefetch.h"
#include "dataplane/contract/settings.h"
#include "dataplane/flow/bucket.h"
#include "dataplane/flow/record.h"

namespace weir {

class FlowTable {
 public:
  // id_base: the first id is one more. seed: makes collisions unpredictable from outside.
  FlowTable(const FlowSettings& settings, FlowId id_base, uint64_t seed);
  static uint64_t bytes_for(uint64_t flows_max) noexcept;  // as long as nothing is dropped
  static uint64_t drops_bytes_for(uint64_t flows_max) noexcept {
    return flows_max * sizeof(FlowDrops);
  }

  uint32_t find(const FlowKey& key) const noexcept { return find(key, hash(key)); }
  uint32_t find(const FlowKey& key, uint64_t hash) const noexcept;
  // Adds key, which must not be there. kNoFlow: no room.
  uint32_t insert(const FlowKey& key, uint64_t hash) noexcept;
  void erase(uint32_t index) noexcept;

  uint64_t hash(const FlowKey& key) const noexcept { return hash(key.words()); }
  uint64_t hash(const FlowKey::Words& w) const noexcept {
    // The seed is in every factor: one that an address could make zero would hide the other.
    const uint64_t a = hash_mix(w[0] ^ seed_, w[1] ^ seed_ ^ 0xa0761d6478bd642full);
    const uint64_t b = hash_mix(w[2] ^ seed_ ^ 0xe7037ed1a0b428dbull, w[3] ^ seed_);
    return hash_mix(a ^ w[4], b ^ w[5] ^ 0x1d8e4e27c47d124full);
  }

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
  FlowDrops drops(uint32_t i) const noexcept;
  FlowDrops& drops_to_write(uint32_t i) noexcept;  // of a flow that is not kStopped
  // The flow is kStopped: what it counts from now on is dropped. What it has counted already and is
  // dropped later is for whoever drops that to count, after resume().
  void stop(uint32_t i) noexcept;
  // No longer. undecided: what the flow has counted since, and was not dropped.
  void resume(uint32_t i, const FlowTraffic& undecided) noexcept;
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
  void use(const FlowSettings& timeouts) noexcept;  // its flows_max is not looked at

 private:
  static constexpr uint32_t kEvictLook = 64;
  static constexpr TimeNs kSweepRoundNs = kNsPerSecond;
  struct Waiting {
    uint32_t index, id;  // id: its lower half
  };
  static uint16_t tag_of(uint64_t hash) noexcept { return static_cast<uint16_t>(hash >> 48) | 1u; }
  uint64_t first_bucket(uint64_t hash) const noexcept { return hash & bucket_mask_; }
  uint64_t second_bucket(uint64_t hash) const noexcept {
    return (hash ^ (uint64_t{tag_of(hash)} * 0x5bd1e995u + 1)) & bucket_mask_;
  }
  uint32_t guess(const FlowBucket& bucket, uint16_t tag) const noexcept {
    const unsigned slots = bucket.slots_with(tag);
    if (slots == 0) return kNoFlow;
    const uint32_t index = bucket.index[std::countr_zero(slots)];
    __builtin_prefetch(&flows_[index]);
    prefetch_to_write(&flows_[index].last_ns);
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

}  // namespace weir
