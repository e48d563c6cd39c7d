// SPDX-License-Identifier: Apache-2.0
// Single-producer single-consumer queues that live in shared memory and hold no pointer, so that
// two processes may map them at different addresses, and either may be killed at any instruction.
//
// SpscByteRing: records of variable length (multiple of 8, each begins with its uint16_t length at
//   byte 2, see RecordHeader). A full ring refuses; nobody waits.
// SpscMailbox<T>: fixed-size commands.
//
// The peer's index is read with acquire and published with release: what was written to a slot is
// visible before the index that offers it. A consumer never trusts what it reads: an index or a
// length that cannot be is reported as corrupt and skipped to the producer's position.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/base/prefetch.h"

namespace weir {

struct alignas(64) RingIndexes {
  alignas(64) std::atomic<uint64_t> tail{0};  // producer: rw, consumer: ro. Bytes or items ever put
  alignas(64) std::atomic<uint64_t> head{
      0};  // consumer: rw, producer: ro. Bytes or items ever taken
};
static_assert(sizeof(RingIndexes) == 128);

// A view of a ring; the storage (indexes and data) belongs to the segment. capacity: a power of
// two, in bytes. One process constructs the producing view, the other the consuming one.
class SpscByteRing {
 public:
  static constexpr uint32_t kRecordAlign = 8;

  SpscByteRing() noexcept = default;
  SpscByteRing(RingIndexes* indexes, uint8_t* data, uint64_t capacity) noexcept
      : indexes_(indexes), data_(data), capacity_(capacity) {}

  // Producer. Where a record of `bytes` bytes (multiple of 8, at most a quarter of the ring) may be
  // written; nobody sees it before offer(bytes). nullptr: no room.
  void* claim(uint32_t bytes) noexcept {
    const uint64_t tail = indexes_->tail.load(std::memory_order_relaxed);
    const uint64_t at = tail & (capacity_ - 1);
    const uint64_t to_end = capacity_ - at;
    const uint64_t pad = to_end < bytes ? to_end : 0;  // a record never wraps
    const auto has_room = [&] {
      return tail - head_seen_ <= capacity_ && capacity_ - (tail - head_seen_) >= pad + bytes;
    };
    if (!has_room()) {  // by what was seen: the consumer's line is not asked for with every record
      // acquire pairs with pop's release: the consumer is done with what we overwrite.
      head_seen_ = indexes_->head.load(std::memory_order_acquire);
      if (!has_room()) return nullptr;
    }
    if (pad != 0) write_pad(at);
    claimed_ = tail + pad;
    // The consumer's core has these lines still: asked for now, they are here when they are due.
    for (uint64_t next = claimed_ + kAhead; next < claimed_ + kAhead + bytes; next += 64) {
      prefetch_to_write(data_ + (next & (capacity_ - 1)));
    }
    return data_ + (claimed_ & (capacity_ - 1));
  }
  void offer(uint32_t bytes) noexcept {
    indexes_->tail.store(claimed_ + bytes, std::memory_order_release);  // offers the record
  }
  // Both at once, of a record that lies elsewhere. false: no room, nothing was written.
  bool push(const void* record, uint32_t bytes) noexcept {
    void* const place = claim(bytes);
    if (place == nullptr) return false;
    std::memcpy(place, record, bytes);
    offer(bytes);
    return true;
  }

  // Consumer. Calls take(const uint8_t* record, uint32_t bytes) for at most `records_max` records
  // and then gives their room back. Returns how many. The record is valid during the call only.
  template <class Take>
  uint32_t pop(uint32_t records_max, Take&& take) noexcept(noexcept(take(nullptr, 0u))) {
    uint64_t head = indexes_->head.load(std::memory_order_relaxed);
    // acquire pairs with push's release: the records below tail are whole.
    const uint64_t tail = indexes_->tail.load(std::memory_order_acquire);
    if (tail - head > capacity_) return skip_to(tail);
    uint32_t taken = 0;
    while (head != tail && taken < records_max) {
      const uint64_t at = head & (capacity_ - 1);
      uint16_t length[2];  // type, bytes
      std::memcpy(length, data_ + at, sizeof length);
      const uint64_t most = std::min(capacity_ - at, tail - head);
      if (length[0] == 0) {  // padding to the end of the ring
        if (capacity_ - at > tail - head) return skip_to(tail);
        head += capacity_ - at;
        continue;
      }
      if (length[1] < kRecordAlign || length[1] % kRecordAlign != 0 || length[1] > most) {
        return skip_to(tail);
      }
      take(data_ + at, uint32_t{length[1]});
      head += length[1];
      ++taken;
    }
    indexes_->head.store(head, std::memory_order_release);  // gives the room back
    return taken;
  }

  uint64_t used_bytes() const noexcept {
    return indexes_->tail.load(std::memory_order_acquire) -
           indexes_->head.load(std::memory_order_acquire);
  }
  uint64_t corruptions() const noexcept { return corruptions_; }

 private:
  void write_pad(uint64_t at) noexcept { std::memset(data_ + at, 0, sizeof(uint32_t)); }
  uint32_t skip_to(uint64_t tail) noexcept {
    ++corruptions_;
    indexes_->head.store(tail, std::memory_order_release);
    return 0;
  }

  RingIndexes* indexes_ = nullptr;
  uint8_t* data_ = nullptr;
  uint64_t capacity_ = 0;
  static constexpr uint64_t kAhead = 2048;
  uint64_t head_seen_ = 0;  // producer: of the consumer
  uint64_t claimed_ = 0;    // producer: where the record begins that is being written
  uint64_t corruptions_ = 0;
};

template <class T, uint32_t kSlots>
class SpscMailbox {
  static_assert(std::is_trivially_copyable_v<T> && (kSlots & (kSlots - 1)) == 0);

 public:
  // Producer. false: full, nothing was put.
  bool push(const T& item) noexcept {
    const uint64_t tail = indexes_.tail.load(std::memory_order_relaxed);
    // acquire pairs with pop's release: the slot is free again.
    if (tail - indexes_.head.load(std::memory_order_acquire) >= kSlots) return false;
    slots_[tail & (kSlots - 1)] = item;
    indexes_.tail.store(tail + 1, std::memory_order_release);  // offers the slot
    return true;
  }
  // Consumer. false: empty.
  bool pop(T& item) noexcept {
    const uint64_t head = indexes_.head.load(std::memory_order_relaxed);
    // acquire pairs with push's release: the slot is whole. A tail that cannot be counts as empty.
    const uint64_t waiting = indexes_.tail.load(std::memory_order_acquire) - head;
    if (waiting == 0 || waiting > kSlots) return false;
    item = slots_[head & (kSlots - 1)];
    indexes_.head.store(head + 1, std::memory_order_release);  // gives the slot back
    return true;
  }
  bool empty() const noexcept {
    return indexes_.tail.load(std::memory_order_acquire) ==
           indexes_.head.load(std::memory_order_acquire);
  }
  // When the consuming side starts anew: what its predecessor did not take is gone.
  void reset() noexcept {
    indexes_.head.store(indexes_.tail.load(std::memory_order_acquire), std::memory_order_release);
  }

 private:
  RingIndexes indexes_;
  T slots_[kSlots];
};

}  // namespace weir
