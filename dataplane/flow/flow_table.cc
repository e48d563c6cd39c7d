// SPDX-License-Identifier: Apache-2.0
// Two-choice bucketed table: a key lives in one of two cache-line buckets of 8; at most half of the
// slots are ever used, so that both being full is rarer than any other loss. The first one is
// preferred until it is half full: nearly every look-up ends there. Deletion clears the slot: no
// tombstones, no rehash, no movement, hence pointers to flows stay good while they live.
#include <algorithm>
#include <bit>

#include "dataplane/base/check.h"
#include "dataplane/base/prefetch.h"
#include "dataplane/flow/table.h"

namespace weir {

namespace {

constexpr unsigned kHalfFull = 4;

uint64_t buckets_for(uint64_t flows_max) noexcept {
  return std::bit_ceil(std::max<uint64_t>(flows_max, 16) * 2 / 8);
}
uint64_t waiting_for(uint64_t flows_max) noexcept {
  return std::bit_ceil(std::max<uint64_t>(flows_max, 16)) / 2;
}

TimeNs shortest_timeout_of(const FlowSettings& s) noexcept {
  return std::min({s.tcp_new_ns, s.tcp_established_ns, s.tcp_closed_ns, s.udp_new_ns,
                   s.udp_established_ns, s.other_ns});
}

}  // namespace

FlowTable::FlowTable(const FlowSettings& settings, FlowId id_base, uint64_t seed)
    : settings_(settings),
      shortest_timeout_ns_(shortest_timeout_of(settings)),
      seed_(seed),
      capacity_(static_cast<uint32_t>(std::clamp<uint64_t>(settings.flows_max, 16, 1u << 28))),
      bucket_mask_(buckets_for(capacity_) - 1),
      waiting_mask_(waiting_for(capacity_) - 1),
      buckets_(bucket_mask_ + 1),
      flows_(capacity_),
      cold_(capacity_),
      drops_(capacity_, Backing::kWhenUsed),
      waiting_(waiting_mask_ + 1),
      last_id_(id_base) {}

uint64_t FlowTable::bytes_for(uint64_t flows_max) noexcept {
  return buckets_for(flows_max) * sizeof(FlowBucket) + waiting_for(flows_max) * sizeof(Waiting) +
         flows_max * (sizeof(Flow) + sizeof(FlowCold));
}

uint32_t FlowTable::find_in(const FlowBucket& b, uint16_t tag, const FlowKey& key) const noexcept {
  for (unsigned slots = b.slots_with(tag); slots != 0; slots &= slots - 1) {
    const uint32_t index = b.index[std::countr_zero(slots)];
    if (flows_[index].key == key) return index;
  }
  return kNoFlow;
}

uint32_t FlowTable::find(const FlowKey& key, uint64_t hash) const noexcept {
  const uint16_t tag = tag_of(hash);
  const uint32_t found = find_in(buckets_[first_bucket(hash)], tag, key);
  return found != kNoFlow ? found : find_in(buckets_[second_bucket(hash)], tag, key);
}

uint32_t FlowTable::insert(const FlowKey& key, uint64_t hash) noexcept {
  if (free_head_ == kNoFlow && high_water_ == capacity_) return kNoFlow;
  const auto used = [](const FlowBucket& b) { return kBucketSlots - count_slots(b.slots_with(0)); };
  FlowBucket* b = &buckets_[first_bucket(hash)];
  if (const unsigned in_first = used(*b); in_first > kHalfFull) {
    FlowBucket& second = buckets_[second_bucket(hash)];
    if (used(second) < in_first) b = &second;
  }
  const unsigned room = b->slots_with(0);
  if (room == 0) return kNoFlow;
  uint32_t index = high_water_;
  if (free_head_ != kNoFlow) {
    index = free_head_;
    free_head_ = flows_[index].verdict_slot;
    if (free_head_ != kNoFlow) prefetch_to_write(&flows_[free_head_].last_ns);
  } else {
    ++high_water_;
  }
  const int slot = std::countr_zero(room);
  b->tag[slot] = tag_of(hash);
  b->index[slot] = index;
  flows_[index] = Flow{};
  flows_[index].key = key;
  flows_[index].id = next_id();
  cold_[index] = FlowCold{};
  ++size_;
  return index;
}

void FlowTable::erase(uint32_t index) noexcept {
  Flow& f = flows_[index];
  ASSERT(f.id != 0);
  const uint64_t h = hash(f.key);
  const uint16_t tag = tag_of(h);
  for (const uint64_t at : {first_bucket(h), second_bucket(h)}) {
    FlowBucket& b = buckets_[at];
    for (unsigned slots = b.slots_with(tag); slots != 0; slots &= slots - 1) {
      const int slot = std::countr_zero(slots);
      if (b.index[slot] != index) continue;
      b.tag[slot] = 0;
      f.id = 0;
      f.key.is_free = 1;
      f.verdict_slot = free_head_;
      free_head_ = index;
      --size_;
      return;
    }
  }
  ASSERT(!"a flow that is in no bucket");
  ++impossible_;
}

void FlowTable::use(const FlowSettings& timeouts) noexcept {
  settings_ = timeouts;
  shortest_timeout_ns_ = shortest_timeout_of(timeouts);
}

TimeNs FlowTable::timeout_of(const Flow& f) const noexcept {
  const bool is_established = f.state == FlowState::kEstablished;
  switch (f.key.proto) {
    case kProtoTcp:
      return is_established               ? settings_.tcp_established_ns
             : f.state == FlowState::kNew ? settings_.tcp_new_ns
                                          : settings_.tcp_closed_ns;
    case kProtoUdp:
      return is_established ? settings_.udp_established_ns : settings_.udp_new_ns;
    default:
      return settings_.other_ns;
  }
}

uint32_t FlowTable::slots_due(uint32_t most, TimeNs now) noexcept {
  const TimeNs since = std::clamp<TimeNs>(now - swept_ns_, 0, kSweepRoundNs);
  const auto due = static_cast<uint32_t>(since * TimeNs{high_water_} / kSweepRoundNs);
  if (due > most || now < swept_ns_) {
    swept_ns_ = now;
    return std::min(due, most);
  }
  if (due != 0) swept_ns_ += due * kSweepRoundNs / high_water_;
  return due;
}

namespace {

FlowTraffic counted(const Flow& f) noexcept {
  return {f.packets[0] + f.packets[1], f.bytes[0] + f.bytes[1]};
}

}  // namespace

FlowDrops FlowTable::drops(uint32_t i) const noexcept {
  const Flow& f = flows_[i];
  if ((f.flags & kHasDrops) == 0) return {};
  FlowDrops d = drops_[i];
  if ((f.flags & kStopped) != 0) {
    d.packets += counted(f).packets;
    d.bytes += counted(f).bytes;
  }
  return d;
}

void FlowTable::stop(uint32_t i) noexcept {
  FlowDrops& d = drops_to_write(i);
  d.packets -= counted(flows_[i]).packets;
  d.bytes -= counted(flows_[i]).bytes;
  flows_[i].flags |= kStopped;
}

void FlowTable::resume(uint32_t i, const FlowTraffic& undecided) noexcept {
  drops_[i] = drops(i);
  drops_[i].packets -= undecided.packets;
  drops_[i].bytes -= undecided.bytes;
  flows_[i].flags &= ~unsigned{kStopped};
}

FlowDrops& FlowTable::drops_to_write(uint32_t i) noexcept {
  Flow& f = flows_[i];
  ASSERT((f.flags & kStopped) == 0);
  if ((f.flags & kHasDrops) == 0) {
    f.flags |= kHasDrops;
    drops_[i] = FlowDrops{};
  }
  return drops_[i];
}

uint32_t FlowTable::evict_candidate() noexcept {
  // In a flood one gives way for each that comes: what the next ones need is asked for before.
  constexpr uint32_t kNear = 4, kFar = 8;
  if (evict_at_ + kFar < high_water_) {
    prefetch_to_write(&flows_[evict_at_ + kFar]);
    prefetch_to_write(&flows_[evict_at_ + kFar].last_ns);
    __builtin_prefetch(&cold_[evict_at_ + kFar]);
    const uint64_t near = hash(flows_[evict_at_ + kNear].key);
    prefetch_first(near);
    prefetch_second(near);
  }
  for (uint32_t n = 0; n < kEvictLook; ++n) {
    evict_at_ = evict_at_ + 1 >= high_water_ ? 0 : evict_at_ + 1;
    const Flow& f = flows_[evict_at_];
    if (f.key.is_free == 0 && f.state != FlowState::kEstablished) return evict_at_;
  }
  return kNoFlow;
}

void FlowTable::await_answer(uint32_t index) noexcept {
  if (waiting_tail_ - waiting_head_ > waiting_mask_) return;  // a flood: the oldest are told first
  waiting_[waiting_tail_++ & waiting_mask_] = {index, static_cast<uint32_t>(flows_[index].id)};
}

}  // namespace weir
