// SPDX-License-Identifier: Apache-2.0
// Private to language: what the readers of options share.
#pragma once

#include "rules/language/reader.h"

namespace weir {

// One option as it stands: `name;` or `name:value;`, the value without blanks around it.
struct Option {
  size_t name_at = 0;
  std::string_view name;
  bool has_value = false;
  size_t value_at = 0;
  std::string_view value;

  size_t value_end() const noexcept { return value_at + value.size(); }
};

// What the options read so far have said.
struct Options {
  RuleReader& reader;
  ParsedRule& rule;
  size_t sid_at = 0;
  bool in_buffer = false;  // what comes next is about the last of rule.buffers

  // Where the next content belongs.
  std::vector<Content>& contents() noexcept {
    return in_buffer ? rule.buffers.back().contents : rule.contents;
  }
};

// keywords.cc. Both tell and return false.
bool wrong_value(Options& o, const Option& option);
bool same_word(std::string_view keyword, std::string_view word) noexcept;  // ignoring case
std::string_view trimmed(std::string_view text) noexcept;
// n, <n, >n, <=n, >=n, a<>b (between, without a and b themselves).
bool read_size_range(std::string_view text, SizeRange& out) noexcept;

// fact_words.cc: keywords that bind contents to facts, by the tables of the contract.
// false: the option's name is no name of a buffer or modifier. Else it is dealt with; `told` says
// whether an error was.
bool read_fact_word(Options& o, const Option& option, bool& told);
bool read_fact(Options& o, const Option& option);       // fact:<name>
bool read_payload(Options& o, const Option& option);    // pkt_data
bool read_bsize(Options& o, const Option& option);
bool read_lower_case(Options& o, const Option& option);
bool read_dot_prefix(Options& o, const Option& option);
bool read_flow(Options& o, const Option& option);
// What only the whole rule shows.
void check_buffers(RuleReader& reader, const ParsedRule& rule);

}  // namespace weir
