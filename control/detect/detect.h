// SPDX-License-Identifier: Apache-2.0
// Scores and rule hits become alerts that a person understands. One scan is one alert whose counts
// grow, one rule between the same two addresses is one alert a minute; the logs still get each hit
// (they are written from the records). Keeps the latest alerts; the store keeps all. Control
// thread; decides nothing about responses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/learn/learn.h"
#include "dataplane/base/bounded_table.h"
#include "dataplane/contract/event_record.h"

namespace weir {

enum class AlertKind : uint8_t {
  kRule = 0,
  kScan = 1,
  kNewPeer = 2,
  kNewPort = 3,
  kNewService = 4
};
std::string_view alert_kind_name(AlertKind k) noexcept;  // "rule" "scan" "new-peer" ...
std::string_view scan_shape_name(ScanShape s) noexcept;  // "port scan" "network scan" ...

using AlertId = uint64_t;   // 1, 2, 3, ...
using ActionId = uint64_t;  // likewise; 0: none

struct Alert {
  AlertId id = 0;
  AlertKind kind = AlertKind::kRule;
  ScanShape shape = ScanShape::kNone;
  std::string title;   // rule: empty, the rule's msg takes its place
  IpAddress device{};  // whose doing it is
  MacAddress mac{};
  Endpoints ends;  // rule: of the packet; else of the flow, src the initiator
  FlowId flow = 0;
  uint16_t app_master = 0, app = 0;
  uint8_t wire = 0, side = 0;
  double score = 0;
  std::vector<ScoreReason> reasons;
  uint64_t count = 1;  // rule: hits; scan: failed first contacts; else 1
  TimeNs time_ns = 0;  // first raised
  TimeNs updated_ns = 0;
  TimeNs since_ns = 0;  // when what it speaks of began
  // The three stamps, and what passed between. 0: not (yet).
  TimeNs packet_in_ns = 0;
  TimeNs decided_ns = 0;
  TimeNs enforced_ns = 0;  // in every worker; rule that dropped: packet_in_ns
  uint64_t leaked_packets = 0;
  bool leaked_saturated = false;  // at least that many
  ActionId action = 0;            // latest response to it
  // Rules only.
  uint32_t gid = 0, sid = 0, rev = 0;
  uint32_t rule_index = 0;
  uint64_t image_generation = 0;
  Action rule_action = Action::kAlert;
  bool enforced = false;  // the packet was dropped
};

struct DetectSettings {
  AlertId first_id = 1;                       // one more than the store has
  uint32_t alerts_max = 8192;                 // kept in memory
  uint32_t open_max = 16'384;                 // that can still grow
  TimeNs scan_quiet_ns = 600 * kNsPerSecond;  // a scan that rested this long is a new alert
  TimeNs rule_window_ns = 60 * kNsPerSecond;
  uint64_t hash_seed = 0;
};

struct Detected {
  Alert* alert = nullptr;           // valid until the next call
  bool fresh = false;               // raised now; else its counts grew
  const Score* evidence = nullptr;  // the caller's; null for a rule hit
};

class Detector {
 public:
  explicit Detector(const DetectSettings& settings);
  // The alert has no reasons yet: what stops it comes first.
  Detected take(const Score& s, TimeNs now);
  Detected take(const RuleHit& r, TimeNs now);
  // Those of a score, to what take() has just made of it.
  static void add_reasons(const Detected& found);

  Alert* find(AlertId id) noexcept;  // null: not in memory (any more)
  // Calls visit(const Alert&) -> bool (go on?), newest first.
  template <class Visit>
  void each(Visit&& visit) const {
    const auto& alerts = alerts_;
    for (auto* e = alerts.newest(); e && visit(e->value); e = alerts.older(*e)) {
    }
  }
  uint64_t raised() const noexcept { return next_id_ - settings_.first_id; }

 private:
  struct OpenKey {  // what makes two findings the same alert
    AlertKind kind{};
    uint32_t gid = 0, sid = 0;
    IpAddress a{}, b{};
    bool operator==(const OpenKey&) const noexcept = default;
  };
  struct OpenHash {
    uint64_t seed = 0;
    uint64_t operator()(const OpenKey& k) const noexcept;
  };
  struct IdHash {
    uint64_t operator()(AlertId id) const noexcept { return mix64(id); }
  };
  struct Opened {
    AlertId id = 0;
    TimeNs first_ns = 0, last_ns = 0;
  };
  Alert* open_alert(const OpenKey& key, TimeNs time_ns, TimeNs quiet_ns, TimeNs longest_ns);
  Alert& raise(const OpenKey& key, TimeNs time_ns, TimeNs now);

  DetectSettings settings_;
  AlertId next_id_;
  BoundedTable<AlertId, Alert, IdHash> alerts_;
  BoundedTable<OpenKey, Opened, OpenHash> open_;
};

}  // namespace weir
