// SPDX-License-Identifier: Apache-2.0
// Private to parse: FILETIME (MS-DTYP section 2.3.3), hundreds of nanoseconds since 1601.
#pragma once

#include <cstdint>

namespace weir::parse {

// Unix seconds; 0 for what is before 1970 or after 2106.
constexpr uint32_t unix_time(uint64_t filetime) noexcept {
  constexpr uint64_t kEpoch = 11'644'473'600;
  const uint64_t seconds = filetime / 10'000'000;
  return seconds < kEpoch || seconds - kEpoch > 0xffffffff
             ? 0
             : static_cast<uint32_t>(seconds - kEpoch);
}

}  // namespace weir::parse
