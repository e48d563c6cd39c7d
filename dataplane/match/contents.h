// SPDX-License-Identifier: Apache-2.0
// Private to match: whether a text agrees with contents. Of one worker; for one text after the
// other, each seen in a window that may reach back before it.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#include "dataplane/match/match.h"

namespace weir {

enum class Proof : uint8_t { kNone, kHolds };

class ContentMatch {
 public:
  ContentMatch(const RuleImage& image, ContentRoom& room) noexcept : image_(image), room_(room) {}

  // text lies in window.
  void begin(std::span<const uint8_t> window, std::span<const uint8_t> text) noexcept {
    window_ = window;
    text_ = text;
    lowered_ = folded_ = false;
  }
  // Another part of the window.
  void look_at(std::span<const uint8_t> text) noexcept { text_ = text; }
  // From now on even contents that mind the case see this text in lower case.
  void fold() noexcept { folded_ = true; }
  // Relative contents are answered exactly and in linear time: for each content the set
  // of all places where the chain up to it can end is kept, sorted, so neither a first match that
  // leads nowhere nor a text made to backtrack matters.
  // proof: the pattern that led here says all of its content.
  bool agree(std::span<const ImageContent> contents, Proof proof) noexcept {
    if (contents.empty()) return true;
    uint16_t start = 0;  // before any match, relative means from the beginning
    Ends ends{&start, 1};
    Ends spare{room_.ends[0].data(), 0}, next{room_.ends[1].data(), 0};
    for (const ImageContent& c : contents) {
      const bool negated = (c.flags & kContentNegated) != 0;
      const bool keeps = (c.flags & kContentKeepEnds) != 0;
      if ((c.flags & kContentProven) != 0 && !keeps && proof == Proof::kHolds) continue;
      if ((c.flags & kContentRelative) == 0 && (negated || !keeps)) {
        if (occurs(c) == negated) return false;
        continue;
      }
      next.count = 0;
      if ((c.flags & kContentRelative) == 0) {
        const uint16_t zero = 0;
        follow(c, {&zero, 1}, keeps, next);
      } else if (negated) {
        keep_unfollowed(c, ends, next);
      } else {
        follow(c, {ends.at, ends.count}, keeps, next);
      }
      if (next.count == 0) return false;
      if (ends.at != &start) spare = ends;
      ends = next;
      next = spare;
    }
    return true;
  }

 private:
  struct Ends {
    uint16_t* at;
    size_t count;
  };
  static constexpr int64_t kNowhere = -1;

  // The text as the content wants it: as it is, or in lower case (made once per window).
  const uint8_t* text_for(const ImageContent& c) noexcept {
    return (c.flags & kContentNocase) != 0 || folded_ ? lower_case() : text_.data();
  }

  // The text in lower case.
  const uint8_t* lower_case() noexcept {
    if (!lowered_) {
      uint8_t* out = room_.lower.data();
      for (size_t i = 0; i < window_.size(); ++i) {
        const uint8_t b = window_[i];
        out[i] = static_cast<uint8_t>(b + ((b >= 'A' && b <= 'Z') ? 'a' - 'A' : 0));
      }
      lowered_ = true;
    }
    return room_.lower.data() + (text_.data() - window_.data());
  }

  // First occurrence that begins at `from` or later; if it must end the text, the only one.
  int64_t find(const ImageContent& c, int64_t from) noexcept {
    const auto size = static_cast<int64_t>(text_.size());
    from = std::max<int64_t>(from, 0);
    if ((c.flags & kContentAtEnd) != 0) from = std::max(from, size - c.length);
    if (from > size - c.length) return kNowhere;
    const uint8_t* text = text_for(c);
    const void* at = memmem(text + from, static_cast<size_t>(size - from),
                            image_.bytes().data() + c.bytes, c.length);
    return at == nullptr ? kNowhere : static_cast<const uint8_t*>(at) - text;
  }

  static int64_t limit(int64_t end, const ImageContent& c) noexcept {
    return c.to == INT32_MAX ? INT64_MAX : end + c.to;
  }

  bool occurs(const ImageContent& c) noexcept {
    const int64_t at = find(c, c.from);
    return at != kNowhere && at + c.length <= limit(0, c);
  }

  // All ends of c that follow one of `before`; only the first one, unless all are needed.
  void follow(const ImageContent& c, std::span<const uint16_t> before, bool all,
              Ends& out) noexcept {
    size_t nearest = 0;
    const int64_t last = limit(before.back(), c);
    for (int64_t at = find(c, before.front() + int64_t{c.from}); at != kNowhere;
         at = find(c, at + 1)) {
      const int64_t end = at + c.length;
      if (end > last) return;
      // The latest of the earlier ends that still lies far enough before is the one that counts.
      while (nearest + 1 < before.size() && before[nearest + 1] + int64_t{c.from} <= at) ++nearest;
      if (end > limit(before[nearest], c)) continue;
      out.at[out.count++] = static_cast<uint16_t>(end);
      if (!all) return;
    }
  }

  // Those of `before` that no c follows.
  void keep_unfollowed(const ImageContent& c, const Ends& before, Ends& out) noexcept {
    int64_t at = 0;
    bool searched = false;
    for (size_t i = 0; i < before.count; ++i) {
      const int64_t from = std::max<int64_t>(before.at[i] + int64_t{c.from}, 0);
      if (!searched || (at != kNowhere && at < from)) at = find(c, from);
      searched = true;
      if (at == kNowhere || at + c.length > limit(before.at[i], c)) {
        out.at[out.count++] = before.at[i];
      }
    }
  }

  const RuleImage& image_;
  ContentRoom& room_;
  std::span<const uint8_t> window_, text_;
  bool lowered_ = false, folded_ = false;
};

}  // namespace weir
