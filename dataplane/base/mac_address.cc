// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/mac_address.h"

#include <charconv>

namespace weir {

std::string mac_text(const MacAddress& m) {
  if (m == MacAddress{}) return "";
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : m) {
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<MacAddress> parse_mac(std::string_view text) noexcept {
  constexpr size_t kTextBytes = 17;
  if (text.size() != kTextBytes || (text[2] != ':' && text[2] != '-')) return std::nullopt;
  MacAddress m;
  for (size_t i = 0; i < m.size(); ++i) {
    const char* at = text.data() + 3 * i;
    if (i != 0 && at[-1] != text[2]) return std::nullopt;
    const auto [end, code] = std::from_chars(at, at + 2, m[i], 16);
    if (code != std::errc{} || end != at + 2) return std::nullopt;
  }
  if (m == MacAddress{}) return std::nullopt;
  return m;
}

}  // namespace weir
