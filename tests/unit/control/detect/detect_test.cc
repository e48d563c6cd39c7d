// SPDX-License-Identifier: Apache-2.0
#include "control/detect/detect.h"

#include <gtest/gtest.h>

#include "tests/support/records.h"

namespace weir {
namespace {

using namespace test;

Score scan(ScanShape shape, uint32_t server, uint16_t port, TimeNs now) {
  Score s{.kind = ScoreKind::kScan, .shape = shape, .score = 6, .source = host(1, 9)};
  s.ends = ends(host(1, 9), host(2, server), kTcp, port);
  s.time_ns = s.packet_in_ns = s.since_ns = now;
  s.failures = 6;
  s.reasons.push_back({"first connections to ports of " + to_string(s.ends.dst), "6 of 6 failed",
                       "about 10 in 100 fail", 1e-6, "a source that means no harm"});
  return s;
}

RuleHit hit(uint32_t sid, uint32_t from, uint32_t to, TimeNs now, bool enforced = false) {
  auto r = record<RuleHit>(RecordType::kRuleHit, now);
  r.ends = ends(host(1, from), host(2, to), kTcp, 80);
  r.sid = sid, r.rev = 3, r.rule_index = 4, r.image_generation = 5;
  r.to_server = 1;
  r.enforced = enforced;
  r.action = enforced ? Action::kDrop : Action::kAlert;
  return r;
}

// What it is, then why.
Detected told(Detector& detector, const Score& s, TimeNs now) {
  const Detected found = detector.take(s, now);
  Detector::add_reasons(found);
  return found;
}

TEST(Detect, OneScanIsOneAlertThatGrows) {
  Detector detector({.first_id = 41});
  TimeNs now = kBegin;
  const Detected first = told(detector, scan(ScanShape::kPorts, 5, 80, now), now + 7);
  ASSERT_TRUE(first.fresh);
  EXPECT_EQ(first.alert->id, 41u);
  EXPECT_EQ(first.alert->title, "10.1.0.9: port scan of 10.2.0.5, 6 first connections failed");
  EXPECT_EQ(first.alert->packet_in_ns, now);
  EXPECT_EQ(first.alert->decided_ns, now + 7);
  EXPECT_EQ(first.alert->enforced_ns, 0);
  for (int i = 0; i < 100; ++i) {
    now += kMinute;
    EXPECT_FALSE(told(detector, scan(ScanShape::kPorts, 5, 80, now), now).fresh);
  }
  EXPECT_EQ(detector.raised(), 1u);
  const Alert* a = detector.find(41);
  EXPECT_EQ(a->count, 606u);
  EXPECT_EQ(a->updated_ns, now);
  EXPECT_EQ(a->since_ns, kBegin);
  EXPECT_EQ(a->reasons.size(), 1u);
  // Another host: the same scan, now of many.
  EXPECT_FALSE(told(detector, scan(ScanShape::kPorts, 6, 80, now), now).fresh);
  EXPECT_EQ(a->shape, ScanShape::kBoth);
  EXPECT_EQ(a->title, "10.1.0.9: scan of many hosts and ports, 612 first connections failed");
  EXPECT_EQ(a->reasons.size(), 2u);
  // After a rest it is a new one.
  now += 11 * kMinute;
  EXPECT_TRUE(told(detector, scan(ScanShape::kHosts, 5, 445, now), now).fresh);
  EXPECT_EQ(detector.find(42)->title,
            "10.1.0.9: network scan for tcp port 445, 6 first connections failed");
}

TEST(Detect, OneRuleBetweenTwoAddressesIsOneAlertAMinute) {
  Detector detector({});
  for (int i = 0; i < 600; ++i) {
    const TimeNs now = kBegin + i * kNsPerSecond;
    EXPECT_EQ(detector.take(hit(2001, 1, 2, now), now).fresh, i % 61 == 0) << i;
  }
  EXPECT_EQ(detector.find(1)->count, 61u);
  EXPECT_TRUE(detector.take(hit(2002, 1, 2, kBegin), kBegin).fresh);
  EXPECT_TRUE(detector.take(hit(2001, 1, 3, kBegin), kBegin).fresh);
}

TEST(Detect, ARuleAlertKeepsWhatNamesTheRuleAndWhoseDoingItIs) {
  Detector detector({});
  RuleHit r = hit(2001, 1, 2, kBegin, true);
  const Alert a = *detector.take(r, kBegin + 5).alert;
  EXPECT_EQ(a.kind, AlertKind::kRule);
  EXPECT_EQ(a.sid, 2001u);
  EXPECT_EQ(a.rev, 3u);
  EXPECT_EQ(a.rule_index, 4u);
  EXPECT_EQ(a.image_generation, 5u);
  EXPECT_EQ(a.device, host(1, 1));
  EXPECT_TRUE(a.enforced);
  EXPECT_EQ(a.enforced_ns, kBegin);
  EXPECT_EQ(a.time_ns, kBegin);
  std::swap(r.ends.src, r.ends.dst);  // the answer of the server
  r.to_server = 0;
  r.header.time_ns += kNsPerSecond;
  EXPECT_FALSE(detector.take(r, kBegin).fresh);
  r.header.time_ns += kHour;
  EXPECT_EQ(detector.take(r, kBegin).alert->device, host(1, 1));
}

TEST(Detect, MemoryIsBoundedAndTheNewestStay) {
  Detector detector({.alerts_max = 100, .open_max = 50});
  for (uint32_t i = 0; i < 10'000; ++i) {
    detector.take(hit(i, 1, 2, kBegin + i), kBegin);
  }
  EXPECT_EQ(detector.find(1), nullptr);
  ASSERT_NE(detector.find(10'000), nullptr);
  std::vector<AlertId> ids;
  detector.each([&](const Alert& a) {
    ids.push_back(a.id);
    return ids.size() < 3;
  });
  EXPECT_EQ(ids, (std::vector<AlertId>{10'000, 9'999, 9'998}));
}

TEST(Detect, RarityAlertsSayWhatIsNew) {
  Detector detector({});
  Score s = scan(ScanShape::kNone, 5, 8443, kBegin);
  s.kind = ScoreKind::kNewPeer;
  EXPECT_EQ(told(detector, s, kBegin).alert->title, "10.1.0.9: new peer 10.2.0.5 (tcp port 8443)");
  s.kind = ScoreKind::kNewPort;
  EXPECT_EQ(told(detector, s, kBegin).alert->title,
            "10.1.0.9: first use of tcp port 8443, to 10.2.0.5");
  s.kind = ScoreKind::kNewService;
  s.source = s.ends.dst;
  const Detected d = told(detector, s, kBegin);
  EXPECT_EQ(d.alert->title, "10.2.0.5: serves tcp port 8443 for the first time, to 10.1.0.9");
  EXPECT_EQ(d.alert->device, host(2, 5));
  EXPECT_EQ(alert_kind_name(d.alert->kind), "new-service");
  EXPECT_FALSE(told(detector, s, kBegin).fresh);
  EXPECT_EQ(detector.raised(), 3u);
}

}  // namespace
}  // namespace weir
