// SPDX-License-Identifier: Apache-2.0
// A rule's options. Every keyword is one row of kKeywords: whether it takes a value, how often it
// may stand, what reads it and what it expects; nothing else in the parser knows a keyword by name,
// but for those that name facts, which have a table of their own.
#include <algorithm>
#include <array>

#include "rules/language/options.h"

namespace weir {

namespace {

enum class Takes : uint8_t { kNothing, kMaybe, kValue };
enum class Often : uint8_t { kOnce, kMany };

struct Keyword {
  std::string_view name;
  Takes takes;
  Often often;
  bool (*read)(Options& options, const Option& option);  // false: told
  std::string_view expected;                             // what the value looks like
};
const Keyword* find_keyword(std::string_view name) noexcept;

}  // namespace

bool wrong_value(Options& o, const Option& option) {
  const Keyword* keyword = find_keyword(option.name);
  return o.reader.error(option.value_at, quoted(option.value) + " is no value for " +
                                             std::string(keyword->name) + "; expected " +
                                             std::string(keyword->expected));
}

bool same_word(std::string_view keyword, std::string_view word) noexcept {
  return std::equal(keyword.begin(), keyword.end(), word.begin(), word.end(), [](char a, char b) {
    return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
  });
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool read_size_range(std::string_view v, SizeRange& out) noexcept {
  uint64_t low = 0, high = 0;
  uint64_t min = 0, max = 65535;
  const size_t between = v.find("<>");
  bool good;
  if (between != std::string_view::npos) {
    good = read_number(trimmed(v.substr(0, between)), 0, 65535, low) &&
           read_number(trimmed(v.substr(between + 2)), 0, 65535, high) && low + 1 < high;
    min = low + 1;
    max = high - 1;
  } else if (v.starts_with("<=") || v.starts_with(">=")) {
    good = read_number(trimmed(v.substr(2)), 0, 65535, low);
    (v[0] == '<' ? max : min) = low;
  } else if (v.starts_with('<')) {
    good = read_number(trimmed(v.substr(1)), 1, 65535, high);
    max = high - 1;
  } else if (v.starts_with('>')) {
    good = read_number(trimmed(v.substr(1)), 0, 65534, low);
    min = low + 1;
  } else {
    good = read_number(v, 0, 65535, min);
    max = min;
  }
  if (good) out = SizeRange{static_cast<uint16_t>(min), static_cast<uint16_t>(max)};
  return good;
}

namespace {

bool read_id(Options& o, const Option& option, uint32_t& out, uint32_t min) {
  uint64_t value = 0;
  if (!read_number(option.value, min, UINT32_MAX, value)) return wrong_value(o, option);
  out = static_cast<uint32_t>(value);
  return true;
}

bool read_sid(Options& o, const Option& option) {
  o.sid_at = option.name_at;
  return read_id(o, option, o.rule.sid, 1);
}
bool read_gid(Options& o, const Option& option) {
  return read_id(o, option, o.rule.gid, 1);
}
bool read_rev(Options& o, const Option& option) {
  return read_id(o, option, o.rule.rev, 0);
}

bool read_msg(Options& o, const Option& option) {
  if (!option.value.starts_with('"')) return wrong_value(o, option);
  return read_quoted(o.reader, option.value_at, option.value_end(), QuotedText::kPlain, o.rule.msg);
}

bool read_classtype(Options& o, const Option& option) {
  const bool good = std::all_of(option.value.begin(), option.value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (!good) return wrong_value(o, option);
  o.rule.classtype = option.value;
  o.rule.classtype_place = o.reader.place(option.value_at);
  return true;
}

bool read_priority(Options& o, const Option& option) {
  uint64_t value = 0;
  if (!read_number(option.value, 1, 255, value)) return wrong_value(o, option);
  o.rule.priority = static_cast<uint8_t>(value);
  return true;
}

bool read_reference(Options& o, const Option& option) {
  if (option.value.find(',') == std::string_view::npos) return wrong_value(o, option);
  o.rule.references.emplace_back(option.value);
  return true;
}

bool read_metadata(Options& o, const Option& option) {
  o.rule.metadata.emplace_back(option.value);
  return true;
}

bool read_content(Options& o, const Option& option) {
  Content content;
  content.place = o.reader.place(option.name_at);
  content.at = option.name_at;
  size_t at = option.value_at;
  const std::string_view text = o.reader.text();
  if (text[at] == '!') {
    content.negated = true;
    ++at;
  }
  if (at >= option.value_end() || text[at] != '"') return wrong_value(o, option);
  if (!read_quoted(o.reader, at, option.value_end(), QuotedText::kPattern, content.bytes)) {
    return false;
  }
  if (content.bytes.empty()) {
    return o.reader.error(at, "this content is empty; expected at least one byte to look for");
  }
  o.contents().push_back(std::move(content));
  return true;
}

// The content that a modifier belongs to. null: told.
Content* modified(Options& o, const Option& option) {
  if (!o.contents().empty()) return &o.contents().back();
  o.reader.error(option.name_at,
                 std::string(find_keyword(option.name)->name) + " needs a content before it");
  return nullptr;
}

template <bool Content::*kFlag>
bool read_flag(Options& o, const Option& option) {
  Content* content = modified(o, option);
  if (content == nullptr) return false;
  content->*kFlag = true;
  return true;
}

template <std::optional<uint16_t> Content::*kField>
bool read_absolute(Options& o, const Option& option) {
  Content* content = modified(o, option);
  if (content == nullptr) return false;
  uint64_t value = 0;
  if (!read_number(option.value, 0, 65535, value)) return wrong_value(o, option);
  if ((content->*kField).has_value()) {
    return o.reader.error(option.name_at, "this content already has a " +
                                              std::string(find_keyword(option.name)->name));
  }
  content->*kField = static_cast<uint16_t>(value);
  return true;
}

constexpr int32_t kRelativeMax = 1'048'576;  // Suricata's bound

template <std::optional<int32_t> Content::*kField>
bool read_relative(Options& o, const Option& option) {
  Content* content = modified(o, option);
  if (content == nullptr) return false;
  const bool minus = option.value.starts_with('-');
  uint64_t value = 0;
  if (!read_number(option.value.substr(minus ? 1 : 0), 0, kRelativeMax, value)) {
    return wrong_value(o, option);
  }
  if ((content->*kField).has_value()) {
    return o.reader.error(option.name_at, "this content already has a " +
                                              std::string(find_keyword(option.name)->name));
  }
  content->*kField = minus ? -static_cast<int32_t>(value) : static_cast<int32_t>(value);
  return true;
}

bool read_fast_pattern(Options& o, const Option& option) {
  Content* content = modified(o, option);
  if (content == nullptr) return false;
  const auto taken = [](const std::vector<Content>& contents) {
    return std::any_of(contents.begin(), contents.end(),
                       [](const Content& c) { return c.fast_pattern; });
  };
  const auto& buffers = o.rule.buffers;
  if (taken(o.rule.contents) ||
      std::any_of(buffers.begin(), buffers.end(),
                  [&](const FactBuffer& b) { return taken(b.contents); })) {
    return o.reader.error(option.name_at, "another content is the fast_pattern already");
  }
  content->fast_pattern = true;
  if (!option.has_value || option.value == "only") return true;
  const size_t comma = option.value.find(',');
  uint64_t offset = 0, length = 0;
  if (comma == std::string_view::npos ||
      !read_number(trimmed(option.value.substr(0, comma)), 0, 65535, offset) ||
      !read_number(trimmed(option.value.substr(comma + 1)), 1, 65535, length)) {
    return wrong_value(o, option);
  }
  if (offset + length > content->bytes.size()) {
    return o.reader.error(option.value_at, "this content has " +
                                               std::to_string(content->bytes.size()) +
                                               " bytes; expected a part that lies within");
  }
  content->fast_offset = static_cast<uint16_t>(offset);
  content->fast_length = static_cast<uint16_t>(length);
  return true;
}

bool read_dsize(Options& o, const Option& option) {
  SizeRange range;
  if (!read_size_range(option.value, range)) return wrong_value(o, option);
  o.rule.dsize = range;
  return true;
}

// rate:<n> <pps|kbps|mbps|gbps>[, per rule|per flow|per source]
bool read_rate(Options& o, const Option& option) {
  struct Unit {
    std::string_view name;
    uint64_t bits;  // 0: packets
  };
  static constexpr Unit kUnits[] = {
      {"pps", 0}, {"kbps", 1'000}, {"mbps", 1'000'000}, {"gbps", 1'000'000'000}};
  constexpr uint64_t kRateMax = 1'000'000'000;  // of any unit; far above any wire

  const size_t comma = option.value.find(',');
  const std::string_view amount = trimmed(option.value.substr(0, comma));
  const size_t digits = std::min(amount.find_first_not_of("0123456789"), amount.size());
  const std::string_view unit_name = trimmed(amount.substr(digits));
  const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [unit_name](const Unit& u) { return u.name == unit_name; });
  uint64_t value = 0;
  if (unit == std::end(kUnits) || !read_number(amount.substr(0, digits), 1, kRateMax, value)) {
    return wrong_value(o, option);
  }
  RuleRate rate;
  (unit->bits == 0 ? rate.packets_per_second : rate.bits_per_second) =
      unit->bits == 0 ? value : value * unit->bits;
  if (comma != std::string_view::npos) {
    const std::string_view per = trimmed(option.value.substr(comma + 1));
    if (per == "per flow") {
      rate.per = RuleRate::Per::kFlow;
    } else if (per == "per source") {
      rate.per = RuleRate::Per::kSource;
    } else if (per != "per rule") {
      return wrong_value(o, option);
    }
  }
  o.rule.rate = rate;
  return true;
}

constexpr Keyword kKeywords[] = {
    {"msg", Takes::kValue, Often::kOnce, read_msg, "a text in double quotes"},
    {"sid", Takes::kValue, Often::kOnce, read_sid, "a number from 1 to 4294967295"},
    {"gid", Takes::kValue, Often::kOnce, read_gid, "a number from 1 to 4294967295"},
    {"rev", Takes::kValue, Often::kOnce, read_rev, "a number from 0 to 4294967295"},
    {"classtype", Takes::kValue, Often::kOnce, read_classtype,
     "the short name of a class, such as attempted-recon"},
    {"priority", Takes::kValue, Often::kOnce, read_priority, "a number from 1 to 255"},
    {"reference", Takes::kValue, Often::kMany, read_reference, "<system>,<id>"},
    {"metadata", Takes::kValue, Often::kMany, read_metadata, "<name> <value>, ..."},
    {"content", Takes::kValue, Often::kMany, read_content,
     "\"<text with |hex|>\", with a '!' before it for what must not be there"},
    {"nocase", Takes::kNothing, Often::kMany, read_flag<&Content::nocase>, ""},
    {"offset", Takes::kValue, Often::kMany, read_absolute<&Content::offset>,
     "a number of bytes from 0 to 65535"},
    {"depth", Takes::kValue, Often::kMany, read_absolute<&Content::depth>,
     "a number of bytes from 0 to 65535"},
    {"distance", Takes::kValue, Often::kMany, read_relative<&Content::distance>,
     "a number of bytes from -1048576 to 1048576"},
    {"within", Takes::kValue, Often::kMany, read_relative<&Content::within>,
     "a number of bytes from 1 to 1048576"},
    {"startswith", Takes::kNothing, Often::kMany, read_flag<&Content::startswith>, ""},
    {"endswith", Takes::kNothing, Often::kMany, read_flag<&Content::endswith>, ""},
    {"fast_pattern", Takes::kMaybe, Often::kMany, read_fast_pattern,
     "nothing, only, or <offset>,<length>"},
    {"dsize", Takes::kValue, Often::kOnce, read_dsize, "<n>, <<n>, ><n> or <min><><max>"},
    {"flow", Takes::kValue, Often::kOnce, read_flow,
     "of to_server, to_client, from_server, from_client, established, not_established, stateless "
     "and no_stream some, with commas between"},
    {"fact", Takes::kValue, Often::kMany, read_fact,
     "the name of a fact, as weir fields lists them"},
    {"pkt_data", Takes::kNothing, Often::kMany, read_payload, ""},
    {"bsize", Takes::kValue, Often::kMany, read_bsize, "<n>, <<n>, ><n> or <min><><max>"},
    {"to_lowercase", Takes::kNothing, Often::kMany, read_lower_case, ""},
    {"dotprefix", Takes::kNothing, Often::kMany, read_dot_prefix, ""},
    {"rate", Takes::kValue, Often::kOnce, read_rate,
     "<n> pps, kbps, mbps or gbps, and after a comma: per rule, per flow or per source"},
};
constexpr size_t kKeywordCount = std::size(kKeywords);

const Keyword* find_keyword(std::string_view name) noexcept {
  const auto* at =
      std::find_if(std::begin(kKeywords), std::end(kKeywords),
                   [name](const Keyword& k) { return same_word(k.name, name); });
  return at == std::end(kKeywords) ? nullptr : at;
}

bool name_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

// Splits off the next option; as in Suricata, only a backslash keeps a ';' from ending it, quotes
// do not. false: told, and where the next one would begin is unknown.
bool take_option(RuleReader& reader, Option& out) {
  const std::string_view text = reader.text();
  out = Option{};
  out.name_at = reader.at();
  while (name_char(reader.peek())) reader.advance();
  out.name = text.substr(out.name_at, reader.at() - out.name_at);
  if (out.name.empty()) {
    return reader.error(out.name_at, reader.at_end()
                                         ? std::string("the rule ends here; expected ')'")
                                         : "expected a keyword or ')' where " +
                                               quoted(text.substr(out.name_at, 1)) + " stands");
  }
  reader.skip_blanks();
  if (reader.peek() == ';') {
    reader.advance();
    return true;
  }
  if (reader.peek() != ':') {
    return reader.error(reader.at(), "expected ':' or ';' after " + quoted(out.name));
  }
  reader.advance();
  reader.skip_blanks();
  out.has_value = true;
  out.value_at = reader.at();
  while (!reader.at_end() && reader.peek() != ';') {
    reader.advance(reader.peek() == '\\' && reader.at() + 1 < text.size() ? 2 : 1);
  }
  if (reader.at_end()) {
    return reader.error(text.size(), "the rule ends within the value of " + quoted(out.name) +
                                         "; expected ';' and ')'");
  }
  out.value = text.substr(out.value_at, reader.at() - out.value_at);
  while (!out.value.empty() && is_blank(out.value.back())) out.value.remove_suffix(1);
  reader.advance();
  return true;
}

// false: the value is torn (an unescaped ';' or '"'), so what follows would only confuse.
bool read_option(Options& o, const Option& option, std::array<bool, kKeywordCount>& seen) {
  RuleReader& reader = o.reader;
  const Keyword* keyword = find_keyword(option.name);
  if (keyword == nullptr) {
    bool told = false;
    if (read_fact_word(o, option, told)) return true;
    reader.error(option.name_at, "keyword " + quoted(option.name) +
                                     " is not supported; expected a keyword known here or ')'");
    return true;
  }
  const auto index = static_cast<size_t>(keyword - kKeywords);
  if (seen[index] && keyword->often == Often::kOnce) {
    reader.error(option.name_at, std::string(keyword->name) + " stands twice; expected it once");
    return true;
  }
  seen[index] = true;
  if (option.has_value && keyword->takes == Takes::kNothing) {
    reader.error(option.value_at, std::string(keyword->name) + " takes no value; expected ';'");
    return true;
  }
  if (keyword->takes == Takes::kValue && option.value.empty()) {
    reader.error(
        option.has_value ? option.value_at : option.name_at,
        std::string(keyword->name) + " needs a value; expected " + std::string(keyword->expected));
    return true;
  }
  const bool is_quoted = option.value.starts_with('"') || option.value.starts_with("!\"");
  return keyword->read(o, option) || !is_quoted;
}

// What only the whole rule shows.
void check_rule(Options& o, size_t close_at) {
  ParsedRule& rule = o.rule;
  if (rule.sid == 0 && o.sid_at == 0) {
    o.reader.error(close_at, "the rule has no sid; expected sid:<number>; before ')'");
  }
  const bool limits = rule.action == RuleAction::kRateLimit;
  if (limits && !rule.rate.has_value()) {
    o.reader.error(close_at,
                   "a ratelimit rule needs a rate; expected rate:<n> <pps|kbps|mbps|gbps>; "
                   "before ')'");
  }
  if (!limits && rule.rate.has_value()) {
    o.reader.error(close_at, "rate belongs to the action ratelimit; expected no rate");
  }
  check_contents(o.reader, rule.contents);
  check_buffers(o.reader, rule);
}

}  // namespace

void read_options(RuleReader& reader, ParsedRule& rule, size_t& sid_at) {
  Options options{reader, rule};
  std::array<bool, kKeywordCount> seen{};
  reader.skip_blanks();
  if (reader.peek() != '(') {
    reader.error(reader.at(), "expected '(' and the rule's options");
    return;
  }
  reader.advance();
  while (true) {
    reader.skip_blanks();
    if (reader.peek() == ')') break;
    Option option;
    if (!take_option(reader, option) || !read_option(options, option, seen)) return;
  }
  const size_t close_at = reader.at();
  reader.advance();
  reader.skip_blanks();
  if (!reader.at_end()) {
    reader.error(reader.at(), "expected the end of the rule after ')'");
  }
  check_rule(options, close_at);
  sid_at = options.sid_at;
}

}  // namespace weir
