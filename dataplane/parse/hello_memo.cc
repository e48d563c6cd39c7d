// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/hello_memo.h"

#include <algorithm>
#include <cstring>

#include "dataplane/base/hash.h"

namespace weir::parse {

HelloMemo::Place& HelloMemo::place_of(const HelloKey& key) const noexcept {
  // Who makes keys meet in one place gets no more than the digests done anew: no secret is needed.
  uint64_t h = key.bytes().size();
  for (Bytes left = key.bytes(); !left.empty();) {
    const size_t n = std::min(left.size(), sizeof h);
    uint64_t word = 0;
    std::memcpy(&word, left.data(), n);
    h = hash_mix(h ^ word, 0x9e3779b97f4a7c15u);
    left = left.subspan(n);
  }
  return places_[h % kPlaces];
}

Bytes HelloMemo::find(const HelloKey& key) const noexcept {
  if (!key.fits()) return {};
  const Place& p = place_of(key);
  if (!std::ranges::equal(key.bytes(), Bytes(p.key, p.key_bytes))) return {};
  return {p.facts, p.fact_bytes};
}

void HelloMemo::keep(const HelloKey& key, Bytes facts) noexcept {
  if (!key.fits() || facts.size() > kFactBytes) return;
  Place& p = place_of(key);
  p.key_bytes = static_cast<uint16_t>(key.bytes().size());
  p.fact_bytes = static_cast<uint16_t>(facts.size());
  std::ranges::copy(key.bytes(), p.key);
  std::ranges::copy(facts, p.facts);
}

}  // namespace weir::parse
