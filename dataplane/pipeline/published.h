// SPDX-License-Identifier: Apache-2.0
// One writer replaces an object that many workers are reading, and learns when the last of them has
// let go of the old one (quiescent-state-based reclamation, as in DPDK's rte_rcu_qsbr, whose guide
// is worth reading; ours needs no DPDK, so that replay and tests use the same). A worker acquires
// once per burst and reports quiescent() between bursts, when it holds nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "dataplane/contract/settings.h"

namespace weir {

class Quiescence {
 public:
  // Worker: holds no published object at this moment.
  void quiescent(uint32_t worker) noexcept {
    // acquire pairs with advance(): after it, acquire() of any Published sees the new object.
    const uint64_t now = era_.load(std::memory_order_acquire);
    seen_[worker].era.store(now, std::memory_order_release);  // pairs with has_passed()
  }
  void join(uint32_t worker) noexcept { quiescent(worker); }
  void leave(uint32_t worker) noexcept {
    seen_[worker].era.store(kAway, std::memory_order_release);
  }
  // Writer.
  uint64_t advance() noexcept { return era_.fetch_add(1, std::memory_order_acq_rel) + 1; }
  bool has_passed(uint64_t era) const noexcept {
    for (const Seen& s : seen_) {
      if (s.era.load(std::memory_order_acquire) < era) return false;
    }
    return true;
  }

 private:
  static constexpr uint64_t kAway = UINT64_MAX;
  struct alignas(64) Seen {
    std::atomic<uint64_t> era{kAway};  // worker: rw, writer: ro
  };
  std::atomic<uint64_t> era_{1};  // writer: rw, workers: ro
  std::array<Seen, kWorkersMax> seen_;
};

template <class T>
class Published {
 public:
  // Worker: good until it next reports quiescent(). May be null.
  const T* acquire() const noexcept { return object_.load(std::memory_order_acquire); }
  // Writer: the old object, to be freed once every worker has passed quiescence.advance().
  const T* replace(const T* next) noexcept {
    return object_.exchange(next, std::memory_order_acq_rel);  // release: next is whole
  }

 private:
  std::atomic<const T*> object_{nullptr};
};

}  // namespace weir
