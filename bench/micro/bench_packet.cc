// SPDX-License-Identifier: Apache-2.0
// The packet path's stages over packets in memory: time per packet of a burst of 32.
#include <benchmark/benchmark.h>

#include <vector>

#include "dataplane/flow/flow.h"
#include "dataplane/verdict/verdict.h"
#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;

// `flows` flows of one 64-byte packet each, in an order that no prefetcher guesses.
struct Traffic {
  explicit Traffic(uint32_t flows) {
    frames.reserve(flows);
    for (uint32_t i = 0; i < flows; ++i) {
      const uint32_t n = i * 2654435761u % flows;
      const std::string src = "10." + std::to_string(n >> 16 & 255) + "." +
                              std::to_string(n >> 8 & 255) + "." + std::to_string(n & 255);
      frames.push_back(Frame().ethernet().ipv4(src, "192.168.0.1").tcp(1, 80, kTcpAck, "abcdef"));
      packets.push_back(frames.back().view(kNsPerSecond));
    }
    headers.resize(packets.size());
    decode(packets, LinkType::kEthernet, headers);
  }
  std::vector<Frame> frames;
  std::vector<PacketView> packets;
  std::vector<Headers> headers;
};

void BM_Decode(benchmark::State& state) {
  Traffic t(4096);
  size_t at = 0;
  for (auto _ : state) {
    decode({t.packets.data() + at, kBurstMax}, LinkType::kEthernet,
           {t.headers.data() + at, kBurstMax});
    at = (at + kBurstMax) % t.packets.size();
  }
  state.SetItemsProcessed(state.iterations() * kBurstMax);
}
BENCHMARK(BM_Decode);

void BM_Track(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  Traffic t(flows);
  FlowSettings settings;
  settings.flows_max = flows * 2;
  FlowTable table(settings, 0, 1);
  TrackStats stats;
  Tracked tracked[kBurstMax];
  static EndedFlow ended[2 * kBurstMax];
  size_t at = 0;
  for (auto _ : state) {
    track({t.packets.data() + at, kBurstMax}, {t.headers.data() + at, kBurstMax}, 0, table, stats,
          tracked, ended);
    at = (at + kBurstMax) % t.packets.size();
  }
  state.SetItemsProcessed(state.iterations() * kBurstMax);
}
BENCHMARK(BM_Track)->Arg(1024)->Arg(65536);

// A settled flow against a table of standing verdicts that do not concern it.
void BM_JudgeAndDecide(benchmark::State& state) {
  Traffic t(1024);
  FlowTable table(FlowSettings{}, 0, 1);
  TrackStats stats;
  Verdicts verdicts(65'536);
  struct : VerdictReports {
    void report(const VerdictReport&) override {}
  } nobody;
  for (uint32_t i = 0; i < state.range(0); ++i) {
    VerdictCommand c{.kind = CommandKind::kInstall};
    c.verdict.id = i + 1;
    c.verdict.expire_ns = INT64_MAX;
    c.verdict.match.src = {*parse_ip_address("172.16.0.1"), 128};
    c.verdict.match.src.address.bytes[14] = static_cast<uint8_t>(i >> 8);
    c.verdict.match.src.address.bytes[15] = static_cast<uint8_t>(i);
    verdicts.apply(c, table, 0, nobody);
  }
  std::vector<Tracked> tracked(t.packets.size());
  static EndedFlow ended[2 * kBurstMax];
  for (size_t at = 0; at < t.packets.size(); at += kBurstMax) {
    track({t.packets.data() + at, kBurstMax}, {t.headers.data() + at, kBurstMax}, 0, table, stats,
          {tracked.data() + at, kBurstMax}, ended);
  }
  Decision decisions[kBurstMax];
  const Hits hits[kBurstMax] = {};
  const bool known[kBurstMax] = {};
  size_t at = 0;
  for (auto _ : state) {
    const std::span<const PacketView> packets(t.packets.data() + at, kBurstMax);
    const std::span<const Headers> headers(t.headers.data() + at, kBurstMax);
    const std::span<const Tracked> rows(tracked.data() + at, kBurstMax);
    verdicts.judge(packets, headers, rows, table, decisions);
    verdicts.decide(packets, rows, known, hits, nullptr, Mode::kEnforce, table, decisions);
    at = (at + kBurstMax) % t.packets.size();
  }
  state.SetItemsProcessed(state.iterations() * kBurstMax);
}
BENCHMARK(BM_JudgeAndDecide)->Arg(0)->Arg(65536);

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
