// SPDX-License-Identifier: Apache-2.0
// Private to parse: reads fields one after the other and never past the end. The first read that
// does not fit sets fail and gives zeros from then on, so a parser checks once per message.
#pragma once

#include <algorithm>

#include "dataplane/base/bytes.h"
#include "dataplane/parse/fact_list.h"

namespace weir::parse {

class Cursor {
 public:
  explicit Cursor(Bytes bytes) noexcept : bytes_(bytes) {}

  uint8_t u8() noexcept { return take(1) ? bytes_[at_ - 1] : uint8_t{0}; }
  uint16_t be16() noexcept { return take(2) ? load_be16(&bytes_[at_ - 2]) : uint16_t{0}; }
  uint32_t be24() noexcept {
    return take(3) ? uint32_t{bytes_[at_ - 3]} << 16 | load_be16(&bytes_[at_ - 2]) : 0;
  }
  uint32_t be32() noexcept { return take(4) ? load_be32(&bytes_[at_ - 4]) : 0; }
  uint64_t be64() noexcept {
    const uint64_t high = be32();
    return high << 32 | be32();
  }
  uint16_t le16() noexcept { return little<uint16_t>(); }
  uint32_t le32() noexcept { return little<uint32_t>(); }
  uint64_t le64() noexcept { return little<uint64_t>(); }
  Bytes bytes(size_t n) noexcept { return take(n) ? bytes_.subspan(at_ - n, n) : Bytes{}; }
  // A text that a zero byte ends; it is read too.
  Bytes zero_ended() noexcept {
    const Bytes all = rest();
    const auto n = static_cast<size_t>(std::find(all.begin(), all.end(), uint8_t{0}) - all.begin());
    const Bytes text = bytes(n);
    skip(1);
    return text;
  }
  void skip(size_t n) noexcept { take(n); }
  void seek(size_t at) noexcept {
    if (at > bytes_.size()) failed_ = true;
    at_ = std::min(at, bytes_.size());
  }

  bool ok() const noexcept { return !failed_; }
  size_t at() const noexcept { return at_; }
  size_t left() const noexcept { return bytes_.size() - at_; }
  Bytes rest() const noexcept { return bytes_.subspan(at_); }

 private:
  template <class T>
  T little() noexcept {
    T v = 0;
    if (!take(sizeof v)) return 0;
    for (size_t i = sizeof v; i != 0; --i) {
      v = static_cast<T>(v << 8 | bytes_[at_ - sizeof v + i - 1]);
    }
    return v;
  }
  bool take(size_t n) noexcept {
    if (failed_ || bytes_.size() - at_ < n) {
      failed_ = true;
      return false;
    }
    at_ += n;
    return true;
  }

  Bytes bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

// The line at the front of `bytes` without its end ("\r\n" or "\n"). false: its end is not there.
// seen: so many bytes were searched before. used: with the end.
bool next_line(Bytes bytes, size_t seen, Bytes& line, size_t& used) noexcept;
bool equal_ignoring_case(Bytes a, std::string_view b) noexcept;
bool starts_with(Bytes bytes, std::string_view start) noexcept;  // whole of start is there
// Whether bytes and start agree as far as both go; for probes on the first few bytes.
bool could_start_with(Bytes bytes, std::string_view start) noexcept;
inline Bytes trimmed(Bytes bytes) noexcept {  // without blanks and tabs around
  const auto blank = [](uint8_t c) { return c == ' ' || c == '\t'; };
  const uint8_t *from = bytes.data(), *to = from + bytes.size();
  while (from != to && blank(*from)) ++from;
  while (from != to && blank(to[-1])) --to;
  return {from, to};
}
// Decimal digits at the front; false: none, or more than fits.
bool read_decimal(Bytes bytes, uint64_t& value) noexcept;

}  // namespace weir::parse
