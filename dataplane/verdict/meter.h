// SPDX-License-Identifier: Apache-2.0
// Rates: whose packets are over theirs. One Meters per process, used by all its workers at once, so
// that a rate is the rate whichever workers the packets come through. The virtual scheduling form
// of the generic cell rate algorithm (ITU-T I.371 annex A) in nanoseconds: of each metered thing
// only the time is kept at which it would be idle again. Idle for long enough and never seen are
// the same, so nothing is handed out or given back, and whoever invents sources washes no limit
// away.
//
// Burst: 100 ms worth of the rate, at least one packet.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/contract/verdict.h"

namespace weir {

// What a rate is of: a verdict or a rule alone, or one source or flow under it. Zero is nobody's.
using MeterKey = uint64_t;

class Meters {
 public:
  // seed: of where the cells lie (live: random).
  explicit Meters(uint64_t seed);
  static constexpr uint64_t bytes() noexcept { return uint64_t{kCells} * sizeof(Cell); }

  MeterKey key(uint64_t owner, const IpAddress& source) const noexcept;
  MeterKey key(uint64_t owner, uint64_t part = 0) const noexcept;

  // Whether a packet of `bytes` may pass now; takes its share if so. of_all: what it counts
  // against where there is no cell left for `own`: stricter, never looser. Thread-safe, lock-free.
  bool pass(MeterKey own, MeterKey of_all, const RateLimit& limit, TimeNs now,
            uint32_t bytes) noexcept;

 private:
  static constexpr uint32_t kCells = 1u << 16;  // things metered at a time
  static constexpr uint32_t kWays = 8;          // of a set: two cache lines
  static constexpr uint32_t kWaysOfParts = 6;   // the others are for rates as a whole
  struct Cell {
    std::atomic<MeterKey> key{0};
    std::atomic<TimeNs> idle_at_ns{0};
  };
  Cell* find(MeterKey key, uint32_t ways, TimeNs now) noexcept;

  uint64_t seed_;
  std::unique_ptr<Cell[]> cells_;
};

}  // namespace weir
