// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"

#include "dataplane/parse/parser.h"

namespace weir::parse {

namespace {
uint8_t lower(uint8_t c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c + ('a' - 'A')) : c;
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
  const Bytes other = as_bytes(b);
  return std::equal(a.begin(), a.end(), other.begin(), other.end(),
                    [](uint8_t x, uint8_t y) { return lower(x) == lower(y); });
}

bool starts_with(Bytes bytes, std::string_view start) noexcept {
  return bytes.size() >= start.size() && could_start_with(bytes, start);
}

bool could_start_with(Bytes bytes, std::string_view start) noexcept {
  const size_t n = std::min(bytes.size(), start.size());
  return std::memcmp(bytes.data(), start.data(), n) == 0;
}

Bytes trimmed(Bytes bytes) noexcept {
  const auto blank = [](uint8_t c) { return c == ' ' || c == '\t'; };
  while (!bytes.empty() && blank(bytes.front())) bytes = bytes.subspan(1);
  while (!bytes.empty() && blank(bytes.back())) bytes = bytes.first(bytes.size() - 1);
  return bytes;
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
