// SPDX-License-Identifier: Apache-2.0
// One frame as the stages see it: its bytes, how long it was on the wire, where and when it came
// in, and a handle that only io understands. The bytes are borrowed from receive to transmit; a
// stage reads them and never changes them (the one exception says so: rewriting in reassembly).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "dataplane/base/clock.h"

namespace weir {

constexpr uint16_t kBurstMax = 32;  // packets per burst: what DPDK's vector receive paths prefer

enum class Side : uint8_t { kA = 0, kB = 1 };  // which of a wire's two ports a frame came in by
constexpr Side other(Side s) noexcept {
  return s == Side::kA ? Side::kB : Side::kA;
}
constexpr unsigned index(Side s) noexcept {
  return static_cast<unsigned>(s);
}

struct PacketView {
  const uint8_t* data = nullptr;
  uint32_t bytes = 0;  // how many can be read at data
  uint32_t wire_bytes =
      0;               // frame length on the wire without FCS; more than bytes if a capture cut it
  TimeNs time_ns = 0;  // packet clock at reception
  void* handle = nullptr;  // io's own
  Side side = Side::kA;
};

// Some of a burst's packets: bit i is packet i.
using Rows = uint32_t;
constexpr Rows kAllRows = ~Rows{0};
static_assert(kBurstMax <= 32);
constexpr Rows first_rows(size_t n) noexcept {
  return n >= kBurstMax ? kAllRows : (Rows{1} << n) - 1;
}
constexpr Rows row(size_t i) noexcept {
  return Rows{1} << i;
}

// for (const size_t i : each(rows)): in order, at most kBurstMax of them.
class EachRow {
 public:
  struct Iterator {
    Rows left;
    size_t operator*() const noexcept { return static_cast<size_t>(std::countr_zero(left)); }
    Iterator& operator++() noexcept {
      left &= left - 1;
      return *this;
    }
    bool operator!=(const Iterator& o) const noexcept { return left != o.left; }
  };
  explicit EachRow(Rows rows) noexcept : rows_(rows) {}
  Iterator begin() const noexcept { return {rows_}; }
  Iterator end() const noexcept { return {0}; }

 private:
  Rows rows_;
};
inline EachRow each(Rows rows) noexcept {
  return EachRow(rows);
}

}  // namespace weir
