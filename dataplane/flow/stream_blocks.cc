// SPDX-License-Identifier: Apache-2.0
// The memory of the reassembler: blocks, who holds them, and who gives them up.
#include <algorithm>

#include "dataplane/flow/reassemble.h"

namespace weir {

namespace {

constexpr uint32_t kLookMax = 8;      // streams asked to give up their blocks, per segment
constexpr uint32_t kIdleSeconds = 5;  // past that a stream that waits for bytes may lose them

}  // namespace

// d's block of that number; kNone: there is none.
uint32_t Reassembler::seek(const Half& d, uint64_t number) const noexcept {
  if (d.tail == kNone || number > blocks_[d.tail].number) return kNone;
  if (number == blocks_[d.tail].number) return d.tail;
  uint32_t at = d.head;  // 2 * reach_ / kBlockBytes at most
  while (at != kNone && blocks_[at].number < number) at = blocks_[at].next;
  return at != kNone && blocks_[at].number == number ? at : kNone;
}

// d's block of that number, made if need be. There is one: reserve() was asked.
uint32_t Reassembler::block_for(Half& d, uint64_t number) noexcept {
  uint32_t previous = kNone;
  if (d.tail != kNone && blocks_[d.tail].number <= number) {
    previous = d.tail;
  } else {
    for (uint32_t at = d.head; at != kNone && blocks_[at].number <= number; at = blocks_[at].next) {
      previous = at;
    }
  }
  if (previous != kNone && blocks_[previous].number == number) return previous;
  const uint32_t block = free_ != kNone ? free_ : fresh_++;
  if (free_ != kNone) free_ = blocks_[block].next;
  ++used_;
  uint32_t& link = previous == kNone ? d.head : blocks_[previous].next;
  blocks_[block] = {.number = number, .next = link, .has_bits = false};
  link = block;
  if (blocks_[block].next == kNone) d.tail = block;
  return block;
}

// Whether all blocks that [from, to) needs are there to be had.
bool Reassembler::reserve(Half& d, uint64_t from, uint64_t to, uint32_t self,
                          uint32_t now) noexcept {
  const uint64_t first = from / kBlockBytes, last = (to - 1) / kBlockBytes;
  auto missing = static_cast<uint32_t>(last - first + 1);
  if (missing <= free_blocks()) return true;
  for (uint64_t n = first; n <= last; ++n) missing -= seek(d, n) != kNone;
  if (missing > free_blocks()) make_room(missing, self, now);
  return missing <= free_blocks();
}

void Reassembler::drop_head(Half& d) noexcept {
  const uint32_t block = d.head;
  d.head = blocks_[block].next;
  if (d.head == kNone) d.tail = kNone;
  blocks_[block].next = free_;
  free_ = block;
  --used_;
}

void Reassembler::drop_all(Half& d) noexcept {
  while (d.head != kNone) drop_head(d);
  d.kept = d.highest = d.edge;
}

// Gives back what is acknowledged, but for the last kBeforeBytes, and what is out of reach.
void Reassembler::trim(Half& d) noexcept {
  const uint64_t wanted = d.edge - std::min<uint64_t>(d.edge, kBeforeBytes);
  const uint64_t out_of_reach = d.edge - std::min(d.edge, reach_);
  const uint64_t from = std::min(wanted, std::max(d.acked, out_of_reach));
  while (d.head != kNone && (blocks_[d.head].number + 1) * kBlockBytes <= from) {
    d.kept = std::max(d.kept, (blocks_[d.head].number + 1) * kBlockBytes);
    drop_head(d);
  }
}

// A stream that nothing is expected of gives up its last bytes, one that has long been silent all.
// What is lost is known: sent again, it finds no room.
void Reassembler::make_room(uint32_t blocks, uint32_t self, uint32_t now) noexcept {
  for (uint32_t n = 0; n < kLookMax && oldest_ != 0 && free_blocks() < blocks; ++n) {
    const uint32_t index = oldest_ - 1;
    Stream& s = streams_[index];
    const auto is_quiet = [](const Half& d) {  // an opening that nobody answered gives way
      return d.highest == d.edge && (d.acked >= d.edge || d.has(kOpening));
    };
    const bool gives = (is_quiet(s.half[0]) && is_quiet(s.half[1])) ||
                       now - std::min(now, s.touched) >= kIdleSeconds;
    unlist(s);
    if (!gives || index == self) {
      list(s, index);
      continue;
    }
    for (Half& d : s.half) drop_all(d);
  }
}

void Reassembler::list(Stream& s, uint32_t index) noexcept {
  s.older = newest_;
  s.newer = 0;
  (newest_ == 0 ? oldest_ : streams_[newest_ - 1].newer) = index + 1;
  newest_ = index + 1;
  s.is_listed = true;
  ++listed_;
}

void Reassembler::unlist(Stream& s) noexcept {
  (s.older == 0 ? oldest_ : streams_[s.older - 1].newer) = s.newer;
  (s.newer == 0 ? newest_ : streams_[s.newer - 1].older) = s.older;
  s.is_listed = false;
  --listed_;
}

}  // namespace weir
