// SPDX-License-Identifier: Apache-2.0
// Two-choice bucketed table: a key lives in one of two cache-line buckets of 8; at most half of the
// slots are ever used, so that both being full is rarer than any other loss. Deletion clears the
// slot: no tombstones, no rehash, no movement, hence pointers to flows stay good while they live.
#include <algorithm>
#include <bit>

#include "dataplane/base/check.h"
#include "dataplane/base/hash.h"
#include "dataplane/flow/flow.h"

namespace weir {

namespace {

uint64_t buckets_for(uint64_t flows_max) noexcept {
  return std::bit_ceil(std::max<uint64_t>(flows_max, 16) * 2 / 8);
}

}  // namespace

FlowTable::FlowTable(const FlowSettings& settings, FlowId id_base, uint64_t seed)
    : settings_(settings),
      seed_(seed),
      capacity_(static_cast<uint32_t>(std::clamp<uint64_t>(settings.flows_max, 16, 1u << 28))),
      bucket_mask_(buckets_for(capacity_) - 1),
      buckets_(std::make_unique<Bucket[]>(bucket_mask_ + 1)),
      flows_(std::make_unique<Flow[]>(capacity_)),
      cold_(std::make_unique<FlowCold[]>(capacity_)),
      free_(std::make_unique<uint32_t[]>(capacity_)),
      waiting_(std::make_unique<Waiting[]>(capacity_)),
      free_count_(capacity_),
      last_id_(id_base) {
  for (uint32_t i = 0; i < capacity_; ++i) free_[i] = capacity_ - 1 - i;  // low slots first
}

uint64_t FlowTable::bytes_for(uint64_t flows_max) noexcept {
  return buckets_for(flows_max) * sizeof(Bucket) +
         flows_max * (sizeof(Flow) + sizeof(FlowCold) + sizeof(uint32_t) + sizeof(Waiting));
}

uint64_t FlowTable::hash(const FlowKey& key) const noexcept {
  uint64_t w[6];
  std::memcpy(w, &key, sizeof w);
  const uint64_t a = hash_mix(w[0] ^ seed_, w[1] ^ 0xa0761d6478bd642full);
  const uint64_t b = hash_mix(w[2] ^ 0xe7037ed1a0b428dbull, w[3] ^ seed_);
  const uint64_t c = hash_mix(w[4] ^ 0x8ebc6af09c88c6e3ull, w[5] ^ 0x589965cc75374cc3ull);
  return hash_mix(a ^ 0x1d8e4e27c47d124full, b ^ std::rotl(c, 23));
}

void FlowTable::prefetch_bucket(uint64_t hash) const noexcept {
  __builtin_prefetch(&buckets_[first_bucket(hash)]);
}

uint32_t FlowTable::find_in(uint64_t bucket, uint16_t tag, const FlowKey& key) const noexcept {
  const Bucket& b = buckets_[bucket];
  for (unsigned s = 0; s < kSlots; ++s) {
    if (b.tag[s] == tag && flows_[b.index[s]].key == key) return b.index[s];
  }
  return kNoFlow;
}

uint32_t FlowTable::find(const FlowKey& key, uint64_t hash) const noexcept {
  const uint16_t tag = tag_of(hash);
  const uint32_t found = find_in(first_bucket(hash), tag, key);
  return found != kNoFlow ? found : find_in(second_bucket(hash), tag, key);
}

uint32_t FlowTable::insert(const FlowKey& key, uint64_t hash) noexcept {
  if (free_count_ == 0) return kNoFlow;
  const auto room = [](const Bucket& b) {
    return static_cast<unsigned>(std::count(std::begin(b.tag), std::end(b.tag), uint16_t{0}));
  };
  Bucket& first = buckets_[first_bucket(hash)];
  Bucket& second = buckets_[second_bucket(hash)];
  Bucket& b = room(first) >= room(second) ? first : second;
  for (unsigned s = 0; s < kSlots; ++s) {
    if (b.tag[s] != 0) continue;
    const uint32_t index = free_[--free_count_];
    b.tag[s] = tag_of(hash);
    b.index[s] = index;
    flows_[index] = Flow{};
    flows_[index].key = key;
    flows_[index].id = next_id();
    cold_[index] = FlowCold{};
    high_water_ = std::max(high_water_, index + 1);
    ++size_;
    return index;
  }
  return kNoFlow;
}

void FlowTable::erase(uint32_t index) noexcept {
  Flow& f = flows_[index];
  ASSERT(f.id != 0);
  const uint64_t h = hash(f.key);
  const uint16_t tag = tag_of(h);
  for (const uint64_t at : {first_bucket(h), second_bucket(h)}) {
    Bucket& b = buckets_[at];
    for (unsigned s = 0; s < kSlots; ++s) {
      if (b.tag[s] != tag || b.index[s] != index) continue;
      b.tag[s] = 0;
      f.id = 0;
      free_[free_count_++] = index;
      --size_;
      return;
    }
  }
  ASSERT(!"a flow that is in no bucket");
  ++impossible_;
}

bool FlowTable::is_expired(const Flow& f, TimeNs now) const noexcept {
  TimeNs limit = settings_.other_ns;
  if (f.key.proto == kProtoTcp) {
    limit = f.state == FlowState::kEstablished ? settings_.tcp_established_ns
            : f.state == FlowState::kNew       ? settings_.tcp_new_ns
                                               : settings_.tcp_closed_ns;
  } else if (f.key.proto == kProtoUdp) {
    limit =
        f.state == FlowState::kEstablished ? settings_.udp_established_ns : settings_.udp_new_ns;
  }
  return now - f.last_ns > limit;
}

uint32_t FlowTable::evict_candidate() noexcept {
  for (uint32_t n = 0; n < kEvictLook; ++n) {
    evict_at_ = evict_at_ + 1 >= high_water_ ? 0 : evict_at_ + 1;
    const Flow& f = flows_[evict_at_];
    if (f.id != 0 && f.state != FlowState::kEstablished) return evict_at_;
  }
  return kNoFlow;
}

void FlowTable::await_answer(uint32_t index, TimeNs now) noexcept {
  if (waiting_tail_ - waiting_head_ >= capacity_) return;  // a flood: the oldest are told first
  waiting_[waiting_tail_++ % capacity_] = {now, flows_[index].id, index};
}

}  // namespace weir
