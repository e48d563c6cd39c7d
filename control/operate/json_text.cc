// SPDX-License-Identifier: Apache-2.0
#include "control/operate/json_text.h"

#include <ctime>

namespace weir::operate {

namespace {

// How many bytes of a well-formed UTF-8 sequence start at text[i]; 0: none (RFC 3629, table 3-7 of
// the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t sequence_bytes(std::string_view text, size_t i) {
  const auto at = [&](size_t k) {
    return i + k < text.size() ? static_cast<uint8_t>(text[i + k]) : uint8_t{0};
  };
  const auto tail = [&](size_t k) { return (at(k) & 0xc0) == 0x80; };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool overlong = lead == 0xe0 && at(1) < 0xa0;
    const bool surrogate = lead == 0xed && at(1) > 0x9f;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool out_of_range = (lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f);
    return tail(1) && tail(2) && tail(3) && !out_of_range ? 4 : 0;
  }
  return 0;
}

}  // namespace

void JsonText::quote(std::string_view text) {
  out_ += '"';
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const size_t bytes = sequence_bytes(text, i);
    if (bytes == 0) {
      out_ += "\\ufffd";
      ++i;
    } else if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
      ++i;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
      ++i;
    } else {
      out_.append(text.substr(i, bytes));
      i += bytes;
    }
  }
  out_ += '"';
}

std::string timestamp_text(int64_t time_ns) {
  int64_t seconds = time_ns / 1'000'000'000;
  int64_t rest_ns = time_ns % 1'000'000'000;
  if (rest_ns < 0) {
    rest_ns += 1'000'000'000;
    --seconds;
  }
  const std::time_t whole = seconds;
  std::tm parts{};
  gmtime_r(&whole, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+0000", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     rest_ns / 1000);
}

}  // namespace weir::operate
