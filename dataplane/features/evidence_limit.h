// SPDX-License-Identifier: Apache-2.0
// Private to features: how much evidence one client may cause. Per client and kind so many events a
// second are told one by one; what comes beyond is counted, and the count told with the last of
// them, so nothing is sampled away. Logins and ARP are the same event only if all their facts
// agree; hosts say the same in ARP for ever, so of that one a minute is told. A direct-mapped
// table: who finds another's count in his place has it told first.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/contract/evidence.h"

namespace weir {

class EvidenceLimit {
 public:
  explicit EvidenceLimit(uint32_t per_second)
      : per_second_(per_second), places_(std::make_unique<Place[]>(kPlaces)) {}

  // true: tell e now. false: it was counted. tell(const Evidence&): of counts that are due.
  template <class Tell>
  bool admit(const Evidence& e, Tell&& tell) {
    const uint64_t key = key_of(e);
    Place& p = places_[key % kPlaces];
    if (p.key != key || e.time_ns - p.began_ns >= window_of(e.kind) || e.time_ns < p.began_ns) {
      flush(p, tell);
      p.key = key;
      p.began_ns = e.time_ns;
      p.told = 0;
    }
    const uint32_t most = e.kind == EvidenceKind::kLogin ? kSameLoginsPerSecond
                          : e.kind == EvidenceKind::kArp ? 1
                                                         : per_second_;
    if (p.told < most) {
      ++p.told;
      return true;
    }
    if (p.counted++ == 0) ++pending_;
    p.last = e;
    p.fact_bytes = static_cast<uint16_t>(e.facts.size() <= sizeof p.facts ? e.facts.size() : 0);
    p.last.overflow = e.overflow || p.fact_bytes != e.facts.size();
    std::memcpy(p.facts, e.facts.data(), p.fact_bytes);
    return false;
  }
  // Tells counts that are a second old, looking at `places` places; all: of any age, everywhere.
  template <class Tell>
  void sweep(TimeNs now, uint32_t places, bool all, Tell&& tell) {
    if (pending_ == 0) return;
    for (uint32_t n = 0; n < (all ? kPlaces : places); ++n) {
      Place& p = places_[sweep_at_];
      sweep_at_ = (sweep_at_ + 1) % kPlaces;
      if (all || now - p.began_ns >= window_of(p.last.kind)) flush(p, tell);
    }
  }

 private:
  static constexpr uint32_t kPlaces = 2048;
  static constexpr uint32_t kSameLoginsPerSecond = 20;
  struct Place {
    uint64_t key = 0;
    TimeNs began_ns = 0;
    uint32_t told = 0, counted = 0;
    uint16_t fact_bytes = 0;
    Evidence last;
    uint8_t facts[2 * kEvidencePartBytes] = {};
  };
  static constexpr TimeNs window_of(EvidenceKind kind) noexcept {
    return kind == EvidenceKind::kArp ? 60 * kNsPerSecond : kNsPerSecond;
  }
  static uint64_t key_of(const Evidence& e) noexcept {
    uint64_t h = 0xcbf29ce484222325u ^ static_cast<uint64_t>(e.kind);  // FNV-1a
    const auto add = [&h](const uint8_t* p, size_t n) {
      for (size_t i = 0; i < n; ++i) h = (h ^ p[i]) * 0x100000001b3u;
    };
    add(e.ends.src.bytes.data(), 16);
    if (e.kind == EvidenceKind::kLogin || e.kind == EvidenceKind::kArp) {
      add(e.ends.dst.bytes.data(), 16);
      add(e.facts.data(), e.facts.size());
    }
    return (h ^ h >> 29) | 1;
  }
  template <class Tell>
  void flush(Place& p, Tell&& tell) {
    if (p.counted == 0) return;
    p.last.repeats = p.counted;
    p.last.facts = {p.facts, p.fact_bytes};
    tell(p.last);
    p.counted = 0;
    --pending_;
  }

  uint32_t per_second_;
  uint32_t pending_ = 0;  // places with a count
  uint32_t sweep_at_ = 0;
  std::unique_ptr<Place[]> places_;
};

}  // namespace weir
