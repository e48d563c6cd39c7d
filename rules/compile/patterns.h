// SPDX-License-Identifier: Apache-2.0
// Which content leads to a rule, and the one libhs database of all of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/language/language.h"

namespace weir {

// A literal of the prefilter. Equal ones are one pattern.
struct Pattern {
  std::string bytes;  // in lower case if caseless
  bool caseless = false;
  auto operator<=>(const Pattern&) const = default;
};

std::string lower_case(std::string text);
bool has_letters(const std::string& text) noexcept;

struct PatternChoice {
  size_t content = 0;  // of those it was chosen from
  Pattern pattern;
  bool whole = false;     // the pattern says all that the content says
  unsigned strength = 0;  // how unlikely to stand anywhere by chance
};

// The content least likely to stand in a payload by chance. false: none can lead to the rule.
bool choose_pattern(const std::vector<Content>& contents, PatternChoice& out);

// The serialised database: pattern i has id i. Empty for no patterns.
Result<std::vector<uint8_t>> compile_patterns(const std::vector<Pattern>& patterns);

}  // namespace weir
