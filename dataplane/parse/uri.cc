// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/uri.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

int hex_digit(uint8_t c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_pair(Bytes at) noexcept {  // -1: not two digits
  if (at.size() < 2) return -1;
  const int high = hex_digit(at[0]), low = hex_digit(at[1]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

// One byte from the front of `text`.
uint8_t decoded(Bytes& text) noexcept {
  size_t used = 1;
  uint8_t c = text[0];
  if (c == '%') {
    const bool wide = text.size() >= 6 && (text[1] | 0x20) == 'u' && hex_pair(text.subspan(2)) == 0;
    const int value = hex_pair(text.subspan(wide ? 4 : 1));
    if (value >= 0) {
      c = static_cast<uint8_t>(value);
      used = wide ? 6 : 3;
    }
  }
  text = text.subspan(used);
  return c;
}

// Ends the segment that begins at `from`: a dot segment goes. Returns what is left of the path.
size_t end_segment(std::span<uint8_t> room, size_t from, size_t n) noexcept {
  if (n - from == 1 && room[from] == '.') return from;
  if (n - from != 2 || room[from] != '.' || room[from + 1] != '.') return n;
  if (from <= 1) return from;
  size_t up = from - 1;
  while (up != 0 && room[up - 1] != '/') --up;
  return up == 0 ? 1 : up;
}

}  // namespace

Target split_target(Bytes target) noexcept {
  if (!target.empty() && target[0] == '/') return {{}, target};
  for (const std::string_view scheme : {"http://", "https://", "ws://", "wss://"}) {
    if (target.size() < scheme.size() || !equal_ignoring_case(target.first(scheme.size()), scheme))
      continue;
    const Bytes rest = target.subspan(scheme.size());
    size_t n = 0;
    while (n < rest.size() && rest[n] != '/' && rest[n] != '?' && rest[n] != '\\') ++n;
    return {rest.first(n), rest.subspan(n)};
  }
  return {{}, target};
}

Bytes normalized_uri(Bytes target, std::span<uint8_t> room) noexcept {
  const Target parts = split_target(target);
  Bytes rest = parts.path;
  size_t n = 0;
  if (!parts.authority.empty() && (rest.empty() || rest[0] == '?') && !room.empty())
    room[n++] = '/';
  const bool is_path = !rest.empty() && (rest[0] == '/' || rest[0] == '\\' || rest[0] == '%');
  size_t segment = 0;  // where it begins
  while (!rest.empty() && rest[0] != '?' && n < room.size()) {
    const bool plain = rest[0] >= '0' && rest[0] != '\\';
    if (plain) {  // neither encoded nor a separator: most are
      room[n++] = rest[0];
      rest = rest.subspan(1);
      continue;
    }
    uint8_t c = decoded(rest);
    if (!is_path) {
      room[n++] = c;
      continue;
    }
    if (c == '\\') c = '/';
    if (c == '/') {
      n = end_segment(room, segment, n);
      segment = n;
      if (n != 0 && room[n - 1] == '/') continue;
    }
    room[n++] = c;
    if (c == '/') segment = n;
  }
  if (is_path && segment != 0) n = end_segment(room, segment, n);
  while (!rest.empty() && n < room.size()) room[n++] = decoded(rest);
  return room.first(n);
}

}  // namespace weir::parse
