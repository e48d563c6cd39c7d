// SPDX-License-Identifier: Apache-2.0
// The answers to what the other verbs of `weir` ask, as JSON, and the operator's orders. Control
// thread, between two steps of the chain; bounded: lists end at the limit that was asked for, and
// at kAnswerRowsMax.
#pragma once

#include "control/operate/control_plane.h"
#include "control/operate/drop_tally.h"
#include "control/operate/eve.h"
#include "control/operate/log_file.h"
#include "control/operate/rule_desk.h"
#include "control/operate/store.h"
#include "control/operate/traffic.h"

namespace weir::operate {

constexpr uint64_t kAnswerRowsMax = 10'000;

// The latest reload of the configuration.
struct ReloadState {
  uint64_t number = 0;  // 0: none yet
  bool busy = false;
  std::string error;                                // why nothing has changed; empty: it has
  std::vector<std::string> taken, restart, start;  // as ConfigChanges has them
};

// What an answer is made of; borrowed for the call.
struct Desk {
  const Config& config;
  Segment& segment;
  ControlChain& chain;
  RuleDesk& rules;
  Store* store;  // null: nothing is kept
  EveLines& lines;
  const LogFile* log;  // null: no log
  const DropTally& drops;
  const ReloadState& reload;
};

ControlReply answer(const Desk& desk, const ControlRequest& request, TimeNs now);

// An alert as the API tells it and the store keeps it.
std::string alert_text(const Alert& a, const CatalogRule* rule, EveLines& lines, Mode mode);
// "100pps" "1mbps" "64kbps"
Result<RateLimit> read_rate(std::string_view text);

// All counters for Prometheus (text format 0.0.4).
std::string metrics_text(const Desk& desk, TimeNs now);

}  // namespace weir::operate
