// SPDX-License-Identifier: Apache-2.0
// A hash table of fixed capacity in which the entry that was touched longest ago makes room. For
// the control plane's tables, whose keys come from packets: memory is bounded whatever is sent,
// entries never move, and walks follow the order of touching, never that of the hash, so that two
// runs over the same input give the same output. The seed in the hash is the caller's (random where
// an attacker could choose keys, fixed in replay). One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/base/check.h"

namespace weir {

// Mixes 64 bits so that each input bit reaches each output bit (the finalizer of MurmurHash3).
constexpr uint64_t mix64(uint64_t x) noexcept {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

// Hash: uint64_t operator()(const Key&) const noexcept, well mixed.
template <class Key, class Value, class Hash>
class BoundedTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entry {
    Key key{};
    Value value{};

   private:
    friend class BoundedTable;
    uint32_t self = 0;
    uint32_t chain = kNone;                 // next entry of the same bucket
    uint32_t newer = kNone, older = kNone;  // order of touching
    bool used = false;
  };

  explicit BoundedTable(uint32_t capacity, Hash hash = {})
      : hash_(hash), capacity_(capacity), buckets_(std::bit_ceil(size_t{capacity}), kNone) {
    CHECK(capacity > 0 && capacity < (1u << 30));
  }

  uint32_t size() const noexcept { return size_; }
  uint32_t capacity() const noexcept { return capacity_; }
  uint64_t evictions() const noexcept { return evictions_; }

  Entry* find(const Key& key) noexcept {
    for (uint32_t i = buckets_[bucket(key)]; i != kNone; i = at(i).chain) {
      if (at(i).key == key) return &at(i);
    }
    return nullptr;
  }
  const Entry* find(const Key& key) const noexcept {
    return const_cast<BoundedTable*>(this)->find(key);
  }

  void touch(Entry& e) noexcept {
    if (newest_ == e.self) return;
    unlink(e);
    link_newest(e);
  }

  // The entry of a key that is not in the table, value fresh. Where there is no room the oldest
  // goes; evict(Entry&) sees it first and must not change the table.
  template <class Evict>
  Entry& add(const Key& key, Evict&& evict) {
    if (size_ == capacity_) {
      evict(at(oldest_));
      ++evictions_;
      erase(at(oldest_));
    }
    Entry& e = take_slot();
    const size_t b = bucket(key);
    e.key = key;
    e.used = true;
    e.chain = std::exchange(buckets_[b], e.self);
    link_newest(e);
    ++size_;
    return e;
  }
  Entry& add(const Key& key) {
    return add(key, [](Entry&) {});
  }

  void erase(Entry& e) noexcept {
    uint32_t* link = &buckets_[bucket(e.key)];
    while (*link != e.self) link = &at(*link).chain;
    *link = e.chain;
    unlink(e);
    e.value = Value{};
    e.used = false;
    e.chain = std::exchange(free_, e.self);
    --size_;
  }

  Entry* newest() noexcept { return pointer(newest_); }
  Entry* oldest() noexcept { return pointer(oldest_); }
  Entry* newer(const Entry& e) noexcept { return pointer(e.newer); }
  Entry* older(const Entry& e) noexcept { return pointer(e.older); }
  const Entry* newest() const noexcept { return pointer(newest_); }
  const Entry* oldest() const noexcept { return pointer(oldest_); }
  const Entry* older(const Entry& e) const noexcept { return pointer(e.older); }

  // Slots are stable: a cursor 0 <= i < slots() visits each entry that stays, in any number of
  // steps.
  uint32_t slots() const noexcept { return slots_; }
  Entry* slot(uint32_t i) noexcept { return at(i).used ? &at(i) : nullptr; }
  const Entry* slot(uint32_t i) const noexcept { return at(i).used ? &at(i) : nullptr; }
  static uint32_t index_of(const Entry& e) noexcept { return e.self; }

 private:
  static constexpr uint32_t kChunk = 1024;  // entries allocated at a time

  size_t bucket(const Key& key) const noexcept { return hash_(key) & (buckets_.size() - 1); }
  Entry& at(uint32_t i) noexcept { return chunks_[i / kChunk][i % kChunk]; }
  const Entry& at(uint32_t i) const noexcept { return chunks_[i / kChunk][i % kChunk]; }
  Entry* pointer(uint32_t i) noexcept { return i == kNone ? nullptr : &at(i); }
  const Entry* pointer(uint32_t i) const noexcept { return i == kNone ? nullptr : &at(i); }

  Entry& take_slot() {
    if (free_ != kNone) {
      Entry& e = at(free_);
      free_ = e.chain;
      return e;
    }
    if (slots_ % kChunk == 0) chunks_.push_back(std::make_unique<Entry[]>(kChunk));
    Entry& e = at(slots_);
    e.self = slots_++;
    return e;
  }
  void link_newest(Entry& e) noexcept {
    e.newer = kNone;
    e.older = newest_;
    if (newest_ != kNone) at(newest_).newer = e.self;
    newest_ = e.self;
    if (oldest_ == kNone) oldest_ = e.self;
  }
  void unlink(Entry& e) noexcept {
    (e.newer == kNone ? newest_ : at(e.newer).older) = e.older;
    (e.older == kNone ? oldest_ : at(e.older).newer) = e.newer;
  }

  Hash hash_;
  uint32_t capacity_;
  uint32_t size_ = 0, slots_ = 0, free_ = kNone;
  uint32_t newest_ = kNone, oldest_ = kNone;
  uint64_t evictions_ = 0;
  std::vector<uint32_t> buckets_;
  std::vector<std::unique_ptr<Entry[]>> chunks_;
};

}  // namespace weir
