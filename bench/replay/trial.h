// SPDX-License-Identifier: Apache-2.0
// One trial: a worker over one traffic, for at most so long, and what came of it. Nothing here
// compares: bench/run does, from many trials.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bench/replay/traffic.h"
#include "dataplane/base/result.h"

namespace weir::bench {

// Who takes the event records: nobody (the ring is full after a while and every further record is
// made and refused), a thread that forgets them, or the control plane's whole chain.
enum class Drain : uint8_t { kNone, kThread, kControl };

struct TrialSettings {
  std::vector<std::string> captures;  // empty: synthetic
  SyntheticTraffic synthetic;
  std::string ports[2];         // DPDK vdev strings; empty: frames from memory
  bool is_transparent = false;  // the wire is not inspected
  bool is_ceiling = false;      // receive and transmit, no worker between
  uint32_t verdicts = 0;        // standing ones
  double blocked_share = 0;     // of the settled flows; the other verdicts match nothing
  std::string rules;            // file; empty: none
  uint64_t match_bytes = 0;     // as InspectSettings
  bool verify_checksums = true;
  bool classifies = false;  // nDPI
  bool parses = true;
  bool reloads = false;  // the same rules anew, five times a second
  Drain drain = Drain::kThread;
  uint64_t flows_max = 0;  // 0: twice what the traffic has
  double seconds = 0.5;
  uint64_t packets = 0;   // instead of seconds: exactly so many after the warm-up
  std::string flows_out;  // what each flow of a capture was taken for, as lines
};

struct TrialResult {
  uint64_t packets = 0, bytes = 0, sent = 0, dropped = 0;
  double cpu_seconds = 0, wall_seconds = 0;
  double cycles_p10 = 0, cycles_p50 = 0;  // TSC per packet, over rounds of at most 64
  double tsc_per_second = 0;
  uint64_t gaps_10us = 0, gaps_100us = 0, gaps_1ms = 0;  // rounds that took longer
  uint64_t inspected_bytes = 0, classified_packets = 0, rule_hits = 0;
  uint64_t flows_active = 0, flows_created = 0, flows_evicted = 0, flows_refused = 0;
  uint64_t events_written = 0, events_lost = 0, verdicts_standing = 0, reloads = 0;
  uint64_t flow_table_bytes = 0;  // with settled flows
  uint64_t flow_bytes_most = 0;   // with every flow blocked
  uint64_t worker_bytes = 0;      // with every pool in use
  // Of flows that were established before a flood began, where the traffic has one beside them:
  // how many had to be made anew, or found no room; how many of their packets were dropped.
  uint64_t established = 0, established_lost = 0, established_dropped = 0;
  uint64_t packets_warming = 0;   // before what is counted above
  std::string pages;
};

Result<TrialResult> run_trial(const TrialSettings& settings);

}  // namespace weir::bench
