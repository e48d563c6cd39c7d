// SPDX-License-Identifier: Apache-2.0
// Private to parse: QUIC's integers of variable length (RFC 9000 section 16).
#pragma once

#include "dataplane/parse/cursor.h"

namespace weir::parse::quic {

inline uint64_t read_varint(Cursor& c) noexcept {
  const uint8_t first = c.u8();
  uint64_t v = first & 0x3f;
  for (unsigned i = (1u << (first >> 6)) - 1; i != 0; --i) v = v << 8 | c.u8();
  return v;
}

}  // namespace weir::parse::quic
