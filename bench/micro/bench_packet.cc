// SPDX-License-Identifier: Apache-2.0
// The packet path's stages over packets in memory: time per packet of a burst of 32.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "dataplane/flow/flow.h"
#include "dataplane/flow/reassemble.h"
#include "dataplane/verdict/meter.h"
#include "dataplane/verdict/verdict.h"
#include "dataplane/verdict/verdict_table.h"
#include "tests/support/ends_ignored.h"
#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;

// Segments of 1,460 bytes, an acknowledgement after every second one; flows take turns. late: every
// second segment comes after the one behind it.
void BM_Reassemble(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  const bool late = state.range(1) != 0;
  Reassembler r({}, flows);
  std::vector<Flow> table(flows);
  std::vector<uint32_t> seq(flows, 1);
  const std::string payload(1460, 'x');
  const PacketView p{.data = reinterpret_cast<const uint8_t*>(payload.data()), .bytes = 1460};
  Headers data, ack;
  data.tcp_flags = ack.tcp_flags = kTcpAck;
  data.payload_bytes = 1460;
  StreamBytes out;
  uint32_t i = 0;
  for (auto _ : state) {
    i = i + 1 == flows ? 0 : i + 1;
    for (const uint32_t first : {late ? 1460u : 0u, late ? 0u : 1460u}) {
      data.tcp_seq = seq[i] + first;
      r.add(p, data, {.flow = &table[i], .index = i, .direction = 0}, out);
      benchmark::DoNotOptimize(out);
    }
    seq[i] += 2920;
    ack.tcp_ack = seq[i];
    r.add(p, ack, {.flow = &table[i], .index = i, .direction = 1}, out);
  }
  state.SetItemsProcessed(state.iterations() * 3);
}
BENCHMARK(BM_Reassemble)->ArgNames({"flows", "late"})->ArgsProduct({{16, 16384}, {0, 1}});

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

// Headers of one packet each of `flows` flows, made burst by burst: more flows than frames would
// fit.
class ManyFlows {
 public:
  explicit ManyFlows(uint32_t flows) : mask_(flows - 1) {
    for (Headers& h : headers) h = frame_.headers();
    for (PacketView& p : packets) p = frame_.view(kNsPerSecond);
  }
  // The next burst, of the first `among` flows (a power of two), in an order nobody guesses.
  void next(uint32_t among) {
    for (Headers& h : headers) {
      at_ = at_ * 1664525 + 1013904223;  // every value once a round (Hull and Dobell)
      const uint32_t flow = __builtin_bswap32((at_ & mask_ & (among - 1)) | 10u << 24);
      std::memcpy(h.src.bytes.data() + 12, &flow, sizeof flow);
    }
  }
  PacketView packets[kBurstMax];
  Headers headers[kBurstMax];

 private:
  const Frame frame_ = Frame().ethernet().ipv4("10.0.0.1", "192.168.0.1").tcp(1, 80, kTcpAck, "");
  uint32_t mask_, at_ = 0;
};

// A table that holds range(0) flows, packets of range(1) of them: few are hot in the cache, all are
// cold. The order of a round keeps its low bits' short periods, which a cache does not see.
void BM_Track(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  const auto among = static_cast<uint32_t>(state.range(1));
  ManyFlows t(flows);
  FlowSettings settings;
  settings.flows_max = flows;
  FlowTable table(settings, 0, 1);
  TrackStats stats;
  Tracked tracked[kBurstMax];
  EndsIgnored ended;
  const auto burst = [&](uint32_t of) {
    t.next(of);
    track(t.packets, t.headers, 0, table, stats, tracked, ended);
  };
  for (uint32_t n = 0; n < flows; n += kBurstMax) burst(flows);
  for (auto _ : state) burst(among);
  state.SetItemsProcessed(state.iterations() * kBurstMax);
  state.counters["flows"] = table.size();
}
BENCHMARK(BM_Track)->ArgNames({"flows", "among"})->Apply([](benchmark::internal::Benchmark* b) {
  for (const int64_t flows : {1 << 10, 1 << 13, 1 << 16, 1 << 20, 1 << 22}) {
    b->Args({flows, 1 << 10});
    if (flows > 1 << 10) b->Args({flows, flows});
  }
});

// A settled flow against a table of standing verdicts that do not concern it.
void BM_JudgeAndDecide(benchmark::State& state) {
  Traffic t(1024);
  FlowTable table(FlowSettings{}, 0, 1);
  TrackStats stats;
  Meters meters(1);
  Verdicts verdicts(65'536, meters);
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
  EndsIgnored ended;
  for (size_t at = 0; at < t.packets.size(); at += kBurstMax) {
    track({t.packets.data() + at, kBurstMax}, {t.headers.data() + at, kBurstMax}, 0, table, stats,
          {tracked.data() + at, kBurstMax}, ended);
  }
  Decision decisions[kBurstMax];
  const Hits hits[kBurstMax] = {};
  const bool known[kBurstMax] = {};
  const WireSettings wire;
  const Plight plights[kBurstMax];
  size_t at = 0;
  for (auto _ : state) {
    const std::span<const PacketView> packets(t.packets.data() + at, kBurstMax);
    const std::span<const Headers> headers(t.headers.data() + at, kBurstMax);
    const std::span<const Tracked> rows(tracked.data() + at, kBurstMax);
    verdicts.judge(packets, headers, rows, table, decisions);
    verdicts.decide(packets, rows, known, hits, plights, nullptr, wire, table, decisions);
    at = (at + kBurstMax) % t.packets.size();
  }
  state.SetItemsProcessed(state.iterations() * kBurstMax);
}
BENCHMARK(BM_JudgeAndDecide)->Arg(0)->Arg(65536);

// Commands against a table that is full of every reach: address, prefix, MAC, port, application and
// 5-tuple. What is removed is put back, and so the table stays at 64 k.
Verdict of_every_reach(uint32_t i) {
  Verdict v;
  v.id = i + 1;
  v.expire_ns = INT64_MAX;
  VerdictMatch& m = v.match;
  m.src = {*parse_ip_address("172.16.0.1"), 128};
  m.src.address.bytes[13] = static_cast<uint8_t>(16 + (i >> 16));
  m.src.address.bytes[14] = static_cast<uint8_t>(i >> 8);
  m.src.address.bytes[15] = static_cast<uint8_t>(i);
  switch (i % 7) {
    case 0:
      m.either = true;
      break;
    case 1:
      m.src.bits = 120;
      break;
    case 2:
      m.mac = {2, 0, 0, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
      m.src = {};
      break;
    case 3:
      m.dst_port = static_cast<uint16_t>(i | 1);
      break;
    case 4:
      m.app = static_cast<uint16_t>(1 + i % 300);
      break;
    case 5:
      m.src.bits = 112;
      m.dst_port = static_cast<uint16_t>(i | 1);
      break;
    default:
      m.dst = m.src;
      m.src_port = m.dst_port = static_cast<uint16_t>(i | 1);
      m.proto = kProtoTcp;
  }
  return v;
}

struct FullTable {
  FullTable() {
    for (uint32_t i = 0; i < kVerdicts; ++i) table.install(of_every_reach(i), 1);
  }
  static constexpr uint32_t kVerdicts = 65'536;
  VerdictTable table{kVerdicts};
};

// stride 1: neighbours, warm in the cache; a large odd one: each finds its lines cold.
void BM_VerdictRemoveAndInstall(benchmark::State& state) {
  FullTable full;
  uint32_t at = 0;
  for (auto _ : state) {
    full.table.remove(at + 1);
    benchmark::DoNotOptimize(full.table.install(of_every_reach(at), 1));
    at = static_cast<uint32_t>(at + state.range(0)) % FullTable::kVerdicts;
  }
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(BM_VerdictRemoveAndInstall)->ArgName("stride")->Arg(1)->Arg(40'503);

// What a flow pays at its first packet, and once more after the table has changed.
void BM_VerdictFind(benchmark::State& state) {
  FullTable full;
  VerdictSubject s;
  s.src = s.dst = *parse_ip_address("10.0.0.1");
  s.proto = kProtoTcp;
  s.dst_port = 443;
  uint32_t at = 0;
  for (auto _ : state) {
    s.src.bytes[14] = static_cast<uint8_t>(at >> 8);
    s.src.bytes[15] = static_cast<uint8_t>(at);
    s.src_mac = {2, 0, 0, 1, static_cast<uint8_t>(at >> 8), static_cast<uint8_t>(at)};
    benchmark::DoNotOptimize(full.table.find(s, 2));
    at = static_cast<uint32_t>(at + state.range(0)) % FullTable::kVerdicts;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_VerdictFind)->ArgName("stride")->Arg(0)->Arg(40'503);

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
