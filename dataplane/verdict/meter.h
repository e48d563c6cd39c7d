// SPDX-License-Identifier: Apache-2.0
// Private to verdict: a token bucket in integer nanoseconds, exact at any rate: `tokens` are
// nanoseconds of credit; a packet costs unit_ns (or unit_ns per bit) and passes if there is credit.
// Burst: 100 ms worth of the rate, at least one packet; a new bucket is full.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/contract/verdict.h"

namespace weir {

class TokenBucket {
 public:
  TokenBucket() noexcept = default;
  TokenBucket(const RateLimit& limit, TimeNs now) noexcept
      : packets_per_second_(limit.packets_per_second),
        bits_per_second_(limit.bits_per_second),
        credit_ns_(kFull),
        last_ns_(now) {}

  // Whether a packet of `bytes` may pass now; takes its cost if so.
  bool pass(TimeNs now, uint32_t bytes) noexcept {
    if (packets_per_second_ == 0 && bits_per_second_ == 0) return true;
    const TimeNs most = std::max(kBurstNs, cost_ns(bytes));
    credit_ns_ = std::min(credit_ns_ + std::clamp<TimeNs>(now - last_ns_, 0, most), most);
    last_ns_ = std::max(last_ns_, now);
    const TimeNs cost = cost_ns(bytes);
    if (cost > credit_ns_) return false;
    credit_ns_ -= cost;
    return true;
  }

  // Forgotten now and begun anew it would not let more pass than it does.
  bool is_full(TimeNs now) const noexcept {
    if (packets_per_second_ == 0 && bits_per_second_ == 0) return true;
    return credit_ns_ + std::max<TimeNs>(now - last_ns_, 0) >=
           std::max(kBurstNs, cost_ns(kPacketBytesMax));
  }

 private:
  static constexpr TimeNs kBurstNs = 100 * kNsPerMs;
  static constexpr TimeNs kFull = TimeNs{1} << 60;  // the first packet makes it what it may be
  static constexpr uint32_t kPacketBytesMax = 1u << 16;
  TimeNs cost_ns(uint32_t bytes) const noexcept {
    if (packets_per_second_ != 0) {
      return kNsPerSecond / static_cast<TimeNs>(std::min<uint64_t>(packets_per_second_, 1u << 30));
    }
    const auto bits = static_cast<uint64_t>(bytes) * 8 * kNsPerSecond;  // 64 KiB: < 2^50
    return static_cast<TimeNs>(bits / bits_per_second_);
  }
  uint64_t packets_per_second_ = 0, bits_per_second_ = 0;
  TimeNs credit_ns_ = 0, last_ns_ = 0;
};

}  // namespace weir
