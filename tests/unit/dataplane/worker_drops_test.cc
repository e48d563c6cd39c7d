// SPDX-License-Identifier: Apache-2.0
// What is dropped of flows and because of verdicts is counted to the packet, however often verdicts
// come, change, end and are taken back between and within bursts.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/support/one_worker.h"

namespace weir {
namespace {

using namespace testing;

constexpr int kFlows = 12;  // of UDP, each from a port of its own
constexpr uint16_t kFirstPort = 4000;

class DropsTest : public WorkerTest {
 public:
  struct Sum {
    uint64_t packets = 0, bytes = 0;
    bool operator==(const Sum&) const = default;
    void add(uint64_t n, uint64_t b) { packets += n, bytes += b; }
  };

  void begin(Mode mode) {
    settings.flow.udp_established_ns = settings.flow.udp_new_ns = 3600 * kNsPerSecond;
    start(mode, "drop udp any any -> any any (content:\"evil\"; sid:9;)\n");
    for (int i = 0; i < kFlows; ++i) {
      const auto port = static_cast<uint16_t>(kFirstPort + i);
      frames.push_back(datagram(port, "good"));
      frames.push_back(datagram(port, "evil"));
      frames.push_back(Frame().ethernet().ipv4("10.0.0.2", source(port), kProtoUdp).udp(
          80, port, "answer"));
    }
    wire.watch = [this](const PacketView& p) { gone[port_of(p)].add(1, p.bytes); };
  }
  static std::string source(uint16_t port) { return "10.0.1." + std::to_string(port % 4); }
  static Frame datagram(uint16_t port, const char* text) {
    return Frame().ethernet().ipv4(source(port), "10.0.0.2", kProtoUdp).udp(port, 80, text);
  }
  static uint16_t port_of(const PacketView& p) {
    const uint8_t* ports = p.data + 14 + 20;
    const auto src = static_cast<uint16_t>(ports[0] << 8 | ports[1]);
    return src >= kFirstPort ? src : static_cast<uint16_t>(ports[2] << 8 | ports[3]);
  }
  void burst(std::mt19937& dice) {
    const unsigned n = 1 + dice() % kBurstMax;
    for (unsigned i = 0; i < n; ++i) {
      const unsigned kind = dice() % 16;  // few are evil
      const size_t flow = dice() % kFlows;
      const Frame& f = frames[flow * 3 + (kind == 0 ? 1 : kind < 6 ? 2 : 0)];
      came[static_cast<uint16_t>(kFirstPort + flow)].add(1, f.bytes().size());
      wire.in[kind > 0 && kind < 6].push_back(&f);
    }
    worker->poll(now += kNsPerMs);
    expect_balanced();
    take();
  }
  void command(std::mt19937& dice) {
    VerdictCommand c{.kind = dice() % 3 == 0 ? CommandKind::kRemove : CommandKind::kInstall};
    c.verdict.id = 1 + dice() % 5;
    static constexpr Action kActions[] = {Action::kDrop, Action::kDrop, Action::kReject,
                                          Action::kPass, Action::kRateLimit};
    c.verdict.action = kActions[dice() % 5];
    c.verdict.limit = {.packets_per_second = 50};
    c.verdict.expire_ns = now + (1 + dice() % 40) * kNsPerMs;
    c.verdict.match.src = {*parse_ip_address(source(dice() % 4)), 128};
    ASSERT_TRUE(segment->worker(0).mailbox.push(c));
  }
  void take() {
    segment->event_ring(0).pop(100'000, [this](const uint8_t* bytes, uint32_t) {
      switch (reinterpret_cast<const RecordHeader*>(bytes)->type) {
        case RecordType::kFlowEnd: {
          const auto& r = *reinterpret_cast<const FlowEnd*>(bytes);
          const uint16_t port =
              r.ends.src_port >= kFirstPort ? r.ends.src_port : r.ends.dst_port;
          told[port].add(r.counters.dropped_packets, r.counters.dropped_bytes);
          return;
        }
        case RecordType::kVerdictReport: {
          const auto& r = *reinterpret_cast<const VerdictReport*>(bytes);
          const bool ends = r.kind == ReportKind::kRemoved || r.kind == ReportKind::kExpired;
          if (ends) by_verdicts.add(r.packets, r.bytes);
          return;
        }
        default:
          return;
      }
    });
  }

  std::vector<Frame> frames;
  std::map<uint16_t, Sum> came, gone, told;  // by the flow's port
  Sum by_verdicts;                           // of those that ended
};

TEST_F(DropsTest, AreCountedToThePacket) {
  for (const Mode mode : {Mode::kEnforce, Mode::kSimulate}) {
    for (uint32_t seed = 1; seed <= 10; ++seed) {
      frames.clear(), came.clear(), gone.clear(), told.clear();
      by_verdicts = {};
      std::mt19937 dice(seed);
      begin(mode);
      for (int n = 0; n < 300; ++n) {
        if (dice() % 8 == 0) command(dice);
        burst(dice);
      }
      for (VerdictId id = 1; id <= 5; ++id) {
        VerdictCommand c{.kind = CommandKind::kRemove};
        c.verdict.id = id;
        ASSERT_TRUE(segment->worker(0).mailbox.push(c));
      }
      for (int n = 0; n < 100; ++n) worker->poll(now);
      while (!worker->finish(now, 64)) {
      }
      take();
      for (const auto& [port, sum] : came) {
        const Sum lost{sum.packets - gone[port].packets, sum.bytes - gone[port].bytes};
        EXPECT_EQ(told[port].packets, lost.packets) << "port " << port << ", seed " << seed;
        EXPECT_EQ(told[port].bytes, lost.bytes) << "port " << port << ", seed " << seed;
      }
      if (mode != Mode::kEnforce) continue;
      uint64_t by_verdict = 0;
      for (const Reason r :
           {Reason::kVerdictDrop, Reason::kVerdictReject, Reason::kVerdictRateLimit}) {
        by_verdict += dropped(r);
      }
      EXPECT_EQ(by_verdicts.packets, by_verdict) << "seed " << seed;
      EXPECT_GT(by_verdict, 100u);
      EXPECT_GT(dropped(Reason::kRuleDrop), 100u);
    }
  }
}

}  // namespace
}  // namespace weir
