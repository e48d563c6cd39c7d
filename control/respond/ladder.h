// SPDX-License-Identifier: Apache-2.0
// How far to go with a scanning device and for how long: rung, duration, and the bound on how many
// devices are acted on in an hour. Private to respond.
#pragma once

#include <deque>
#include <utility>

#include "control/respond/respond.h"
#include "dataplane/base/bounded_table.h"

namespace weir {

constexpr uint8_t kRungNarrow = 1;  // src -> dst, or src -> any:port
constexpr uint8_t kRungOpens = 2;   // every flow it opens
constexpr uint8_t kRungAll = 3;     // everything it does

// The match of a rung against this scan.
VerdictMatch match_of(uint8_t rung, ScanShape shape, const Score& s);

class Ladder {
 public:
  explicit Ladder(const RespondSettings& settings);

  // How often the device was acted on before, without a day's rest (duration_max) since.
  uint32_t repeats(const IpAddress& device, TimeNs now);
  TimeNs duration_ns(uint32_t repeats) const;
  // A new action until expires_ns. again: one was running already; that is no repeat.
  void acted(const IpAddress& device, uint32_t repeats, TimeNs now, TimeNs expires_ns);
  void use(const RespondSettings& settings) noexcept;
  // Room for one more device in this hour, or it is one of them.
  bool room_for(const IpAddress& device, TimeNs now);
  // True once per device and hour: so that a refusal is told, not repeated.
  bool tell_refusal(const IpAddress& device, TimeNs now);

 private:
  struct Course {
    uint32_t repeats = 0;          // of the latest action
    TimeNs expires_ns = 0;         // of the one that runs longest
    TimeNs refusal_told_ns = 0;
    bool refusal_told = false;
  };
  Course& course_of(const IpAddress& device);

  TimeNs duration_ns_ = 0, duration_max_ns_ = 0;
  uint32_t devices_per_hour_max_ = 0;
  BoundedTable<IpAddress, Course, AddressHash> courses_;
  std::deque<std::pair<TimeNs, IpAddress>> this_hour_;  // when a device was first acted on
};

}  // namespace weir
