// SPDX-License-Identifier: Apache-2.0
// Private to features: how much evidence one client may cause. Per client and kind so many events a
// second are told one by one; what comes beyond is counted, and the count told with the last of
// them, so nothing is sampled away. Logins and ARP are the same event only if all their facts
// agree; hosts say the same in ARP for ever, so of that one a minute is told. Calls of DCE/RPC are
// counted by interface and operation in eight sums a client; one that had to take in several names
// none of them. A direct-mapped table: who finds another's count in his place has it told first.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/base/hash.h"
#include "dataplane/contract/evidence.h"

namespace weir {

class EvidenceLimit {
 public:
  explicit EvidenceLimit(uint32_t per_second)
      : per_second_(per_second),
        places_(std::make_unique<Place[]>(kPlaces)),
        kept_(std::make_unique<Kept[]>(kPlaces)) {}

  void use(uint32_t per_second) noexcept { per_second_ = per_second; }
  // true: tell e now. false: it was counted. tell(const Evidence&): of counts that are due.
  template <class Tell>
  bool admit(const Evidence& e, Tell&& tell) {
    const uint64_t key = key_of(e);
    const uint64_t at = key % kPlaces;
    Place& p = places_[at];
    if (p.key != key || e.time_ns - p.began_ns >= window_of(e.kind) || e.time_ns < p.began_ns) {
      flush(at, tell);
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
    const uint64_t call = call_of(e);
    const uint64_t sum = call == 0 ? at : place_of_sum(key, call, at, e.time_ns, tell);
    Kept& k = kept_[sum];
    k.mixed = places_[sum].counted != 0 && (k.mixed || k.call != call);
    k.call = call;
    if (places_[sum].counted++ == 0) ++pending_;
    k.last = e;
    k.fact_bytes = static_cast<uint16_t>(e.facts.size() <= sizeof k.facts ? e.facts.size() : 0);
    k.last.overflow = e.overflow || k.fact_bytes != e.facts.size();
    std::memcpy(k.facts, e.facts.data(), k.fact_bytes);
    return false;
  }
  // Tells counts that are a second old, looking at `places` places; all: of any age, everywhere.
  template <class Tell>
  void sweep(TimeNs now, uint32_t places, bool all, Tell&& tell) {
    if (pending_ == 0) return;
    for (uint32_t n = 0; n < (all ? kPlaces : places); ++n) {
      const uint64_t at = sweep_at_;
      sweep_at_ = (sweep_at_ + 1) % kPlaces;
      if (places_[at].counted == 0) continue;
      const TimeNs window = window_of(kept_[at].last.kind);
      if (all || now - places_[at].began_ns >= window) flush(at, tell);
    }
  }

 private:
  static constexpr uint32_t kPlaces = 2048;
  static constexpr uint32_t kSameLoginsPerSecond = 20;
  static constexpr uint64_t kSumsOfCalls = 8;
  struct Place {  // what every event looks at: small, so that all of them stay in the cache
    uint64_t key = 0;
    TimeNs began_ns = 0;
    uint32_t told = 0, counted = 0;
  };
  struct Kept {  // where `counted` is not 0
    uint16_t fact_bytes = 0;
    bool mixed = false;  // of several calls
    uint64_t call = 0;
    Evidence last;
    uint8_t facts[2 * kEvidencePartBytes] = {};
  };
  static constexpr TimeNs window_of(EvidenceKind kind) noexcept {
    return kind == EvidenceKind::kArp ? 60 * kNsPerSecond : kNsPerSecond;
  }
  // Which operation of which interface it calls; 0: none.
  static uint64_t call_of(const Evidence& e) noexcept {
    uint64_t h = 0;
    if (e.kind != EvidenceKind::kDcerpc && e.kind != EvidenceKind::kSmb) return h;
    each_fact(e.facts, [&h](const FactValue& v) {
      switch (v.fact) {
        case Fact::kRpcOpnum:
        case Fact::kRpcInterfaceUuid:
        case Fact::kSmbRpcOpnum:
        case Fact::kSmbRpcInterfaceUuid:
          for (const uint8_t b : v.bytes) h = hash_mix(h ^ b, 0x9e3779b97f4a7c15u) | 1;
          return;
        default:
          return;
      }
    });
    return h;
  }
  // Where calls beyond the bound of the client whose place is `at` are summed up.
  template <class Tell>
  uint64_t place_of_sum(uint64_t key, uint64_t call, uint64_t at, TimeNs now, Tell&& tell) {
    const uint64_t own = hash_mix(key, 2 * ((call >> 8) % kSumsOfCalls) + 3) | 1;
    const uint64_t sum = own % kPlaces;
    Place& p = places_[sum];
    if (sum == at || (p.key == own && p.counted != 0)) return sum;
    flush(sum, tell);
    p = {.key = own, .began_ns = now, .told = per_second_};
    return sum;
  }
  static uint64_t key_of(const Evidence& e) noexcept {
    uint64_t h = 0xcbf29ce484222325u ^ static_cast<uint64_t>(e.kind);  // FNV-1a, of words
    const auto add = [&h](const uint8_t* p, size_t n) {
      for (uint64_t word = 0; n != 0; word = 0) {
        const size_t some = n < sizeof word ? n : sizeof word;
        std::memcpy(&word, p, some);
        h = (h ^ word) * 0x100000001b3u;
        h ^= h >> 32;
        p += some;
        n -= some;
      }
    };
    add(e.ends.src.bytes.data(), 16);
    if (e.kind == EvidenceKind::kLogin || e.kind == EvidenceKind::kArp) {
      add(e.ends.dst.bytes.data(), 16);
      add(e.facts.data(), e.facts.size());
    }
    return (h ^ h >> 29) | 1;
  }
  template <class Tell>
  void flush(uint64_t at, Tell&& tell) {
    Place& p = places_[at];
    if (p.counted == 0) return;
    Kept& k = kept_[at];
    k.last.repeats = p.counted;
    k.last.facts = {k.facts, k.mixed ? size_t{0} : k.fact_bytes};
    k.last.overflow = k.last.overflow || k.mixed;
    tell(k.last);
    p.counted = 0;
    --pending_;
  }

  uint32_t per_second_;
  uint32_t pending_ = 0;  // places with a count
  uint32_t sweep_at_ = 0;
  std::unique_ptr<Place[]> places_;
  std::unique_ptr<Kept[]> kept_;
};

}  // namespace weir
