// SPDX-License-Identifier: Apache-2.0
// Counters of one worker in shared memory. worker: rw, control: ro. Never reset while the data
// plane runs. For each wire and in total, after the worker is idle:
//   received = sent + sum of dropped + held         (injected frames are not part of it)
#pragma once

#include "dataplane/base/counter.h"
#include "dataplane/contract/event_record.h"
#include "dataplane/contract/settings.h"

namespace weir {

// Packets that may wait between two workers of a wire, per direction: as many as in a receive
// queue. On the way to the worker they belong to they count as not yet received, on the way to the
// one that sends as received and not yet sent.
constexpr uint32_t kHandoverSlots = 1024;

struct alignas(64) PortStats {
  Counter received_packets, received_bytes;
  Counter sent_packets, sent_bytes;
  Counter injected_packets, injected_bytes;  // RST and ICMP of ours
  Counter missed_packets;                    // the port had no room to receive; never reached Weir
  Counter link_up;                           // 1 or 0
};
static_assert(sizeof(PortStats) == 64);

struct alignas(64) WireStats {
  PortStats side[2];  // Side the frame came in by / left by
  Counter dropped_packets[kReasonCount];
  Counter dropped_bytes[kReasonCount];
  Counter would_drop_packets[kReasonCount];  // simulate mode: sent all the same
  Counter fail_open_packets[kFailCauses];    // went uninspected because of it
  Counter held_packets, held_bytes;          // gauge: in the worker's hands at this moment
};

struct alignas(64) StatsPage {
  WireStats wire[kWiresMax];
  Counter loops, busy_loops, sleeps;
  Counter bursts;
  Counter events_written, events_lost, events_bytes;
  Counter flows_active, flows_created, flows_ended, flows_refused_full, flows_evicted;
  Counter flow_table_bytes;
  Counter classified_packets, classify_flows, classify_refused_full;
  Counter inspected_bytes, inspected_packets, rule_hits;
  Counter evidence_events, evidence_lost;  // stated by parsers; not told: the ring was full
  Counter parse_flows, parse_malformed, parse_evicted, parse_no_buffer, parse_gaps;
  Counter verdicts_standing, verdicts_installed, verdicts_expired, verdicts_refused;
  Counter verdict_table_bytes;
  Counter rule_image_generation;  // the one this worker uses
  Counter impossible;             // our own broken invariants, survived in release
  Counter anomaly[static_cast<unsigned>(Anomaly::kCount)];
  Counter cpu_ns;  // CPU time of the worker thread, refreshed now and then
};

}  // namespace weir
