// SPDX-License-Identifier: Apache-2.0
#include "control/learn/learn.h"

#include <gtest/gtest.h>

#include "tests/support/records.h"

namespace weir {
namespace {

using namespace test;

struct LearnTest : testing::Test {
  LearnTest() { intake_settings.internal.inside = {net("10.0.0.0/8"), net("fd00::/8")}; }

  void make(LearnSettings settings = {}) {
    inventory = std::make_unique<Inventory>(intake_settings);
    learner = std::make_unique<Learner>(settings, *inventory);
  }
  void outcome(const Endpoints& e, UpdateCause cause, VerdictId verdict = 0) {
    auto r = flow_update(++flow, e, cause, now, now + 1000);
    r.verdict = verdict;
    learner->reported(r);
    now += 10 * kNsPerMs;
  }
  void works(const Endpoints& e) { outcome(e, UpdateCause::kEstablished); }
  void refused(const Endpoints& e) { outcome(e, UpdateCause::kRefused); }
  void silent(const Endpoints& e) { outcome(e, UpdateCause::kNoAnswer); }
  Endpoints to(uint32_t server, uint16_t port, uint8_t proto = kTcp) {
    return ends(me, host(2, server), proto, port);
  }
  // Failures of `step(i)` until there is a score; 0: none in `most`.
  template <class Step>
  int until_score(int most, Step&& step) {
    for (int i = 1; i <= most; ++i) {
      step(static_cast<uint16_t>(i));
      if (learner->has_scores()) return i;
    }
    return 0;
  }

  IntakeSettings intake_settings;
  std::unique_ptr<Inventory> inventory;
  std::unique_ptr<Learner> learner;
  IpAddress me = host(1, 9);
  TimeNs now = kBegin;
  FlowId flow = 0;
};

TEST_F(LearnTest, VerticalScanIsFoundInSixRefusedPorts) {
  make();
  EXPECT_EQ(until_score(100, [&](uint16_t i) { refused(to(1, i)); }), 6);
  Score s = learner->take_scores().at(0);
  EXPECT_EQ(s.kind, ScoreKind::kScan);
  EXPECT_EQ(s.shape, ScanShape::kPorts);
  EXPECT_EQ(s.source, me);
  EXPECT_EQ(s.failures, 6u);
  EXPECT_EQ(s.hosts, 1u);
  EXPECT_GT(s.score, 5);
  s.put_in_words();
  ASSERT_FALSE(s.reasons.empty());
  EXPECT_EQ(s.reasons[0].what, "first connections to ports of 10.2.0.1");
  EXPECT_NE(s.reasons[0].observed.find("6 of 6 failed"), std::string::npos);
}

TEST_F(LearnTest, ADecisionIsPendingForMomentsAfterEachFurtherFailure) {
  make();
  EXPECT_FALSE(learner->pending(now));
  refused(to(1, 1));
  EXPECT_FALSE(learner->pending(now - 10 * kNsPerMs)) << "one failure is everybody's";
  refused(to(1, 2));
  EXPECT_TRUE(learner->pending(now - 10 * kNsPerMs));
  EXPECT_FALSE(learner->pending(now)) << "ten milliseconds later";
  works(to(1, 3));
  EXPECT_FALSE(learner->pending(now - 10 * kNsPerMs)) << "nothing that works is waited for";
}

// What nmap meets: some of the first ports it tries are open.
TEST_F(LearnTest, OpenPortsAmongThemDelayTheDecisionLittle) {
  make();
  int failed = 0;
  until_score(100, [&](uint16_t i) {
    if (i % 4 == 3 && i < 16) return works(to(1, i));
    ++failed;
    refused(to(1, i));
  });
  EXPECT_LE(failed, 10);
  EXPECT_GE(failed, 6);
}

TEST_F(LearnTest, HorizontalScanIsFoundInNineSilentHosts) {
  make();
  EXPECT_EQ(until_score(100, [&](uint16_t i) { silent(to(i, 445)); }), 9);
  Score s = learner->take_scores().at(0);
  EXPECT_EQ(s.shape, ScanShape::kHosts);
  EXPECT_EQ(s.ports, 1u);
  s.put_in_words();
  EXPECT_EQ(s.reasons[0].what, "first connections to tcp port 445 of different hosts");
}

TEST_F(LearnTest, ManyPortsOfManyHostsAreOneScanOfBoth) {
  make();
  EXPECT_EQ(until_score(100, [&](uint16_t i) { refused(to(i, static_cast<uint16_t>(100 + i))); }),
            9);
  EXPECT_EQ(learner->take_scores().at(0).shape, ScanShape::kBoth);
}

TEST_F(LearnTest, PingsWithoutReplyAreASweepAndPingsWithOneAreNot) {
  make();
  const auto ping = [&](uint32_t i, bool answers) {
    const Endpoints e = ends(me, host(2, i), kIcmp, 0);
    learner->started(flow_start(++flow, e, now));
    if (answers) learner->reported(flow_update(flow, e, UpdateCause::kEstablished, now, now));
    now += 100 * kNsPerMs;
    learner->do_work(now);
  };
  for (uint32_t i = 0; i < 200; ++i) ping(i, true);
  now += 2 * kNsPerSecond;
  learner->do_work(now);
  EXPECT_FALSE(learner->has_scores());
  for (uint32_t i = 200; i < 208; ++i) ping(i, false);
  now += 2 * kNsPerSecond;
  learner->do_work(now);
  EXPECT_FALSE(learner->has_scores());
  ping(208, false);
  now += 2 * kNsPerSecond;
  learner->do_work(now);
  ASSERT_TRUE(learner->has_scores());
  EXPECT_EQ(learner->take_scores().at(0).shape, ScanShape::kSweep);
}

TEST_F(LearnTest, ScanPacketsThatNoTcpSendsCountAtOnce) {
  make();
  EXPECT_EQ(until_score(20,
                        [&](uint16_t i) {
                          auto r = flow_start(++flow, to(1, i), now);
                          r.midstream = 1;
                          r.tcp_flags = 0x29;  // FIN, PSH, URG
                          learner->started(r);
                        }),
            6);
}

TEST_F(LearnTest, FlowsMetInTheirMiddleAreNoContacts) {
  make();
  for (uint16_t i = 1; i < 100; ++i) {
    auto r = flow_start(++flow, to(1, i), now);
    r.midstream = 1;
    r.tcp_flags = 0x10;
    learner->started(r);
    auto end = flow_end(flow, r.ends, FlowState::kClosed, now, now);
    end.tcp_flags[0] = 0x10;
    end.counters.packets[1] = 0;
    learner->ended(end);
  }
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, UdpScanProvesItselfByUnreachables) {
  make();
  EXPECT_EQ(until_score(100, [&](uint16_t i) { refused(to(1, i, kUdp)); }), 6);
}

TEST_F(LearnTest, UdpWithoutAnswerTracerouteAndGroupsAreNoFailures) {
  make();
  for (uint16_t i = 1; i < 200; ++i) {
    silent(to(1, i, kUdp));
    refused(ends(me, ip("192.0.2.7"), kUdp, static_cast<uint16_t>(33434 + i % 90)));
    silent(ends(me, ip("224.0.0.251"), kUdp, i));
    silent(ends(me, ip("255.255.255.255"), kTcp, i));
    silent(ends(me, ip("ff02::fb"), kTcp, i));
  }
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, RetriesCountOnce) {
  make();
  for (int i = 0; i < 1000; ++i) {
    silent(to(1, 443));        // one dead server
    refused(to(2, 53, kUdp));  // one dead resolver
    refused(to(2, 53));
    now += kMinute;
  }
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, AKnownServiceThatStopsWorkingIsNoScan) {
  make();
  for (uint32_t i = 0; i < 50; ++i) works(to(i, 443));
  now += kHour;
  for (uint32_t i = 0; i < 50; ++i) silent(to(i, 443));
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, AGoodLifeBuysNoCredit) {
  make();
  for (int day = 0; day < 30; ++day, now += kDay) {
    for (uint32_t i = 0; i < 200; ++i) works(to(i, 443));
  }
  EXPECT_EQ(until_score(100, [&](uint16_t i) { refused(to(1, i)); }), 6);
  learner->take_scores();
  me = host(1, 10);
  for (uint32_t i = 0; i < 200; ++i) works(to(i, 443));  // first contacts, all good
  EXPECT_EQ(until_score(100, [&](uint16_t i) { silent(to(300 + i, 445)); }), 9);
}

TEST_F(LearnTest, AnAnswerAfterAllTakesTheFailureBack) {
  make();
  for (uint32_t i = 0; i < 100; ++i) {
    silent(to(i, 443));
    works(to(i, 443));  // slow, not dead
  }
  EXPECT_FALSE(learner->has_scores());
  // All of it, not only what a success is worth: five ports of one host at a time.
  for (uint16_t round = 0; round < 20; ++round) {
    for (uint16_t i = 0; i < 5; ++i) silent(to(500, static_cast<uint16_t>(100 * round + i)));
    for (uint16_t i = 0; i < 5; ++i) works(to(500, static_cast<uint16_t>(100 * round + i)));
  }
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, OneInFiveFailsIsLife) {
  make();
  for (uint32_t i = 0; i < 2000; ++i) {
    if (i % 5 == 0) {
      silent(to(i, 443));
    } else {
      works(to(i, 443));
    }
  }
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, WhatOurVerdictsStopIsNotHeldAgainstTheSource) {
  make();
  for (uint16_t i = 1; i < 100; ++i) outcome(to(1, i), UpdateCause::kNoAnswer, 17);
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, SlowScansAreFoundToo) {
  make();
  EXPECT_EQ(until_score(20,
                        [&](uint16_t i) {
                          silent(to(i, 445));
                          now += kMinute;
                        }),
            9);
  learner->take_scores();
  me = host(1, 11);
  const int tries = until_score(40, [&](uint16_t i) {
    silent(to(i, 445));
    now += kHour;
  });
  EXPECT_GT(tries, 9);
  EXPECT_LT(tries, 16) << "a walk halves in a day";
}

TEST_F(LearnTest, PeerToPeerOutsideIsNoScanButAWormIs) {
  make();
  for (uint32_t i = 0; i < 3000; ++i) {  // two of five remembered peers are alive
    const auto peer = IpAddress::from_v4(std::array<uint8_t, 4>{
        static_cast<uint8_t>(60 + i % 90), 7, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}
                                             .data());
    const auto port = static_cast<uint16_t>(i % 2 == 0 ? 6881 : 20'000 + i);
    const Endpoints e = ends(me, peer, i % 3 == 0 ? kUdp : kTcp, port);
    if (i % 5 < 2) {
      works(e);
    } else {
      silent(e);
    }
  }
  EXPECT_FALSE(learner->has_scores());
  me = host(1, 12);
  const int tries = until_score(100, [&](uint16_t i) {
    const uint8_t b[4] = {99, 1, 2, static_cast<uint8_t>(i)};
    silent(ends(me, IpAddress::from_v4(b), kTcp, 5555));
  });
  EXPECT_GT(tries, 9);
  EXPECT_LE(tries, 40);
}

TEST_F(LearnTest, HappyEyeballsIsNoScan) {
  make();
  const MacAddress mac{2, 0, 0, 0, 0, 5};
  for (uint32_t i = 0; i < 100; ++i) {
    const uint8_t b[4] = {203, 0, 113, static_cast<uint8_t>(i)};
    const Endpoints v4 = ends(me, IpAddress::from_v4(b), kTcp, 443);
    Endpoints v6 = ends(ip("fd00::9"), ip("2001:db8::"), kTcp, 443);
    v6.dst.bytes[15] = static_cast<uint8_t>(i);
    const TimeNs begun = now;
    const auto tell = [&](const Endpoints& e, UpdateCause c, TimeNs first, TimeNs at) {
      auto r = flow_update(++flow, e, c, first, at);
      r.src_mac = mac;
      learner->reported(r);
    };
    if (i % 2 == 0) {  // silence: the answer by IPv4 comes first
      tell(v4, UpdateCause::kEstablished, begun + 250 * kNsPerMs, begun + 300 * kNsPerMs);
      tell(v6, UpdateCause::kNoAnswer, begun, begun + kNsPerSecond);
    } else {  // refused by a router: it comes before
      tell(v6, UpdateCause::kRefused, begun, begun + 5 * kNsPerMs);
      tell(v4, UpdateCause::kEstablished, begun + 10 * kNsPerMs, begun + 30 * kNsPerMs);
    }
    now += 3 * kNsPerSecond;
  }
  EXPECT_FALSE(learner->has_scores());
}

TEST_F(LearnTest, AnOutageOutsideAccusesNobody) {
  make();
  for (uint16_t i = 0; i < 60; ++i) {
    for (uint32_t who = 1; who <= 5; ++who) {
      const uint8_t b[4] = {198, 51, 100, static_cast<uint8_t>(i)};
      silent(ends(host(1, who), IpAddress::from_v4(b), kTcp, 443));
    }
  }
  EXPECT_FALSE(learner->has_scores());
  EXPECT_GT(learner->scores_held_back(), 0u);
}

TEST_F(LearnTest, TheOperatorsExcuseHoldsUntilItEnds) {
  make();
  learner->excuse({me, 128}, now + kHour, now);
  for (uint16_t i = 1; i < 100; ++i) refused(to(1, i));
  EXPECT_FALSE(learner->has_scores());
  now += 2 * kHour;
  EXPECT_EQ(until_score(100, [&](uint16_t i) { refused(to(1, static_cast<uint16_t>(1000 + i))); }),
            6);
}

TEST_F(LearnTest, AScanThatGoesOnScoresAgainButEverLessOften) {
  make();
  int scores = 0;
  for (uint16_t i = 1; i < 10'000; ++i) {
    refused(to(1, i));
    scores += static_cast<int>(learner->take_scores().size());
  }
  EXPECT_GE(scores, 4);
  EXPECT_LE(scores, 60);
}

TEST_F(LearnTest, KnownGoodIsWhatWorkedBeforeNotDuringTheScan) {
  make();
  works(to(1, 443));
  works(to(2, 53, kUdp));
  now += kHour;
  const TimeNs scan = now;
  works(to(1, 22));
  until_score(20, [&](uint16_t i) { refused(to(1, static_cast<uint16_t>(500 + i))); });
  works(to(1, 80));
  const auto good = learner->known_good(me, scan, 10);
  ASSERT_EQ(good.size(), 2u);
  EXPECT_EQ(good[0].port, 53);
  EXPECT_EQ(good[1].port, 443);
  EXPECT_EQ(learner->known_good(me, now + 1, 10).size(), 3u)
      << "nothing is learned from a source under suspicion";
  EXPECT_TRUE(learner->known_good(host(1, 77), now, 10).empty());
}

TEST_F(LearnTest, TablesStayBoundedUnderAFloodAndKnowWhoIsOurs) {
  LearnSettings s;
  s.sources_max = 256, s.walks_max = 512, s.known_good_max = 512, s.failed_max = 512;
  s.kinds_max = 512;
  make(s);
  works(to(1, 443));
  for (uint32_t i = 0; i < 20'000; ++i) {
    const uint8_t b[4] = {88, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8),
                          static_cast<uint8_t>(i)};
    refused(ends(IpAddress::from_v4(b), host(2, 1), kTcp, static_cast<uint16_t>(i)));
    works(ends(IpAddress::from_v4(b), host(2, 2), kTcp, 443));
  }
  EXPECT_EQ(learner->known_good(me, now, 10).size(), 1u) << "strangers push out none of ours";
  for (uint32_t i = 0; i < 5'000; ++i) {
    me = host(static_cast<uint8_t>(i % 7), i);
    works(to(i % 400, static_cast<uint16_t>(i)));
    refused(to(i % 400, static_cast<uint16_t>(i + 1)));
  }
}

struct RarityTest : LearnTest {
  // An office: 30 workstations, 8 printers, three servers; weekdays are all the same.
  void live(int days) {
    for (int hour = 0; hour < days * 24; ++hour, now = begin + (hours_ += 1) * kHour) {
      for (uint32_t p = 0; p < 8; ++p) {
        works(ends(host(5, p), host(2, 53), kUdp, 53));
        works(ends(host(5, p), host(2, 123), kUdp, 123));
        works(ends(host(1, p), host(5, p), kTcp, 9100));
      }
      if (hours_ % 24 < 8 || hours_ % 24 > 17) continue;
      for (uint32_t w = 0; w < 30; ++w) {
        works(ends(host(1, w), host(2, 53), kUdp, 53));
        works(ends(host(1, w), host(2, 1), kTcp, 445));
        works(ends(host(1, w), host(2, 2), kTcp, 443));
        for (uint32_t n = 0; n < 3; ++n) {  // sites of the world, some new each time
          rolled_ = rolled_ * 6364136223846793005ull + 1442695040888963407ull;
          const auto site = static_cast<uint32_t>((rolled_ >> 33) % 3000);
          const uint8_t b[4] = {static_cast<uint8_t>(60 + site % 100),
                                static_cast<uint8_t>(site / 100), 1, 1};
          works(ends(host(1, w), IpAddress::from_v4(b), kTcp, 443));
        }
      }
    }
  }
  std::vector<Score> scores() { return learner->take_scores(); }
  TimeNs begin = kBegin;
  int hours_ = 0;
  uint64_t rolled_ = 1;
};

TEST_F(RarityTest, APrinterThatMeetsSomebodyNewSurprisesAndAWorkstationDoesNot) {
  make();
  live(7);
  EXPECT_LE(scores().size(), 2u) << "a week of office life";
  const uint8_t b[4] = {45, 9, 9, 9};
  works(ends(host(1, 3), IpAddress::from_v4(b), kTcp, 443));
  EXPECT_TRUE(scores().empty());
  works(ends(host(5, 3), IpAddress::from_v4(b), kTcp, 443));
  const auto found = scores();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].source, host(5, 3));
  EXPECT_GT(found[0].score, 4);
  ASSERT_GE(found[0].reasons.size(), 2u);
  EXPECT_LE(found[0].reasons[0].probability, found[0].reasons[1].probability);
}

TEST_F(RarityTest, NothingIsSaidWhileLearningAndANewDeviceIsJudgedByItsPeers) {
  make();
  live(1);
  const uint8_t b[4] = {45, 9, 9, 9};
  EXPECT_TRUE(scores().empty());
  live(6);
  scores();
  works(ends(host(1, 200), host(2, 53), kUdp, 53));
  works(ends(host(1, 200), host(2, 1), kTcp, 445));
  works(ends(host(1, 200), IpAddress::from_v4(b), kTcp, 443));
  EXPECT_TRUE(scores().empty()) << "does what its peers do";
}

TEST_F(RarityTest, TheLearningTimeIsTheOperators) {
  LearnSettings s;
  s.rarity.learning_ns = 8 * kDay;
  make(s);
  live(7);
  const uint8_t b[4] = {45, 9, 9, 9};
  works(ends(host(5, 3), IpAddress::from_v4(b), kTcp, 443));
  EXPECT_TRUE(scores().empty());
}

TEST_F(RarityTest, OneObservationAnHourHoweverManyFlows) {
  LearnSettings s;
  s.rarity.learning_ns = kHour;
  make(s);
  for (int i = 0; i < 50'000; ++i) works(ends(host(5, 1), host(2, 53), kUdp, 53));
  for (uint32_t p = 2; p < 20; ++p) works(ends(host(5, p), host(2, 53), kUdp, 53));
  now = kBegin + 2 * kHour;
  works(ends(host(5, 1), host(2, 99), kUdp, 53));
  EXPECT_TRUE(scores().empty()) << "an hour of life is no baseline";
}

TEST_F(RarityTest, NothingIsLearnedFromWhoIsUnderSuspicion) {
  make();
  live(7);
  scores();
  me = host(5, 3);
  until_score(20, [&](uint16_t i) { refused(to(1, static_cast<uint16_t>(600 + i))); });
  scores();
  const uint8_t b[4] = {45, 9, 9, 9};
  const Endpoints e = ends(me, IpAddress::from_v4(b), kTcp, 443);
  works(e);
  EXPECT_TRUE(scores().empty()) << "its scan is told already";
  now += 2 * kHour;
  works(e);
  EXPECT_FALSE(scores().empty()) << "and what it did then was not taken for its life";
}

TEST_F(RarityTest, ScoresAreBoundedPerDeviceAndHour) {
  make();
  live(7);
  scores();
  for (uint16_t i = 0; i < 50; ++i) {
    const uint8_t b[4] = {static_cast<uint8_t>(100 + i), 9, 9, 9};
    works(ends(host(5, 3), IpAddress::from_v4(b), kTcp, static_cast<uint16_t>(700 + i)));
  }
  EXPECT_LE(scores().size(), Learner::kRarityPerDeviceAndHour);
  EXPECT_GT(learner->scores_held_back(), 0u);
}

TEST_F(RarityTest, BaselinesSurviveARestart) {
  make();
  live(7);
  works(to(1, 443));
  refused(to(1, 444));
  std::vector<std::vector<uint8_t>> parts;
  for (uint32_t p = 0; p < Learner::kSnapshotParts; ++p) parts.push_back(learner->snapshot(p));
  const auto known = learner->known_good(host(1, 4), now, 100);
  make();
  for (const auto& part : parts) ASSERT_TRUE(learner->restore(part).has_value());
  EXPECT_EQ(learner->known_good(host(1, 4), now, 100).size(), known.size());
  const uint8_t b[4] = {45, 9, 9, 9};
  works(ends(host(5, 3), IpAddress::from_v4(b), kTcp, 443));
  EXPECT_FALSE(scores().empty()) << "the printer's life is remembered, and the learning time";
  // 444 was tried before the restart: with five new ones that is not six.
  EXPECT_EQ(until_score(6, [&](uint16_t i) { refused(to(1, static_cast<uint16_t>(443 + i))); }), 0);
}

TEST_F(RarityTest, BytesThatAreNoBaselineChangeNothing) {
  make();
  live(1);
  const auto part = learner->snapshot(3);
  ASSERT_GT(part.size(), 100u);
  make();
  for (size_t cut = 0; cut < part.size(); cut += 7) {
    EXPECT_FALSE(learner->restore(std::span(part).first(cut)).has_value());
  }
  auto longer = part;
  longer.push_back(0);
  EXPECT_FALSE(learner->restore(longer).has_value());
  auto foreign = part;
  foreign[0] ^= 1;
  EXPECT_FALSE(learner->restore(foreign).has_value());
  auto huge = part;
  std::fill(huge.begin() + 8, huge.begin() + 12, uint8_t{0xff});  // how many contacts
  EXPECT_FALSE(learner->restore(huge).has_value());
  for (uint32_t w = 0; w < 30; ++w) EXPECT_TRUE(learner->known_good(host(1, w), now, 9).empty());
  EXPECT_TRUE(learner->restore(part).has_value());
}

}  // namespace
}  // namespace weir
