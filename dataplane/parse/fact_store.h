// SPDX-License-Identifier: Apache-2.0
// Private to parse: facts of several things at once, in one room of a parser's state: what requests
// said until their answers come.
#pragma once

#include <cstring>

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

template <uint16_t N>
class FactStore {
 public:
  bool put(uint8_t owner, Bytes facts) noexcept {  // false: no room
    if (facts.empty()) return true;
    if (N - used_ < static_cast<long>(kHead + facts.size())) return false;
    bytes_[used_] = owner;
    const auto size = static_cast<uint16_t>(facts.size());
    std::memcpy(bytes_ + used_ + 1, &size, sizeof size);
    std::memcpy(bytes_ + used_ + kHead, facts.data(), size);
    used_ = static_cast<uint16_t>(used_ + kHead + size);
    return true;
  }
  void copy(uint8_t owner, FactWriter& to) const noexcept {
    for (uint16_t at = 0; at < used_; at = next(at)) {
      if (bytes_[at] == owner) to.append(Bytes(bytes_ + at + kHead, bytes_ + next(at)));
    }
  }
  // What was put first of that owner, if anything is there.
  Bytes first(uint8_t owner) const noexcept {
    uint16_t at = 0;
    while (at < used_ && bytes_[at] != owner) at = next(at);
    return at < used_ ? Bytes(bytes_ + at + kHead, bytes_ + next(at)) : Bytes();
  }
  void drop(uint8_t owner) noexcept {
    for (uint16_t at = 0; at < used_;) {
      const uint16_t behind = next(at);
      if (bytes_[at] != owner) {
        at = behind;
        continue;
      }
      std::memmove(bytes_ + at, bytes_ + behind, static_cast<size_t>(used_ - behind));
      used_ = static_cast<uint16_t>(used_ - (behind - at));
    }
  }

 private:
  static constexpr uint16_t kHead = 3;
  uint16_t next(uint16_t at) const noexcept {
    uint16_t size = 0;
    std::memcpy(&size, bytes_ + at + 1, sizeof size);
    return static_cast<uint16_t>(at + kHead + size);
  }

  uint16_t used_ = 0;
  uint8_t bytes_[N];
};

}  // namespace weir::parse
