// SPDX-License-Identifier: Apache-2.0
#include "rules/compile/patterns.h"

#include <hs/hs.h>

#include <algorithm>
#include <bitset>
#include <cstdlib>

namespace weir {

namespace {

// A longer literal hardly finds fewer payloads, and libhs confirms each byte; the rule itself
// checks the rest.
constexpr size_t kPatternBytesMax = 64;

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// How much a byte says when it is seen for the first time in a literal: padding and line ends stand
// everywhere, letters in most text, other bytes seldom.
unsigned weight_of(uint8_t byte) noexcept {
  if (byte == 0x00 || byte == 0xff || byte == ' ' || byte == '\r' || byte == '\n') return 1;
  if (is_letter(static_cast<char>(byte))) return 3;
  if (byte > 0x20 && byte < 0x7f) return 4;
  return 6;
}

unsigned strength_of(const std::string& bytes) noexcept {
  std::bitset<256> seen;
  unsigned strength = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    strength += seen.test(byte) ? 1 : weight_of(byte);
    seen.set(byte);
  }
  return strength;
}

std::string literal_of(const Content& c) {
  if (c.fast_length != 0) return c.bytes.substr(c.fast_offset, c.fast_length);
  return c.bytes;
}

}  // namespace

std::string lower_case(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return text;
}

bool has_letters(const std::string& text) noexcept {
  return std::any_of(text.begin(), text.end(), is_letter);
}

bool choose_pattern(const std::vector<Content>& contents, PatternChoice& out) {
  const Content* best = nullptr;
  unsigned best_strength = 0;
  for (const Content& c : contents) {
    if (c.negated) continue;
    const unsigned strength = c.fast_pattern ? UINT32_MAX : strength_of(c.bytes);
    if (best != nullptr && strength <= best_strength) continue;
    best = &c;
    best_strength = strength;
  }
  if (best == nullptr) return false;
  out.content = static_cast<size_t>(best - contents.data());
  out.strength = best_strength;
  out.pattern.bytes = literal_of(*best).substr(0, kPatternBytesMax);
  out.pattern.caseless = best->nocase && has_letters(out.pattern.bytes);
  if (out.pattern.caseless) out.pattern.bytes = lower_case(std::move(out.pattern.bytes));
  const bool placed = best->offset || best->depth || best->distance || best->within ||
                      best->startswith || best->endswith;
  out.whole = !placed && out.pattern.bytes.size() == best->bytes.size();
  return true;
}

Result<std::vector<uint8_t>> compile_patterns(const std::vector<Pattern>& patterns) {
  std::vector<uint8_t> out;
  if (patterns.empty()) return out;
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  std::vector<unsigned> flags, ids;
  for (const Pattern& p : patterns) {
    texts.push_back(p.bytes.data());
    lengths.push_back(p.bytes.size());
    // One report of a pattern per payload is all the matcher needs.
    flags.push_back(HS_FLAG_SINGLEMATCH | (p.caseless ? HS_FLAG_CASELESS : 0u));
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(texts.data(), flags.data(), ids.data(), lengths.data(),
                           static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr, &database,
                           &error) != HS_SUCCESS) {
    auto failed = fail(std::string("libhs cannot compile the rules' patterns: ") +
                       (error != nullptr ? error->message : "unknown error"));
    hs_free_compile_error(error);
    return failed;
  }
  char* bytes = nullptr;
  size_t length = 0;
  const hs_error_t code = hs_serialize_database(database, &bytes, &length);
  hs_free_database(database);
  if (code != HS_SUCCESS) {
    return fail("libhs cannot serialise the rules' patterns, error " + std::to_string(code));
  }
  out.assign(bytes, bytes + length);
  std::free(bytes);
  return out;
}

}  // namespace weir
