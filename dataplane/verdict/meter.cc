// SPDX-License-Identifier: Apache-2.0
#include "dataplane/verdict/meter.h"

#include <algorithm>
#include <cstring>

#include "dataplane/base/hash.h"

namespace weir {

namespace {

constexpr TimeNs kBurstNs = 100 * kNsPerMs;
constexpr uint32_t kPacketBytesMax = 1u << 16;
constexpr unsigned kTriesMax = 16;  // each lost one is a packet that another worker let pass

TimeNs cost_ns(const RateLimit& limit, uint32_t bytes) noexcept {
  if (limit.packets_per_second != 0) {
    const uint64_t rate = std::min<uint64_t>(limit.packets_per_second, 1u << 30);
    return kNsPerSecond / static_cast<TimeNs>(rate);
  }
  const auto bits = static_cast<uint64_t>(bytes) * 8 * kNsPerSecond;  // 64 KiB: < 2^50
  return static_cast<TimeNs>(bits / limit.bits_per_second);
}

}  // namespace

Meters::Meters(uint64_t seed)
    : seed_(hash_mix(seed ^ 0xa0761d6478bd642full, 0x589965cc75374cc3ull)),
      cells_(std::make_unique<Cell[]>(kCells)) {}

MeterKey Meters::key(uint64_t owner, const IpAddress& source) const noexcept {
  uint64_t w[2];
  std::memcpy(w, source.bytes.data(), sizeof w);
  return key(owner, hash_mix(w[0] ^ seed_, w[1] ^ 0xe7037ed1a0b428dbull));
}

MeterKey Meters::key(uint64_t owner, uint64_t part) const noexcept {
  return hash_mix(owner ^ seed_, part ^ 0x8ebc6af09c88c6e3ull) | 1;
}

// The cell of `key`, or one that has been idle long enough to be anybody's. Null: none is.
Meters::Cell* Meters::find(MeterKey key, uint32_t ways, TimeNs now) noexcept {
  Cell* const set = &cells_[(key >> 32) % (kCells / kWays) * kWays];
  for (uint32_t i = 0; i < ways; ++i) {
    if (set[i].key.load(std::memory_order_relaxed) == key) return &set[i];
  }
  for (uint32_t i = 0; i < ways; ++i) {
    if (set[i].idle_at_ns.load(std::memory_order_relaxed) > now) continue;
    MeterKey was = set[i].key.load(std::memory_order_relaxed);
    if (set[i].key.compare_exchange_strong(was, key, std::memory_order_relaxed)) return &set[i];
  }
  return nullptr;
}

bool Meters::pass(MeterKey own, MeterKey of_all, const RateLimit& limit, TimeNs now,
                  uint32_t bytes) noexcept {
  if (limit.packets_per_second == 0 && limit.bits_per_second == 0) return true;
  Cell* cell = find(own, own == of_all ? kWays : kWaysOfParts, now);
  if (cell == nullptr && own != of_all) cell = find(of_all, kWays, now);
  if (cell == nullptr) return false;
  const TimeNs cost = cost_ns(limit, bytes);
  const TimeNs most = std::max(kBurstNs, cost);
  // Nobody owes more than that; where somebody does, the clock was set back.
  const TimeNs owed_max = 2 * std::max(kBurstNs, cost_ns(limit, kPacketBytesMax));
  TimeNs idle_at = cell->idle_at_ns.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < kTriesMax; ++i) {
    TimeNs next = std::max(idle_at, now) + cost;
    if (next > now + most) {
      if (next <= now + owed_max) return false;
      next = now + most;
    }
    if (cell->idle_at_ns.compare_exchange_weak(idle_at, next, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

}  // namespace weir
