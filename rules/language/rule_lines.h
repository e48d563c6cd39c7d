// SPDX-License-Identifier: Apache-2.0
// Rule text -> one logical line per rule: lines that end in a backslash are joined with the next,
// blank lines and comments fall away, and every character keeps the place it was read from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/language/language.h"

namespace weir {

class RuleLine {
 public:
  RuleLine() = default;
  // A text that stands alone, such as the value of an address group.
  static RuleLine alone(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  bool too_long() const noexcept { return too_long_; }
  // Where text()[offset] was read; offset may be one past the end.
  SourcePlace place(size_t offset) const noexcept;

 private:
  friend class RuleLines;
  struct Piece {
    size_t offset;  // in text_
    uint32_t line;
    uint32_t column;  // of the first character
  };
  void clear() noexcept;
  void append(std::string_view piece, uint32_t line);

  std::string text_;
  std::vector<Piece> pieces_;
  uint32_t file_ = 0;
  bool too_long_ = false;
};

class RuleLines {
 public:
  RuleLines(std::string_view text, uint32_t file) noexcept;
  // false: there is none left.
  bool next(RuleLine& out);

 private:
  std::string_view take_line() noexcept;

  std::string_view rest_;
  uint32_t file_;
  uint32_t line_ = 0;  // number of the line taken last
};

}  // namespace weir
