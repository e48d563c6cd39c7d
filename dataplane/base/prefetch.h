// SPDX-License-Identifier: Apache-2.0
// A line that will be written is asked for as such: read first, it would be shared with whoever
// wrote it last, and have to be asked for again.
#pragma once

namespace weir {

inline void prefetch_to_write(const void* p) noexcept {
#if defined(__x86_64__)
  // The compiler knows it for newer machines than it builds for; older ones take it for a no-op.
  asm("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
#else
  __builtin_prefetch(p, 1);
#endif
}

}  // namespace weir
