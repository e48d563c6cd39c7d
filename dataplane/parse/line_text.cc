// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/line_text.h"

#include "dataplane/parse/parser.h"

namespace weir::parse {

LineReader::Got LineReader::next(Bytes bytes, size_t seen, size_t most) noexcept {
  if (skipping_) {
    skipping_ = !next_line(bytes, 0, line, used);
    if (skipping_) used = bytes.size();
    return Got::kSkipped;
  }
  cut = false;
  if (next_line(bytes.first(std::min(bytes.size(), most)), seen, line, used)) return Got::kLine;
  if (bytes.size() < most) return Got::kMore;
  line = bytes.first(most);
  used = most;
  cut = skipping_ = true;
  return Got::kLine;
}

bool read_greeting(Bytes bytes, Bytes& line) noexcept {
  constexpr size_t kGreetingMax = 400;
  const Bytes begin = bytes.first(std::min(bytes.size(), kGreetingMax));
  size_t used = 0;
  if (next_line(begin, 0, line, used)) return true;
  line = begin;
  return begin.size() == kGreetingMax;
}

Bytes first_word(Bytes line, Bytes& rest) noexcept {
  const auto blank = std::find(line.begin(), line.end(), ' ');
  const auto n = static_cast<size_t>(blank - line.begin());
  rest = trimmed(line.subspan(n));
  return line.first(n);
}

bool starts_ignoring_case(Bytes bytes, std::string_view start) noexcept {
  return bytes.size() >= start.size() && equal_ignoring_case(bytes.first(start.size()), start);
}

bool ends_ignoring_case(Bytes bytes, std::string_view end) noexcept {
  return bytes.size() >= end.size() && equal_ignoring_case(bytes.last(end.size()), end);
}

bool has_ignoring_case(Bytes bytes, std::string_view part) noexcept {
  for (; bytes.size() >= part.size(); bytes = bytes.subspan(1)) {
    if (equal_ignoring_case(bytes.first(part.size()), part)) return true;
  }
  return false;
}

Bytes printable_front(Bytes bytes) noexcept {
  const auto end = std::find_if_not(bytes.begin(), bytes.end(), [](uint8_t c) {
    return (c >= ' ' && c != 0x7f) || c == '\r' || c == '\n' || c == '\t';
  });
  return bytes.first(static_cast<size_t>(end - bytes.begin()));
}

bool is_printable(Bytes bytes) noexcept {
  return printable_front(bytes).size() == bytes.size();
}

unsigned reply_code(Bytes line) noexcept {
  if (line.size() < 3 || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) return 0;
  unsigned code = 0;
  for (const uint8_t c : line.first(3)) {
    if (c < '0' || c > '9') return 0;
    code = code * 10 + (c - '0');
  }
  return code >= 100 ? code : 0;
}

Opens opens_with(Bytes bytes, std::span<const std::string_view> words) noexcept {
  Opens opens = Opens::kNo;
  for (const std::string_view w : words) {
    const size_t n = std::min(bytes.size(), w.size());
    if (!equal_ignoring_case(bytes.first(n), w.substr(0, n))) continue;
    if (bytes.size() <= w.size()) {
      opens = Opens::kUnsure;
    } else if (bytes[w.size()] == ' ' || bytes[w.size()] == '\r' || bytes[w.size()] == '\n') {
      return Opens::kYes;
    }
  }
  return opens;
}

}  // namespace weir::parse
