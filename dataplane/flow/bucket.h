// SPDX-License-Identifier: Apache-2.0
// Private to flow: one cache line of the flow table's index, and which of its slots hold a tag.
#pragma once

#include <cstdint>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir {

constexpr unsigned kBucketSlots = 8;

// How many of them; the machine code that is built for has no instruction for it.
constexpr unsigned count_slots(unsigned slots) noexcept {
  slots -= slots >> 1 & 0x55;
  slots = (slots & 0x33) + (slots >> 2 & 0x33);
  return (slots + (slots >> 4)) & 0x0f;
}

struct alignas(64) FlowBucket {
  uint16_t tag[kBucketSlots];  // 0: empty
  uint32_t index[kBucketSlots];

  // A bit per slot.
  unsigned slots_with(uint16_t wanted) const noexcept {
#if defined(__SSE2__)
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(tag));
    const __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(wanted)));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128())));
#else
    unsigned slots = 0;
    for (unsigned s = 0; s < kBucketSlots; ++s) slots |= unsigned{tag[s] == wanted} << s;
    return slots;
#endif
  }
};
static_assert(sizeof(FlowBucket) == 64);

}  // namespace weir
