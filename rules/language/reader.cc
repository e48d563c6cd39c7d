// SPDX-License-Identifier: Apache-2.0
#include "rules/language/reader.h"

#include <charconv>

namespace weir {

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 40;
  std::string out = "'";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  out += text.size() > kShown ? "...'" : "'";
  return out;
}

std::string_view RuleReader::take_word(std::string_view stops) noexcept {
  const size_t begin = at_;
  while (!at_end() && !is_blank(peek()) && stops.find(peek()) == std::string_view::npos) ++at_;
  return text_.substr(begin, at_ - begin);
}

void RuleReader::tell(Severity severity, size_t offset, std::string message) {
  const SourcePlace where = line_.place(offset);
  out_.add({severity, std::string(file_), where.line, where.column, std::move(message)});
}

bool RuleReader::error(size_t offset, std::string message) {
  if (errors_ < kRuleErrorsMax) tell(Severity::kError, offset, std::move(message));
  ++errors_;
  return false;
}

bool RuleReader::warn(size_t offset, std::string message) {
  tell(Severity::kWarning, offset, std::move(message));
  return false;
}

bool read_number(std::string_view text, uint64_t min, uint64_t max, uint64_t& out) noexcept {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (text.empty() || code != std::errc{} || stop != end || value < min || value > max)
    return false;
  out = value;
  return true;
}

}  // namespace weir
