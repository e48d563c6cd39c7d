// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/auth_parameters.h"

namespace weir::parse {

namespace {

size_t find_byte(Bytes bytes, uint8_t wanted) noexcept {
  return static_cast<size_t>(std::find(bytes.begin(), bytes.end(), wanted) - bytes.begin());
}

// The value at the front of `rest`, which is behind it afterwards.
Bytes read_value(Bytes& rest) noexcept {
  if (rest.empty() || rest[0] != '"') {
    const Bytes value = rest.first(find_byte(rest, ','));
    rest = rest.subspan(value.size());
    return trimmed(value);
  }
  size_t end = 1;
  while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
  end = std::min(end, rest.size());
  const Bytes value = rest.subspan(1, end - 1);
  rest = rest.subspan(end);
  return value;
}

}  // namespace

bool has_auth_scheme(Bytes field, std::string_view scheme, Bytes& parameters) noexcept {
  const size_t n = find_byte(field, ' ');
  if (!equal_ignoring_case(field.first(n), scheme)) return false;
  parameters = trimmed(field.subspan(n));
  return true;
}

Bytes auth_parameter(Bytes rest, std::string_view name) noexcept {
  while (!rest.empty()) {
    size_t stop = 0;
    while (stop < rest.size() && rest[stop] != '=' && rest[stop] != ',') ++stop;
    const Bytes here = trimmed(rest.first(stop));
    const bool has_value = stop < rest.size() && rest[stop] == '=';
    rest = trimmed(rest.subspan(stop + (has_value ? 1 : 0)));
    const Bytes value = has_value ? read_value(rest) : Bytes();
    if (equal_ignoring_case(here, name)) return value;
    rest = rest.subspan(std::min(rest.size(), find_byte(rest, ',') + 1));
  }
  return {};
}

}  // namespace weir::parse
