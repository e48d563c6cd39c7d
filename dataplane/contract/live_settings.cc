// SPDX-License-Identifier: Apache-2.0
// Which settings a reload changes. The table of weir.yaml (control/operate/config_table.cc) says
// the same by key; a test holds the two together.
#include <algorithm>
#include <iterator>

#include "dataplane/contract/settings.h"

namespace weir {

namespace {

FlowSettings live_part(const FlowSettings& now, FlowSettings next) noexcept {
  next.flows_max = now.flows_max;
  return next;
}

InspectSettings live_part(const InspectSettings& now, InspectSettings next) noexcept {
  next.classify_flows_max = now.classify_flows_max;
  return next;
}

// Not `uninspected`: what is known of streams would be out of date when inspection comes back. Not
// what is done about links: a port may be held down by it.
WireSettings live_part(WireSettings now, const WireSettings& next) noexcept {
  now.mode = next.mode;
  std::copy(std::begin(next.fail), std::end(next.fail), now.fail);
  return now;
}

}  // namespace

Settings with_live_part(const Settings& now, const Settings& next) noexcept {
  Settings out = now;
  out.pace_suspects = next.pace_suspects;
  out.reports_per_second = next.reports_per_second;
  out.evidence_per_second = next.evidence_per_second;
  out.flow = live_part(now.flow, next.flow);
  out.inspect = live_part(now.inspect, next.inspect);
  out.fragments.timeout_ns = next.fragments.timeout_ns;
  const uint32_t wires = std::min(now.wires, kWiresMax);
  for (uint32_t w = 0; w < wires; ++w) out.wire[w] = live_part(now.wire[w], next.wire[w]);
  return out;
}

}  // namespace weir
