// SPDX-License-Identifier: Apache-2.0
// Private to parse: a short text that a parser's state keeps; what is longer is cut.
#pragma once

#include <algorithm>

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

template <size_t N>
struct ShortText {
  static_assert(N <= 255);
  uint8_t size = 0;
  uint8_t text[N];

  Bytes bytes() const noexcept { return {text, size}; }
  bool empty() const noexcept { return size == 0; }
  void assign(Bytes b) noexcept {
    size = static_cast<uint8_t>(std::min(b.size(), N));
    std::copy_n(b.begin(), size, text);
  }
  void assign_utf16(Bytes utf16) noexcept;
};

// UTF-16LE to UTF-8, as much as fits; ends at a NUL. Returns how many bytes were written. A lone
// half of a pair becomes U+FFFD.
size_t utf8_of_utf16(Bytes utf16, std::span<uint8_t> to) noexcept;

template <size_t N>
void ShortText<N>::assign_utf16(Bytes utf16) noexcept {
  size = static_cast<uint8_t>(utf8_of_utf16(utf16, text));
}

}  // namespace weir::parse
