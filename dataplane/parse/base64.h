// SPDX-License-Identifier: Apache-2.0
// Private to parse: base64 (RFC 4648) as far as there is room; stops at what is none.
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

inline Bytes from_base64(Bytes text, std::span<uint8_t> room) noexcept {
  uint32_t bits = 0;
  unsigned held = 0;
  size_t n = 0;
  for (const uint8_t c : text) {
    uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = c - uint32_t{'A'};
    } else if (c >= 'a' && c <= 'z') {
      value = c - uint32_t{'a'} + 26;
    } else if (c >= '0' && c <= '9') {
      value = c - uint32_t{'0'} + 52;
    } else if (c == '+' || c == '-') {
      value = 62;
    } else if (c == '/' || c == '_') {
      value = 63;
    } else {
      break;
    }
    bits = bits << 6 | value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    if (n == room.size()) break;
    room[n++] = static_cast<uint8_t>(bits >> held);
  }
  return room.first(n);
}

}  // namespace weir::parse
