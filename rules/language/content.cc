// SPDX-License-Identifier: Apache-2.0
// Quoted values: content patterns and messages.
#include "rules/language/reader.h"

namespace weir {

namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// |41 42 43|: at stands on the opening bar, and is left behind the closing one.
bool read_hex(RuleReader& reader, size_t& at, size_t end, std::string& out) {
  const std::string_view text = reader.text();
  const size_t open_at = at++;
  bool any = false;
  while (at < end && text[at] != '|') {
    if (is_blank(text[at])) {
      ++at;
      continue;
    }
    const int high = hex_value(text[at]);
    const int low = at + 1 < end ? hex_value(text[at + 1]) : -1;
    if (high < 0 || low < 0) {
      return reader.error(high < 0 ? at : at + 1,
                          "expected two hexadecimal digits for each byte between '|' and '|'");
    }
    out += static_cast<char>(high * 16 + low);
    any = true;
    at += 2;
  }
  if (at >= end) {
    return reader.error(open_at,
                        "expected a second '|' after the hexadecimal bytes that begin here");
  }
  ++at;
  if (!any) return reader.error(open_at, "expected hexadecimal bytes between '|' and '|'");
  return true;
}

}  // namespace

bool read_quoted(RuleReader& reader, size_t at, size_t end, QuotedText kind, std::string& out) {
  const std::string_view text = reader.text();
  if (at >= end || text[at] != '"') return reader.error(at, "expected '\"'");
  ++at;
  while (at < end && text[at] != '"') {
    const char c = text[at];
    if (c == '|' && kind == QuotedText::kPattern) {
      if (!read_hex(reader, at, end, out)) return false;
      continue;
    }
    if (c == '\\') {
      const char escaped = at + 1 < end ? text[at + 1] : '\0';
      const bool known = escaped == '\\' || escaped == '"' || escaped == ';' || escaped == ':';
      if (!known && kind == QuotedText::kPattern) {
        return reader.error(at,
                            "expected one of \\\\ \\\" \\; \\: after a backslash, or |5C| for the "
                            "backslash itself");
      }
      if (!known) out += c;
      if (at + 1 < end) out += escaped;
      at += 2;
      continue;
    }
    out += c;
    ++at;
  }
  if (at >= end) {
    return reader.error(end,
                        "expected '\"' before this; a ';' inside the quotes is written \\; or, "
                        "in a content, |3B|");
  }
  if (at + 1 != end) {
    return reader.error(at + 1,
                        "expected ';' after the closing '\"'; a '\"' inside is written \\\"");
  }
  return true;
}

void check_contents(RuleReader& reader, const std::vector<Content>& contents) {
  for (const Content& c : contents) {
    const size_t at = c.at;
    const bool absolute = c.offset.has_value() || c.depth.has_value();
    const bool relative = c.distance.has_value() || c.within.has_value();
    const auto length = static_cast<int64_t>(c.bytes.size());
    if (absolute && relative) {
      reader.error(at,
                   "this content has both offset or depth and distance or within; expected one "
                   "kind of place only");
    }
    if (c.startswith && (absolute || relative)) {
      reader.error(at,
                   "startswith says already where this content is; expected no offset, depth, "
                   "distance or within");
    }
    if (c.depth.has_value() && *c.depth < length) {
      reader.error(at, "depth " + std::to_string(*c.depth) +
                           " has no room for this content; "
                           "expected at least " +
                           std::to_string(length));
    }
    if (c.within.has_value() && *c.within < length) {
      reader.error(at, "within " + std::to_string(*c.within) +
                           " has no room for this content; "
                           "expected at least " +
                           std::to_string(length));
    }
    if (c.fast_pattern && c.negated) {
      reader.warn(at, "fast_pattern has no effect on a content that must not be there");
    }
  }
}

}  // namespace weir
