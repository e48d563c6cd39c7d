// SPDX-License-Identifier: Apache-2.0
// Private to parse: where a parser writes the facts of an event. Fixed room; what does not fit is
// left out and remembered as overflow, a text that is too long is cut and marked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/contract/evidence.h"

namespace weir::parse {

using Bytes = std::span<const uint8_t>;
constexpr size_t kTextMax = 1024;  // of one text

class FactWriter {
 public:
  explicit FactWriter(std::span<uint8_t> room) noexcept
      : room_(room.data()), capacity_(static_cast<uint16_t>(room.size())) {}
  FactWriter(const FactWriter&) = delete;
  FactWriter& operator=(const FactWriter&) = delete;

  void text(Fact fact, Bytes value, size_t most = kTextMax) noexcept {
    const size_t n = std::min(value.size(), most);
    put(fact, value.first(n), n < value.size());
  }
  void text(Fact fact, std::string_view value, size_t most = kTextMax) noexcept {
    text(fact, Bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size()), most);
  }
  // kHex and kHexColon too.
  void bytes(Fact fact, Bytes value, size_t most = kTextMax) noexcept { text(fact, value, most); }
  void number(Fact fact, uint64_t value) noexcept { put_plain(fact, value); }
  void signed_number(Fact fact, int64_t value) noexcept { put_plain(fact, value); }
  void date(Fact fact, uint64_t unix_seconds) noexcept { put_plain(fact, unix_seconds); }
  void flag(Fact fact, bool value) noexcept { put_plain(fact, static_cast<uint8_t>(value)); }
  void address(Fact fact, const IpAddress& value) noexcept { put(fact, value.bytes, false); }
  void item(Fact fact) noexcept { put(fact, {}, false); }  // the next object of a list begins
  // Facts that were written elsewhere.
  void append(const FactWriter& other) noexcept;
  void append(Bytes facts) noexcept;  // as facts() gives them

  void clear() noexcept {
    used_ = 0;
    overflow_ = false;
  }
  bool empty() const noexcept { return used_ == 0; }
  bool overflow() const noexcept { return overflow_; }
  void leave_out() noexcept { overflow_ = true; }  // something that should be here is not
  Bytes facts() const noexcept { return {room_, used_}; }
  // To take back what was written since: used() before, cut_to() after.
  uint16_t used() const noexcept { return used_; }
  void cut_to(uint16_t used) noexcept { used_ = std::min(used_, used); }

 private:
  struct Head {  // in front of each fact
    Fact fact;
    uint16_t bytes;  // kFactCut: the text was cut
  };
  template <class T>
  void put_plain(Fact fact, T value) noexcept {
    const Head head{fact, sizeof value};
    if (capacity_ - used_ < static_cast<long>(sizeof head + sizeof value)) {
      overflow_ = true;
      return;
    }
    std::memcpy(room_ + used_, &head, sizeof head);
    std::memcpy(room_ + used_ + sizeof head, &value, sizeof value);
    used_ = static_cast<uint16_t>(used_ + sizeof head + sizeof value);
  }
  void put(Fact fact, Bytes value, bool cut) noexcept;

  uint8_t* room_;
  uint16_t capacity_;
  uint16_t used_ = 0;
  bool overflow_ = false;
};

// One with its own room, e.g. in a parser's state: what a request said until its answer comes.
template <uint16_t N>
class FactList : public FactWriter {
 public:
  FactList() noexcept : FactWriter(std::span<uint8_t>(own_, N)) {}

 private:
  uint8_t own_[N];
};

}  // namespace weir::parse
