// SPDX-License-Identifier: Apache-2.0
// A counter with one writer and any number of readers, possibly in another process. The writer
// does a relaxed load and store (no locked instruction); readers may see it a moment late, never
// torn. Order between two counters is not promised.
#pragma once

#include <atomic>
#include <cstdint>

namespace weir {

class Counter {
 public:
  void add(uint64_t n = 1) noexcept {
    v_.store(v_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t n) noexcept { v_.store(n, std::memory_order_relaxed); }
  uint64_t get() const noexcept { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> v_{0};
};
static_assert(sizeof(Counter) == 8 && std::atomic<uint64_t>::is_always_lock_free);

}  // namespace weir
