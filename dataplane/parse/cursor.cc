// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"

#include "dataplane/parse/parser.h"

namespace weir::parse {

namespace {
uint8_t lower(uint8_t c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c + ('a' - 'A')) : c;
}

uint64_t load_word(const uint8_t* p) noexcept {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Of n bytes, four to eight, the first four and the last.
uint64_t load_ends(const uint8_t* p, size_t n) noexcept {
  uint32_t first, last;
  std::memcpy(&first, p, sizeof first);
  std::memcpy(&last, p + n - sizeof last, sizeof last);
  return uint64_t{last} << 32 | first;
}

// Eight bytes at once: the top bit of each says whether it is a capital.
uint64_t lower(uint64_t word) noexcept {
  constexpr uint64_t kEach = 0x0101010101010101, kTop = 0x80 * kEach;
  const uint64_t low = word & ~kTop;
  const uint64_t from_a = low + (0x80 - 'A') * kEach, past_z = low + (0x7f - 'Z') * kEach;
  return word | ((from_a & ~past_z & ~word & kTop) >> 2);
}
}  // namespace

bool next_line(Bytes bytes, size_t seen, Bytes& line, size_t& used) noexcept {
  const size_t from = std::min(seen, bytes.size());
  const auto* end = static_cast<const uint8_t*>(
      from == bytes.size() ? nullptr : std::memchr(bytes.data() + from, '\n', bytes.size() - from));
  if (end == nullptr) return false;
  const auto at = static_cast<size_t>(end - bytes.data());
  used = at + 1;
  line = bytes.first(at != 0 && bytes[at - 1] == '\r' ? at - 1 : at);
  return true;
}

bool equal_ignoring_case(Bytes a, std::string_view b) noexcept {
  const size_t n = a.size();
  if (n != b.size()) return false;
  const auto* x = a.data();
  const auto* y = reinterpret_cast<const uint8_t*>(b.data());
  if (n == 0 || lower(x[0]) != lower(y[0])) return n == 0;  // most differ there
  if (n < sizeof(uint32_t)) {
    return std::equal(x, x + n, y, [](uint8_t c, uint8_t d) { return lower(c) == lower(d); });
  }
  if (n < sizeof(uint64_t)) return lower(load_ends(x, n)) == lower(load_ends(y, n));
  for (size_t at = 0;; at = std::min(at + sizeof(uint64_t), n - sizeof(uint64_t))) {
    if (lower(load_word(x + at)) != lower(load_word(y + at))) return false;
    if (at == n - sizeof(uint64_t)) return true;
  }
}

bool starts_with(Bytes bytes, std::string_view start) noexcept {
  return bytes.size() >= start.size() && could_start_with(bytes, start);
}

bool could_start_with(Bytes bytes, std::string_view start) noexcept {
  const size_t n = std::min(bytes.size(), start.size());
  return std::memcmp(bytes.data(), start.data(), n) == 0;
}

bool read_decimal(Bytes bytes, uint64_t& value) noexcept {
  value = 0;
  size_t digits = 0;
  for (const uint8_t c : bytes) {
    if (c < '0' || c > '9') break;
    if (value > (UINT64_MAX - 9) / 10) return false;
    value = value * 10 + (c - '0');
    ++digits;
  }
  return digits != 0;
}

}  // namespace weir::parse
