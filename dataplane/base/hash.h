// SPDX-License-Identifier: Apache-2.0
// The one way to mix integers for tables of the packet path.
#pragma once

#include <cstdint>

namespace weir {

__extension__ using uint128 = unsigned __int128;

// Folded 64x64 multiply, as in wyhash and its kin: two inputs, well mixed, about 4 cycles.
inline uint64_t hash_mix(uint64_t a, uint64_t b) noexcept {
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace weir
