// SPDX-License-Identifier: Apache-2.0
// What an event record costs the control plane, from the ring to the last judge. Time is per
// record.
#include <benchmark/benchmark.h>

#include "control/publish/publish.h"
#include "tests/support/records.h"

namespace weir {
namespace {

using namespace test;

struct Plane : ChainListener {
  Plane() : chain(segment, settings(), *this), ring(segment.event_ring(0)) {}
  static ChainSettings settings() {
    ChainSettings s;
    s.publish.in_process = true;
    s.intake.internal.inside = {net("10.0.0.0/8"), net("172.16.0.0/12"), net("192.168.0.0/16"),
                                net("fc00::/7"), net("fe80::/10")};
    return s;
  }
  template <class T>
  void push(const T& r) {
    ring.push(&r, sizeof r);
  }
  // A whole flow in three records.
  void flow(const IpAddress& src, const IpAddress& dst, uint16_t port, bool works) {
    const Endpoints e = ends(src, dst, kTcp, port);
    push(flow_start(++id, e, now));
    push(flow_update(id, e, works ? UpdateCause::kEstablished : UpdateCause::kRefused, now, now));
    push(flow_end(id, e, works ? FlowState::kClosed : FlowState::kRefused, now, now));
    now += 20 * kNsPerUs;
  }
  void drain() {
    while (chain.do_work(now) > 0) {}
  }
  Segment segment = Segment::in_memory({}, 0);
  ControlChain chain;
  SpscByteRing ring;
  TimeNs now = kBegin;
  FlowId id = 0;
};

constexpr int kFlowsPerRound = 1000;

template <class Make>
void run(benchmark::State& state, Make&& make) {
  Plane plane;
  for (int warm = 0; warm < 50'000; ++warm) {
    make(plane);
    if (warm % 1000 == 999) plane.drain();
  }
  for (auto _ : state) {
    state.PauseTiming();
    for (int i = 0; i < kFlowsPerRound; ++i) make(plane);
    state.ResumeTiming();
    plane.drain();
  }
  const auto records = static_cast<double>(state.iterations()) * kFlowsPerRound * 3;
  state.counters["per_record"] =
      benchmark::Counter(records, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// 5,000 devices and the 16 services each of them has always used.
void known_services(benchmark::State& state) {
  run(state, [n = uint32_t{0}](Plane& p) mutable {
    n = n * 1664525 + 1013904223;
    const uint32_t device = (n >> 8) % 5000;
    p.flow(host(1, device), host(2, (device + (n >> 24) % 16) % 500), 443, true);
  });
}

// Each flow goes where that device has never been.
void new_services(benchmark::State& state) {
  run(state, [n = uint32_t{0}](Plane& p) mutable {
    ++n;
    const uint8_t b[4] = {static_cast<uint8_t>(20 + n % 100), static_cast<uint8_t>(n >> 16),
                          static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
    p.flow(host(1, n % 5000), IpAddress::from_v4(b), 443, true);
  });
}

// Every flow of 5,000 sources fails at something new.
void scans(benchmark::State& state) {
  run(state, [n = uint32_t{0}](Plane& p) mutable {
    ++n;
    p.flow(host(1, n % 5000), host(9, n % 60'000), static_cast<uint16_t>(n / 7), false);
  });
}

BENCHMARK(known_services)->Unit(benchmark::kMicrosecond);
BENCHMARK(new_services)->Unit(benchmark::kMicrosecond);
BENCHMARK(scans)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
