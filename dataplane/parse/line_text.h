// SPDX-License-Identifier: Apache-2.0
// Private to parse: what the protocols that speak in lines share.
#pragma once

#include "dataplane/parse/cursor.h"

namespace weir::parse {

// A text of the state: what is longer is cut.
template <uint16_t N>
class KeptText {
 public:
  Bytes bytes() const noexcept { return {text_, size_}; }
  bool empty() const noexcept { return size_ == 0; }
  uint16_t size() const noexcept { return size_; }
  void clear() noexcept { size_ = 0; }
  void set(Bytes b) noexcept {
    size_ = 0;
    add(b);
  }
  void add(Bytes b) noexcept {
    const auto n = static_cast<uint16_t>(std::min<size_t>(b.size(), size_t{N} - size_));
    std::copy_n(b.begin(), n, text_ + size_);
    size_ = static_cast<uint16_t>(size_ + n);
  }
  void drop_last() noexcept { size_ = size_ == 0 ? uint16_t{0} : static_cast<uint16_t>(size_ - 1); }
  void make_upper() noexcept {
    for (uint8_t& c : std::span(text_, size_)) {
      if (c >= 'a' && c <= 'z') c = static_cast<uint8_t>(c - ('a' - 'A'));
    }
  }
  bool is(std::string_view s) const noexcept { return equal_ignoring_case(bytes(), s); }

 private:
  uint16_t size_ = 0;
  uint8_t text_[N];
};

// The lines of one direction. One longer than `most` is given cut, the rest of it is skipped.
class LineReader {
 public:
  enum class Got : uint8_t { kMore, kLine, kSkipped };
  // After kLine and kSkipped `used` bytes are done with.
  Got next(Bytes bytes, size_t seen, size_t most) noexcept;
  Bytes line;
  size_t used = 0;
  bool cut = false;

 private:
  bool skipping_ = false;
};

// The line that a server opens with. Of a long one the beginning, however much came with it. false:
// neither is there yet.
bool read_greeting(Bytes bytes, Bytes& line) noexcept;
// What stands before the first blank; rest: what stands behind it, without blanks around.
Bytes first_word(Bytes line, Bytes& rest) noexcept;
bool starts_ignoring_case(Bytes bytes, std::string_view start) noexcept;
bool ends_ignoring_case(Bytes bytes, std::string_view end) noexcept;
bool has_ignoring_case(Bytes bytes, std::string_view part) noexcept;
bool is_printable(Bytes bytes) noexcept;  // text, blanks and line ends
Bytes printable_front(Bytes bytes) noexcept;  // as far as they are
// "250-" "250 " "250": the code, 0 where there is none.
unsigned reply_code(Bytes line) noexcept;
// Whether the line could open a dialogue of that many first words ("USER", "AUTH TLS"): kNo, or
// kUnsure while it is too short to say, or kCertain.
enum class Opens : uint8_t { kNo, kUnsure, kYes };
Opens opens_with(Bytes bytes, std::span<const std::string_view> words) noexcept;

}  // namespace weir::parse
