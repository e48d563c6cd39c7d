// SPDX-License-Identifier: Apache-2.0
// Sets of whole numbers as sorted, disjoint, not even touching ranges: what lists of addresses and
// ports become. Number is an unsigned type; the universe is [0, top].
#pragma once

#include <algorithm>
#include <vector>

namespace weir {

template <class Number>
struct NumberRange {
  Number first, last;  // inclusive
  bool operator==(const NumberRange&) const = default;
};

template <class Number>
class RangeSet {
 public:
  using Range = NumberRange<Number>;

  RangeSet() = default;
  static RangeSet of(Number first, Number last) {
    RangeSet s;
    s.ranges_.push_back({first, last});
    return s;
  }

  const std::vector<Range>& ranges() const& noexcept { return ranges_; }
  const std::vector<Range>& ranges() const&& = delete;  // of a temporary: would dangle
  bool empty() const noexcept { return ranges_.empty(); }

  void unite(const RangeSet& other) {
    ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
    size_t kept = 0;
    for (const Range& r : ranges_) {
      if (kept > 0 &&
          (ranges_[kept - 1].last >= r.first || ranges_[kept - 1].last + 1 == r.first)) {
        ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, r.last);
      } else {
        ranges_[kept++] = r;
      }
    }
    ranges_.resize(kept);
  }

  RangeSet complement(Number top) const {
    RangeSet out;
    Number next = 0;
    for (const Range& r : ranges_) {
      if (r.first > next) out.ranges_.push_back({next, static_cast<Number>(r.first - 1)});
      if (r.last == top) return out;
      next = static_cast<Number>(r.last + 1);
    }
    out.ranges_.push_back({next, top});
    return out;
  }

  RangeSet intersection(const RangeSet& other) const {
    RangeSet out;
    size_t i = 0, j = 0;
    while (i < ranges_.size() && j < other.ranges_.size()) {
      const Range& a = ranges_[i];
      const Range& b = other.ranges_[j];
      const Number first = std::max(a.first, b.first), last = std::min(a.last, b.last);
      if (first <= last) out.ranges_.push_back({first, last});
      a.last < b.last ? ++i : ++j;
    }
    return out;
  }

 private:
  std::vector<Range> ranges_;
};

}  // namespace weir
