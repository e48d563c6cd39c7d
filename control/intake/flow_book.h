// SPDX-License-Identifier: Apache-2.0
// The book of flows: every live one and the latest ended ones, as the workers last reported them.
// Written by Intake, read by `flows` and `why`, on the control thread.
#pragma once

#include <cstdint>

#include "control/intake/inventory.h"
#include "dataplane/base/bounded_table.h"
#include "dataplane/contract/event_record.h"

namespace weir {

// One flow, live or lately ended, as last reported.
struct BookedFlow {
  FlowReport report;
  uint8_t midstream = 0;  // 1: its beginning was not seen
  uint8_t tunnelled = 0;
  bool ended = false;
};

struct FlowIdHash {
  uint64_t seed = 0;
  uint64_t operator()(FlowId id) const noexcept { return mix64(id ^ seed); }
};

class FlowBook {
 public:
  explicit FlowBook(const IntakeSettings& settings);
  const BookedFlow* find(FlowId id) const noexcept;
  // The newest flow with these ends, in either direction; vlan is not compared. Reads the whole
  // book.
  const BookedFlow* find(const Endpoints& ends) const noexcept;
  // Calls visit(const BookedFlow&) -> bool (go on?), most lately reported first.
  template <class Visit>
  void each_live(Visit&& visit) const {
    for (auto* e = live_.newest(); e && visit(e->value); e = live_.older(*e)) {
    }
  }
  template <class Visit>
  void each_ended(Visit&& visit) const {
    for (auto* e = ended_.newest(); e && visit(e->value); e = ended_.older(*e)) {
    }
  }
  uint32_t live() const noexcept { return live_.size(); }

  void started(const FlowStart& r);
  // The counters as of the record before this one (zero if none was seen).
  FlowCounters reported(const FlowReport& r);
  void ended(const FlowReport& r);
  // Forgets up to `most` live ones that nothing was heard of since `before_ns`: their end was lost.
  int prune(TimeNs before_ns, int most);
  void forget_live();  // the data plane restarted: its flow ids begin anew

 private:
  using Table = BoundedTable<FlowId, BookedFlow, FlowIdHash>;
  Table live_, ended_;
  TimeNs begin_ns_ = 0;  // of the first record: what flows did before was counted by someone else
};

}  // namespace weir
