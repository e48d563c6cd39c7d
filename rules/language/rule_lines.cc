// SPDX-License-Identifier: Apache-2.0
#include "rules/language/rule_lines.h"

namespace weir {

RuleLine RuleLine::alone(std::string_view text) {
  RuleLine line;
  line.append(text, 1);
  return line;
}

void RuleLine::clear() noexcept {
  text_.clear();
  pieces_.clear();
  too_long_ = false;
}

void RuleLine::append(std::string_view piece, uint32_t line) {
  pieces_.push_back({text_.size(), line, 1});
  if (too_long_ || piece.size() > kRuleBytesMax - text_.size()) {
    too_long_ = true;
    return;
  }
  text_ += piece;
}

SourcePlace RuleLine::place(size_t offset) const noexcept {
  if (pieces_.empty()) return {file_, 1, 1};
  size_t i = pieces_.size() - 1;
  while (i > 0 && pieces_[i].offset > offset) --i;
  // The end of a piece and the beginning of the next have one offset; what stands there is the
  // next.
  return {file_, pieces_[i].line,
          pieces_[i].column + static_cast<uint32_t>(offset - pieces_[i].offset)};
}

RuleLines::RuleLines(std::string_view text, uint32_t file) noexcept : rest_(text), file_(file) {
  if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);  // byte order mark of some editors
}

std::string_view RuleLines::take_line() noexcept {
  ++line_;
  const size_t end = rest_.find('\n');
  std::string_view line = rest_.substr(0, end);
  rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool RuleLines::next(RuleLine& out) {
  out.clear();
  out.file_ = file_;
  while (!rest_.empty()) {
    std::string_view line = take_line();
    if (out.pieces_.empty()) {
      const size_t first = line.find_first_not_of(" \t\v\f");
      if (first == std::string_view::npos || line[first] == '#') continue;
    }
    const bool goes_on = line.ends_with('\\');
    if (goes_on) line.remove_suffix(1);
    out.append(line, line_);
    if (!goes_on) return true;
  }
  return !out.pieces_.empty();
}

}  // namespace weir
