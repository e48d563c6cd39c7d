// SPDX-License-Identifier: Apache-2.0
// Weeks of an office before the whole control chain: how often it cries wolf, how fast it finds who
// scans, and what its answer costs everybody else.
#include <gtest/gtest.h>

#include <set>

#include "tests/sim/office.h"

namespace weir {
namespace {

using namespace test;

// For 55 devices. What the settings promise: one observation of ten thousand, and no scan at all.
constexpr int kRarityAlertsPerDay = 3;

struct Sim : testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Sim, testing::Values(1, 2, 3));

TEST_P(Sim, AnOfficeWeekRaisesNoScanAndFewSurprises) {
  Office office(GetParam());
  constexpr int kDays = 7;
  for (int day = 0; day < kDays; ++day) {
    office.live(12 * kHour);
    if (day == 3) {  // the way out is down for a quarter of an hour
      office.uplink(false);
      office.live(15 * kMinute);
      office.uplink(true);
    }
    office.live(12 * kHour);
  }
  EXPECT_EQ(office.scans(), 0) << office.last_alert.title;
  EXPECT_LE(office.rarities(), kDays * kRarityAlertsPerDay);
  EXPECT_EQ(office.stopped, 0u);
  EXPECT_TRUE(office.actions.empty());
  EXPECT_EQ(office.worker.lost_records, 0u);
  RecordProperty("flows", std::to_string(office.flows));
  RecordProperty("rarity_alerts", office.rarities());
}

TEST_P(Sim, APrinterThatGoesOutAndAServerThatServesANewPortAreTold) {
  Office office(GetParam());
  office.live(8 * kDay);
  const int before = office.rarities();
  office.flow(Office::printer(2), Office::site(31'000), kTcp, 4444, Outcome::kAnswered);
  office.pass(2 * kNsPerSecond);
  EXPECT_GT(office.rarities(), before);
  EXPECT_EQ(office.last_alert.device, Office::printer(2));
  EXPECT_GE(office.last_alert.reasons.size(), 2u);
  const int then = office.rarities();
  office.flow(Office::printer(2), Office::site(31'000), kTcp, 4444, Outcome::kAnswered);
  EXPECT_EQ(office.rarities(), then) << "told once";
  office.flow(Office::workstation(2), Office::server(0), kTcp, 4444, Outcome::kAnswered);
  office.pass(2 * kNsPerSecond);
  EXPECT_GT(office.alerts_of[AlertKind::kNewService] + office.alerts_of[AlertKind::kNewPort], 1);
  EXPECT_EQ(office.stopped, 0u) << "to be new is no offence";
}

struct Attack : testing::TestWithParam<uint64_t> {
  Attack() : office(GetParam()) {
    office.live(26 * kHour);
    while (!office.at_work()) office.live(kHour);
    before = office.stopped;
  }
  // Probes until the first is stopped; 0: none of `most` was.
  template <class Probe>
  int until_stopped(int most, Probe&& probe) {
    for (int i = 1; i <= most; ++i) {
      if (!probe(i)) return i;
      office.pass(gap);
    }
    return 0;
  }
  // The others work for an hour; what of theirs was stopped.
  uint64_t harm_to_others() {
    const uint64_t so_far = office.stopped;
    office.live(kHour);
    return office.stopped - so_far;
  }
  Office office;
  uint64_t before = 0;
  TimeNs gap = kNsPerMs;
  IpAddress attacker = Office::workstation(23);
};
INSTANTIATE_TEST_SUITE_P(Seeds, Attack, testing::Values(11, 12, 13));

TEST_P(Attack, APortScanOfAServerIsStoppedWithinTenFailedProbes) {
  int failed = 0;
  const std::set<int> open{22, 53, 80, 443};
  const int at = until_stopped(1000, [&](int port) {
    const bool works = open.contains(port);
    failed += !works;
    return office.flow(attacker, Office::server(2), kTcp, static_cast<uint16_t>(port),
                       works ? Outcome::kAnswered : Outcome::kRefused);
  });
  ASSERT_GT(at, 0);
  EXPECT_LE(failed, 10 + 1);  // the one that was stopped is counted as tried
  int reached = 0;
  for (int port = at; port <= 1000; ++port) {
    reached += office.flow(attacker, Office::server(2), kTcp, static_cast<uint16_t>(port),
                           Outcome::kRefused);
  }
  EXPECT_LE(reached + at, 30) << "of a thousand probes less than three in a hundred arrive";
  EXPECT_EQ(office.scans(), 1) << "one scan is one alert";
  office.pass(2 * kNsPerSecond);
  EXPECT_EQ(office.last_alert.device, attacker);
  EXPECT_EQ(office.last_alert.shape, ScanShape::kPorts);
  EXPECT_GT(office.last_alert.enforced_ns, office.last_alert.packet_in_ns);
  EXPECT_LT(office.last_alert.enforced_ns - office.last_alert.packet_in_ns, 2 * kNsPerMs);
  ASSERT_EQ(office.actions.size(), 1u);
  const ActionRecord& a = office.actions.begin()->second;
  EXPECT_EQ(a.state, ActionState::kStanding);
  EXPECT_GE(a.packets, 900u);
  // Its own life, and everybody else's.
  EXPECT_TRUE(office.flow(attacker, Office::server(0), kUdp, 53, Outcome::kAnswered));
  EXPECT_TRUE(office.flow(attacker, Office::server(1), kTcp, 445, Outcome::kAnswered));
  EXPECT_EQ(harm_to_others(), 0u);
}

TEST_P(Attack, ANetworkScanIsStoppedWithinTenFailuresAndTheLeakOfASecond) {
  gap = 200 * kNsPerMs;
  const int at = until_stopped(250, [&](int i) {
    return office.flow(attacker, host(9, static_cast<uint32_t>(i)), kTcp, 3389, Outcome::kSilent);
  });
  ASSERT_GT(at, 0);
  EXPECT_LE(at, 10 + 6) << "silence is known after a second: five more had left by then";
  EXPECT_EQ(office.scans(), 1);
  EXPECT_FALSE(office.flow(attacker, host(9, 251), kTcp, 3389, Outcome::kSilent));
  EXPECT_TRUE(office.flow(attacker, Office::server(1), kTcp, 445, Outcome::kAnswered));
  EXPECT_EQ(harm_to_others(), 0u);
}

TEST_P(Attack, OneProbeAMinuteIsFoundAllTheSame) {
  gap = kMinute;
  const int at = until_stopped(60, [&](int i) {
    return office.flow(attacker, host(9, static_cast<uint32_t>(i)), kTcp, 445, Outcome::kSilent);
  });
  ASSERT_GT(at, 0);
  EXPECT_LE(at, 11);
}

TEST_P(Attack, APingSweepLosesItsPings) {
  gap = 300 * kNsPerMs;
  const int at = until_stopped(250, [&](int i) {
    return office.flow(attacker, host(9, static_cast<uint32_t>(i)), kIcmp, 0, Outcome::kSilent);
  });
  ASSERT_GT(at, 0);
  EXPECT_LE(at, 10 + 4);
  EXPECT_EQ(office.actions.begin()->second.match.proto, kIcmp);
}

TEST_P(Attack, WhoGoesOnElsewhereLosesMoreAndKeepsWhatItHad) {
  ASSERT_GT(until_stopped(100, [&](int p) {
    return office.flow(attacker, Office::server(2), kTcp, static_cast<uint16_t>(1000 + p),
                       Outcome::kRefused);
  }), 0);
  ASSERT_GT(until_stopped(100, [&](int p) {
    return office.flow(attacker, Office::server(4), kTcp, static_cast<uint16_t>(1000 + p),
                       Outcome::kRefused);
  }), 0);
  EXPECT_EQ(office.actions.rbegin()->second.rung, 2);
  EXPECT_FALSE(office.flow(attacker, Office::server(5), kTcp, 22, Outcome::kAnswered));
  EXPECT_TRUE(office.flow(attacker, Office::server(0), kUdp, 53, Outcome::kAnswered));
  EXPECT_TRUE(office.flow(attacker, Office::server(1), kTcp, 445, Outcome::kAnswered));
  EXPECT_EQ(office.scans(), 1);
}

TEST_P(Attack, TheSecondTimeItLastsTwiceAsLong) {
  const auto scan = [&](uint16_t from) {
    return until_stopped(30, [&](int p) {
      return office.flow(attacker, Office::server(2), kTcp, static_cast<uint16_t>(from + p),
                         Outcome::kRefused);
    });
  };
  ASSERT_GT(scan(1000), 0);
  office.pass(15 * kMinute);
  EXPECT_TRUE(office.flow(attacker, Office::server(2), kTcp, 5, Outcome::kRefused)) << "it is over";
  ASSERT_GT(scan(2000), 0);
  EXPECT_EQ(office.actions.begin()->second.duration_ns * 2,
            office.actions.rbegin()->second.duration_ns);
}

TEST_P(Attack, AScannerOutsideIsStoppedAtTheDoor) {
  const IpAddress stranger = ip("198.51.100.66");
  const int at = until_stopped(100, [&](int i) {
    return office.flow(stranger, host(2, static_cast<uint32_t>(i)), kTcp, 22, Outcome::kRefused);
  });
  ASSERT_GT(at, 0);
  EXPECT_LE(at, 10);
  EXPECT_EQ(harm_to_others(), 0u);
}

// Same seed, same input: the same alerts, to the last word.
TEST(Determinism, TwoRunsTellTheSameStory) {
  const auto story = [] {
    Office office(5);
    office.live(9 * kHour);
    for (uint16_t p = 1; p < 200; ++p) {
      office.flow(Office::workstation(3), Office::server(2), kTcp, p, Outcome::kRefused);
      office.flow(Office::workstation(4), host(9, p), kTcp, 445, Outcome::kSilent);
      office.pass(10 * kNsPerMs);
    }
    office.live(kHour);
    std::string text;
    office.chain->detector().each([&](const Alert& a) {
      text += std::to_string(a.id) + " " + a.title + " " + std::to_string(a.time_ns) + "\n";
      for (const ScoreReason& r : a.reasons) text += r.what + r.observed + r.expected + "\n";
      return true;
    });
    for (const auto& [id, a] : office.actions) {
      text += a.target + std::to_string(a.packets) + std::to_string(a.installed_ns) + "\n";
    }
    office.chain->intake().inventory().each([&](const Device& d) {
      text += to_string(d.address) + std::to_string(d.bytes_out) + "\n";
      return true;
    });
    return text;
  };
  const std::string first = story();
  EXPECT_GT(first.size(), 500u);
  EXPECT_EQ(first, story());
}

}  // namespace
}  // namespace weir
