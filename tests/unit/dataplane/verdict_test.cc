// SPDX-License-Identifier: Apache-2.0
#include "dataplane/verdict/verdict.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <random>
#include <thread>
#include <vector>

#include "dataplane/verdict/meter.h"
#include "dataplane/verdict/verdict_table.h"
#include "tests/support/ends_ignored.h"
#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;
constexpr TimeNs kS = kNsPerSecond;

IpPrefix prefix(const char* text) {
  return *parse_ip_prefix(text);
}

Verdict verdict(VerdictId id, const char* src, const char* dst, Action action = Action::kDrop) {
  Verdict v;
  v.id = id;
  if (*src != 0) v.match.src = prefix(src);
  if (*dst != 0) v.match.dst = prefix(dst);
  v.action = action;
  v.expire_ns = 1000 * kS;
  return v;
}

VerdictSubject subject(const char* src, const char* dst, uint16_t port) {
  return {*parse_ip_address(src), *parse_ip_address(dst), 1234, port, 0, 0, kProtoTcp};
}

TEST(VerdictTable, FindsByPrefixPortAndBothWays) {
  VerdictTable t(16);
  Verdict a = verdict(1, "10.0.0.0/24", "");
  a.match.dst_port = 445;
  Verdict b = verdict(2, "10.9.9.9", "");
  b.match.either = true;
  ASSERT_NE(t.install(a, 0), kNoVerdict);
  ASSERT_NE(t.install(b, 0), kNoVerdict);
  const auto id = [&](const VerdictSubject& s) {
    const uint32_t slot = t.find(s, 1);
    return slot == kNoVerdict ? 0 : t.at(slot).verdict.id;
  };
  EXPECT_EQ(id(subject("10.0.0.7", "1.1.1.1", 445)), 1u);
  EXPECT_EQ(id(subject("10.0.0.7", "1.1.1.1", 80)), 0u);
  EXPECT_EQ(id(subject("10.0.1.7", "1.1.1.1", 445)), 0u);
  EXPECT_EQ(id(subject("10.9.9.9", "1.1.1.1", 1)), 2u);
  EXPECT_EQ(id(subject("1.1.1.1", "10.9.9.9", 1)), 2u);
}

TEST(VerdictTable, OperatorsPassBeatsAModelsDropAndExpiryEndsBoth) {
  VerdictTable t(16);
  Verdict drop = verdict(1, "10.0.0.1", "");
  Verdict pass = verdict(2, "10.0.0.1", "", Action::kPass);
  pass.origin = Origin::kOperator;
  pass.expire_ns = 10 * kS;
  t.install(drop, 0);
  t.install(pass, 0);
  const VerdictSubject s = subject("10.0.0.1", "2.2.2.2", 1);
  EXPECT_EQ(t.at(t.find(s, kS)).verdict.id, 2u);
  EXPECT_EQ(t.at(t.find(s, 20 * kS)).verdict.id, 1u);
  EXPECT_EQ(t.find(s, 2000 * kS), kNoVerdict);
}

TEST(VerdictTable, RefusesWhatMatchesEverything) {
  VerdictTable t(4);
  EXPECT_EQ(t.install(verdict(1, "", ""), 0), kNoVerdict);
  for (VerdictId id = 1; id <= 4; ++id)
    EXPECT_NE(t.install(verdict(id, "10.0.0.1", ""), 0), kNoVerdict);
  EXPECT_EQ(t.install(verdict(5, "10.0.0.1", ""), 0), kNoVerdict);
  EXPECT_NE(t.install(verdict(2, "10.0.0.2", ""), 0), kNoVerdict) << "replacing needs no room";
}

// The table against a linear scan, over random verdicts and flows.
TEST(VerdictTable, AgreesWithALinearScan) {
  std::mt19937 random(3);
  VerdictTable table(300);
  std::vector<Verdict> list;
  const auto address = [&] {
    return "10.0." + std::to_string(random() % 3) + "." + std::to_string(random() % 6);
  };
  for (int step = 0; step < 4000; ++step) {
    if (random() % 3 == 0 && !list.empty()) {
      const size_t at = random() % list.size();
      ASSERT_NE(table.remove(list[at].id), kNoVerdict);
      list.erase(list.begin() + static_cast<long>(at));
    } else if (list.size() < 300) {
      Verdict v = verdict(static_cast<VerdictId>(step) + 1, "", "");
      const char* lengths[] = {"", "/24", "/30"};
      v.match.src = prefix((address() + lengths[random() % 3]).c_str());
      if (random() % 2 == 0) v.match.dst = prefix((address() + lengths[random() % 3]).c_str());
      if (random() % 3 == 0) v.match.dst_port = static_cast<uint16_t>(1 + random() % 3);
      if (random() % 4 == 0) v.match.proto = kProtoTcp;
      v.match.either = random() % 2 == 0;
      if (table.install(v, 0) == kNoVerdict) continue;  // shapes are bounded
      list.push_back(v);
    }
    for (int n = 0; n < 10; ++n) {
      const VerdictSubject s =
          subject(address().c_str(), address().c_str(), static_cast<uint16_t>(1 + random() % 3));
      VerdictId best = 0;
      for (const Verdict& v : list) {
        if (matches(v.match, s)) best = std::max(best, v.id);  // equal standing: the newest
      }
      const uint32_t slot = table.find(s, 1);
      ASSERT_EQ(slot == kNoVerdict ? 0 : table.at(slot).verdict.id, best);
    }
  }
}

TEST(VerdictTable, WhatIsSparedFromAVerdictIsSparedFromThatOneAlone) {
  VerdictTable t(16);
  const auto id = [&](const VerdictSubject& s) {
    const uint32_t slot = t.find(s, 1);
    return slot == kNoVerdict ? 0 : t.at(slot).verdict.id;
  };
  Verdict keep = verdict(5, "10.0.0.1", "", Action::kKeep);
  keep.match.either = true;
  Verdict spare = verdict(4, "10.0.0.1", "10.0.0.2", Action::kSpare);
  spare.match.dst_port = 443;
  EXPECT_EQ(t.install(spare, 0), kNoVerdict) << "from what?";
  spare.spared_from = 5;
  spare.origin = Origin::kOperator;
  ASSERT_NE(t.install(spare, 0), kNoVerdict);
  ASSERT_NE(t.install(keep, 0), kNoVerdict);
  const VerdictSubject usual = subject("10.0.0.1", "10.0.0.2", 443);
  EXPECT_EQ(id(usual), 4u);
  EXPECT_EQ(id(subject("10.0.0.1", "10.0.0.2", 80)), 5u);
  EXPECT_EQ(id(subject("10.0.0.2", "10.0.0.1", 443)), 5u) << "the other direction is not its life";
  ASSERT_NE(t.install(verdict(3, "10.0.0.1", "10.0.0.2"), 0), kNoVerdict);
  EXPECT_EQ(id(usual), 3u) << "another verdict holds";
  t.remove(3);
  t.remove(4);
  EXPECT_EQ(id(usual), 5u);
}

TEST(Meters, LetTheRateThroughAndNotMore) {
  Meters meters(1);
  RateLimit packets;
  packets.packets_per_second = 100;
  RateLimit bits;
  bits.bits_per_second = 1'000'000;
  int passed[2] = {};
  for (int ms = 0; ms < 10'000; ++ms) {
    const TimeNs now = ms * kNsPerMs;
    passed[0] += meters.pass(meters.key(1), meters.key(1), packets, now, 1000) ? 1 : 0;
    passed[1] += meters.pass(meters.key(2), meters.key(2), bits, now, 1250) ? 1 : 0;
  }
  EXPECT_NEAR(passed[0], 1000, 12);  // ten seconds, and the first burst of 100 ms
  EXPECT_NEAR(passed[1], 1000, 12);
  const TimeNs before = kS;  // a clock that went back: its rate, not silence for nine seconds
  int late = 0;
  for (int ms = 0; ms < 1000; ++ms) {
    late += meters.pass(meters.key(1), meters.key(1), packets, before + ms * kNsPerMs, 1) ? 1 : 0;
  }
  EXPECT_NEAR(late, 100, 12);
}

// Four workers that see a quarter of the traffic each let through what one would.
TEST(Meters, AreOneRateForAllWorkers) {
  Meters meters(1);
  RateLimit limit;
  limit.packets_per_second = 1000;
  std::atomic<int> passed{0};
  std::vector<std::thread> workers;
  std::barrier together(4);
  for (int w = 0; w < 4; ++w) {
    workers.emplace_back([&] {
      for (int ms = 0; ms < 2000; ++ms) {
        if (ms % 50 == 0) together.arrive_and_wait();  // none is far ahead of the others' clock
        for (int n = 0; n < 5; ++n) {
          passed += meters.pass(meters.key(9), meters.key(9), limit, ms * kNsPerMs, 64) ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& w : workers) w.join();
  EXPECT_LE(passed.load(), 2000 + 150);
  EXPECT_GE(passed.load(), 2000 - 50);
}

// Through the stages: installed, it stops the packets of a flow that is already established, counts
// what passed between the deciding packet and the installation, and goes when it expires.
class Stage : public ::testing::Test, public VerdictReports {
 public:
  void report(const VerdictReport& r) override { reports.push_back(r); }
  Decision see(const Frame& f, TimeNs now, Mode mode = Mode::kEnforce,
               FailCause uninspected = FailCause::kCount) {
    const PacketView p = f.view(now);
    const Headers h = f.headers();
    Tracked t;
    Decision d;
    Hits hits;
    const bool known = false;
    track({&p, 1}, {&h, 1}, 0, flows, stats, {&t, 1}, ended);
    verdicts.judge({&p, 1}, {&h, 1}, {&t, 1}, flows, {&d, 1});
    wire.mode = mode;
    const Plight plight{.cause = uninspected};
    verdicts.decide({&p, 1}, {&t, 1}, {&known, 1}, {&hits, 1}, {&plight, 1}, nullptr, wire, flows,
                    {&d, 1});
    if (d.reason == Reason::kNone) verdicts.passed({&p, 1}, {&t, 1}, row(0));
    return d;
  }
  FlowTable flows{FlowSettings{}, 0, 1};
  TrackStats stats;
  EndsIgnored ended;
  WireSettings wire;
  Meters meters{1};
  Verdicts verdicts{64, meters};
  std::vector<VerdictReport> reports;
};

// What nothing could inspect goes or stays as the wire declares, cause by cause; an allow stands
// above it, and a wire that must not drop says only what it would do.
TEST_F(Stage, WhatWasNotInspectedFollowsTheFailPolicy) {
  const Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80, kTcpAck, "x");
  const FailCause cause = FailCause::kOverload;
  EXPECT_EQ(see(f, kS, Mode::kEnforce, cause).reason, Reason::kNone);
  EXPECT_EQ(see(f, kS, Mode::kEnforce, cause).opened, cause);
  wire.fail[static_cast<unsigned>(cause)] = FailPolicy::kClosed;
  EXPECT_EQ(see(f, kS, Mode::kEnforce, cause).reason, Reason::kFailOverload);
  EXPECT_EQ(see(f, kS, Mode::kEnforce, cause).opened, FailCause::kCount);
  EXPECT_EQ(see(f, kS, Mode::kEnforce, FailCause::kControlGone).reason, Reason::kNone);
  EXPECT_EQ(see(f, kS, Mode::kEnforce).reason, Reason::kNone);
  EXPECT_EQ(see(f, kS, Mode::kSimulate, cause).would, Reason::kFailOverload);
  EXPECT_EQ(see(f, kS, Mode::kTap, cause).reason, Reason::kNone);
  VerdictCommand allow{.kind = CommandKind::kInstall};
  allow.verdict = verdict(3, "10.0.0.1", "10.0.0.2");
  allow.verdict.action = Action::kPass;
  allow.verdict.expire_ns = 10 * kS;
  verdicts.apply(allow, flows, kS, *this);
  EXPECT_EQ(see(f, kS, Mode::kEnforce, cause).reason, Reason::kNone);
}

TEST_F(Stage, StopsAnEstablishedFlowCountsLeaksAndExpires) {
  const Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80, kTcpAck, "x");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(see(f, kS + i).reason, Reason::kNone);
  VerdictCommand c;
  c.kind = CommandKind::kInstall;
  c.verdict = verdict(9, "10.0.0.1", "10.0.0.2");
  c.verdict.packet_in_ns = kS + 1;
  c.verdict.expire_ns = 10 * kS;
  verdicts.apply(c, flows, 2 * kS, *this);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, ReportKind::kInstalled);
  EXPECT_EQ(reports[0].leaked_packets, 3u);
  const Decision d = see(f, 3 * kS);
  EXPECT_EQ(d.reason, Reason::kVerdictDrop);
  EXPECT_EQ(d.verdict, 9u);
  EXPECT_TRUE(verdicts.is_stopped(d));
  EXPECT_EQ(see(f, 3 * kS, Mode::kSimulate).reason, Reason::kNone);
  EXPECT_EQ(see(f, 3 * kS, Mode::kSimulate).would, Reason::kVerdictDrop);
  EXPECT_EQ(see(f, 3 * kS, Mode::kTap).would, Reason::kNone);
  EXPECT_EQ(see(f, 11 * kS).reason, Reason::kNone) << "expired by itself, before any sweep";
  verdicts.step(11 * kS, *this);
  EXPECT_EQ(reports.back().kind, ReportKind::kExpired);
  EXPECT_EQ(reports.back().packets, 4u);
  EXPECT_EQ(verdicts.standing(), 0u);
}

TEST_F(Stage, AMacIsMatchedWhereFramesCarryIt) {
  const Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80, kTcpSyn, "");
  const uint8_t* bytes = f.view().data;
  VerdictCommand c{.kind = CommandKind::kInstall};
  c.verdict.id = 7;
  c.verdict.expire_ns = 10 * kS;
  std::copy_n(bytes + 6, 6, c.verdict.match.mac.begin());
  verdicts.apply(c, flows, 1, *this);
  EXPECT_EQ(see(f, 2).reason, Reason::kVerdictDrop);
  std::copy_n(bytes, 6, c.verdict.match.mac.begin());  // the receiver's: not at src
  verdicts.apply(c, flows, 3, *this);
  EXPECT_EQ(see(f, 4).reason, Reason::kNone);
  c.verdict.match.either = true;
  verdicts.apply(c, flows, 5, *this);
  EXPECT_EQ(see(f, 6).reason, Reason::kVerdictDrop);
  VerdictSubject without;
  without.proto = 6;
  EXPECT_FALSE(matches(c.verdict.match, without)) << "no MAC, no match";
}

// A hundred thousand invented sources neither get more than the verdict's rate beyond the buckets
// there are, nor wash away what an honest bucket remembers.
TEST_F(Stage, PerSourceEachHasItsRateAndAFullTableIsStricter) {
  VerdictCommand c{.kind = CommandKind::kInstall};
  c.verdict.id = 7;
  c.verdict.action = Action::kRateLimit;
  c.verdict.limit.packets_per_second = 10;
  c.verdict.limit.per = RateLimit::Per::kSource;
  c.verdict.expire_ns = 1000 * kS;
  c.verdict.match.dst = {*parse_ip_address("10.9.0.2"), 128};
  verdicts.apply(c, flows, 1, *this);
  const auto flood = [&](const char* source, TimeNs from) {
    const Frame f = Frame().ethernet().ipv4(source, "10.9.0.2", kProtoUdp).udp(1, 53, "x");
    int passed = 0;
    for (int i = 0; i < 1000; ++i) {
      passed += see(f, from + i * kNsPerMs).reason == Reason::kNone ? 1 : 0;
    }
    return passed;
  };
  EXPECT_NEAR(flood("10.0.0.1", kS), 10, 1);
  EXPECT_NEAR(flood("10.0.0.2", kS), 10, 1) << "its own, not what the first left over";
  int passed = 0;
  constexpr int kSources = 120'000;
  char source[32];
  for (int i = 0; i < kSources; ++i) {
    std::snprintf(source, sizeof source, "11.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
    const Frame f = Frame().ethernet().ipv4(source, "10.9.0.2", kProtoUdp).udp(1, 53, "x");
    passed += see(f, 10 * kS).reason == Reason::kNone ? 1 : 0;
  }
  EXPECT_GT(passed, 40'000);
  EXPECT_LE(passed, 8192 * 6 + 2) << "one packet for each bucket there is, the rest share one";
  EXPECT_EQ(flood("11.0.0.1", 10 * kS + 1), 9) << "remembers that it had its first packet";
}

TEST_F(Stage, AListingReportsEveryStandingVerdictThenItsEnd) {
  for (VerdictId id = 1; id <= 40; ++id) {
    VerdictCommand c{.kind = CommandKind::kInstall, .verdict = verdict(id, "10.0.0.1", "")};
    verdicts.apply(c, flows, 0, *this);
  }
  reports.clear();
  verdicts.apply({.kind = CommandKind::kList}, flows, 0, *this);
  for (int i = 0; i < 5; ++i) verdicts.step(1, *this);
  ASSERT_EQ(reports.size(), 41u);
  EXPECT_EQ(reports.back().kind, ReportKind::kListEnd);
}

TEST(Answers, ResetIsWhatBothEndsAccept) {
  const Frame f = Frame()
                      .ethernet(0x8100)
                      .vlan(5)
                      .ipv4("10.0.0.1", "10.0.0.2")
                      .tcp(1000, 80, kTcpAck | kTcpPsh, "hello", 500, 900);
  Answer answers[2];
  ASSERT_EQ(make_answers(f.view(), f.headers(), LinkType::kEthernet, answers), 2u);
  for (const Answer& a : answers) {
    const PacketView p{.data = a.frame, .bytes = a.bytes, .wire_bytes = a.bytes};
    Headers h;
    decode_packet(p, LinkType::kEthernet, h);
    EXPECT_EQ(h.vlan[0], 5);
    EXPECT_EQ(checksum_anomaly(p, h), Anomaly::kNone);
    EXPECT_NE(h.tcp_flags & kTcpRst, 0);
    EXPECT_EQ(to_string(h.dst), a.to_sender ? "10.0.0.1" : "10.0.0.2");
    EXPECT_EQ(h.tcp_seq, a.to_sender ? 900u : 500u);
  }
}

TEST(Answers, NothingAnswersAResetAnErrorOrMulticast) {
  Answer answers[2];
  const Frame rst = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2, kTcpRst);
  EXPECT_EQ(make_answers(rst.view(), rst.headers(), LinkType::kEthernet, answers), 0u);
  const Frame multicast =
      Frame().ethernet().ipv4("10.0.0.1", "224.0.0.1", kProtoUdp).udp(1, 2, "x");
  EXPECT_EQ(make_answers(multicast.view(), multicast.headers(), LinkType::kEthernet, answers), 0u);
  const Frame udp = Frame().ethernet(0x86dd).ipv6("fd00::1", "fd00::2", kProtoUdp).udp(1, 2, "x");
  ASSERT_EQ(make_answers(udp.view(), udp.headers(), LinkType::kEthernet, answers), 1u);
  EXPECT_TRUE(answers[0].to_sender);
}

}  // namespace
}  // namespace weir
