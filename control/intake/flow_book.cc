// SPDX-License-Identifier: Apache-2.0
#include "control/intake/flow_book.h"

namespace weir {

FlowBook::FlowBook(const IntakeSettings& settings)
    : live_(settings.flows_live_max, FlowIdHash{settings.hash_seed}),
      ended_(settings.flows_ended_max, FlowIdHash{settings.hash_seed}) {}

const BookedFlow* FlowBook::find(FlowId id) const noexcept {
  const auto* e = live_.find(id);
  if (e == nullptr) e = ended_.find(id);
  return e == nullptr ? nullptr : &e->value;
}

const BookedFlow* FlowBook::find(const Endpoints& ends) const noexcept {
  const auto same = [&ends](const Endpoints& e) {
    if (e.proto != ends.proto) return false;
    return (e.src == ends.src && e.dst == ends.dst && e.src_port == ends.src_port &&
            e.dst_port == ends.dst_port) ||
           (e.src == ends.dst && e.dst == ends.src && e.src_port == ends.dst_port &&
            e.dst_port == ends.src_port);
  };
  const BookedFlow* found = nullptr;
  const auto look = [&](const BookedFlow& f) {
    if (same(f.report.ends)) found = &f;
    return found == nullptr;
  };
  each_live(look);
  if (found == nullptr) each_ended(look);
  return found;
}

void FlowBook::started(const FlowStart& r) {
  if (begin_ns_ == 0) begin_ns_ = r.header.time_ns;
  auto* e = live_.find(r.flow);
  if (e == nullptr) e = &live_.add(r.flow);
  live_.touch(*e);
  e->value = BookedFlow{};
  FlowReport& report = e->value.report;
  report.header = r.header;
  report.flow = r.flow;
  report.ends = r.ends;
  report.first_ns = report.last_ns = r.header.time_ns;
  report.tcp_flags[0] = r.tcp_flags;
  report.side = r.side;
  report.src_mac = r.src_mac;
  report.dst_mac = r.dst_mac;
  e->value.midstream = r.midstream;
  e->value.tunnelled = r.tunnelled;
}

FlowCounters FlowBook::reported(const FlowReport& r) {
  if (begin_ns_ == 0) begin_ns_ = r.header.time_ns;
  auto* e = live_.find(r.flow);
  FlowCounters before = r.first_ns < begin_ns_ ? r.counters : FlowCounters{};
  if (e == nullptr) {
    e = &live_.add(r.flow);
  } else {
    before = e->value.report.counters;
    live_.touch(*e);
  }
  e->value.report = r;
  return before;
}

void FlowBook::ended(const FlowReport& r) {
  auto* e = live_.find(r.flow);
  BookedFlow last;
  if (e != nullptr) {
    last = e->value;
    live_.erase(*e);
  }
  last.report = r;
  last.ended = true;
  auto* old = ended_.find(r.flow);
  if (old == nullptr) old = &ended_.add(r.flow);
  ended_.touch(*old);
  old->value = last;
}

int FlowBook::prune(TimeNs before_ns, int most) {
  int gone = 0;
  for (auto* e = live_.oldest(); e != nullptr && gone < most; e = live_.oldest()) {
    if (e->value.report.header.time_ns >= before_ns) break;
    live_.erase(*e);
    ++gone;
  }
  return gone;
}

void FlowBook::forget_live() {
  while (auto* e = live_.oldest()) live_.erase(*e);
}

}  // namespace weir
