// SPDX-License-Identifier: Apache-2.0
// Private to verdict (the worker owns one through verdict.h): the standing verdicts of one worker.
// Tuple-space search: verdicts whose match sets the same fields at the same prefix lengths share a
// shape; a look-up is one hash probe per shape in use (two where it reads both ways), however many
// verdicts there are. A flow keeps what it found until the table's generation moves, so a settled
// flow pays one comparison. Everything is allocated at construction.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/base/huge_array.h"
#include "dataplane/base/prefetch.h"
#include "dataplane/contract/verdict.h"

namespace weir {

constexpr uint32_t kNoVerdict = 0xffffffff;

// What a verdict is matched against: a flow as its initiator began it.
struct VerdictSubject {
  IpAddress src{}, dst{};
  uint16_t src_port = 0, dst_port = 0;
  uint16_t app = 0, app_master = 0;
  uint8_t proto = 0;
  MacAddress src_mac{}, dst_mac{};  // zero: there is none, and no verdict on a MAC matches
};

// All that a packet of a stopped flow reads and writes of what stops it. Small and apart from the
// rest: of 64 k verdicts these fit a cache that the rest does not.
struct alignas(32) VerdictHits {
  uint64_t packets = 0, bytes = 0;
  TimeNs last_ns = 0;
  TimeNs expire_ns = 0;  // as in verdict
};
static_assert(sizeof(VerdictHits) == 32);

struct StandingVerdict {
  Verdict verdict;
  TimeNs installed_ns = 0;
  TimeNs first_hit_ns = 0;
  uint64_t leaked = 0;
  uint64_t packets_listed = 0;  // at the last kListHits
  uint32_t next = kNoVerdict;   // in its hash chain
  uint32_t shape = 0;
  uint32_t active_at = 0;  // position in the dense list; kNoVerdict: slot is free
  bool leaked_saturated = false;
};

bool matches(const VerdictMatch& m, const VerdictSubject& s) noexcept;
// Without exchanging the ends.
bool matches_one_way(const VerdictMatch& m, const VerdictSubject& s) noexcept;

class VerdictTable {
 public:
  static constexpr uint32_t kShapesMax = 64;
  static constexpr uint32_t kSparedMax = 16;

  explicit VerdictTable(uint32_t verdicts_max);
  static uint64_t bytes_for(uint32_t verdicts_max) noexcept;

  // Adds or replaces (same id). kNoVerdict: refused (table or shapes full, or it matches nothing).
  uint32_t install(const Verdict& v, TimeNs now) noexcept;
  // kNoVerdict: not there. Else the slot, still readable until the next install.
  uint32_t remove(VerdictId id) noexcept;
  uint32_t find_id(VerdictId id) const noexcept;

  // The strongest verdict that matches, has not expired and that the subject is not spared from:
  // the operator's before a model's, then pass, drop, reject, keep, ratelimit; of equals the
  // newest. Where nothing else is left, the kSpare itself. It can be spared from kSparedMax at a
  // time.
  uint32_t find(const VerdictSubject& s, TimeNs now) const noexcept;

  // The next of the standing verdicts, round and round; kNoVerdict when there are none.
  uint32_t next_active() noexcept;
  uint32_t active_slot(uint32_t i) const noexcept { return active_[i]; }
  uint32_t size() const noexcept { return size_; }
  uint32_t capacity() const noexcept { return capacity_; }
  // Moves on every change; 0 is never a generation in force.
  uint32_t generation() const noexcept { return generation_; }
  void prefetch_hits(uint32_t slot) const noexcept { prefetch_to_write(&hits_[slot]); }
  VerdictHits& hits(uint32_t slot) noexcept { return hits_[slot]; }
  const VerdictHits& hits(uint32_t slot) const noexcept { return hits_[slot]; }
  StandingVerdict& at(uint32_t slot) noexcept { return entries_[slot]; }
  const StandingVerdict& at(uint32_t slot) const noexcept { return entries_[slot]; }

 private:
  struct Shape {
    VerdictMatch mask{};  // which fields count: prefix bits as they are, else 0 or all ones
    uint32_t users = 0;
    uint32_t spares = 0;  // of them, kSpare
  };
  static VerdictMatch shape_of(const VerdictMatch& m) noexcept;
  static VerdictMatch keyed(const VerdictMatch& shape, const VerdictSubject& s,
                            uint16_t app) noexcept;
  uint64_t hash(uint32_t shape, const VerdictMatch& key) const noexcept;
  uint32_t shape_slot(const VerdictMatch& shape) noexcept;
  uint32_t best(uint32_t a, uint32_t b) const noexcept;
  // visit(slot), of all that match and have not expired. What is spared is so until it is taken out
  // of the table: flows keep what they found until then.
  template <class Visit>
  void each_match(const VerdictSubject& s, TimeNs now, bool only_spares,
                  Visit&& visit) const noexcept;

  uint32_t capacity_;
  uint64_t chain_mask_;
  HugeArray<StandingVerdict> entries_;
  HugeArray<VerdictHits> hits_;
  std::unique_ptr<uint32_t[]> chains_;     // heads by match hash
  std::unique_ptr<uint32_t[]> id_chains_;  // heads by id
  std::unique_ptr<uint32_t[]> id_next_;
  std::unique_ptr<uint32_t[]> free_;
  std::unique_ptr<uint32_t[]> active_;  // dense list of used slots
  Shape shapes_[kShapesMax];
  uint32_t free_count_;
  uint32_t size_ = 0;
  uint32_t shapes_used_ = 0;  // highest shape in use + 1
  uint32_t sweep_at_ = 0;
  uint32_t spares_ = 0;  // kSpare among them
  uint32_t generation_ = 1;
};

}  // namespace weir
