// SPDX-License-Identifier: Apache-2.0
// Who lost packets to what: the drops that workers told of, by address and by flow, each cause with
// its reason, verdict and rule. What `why` knows beyond flows, alerts and actions: packets without
// a flow, and what neither a rule nor a verdict decided. Workers tell a bounded number of drops a
// second, so counts are "at least". Bounded: whoever lost nothing for longest is forgotten first.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "control/intake/intake.h"
#include "dataplane/base/bounded_table.h"
#include "dataplane/contract/event_record.h"

namespace weir::operate {

struct DropCause {
  Reason reason = Reason::kNone;
  bool would = false;  // simulate: it was sent
  VerdictId verdict = 0;
  uint32_t rule_sid = 0;
  uint64_t packets = 0, bytes = 0;  // told of
  TimeNs first_ns = 0, last_ns = 0;
};

class DropTally {
 public:
  explicit DropTally(uint64_t hash_seed);
  void take(const Drop& r);

  // Of an address, as sender or receiver; of a flow. Latest cause first; empty: nothing was told.
  std::span<const DropCause> of(const IpAddress& address) const noexcept;
  std::span<const DropCause> of(FlowId flow) const noexcept;
  // Drops that workers counted but did not tell of, all in all.
  uint64_t untold() const noexcept { return untold_; }

 private:
  static constexpr size_t kCausesMax = 8;  // per address or flow; the least recent makes room
  struct Causes {
    std::array<DropCause, kCausesMax> cause{};  // latest first
    size_t count = 0;
    void add(const Drop& r) noexcept;
  };
  BoundedTable<IpAddress, Causes, AddressHash> addresses_;
  BoundedTable<FlowId, Causes, FlowIdHash> flows_;
  uint64_t untold_ = 0;
};

}  // namespace weir::operate
