// SPDX-License-Identifier: Apache-2.0
// weir replay: a capture through the same worker and the same control plane as live, in one process
// and in lockstep (a burst, then everything that follows from it, then the next burst), by the
// capture's own clock. The same input gives the same output, byte for byte.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/operate/config.h"
#include "dataplane/base/result.h"

namespace weir {

struct ReplayOptions {
  std::string capture;
  std::string config;              // weir.yaml; empty: the defaults
  std::vector<std::string> rules;  // instead of the files that the config names
  std::string mode;                // tap, simulate, enforce; empty: tap without rules, else enforce
  std::string out;                 // folder for the logs; empty: none
  std::string write;               // capture of what left; empty: none
  bool ignore_checksums = false;   // -k none
  bool json = false;
};

struct ReplayTotals {
  uint64_t received = 0, sent = 0, held = 0, injected = 0;
  uint64_t bytes = 0;                                   // received, frames as on the wire
  std::map<std::string, uint64_t> dropped, would_drop;  // by reason
  uint64_t flows = 0, alerts = 0, events = 0, events_lost = 0, verdicts = 0;
  uint64_t inspected_bytes = 0;
  uint64_t anomalies = 0;
  double cpu_seconds = 0;      // of the packet path alone
  double capture_seconds = 0;  // by the capture's clock
  std::string link;            // what the frames begin with
};

// An error in the capture itself (cut short, foreign in the middle) is returned in `broken`, after
// every good frame before it went the whole way.
Result<ReplayTotals> replay(const ReplayOptions& options, std::string& broken);

// The verb: runs, prints, and returns the exit code.
int replay_command(const ReplayOptions& options);

}  // namespace weir
