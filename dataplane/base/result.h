// SPDX-License-Identifier: Apache-2.0
// How a function that can fail for a reason outside the program says so: Result<T> carries either
// the value or one Error, a sentence for the person at the keyboard with the place it speaks of.
// For start-up, configuration, rules and captures; the packet path counts instead (see Reason).
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace weir {

struct Error {
  std::string message;    // one sentence, no trailing newline
  std::string file = {};  // empty: not about a file
  uint32_t line = 0;      // 1-based, 0: unknown
  uint32_t column = 0;    // 1-based, 0: unknown

  // "file:line:column: message", leaving out what is unknown.
  std::string text() const {
    std::string where = file;
    if (line != 0) where += ":" + std::to_string(line);
    if (line != 0 && column != 0) where += ":" + std::to_string(column);
    return where.empty() ? message : where + ": " + message;
  }
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) {
  return tl::make_unexpected(Error{.message = std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::make_unexpected(std::move(error));
}

}  // namespace weir
