// SPDX-License-Identifier: Apache-2.0
#include "control/operate/traffic.h"

#include <chrono>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "dataplane/base/packet_view.h"

namespace weir {

namespace {

void add(PacketsBytes& to, const Counter& packets, const Counter& bytes) {
  to.packets += packets.get();
  to.bytes += bytes.get();
}
void add(PacketsBytes& to, const PacketsBytes& more) {
  to.packets += more.packets;
  to.bytes += more.bytes;
}

void add_worker(WireTraffic& to, const WireStats& from) {
  // What left before what came: a packet under way shows as received and not yet sent.
  add(to.held, from.held_packets, from.held_bytes);
  for (unsigned r = 0; r < kReasonCount; ++r) {
    to.dropped[r] += from.dropped_packets[r].get();
    to.dropped_bytes[r] += from.dropped_bytes[r].get();
    to.would_drop[r] += from.would_drop_packets[r].get();
  }
  for (unsigned c = 0; c < kFailCauses; ++c) to.fail_open[c] += from.fail_open_packets[c].get();
  for (unsigned s = 0; s < 2; ++s) {
    add(to.side[s].sent, from.side[s].sent_packets, from.side[s].sent_bytes);
    add(to.side[s].injected, from.side[s].injected_packets, from.side[s].injected_bytes);
  }
  for (unsigned s = 0; s < 2; ++s) {
    add(to.side[s].received, from.side[s].received_packets, from.side[s].received_bytes);
    to.side[s].missed += from.side[s].missed_packets.get();
    to.side[s].link = to.side[s].link || from.side[s].link_up.get() != 0;
  }
}

}  // namespace

uint64_t WireTraffic::dropped_packets() const noexcept {
  return std::accumulate(std::begin(dropped), std::end(dropped), uint64_t{0});
}

Traffic read_traffic(const Segment& segment) {
  Traffic traffic;
  traffic.wires.resize(segment.settings().wires);
  for (size_t w = 0; w < traffic.wires.size(); ++w) {
    WireTraffic& wire = traffic.wires[w];
    for (uint32_t i = 0; i < segment.workers(); ++i) {
      add_worker(wire, segment.worker(i).stats.wire[w]);
    }
    for (const PortTraffic& side : wire.side) {
      add(wire.received, side.received);
      add(wire.sent, side.sent);
    }
    add(traffic.total.received, wire.received);
    add(traffic.total.sent, wire.sent);
    add(traffic.total.held, wire.held);
    for (unsigned r = 0; r < kReasonCount; ++r) {
      traffic.total.dropped[r] += wire.dropped[r];
      traffic.total.dropped_bytes[r] += wire.dropped_bytes[r];
      traffic.total.would_drop[r] += wire.would_drop[r];
    }
    wire.balanced = wire.unaccounted() == 0;
    traffic.balanced = traffic.balanced && wire.balanced;
  }
  return traffic;
}

Traffic read_traffic_live(const Segment& segment) {
  constexpr int kLooks = 10;
  constexpr auto kBetween = std::chrono::microseconds(100);
  Traffic traffic = read_traffic(segment);
  const uint64_t at_first = traffic.total.received.packets;
  for (int look = 1; look < kLooks && !traffic.balanced; ++look) {
    std::this_thread::sleep_for(kBetween);
    traffic = read_traffic(segment);
  }
  if (traffic.balanced || traffic.total.received.packets == at_first) return traffic;
  // The burst that was counted while we read, and the one before or after it.
  int64_t under_way = 2 * int64_t{kBurstMax} * segment.workers();
  // And what one worker has received and another is about to send, on both sides.
  if (segment.workers() > 1) under_way += 2 * int64_t{kHandoverSlots};
  traffic.balanced = true;
  for (WireTraffic& wire : traffic.wires) {
    wire.balanced = std::abs(wire.unaccounted()) <= under_way;
    traffic.balanced = traffic.balanced && wire.balanced;
  }
  return traffic;
}

}  // namespace weir
