// SPDX-License-Identifier: Apache-2.0
// A cursor over one rule's text, and the voice in which the parser complains: every message has the
// place of the character it speaks of. Bounded by kRuleErrorsMax per rule.
#pragma once

#include <string>
#include <string_view>

#include "rules/language/rule_lines.h"

namespace weir {

// As text in a message: in quotes, without control characters, cut where it is long.
std::string quoted(std::string_view text);

inline bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

class RuleReader {
 public:
  RuleReader(const RuleLine& line, std::string_view file, Diagnostics& out) noexcept
      : line_(line), text_(line.text()), file_(file), out_(out) {}

  std::string_view text() const noexcept { return text_; }
  size_t at() const noexcept { return at_; }
  bool at_end() const noexcept { return at_ >= text_.size(); }
  char peek() const noexcept { return at_end() ? '\0' : text_[at_]; }
  void advance(size_t count = 1) noexcept { at_ += count; }
  void skip_blanks() noexcept {
    while (!at_end() && is_blank(peek())) ++at_;
  }
  // Takes everything up to a blank, the end, or a character of `stops`.
  std::string_view take_word(std::string_view stops = {}) noexcept;

  SourcePlace place(size_t offset) const noexcept { return line_.place(offset); }
  // Both return false, so that a failing step can end with it.
  bool error(size_t offset, std::string message);
  bool warn(size_t offset, std::string message);
  unsigned errors() const noexcept { return errors_; }

 private:
  void tell(Severity severity, size_t offset, std::string message);

  const RuleLine& line_;
  std::string_view text_;
  std::string_view file_;
  Diagnostics& out_;
  size_t at_ = 0;
  unsigned errors_ = 0;
};

// The whole of `text` as a decimal number in [min, max]; false: it is not one.
bool read_number(std::string_view text, uint64_t min, uint64_t max, uint64_t& out) noexcept;

// header.cc: action to destination ports. false: what follows cannot be read either.
bool read_header(RuleReader& reader, ParsedRule& rule);
bool read_addresses(RuleReader& reader, AddressExpr& out);
bool read_ports(RuleReader& reader, PortExpr& out);

// keywords.cc: from '(' to the end.
void read_options(RuleReader& reader, ParsedRule& rule, size_t& sid_at);

// content.cc: what stands in quotes. `at`: offset of the opening quote, `end`: of the byte after
// the option's value. Patterns know |hex| and a fixed set of escapes.
enum class QuotedText : uint8_t { kPlain, kPattern };
bool read_quoted(RuleReader& reader, size_t at, size_t end, QuotedText kind, std::string& out);
// Content modifiers that exclude each other, lengths that cannot be met.
void check_contents(RuleReader& reader, const std::vector<Content>& contents);

}  // namespace weir
