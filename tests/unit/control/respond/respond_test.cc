// SPDX-License-Identifier: Apache-2.0
#include "control/respond/respond.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "control/respond/action_book.h"
#include "tests/support/records.h"

namespace weir {
namespace {

using namespace test;

struct RespondTest : testing::Test {
  RespondTest() { make({}); }
  void make(RespondSettings s) {
    learner = std::make_unique<Learner>(LearnSettings{}, inventory);
    detector = std::make_unique<Detector>(DetectSettings{});
    responder = std::make_unique<Responder>(s, inventory, *learner);
  }
  Score score(ScanShape shape, const IpAddress& dst, uint16_t port, uint8_t proto = kTcp) {
    Score s{.kind = ScoreKind::kScan, .shape = shape, .source = me};
    s.ends = ends(me, dst, proto, port);
    s.time_ns = s.packet_in_ns = s.flow_first_ns = s.since_ns = now;
    s.failures = 9;
    return s;
  }
  // The alert's action after this evidence; null: none.
  const ActionRecord* see(const Score& s) {
    const Detected d = detector->take(s, now);
    responder->consider(d, now);
    return responder->find(d.alert->action);
  }
  const ActionRecord* scan(ScanShape shape, uint32_t server, uint16_t port) {
    return see(score(shape, host(2, server), port));
  }
  void in_force(const ActionRecord& a) {
    now += 50 * kNsPerUs;
    responder->heard({.verdict = a.verdict,
                      .phase = VerdictPhase::kInForce,
                      .time_ns = now,
                      .installed_ns = now});
    now += kNsPerSecond;
  }
  void used(uint32_t server, uint16_t port, uint8_t proto = kTcp) {
    learner->reported(flow_update(++flow, ends(me, host(2, server), proto, port),
                                  UpdateCause::kEstablished, now, now));
  }
  bool stops(const ActionRecord& a, const Endpoints& e) {
    for (const Companion& c : a.companions) {
      if (c.action == Action::kSpare && covers(c.match, e)) return false;
    }
    return covers(a.match, e);
  }

  Inventory inventory{IntakeSettings{}};
  std::unique_ptr<Learner> learner;
  std::unique_ptr<Detector> detector;
  std::unique_ptr<Responder> responder;
  IpAddress me = host(1, 9);
  TimeNs now = kBegin;
  FlowId flow = 0;
};

TEST_F(RespondTest, APortScanLosesTheWayToItsHostOnly) {
  const ActionRecord* a = scan(ScanShape::kPorts, 5, 80);
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->state, ActionState::kPending);
  EXPECT_EQ(a->rung, 1);
  EXPECT_EQ(a->target, "flows 10.1.0.9 -> 10.2.0.5");
  EXPECT_TRUE(covers(a->match, ends(me, host(2, 5), kTcp, 1)));
  EXPECT_TRUE(covers(a->match, ends(me, host(2, 5), kUdp, 53)));
  EXPECT_FALSE(covers(a->match, ends(me, host(2, 6), kTcp, 80)));
  EXPECT_FALSE(covers(a->match, ends(host(2, 5), me, kTcp, 22))) << "what the host opens goes on";
  EXPECT_EQ(a->duration_ns, 600 * kNsPerSecond);
  const auto orders = responder->take_orders();
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].kind, CommandKind::kInstall);
  EXPECT_EQ(orders[0].verdict.id, a->verdict);
  EXPECT_EQ(orders[0].verdict.packet_in_ns, now);
  EXPECT_EQ(orders[0].verdict.expire_ns, now + a->duration_ns);
  EXPECT_STREQ(orders[0].verdict.reason,
               "10.1.0.9: port scan of 10.2.0.5, 9 first connections failed");
}

TEST_F(RespondTest, ANetworkScanLosesItsPortAndASweepItsPing) {
  const ActionRecord* a = scan(ScanShape::kHosts, 5, 445);
  EXPECT_EQ(a->target, "flows 10.1.0.9 -> any tcp port 445");
  EXPECT_TRUE(covers(a->match, ends(me, host(7, 7), kTcp, 445)));
  EXPECT_FALSE(covers(a->match, ends(me, host(2, 5), kUdp, 445)));
  EXPECT_FALSE(covers(a->match, ends(me, host(2, 5), kTcp, 80)));
  me = host(1, 10);
  a = see(score(ScanShape::kSweep, host(2, 5), 0, kIcmp));
  EXPECT_EQ(a->target, "flows 10.1.0.10 -> any ping");
  EXPECT_TRUE(covers(a->match, ends(me, host(7, 7), kIcmp, 0)));
  EXPECT_FALSE(covers(a->match, ends(me, host(7, 7), kTcp, 80)));
  me = host(1, 11);
  a = scan(ScanShape::kBoth, 5, 445);
  EXPECT_EQ(a->rung, 2);
  EXPECT_EQ(a->target, "everything 10.1.0.11 opens");
}

TEST_F(RespondTest, WhatWasGoodBeforeGoesOn) {
  used(5, 443);
  used(5, 53, kUdp);
  used(6, 445);
  now += kHour;
  used(5, 22);  // found by the scan itself, a moment ago
  now += kNsPerSecond;
  const ActionRecord* a = scan(ScanShape::kPorts, 5, 80);
  ASSERT_EQ(a->companions.size(), 2u);
  EXPECT_FALSE(stops(*a, ends(me, host(2, 5), kTcp, 443)));
  EXPECT_FALSE(stops(*a, ends(me, host(2, 5), kUdp, 53)));
  EXPECT_TRUE(stops(*a, ends(me, host(2, 5), kTcp, 22)));
  EXPECT_TRUE(stops(*a, ends(me, host(2, 5), kTcp, 8080)));
  const auto orders = responder->take_orders();
  ASSERT_EQ(orders.size(), 3u);
  EXPECT_EQ(orders[0].verdict.action, Action::kSpare) << "what goes on is said first";
  EXPECT_EQ(orders[0].verdict.spared_from, a->verdict);
  EXPECT_EQ(orders[2].verdict.id, a->verdict);
  EXPECT_EQ(orders[0].verdict.expire_ns, orders[2].verdict.expire_ns);
}

TEST_F(RespondTest, KeepsADeviceToWhatItHasAlwaysDone) {
  EXPECT_FALSE(responder->order({.action = Action::kKeep, .target = {me, 128}}, now))
      << "nothing is known of it";
  used(5, 443);
  learner->reported(
      flow_update(++flow, ends(host(2, 7), me, kTcp, 22), UpdateCause::kEstablished, now, now));
  now += kHour;
  EXPECT_FALSE(responder->order({.action = Action::kKeep, .target = net("10.1.0.0/24")}, now));
  EXPECT_FALSE(responder->order({.action = Action::kKeep, .target = {me, 128}, .port = 22}, now));
  const auto kept = responder->order({.action = Action::kKeep, .target = {me, 128}}, now);
  ASSERT_TRUE(kept) << kept.error().text();
  const ActionRecord a = **kept;
  EXPECT_FALSE(stops(a, ends(me, host(2, 5), kTcp, 443)));
  EXPECT_FALSE(stops(a, ends(host(2, 7), me, kTcp, 22)));
  EXPECT_FALSE(stops(a, ends(me, host(2, 254), kUdp, 67))) << "its address";
  EXPECT_TRUE(stops(a, ends(me, host(2, 5), kTcp, 80)));
  EXPECT_TRUE(stops(a, ends(me, host(2, 7), kTcp, 22))) << "it is asked there, it does not ask";
  EXPECT_TRUE(stops(a, ends(host(2, 8), me, kTcp, 22)));
  EXPECT_EQ(responder->standing_of(me), Standing::kKept);
  const auto orders = responder->take_orders();
  ASSERT_EQ(orders.size(), a.companions.size() + 1);
  EXPECT_EQ(orders.back().verdict.action, Action::kKeep) << "last: nothing of its life is cut off";

  // A control plane that lost its records takes it up as one action from the workers' verdicts.
  make({});
  for (size_t i = orders.size(); i-- != 0;) {
    EXPECT_TRUE(responder->adopt(orders[(i + 1) % orders.size()].verdict, now));
  }
  EXPECT_EQ(responder->standing(), 1u);
  const ActionRecord* again = responder->find(1);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->companions.size(), a.companions.size());

  // Where a part of it finds no room, all of it goes.
  responder->heard(
      {.verdict = again->companions[0].verdict, .phase = VerdictPhase::kRefused, .time_ns = now});
  EXPECT_EQ(again->state, ActionState::kRefused);
  EXPECT_EQ(responder->take_orders().size(), a.companions.size() + 1);
}

TEST_F(RespondTest, GoesOneRungUpForWhatItDidNotStop) {
  used(6, 443);
  now += kHour;
  const ActionId first = scan(ScanShape::kPorts, 5, 80)->id;
  // More of the same that was under way is no reason.
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 81)->id, first);
  Score late = score(ScanShape::kPorts, host(2, 5), 82);
  in_force(*responder->find(first));
  EXPECT_EQ(see(late)->id, first);
  // Another host is.
  const ActionRecord* second = scan(ScanShape::kPorts, 6, 80);
  ASSERT_NE(second->id, first);
  EXPECT_EQ(second->rung, 2);
  EXPECT_TRUE(stops(*second, ends(me, host(9, 9), kTcp, 80)));
  EXPECT_FALSE(stops(*second, ends(me, host(2, 6), kTcp, 443)));
  EXPECT_FALSE(stops(*second, ends(host(2, 5), me, kTcp, 22)));
  in_force(*second);
  const ActionRecord* third = scan(ScanShape::kPorts, 7, 80);
  EXPECT_EQ(third->rung, 3);
  EXPECT_TRUE(third->companions.empty());
  EXPECT_TRUE(stops(*third, ends(host(2, 5), me, kTcp, 22)));
  in_force(*third);
  EXPECT_EQ(scan(ScanShape::kPorts, 8, 80)->id, third->id) << "there is no rung above";
  EXPECT_EQ(third->repeat, 0u) << "one round, however many rungs";
}

TEST_F(RespondTest, TwoHostsAtOnceNeedTheNextRungAtOnce) {
  const ActionId first = scan(ScanShape::kPorts, 5, 80)->id;
  const ActionRecord* second = scan(ScanShape::kPorts, 6, 80);  // nothing is in force yet
  EXPECT_NE(second->id, first);
  EXPECT_EQ(second->rung, 2);
  EXPECT_EQ(scan(ScanShape::kPorts, 7, 80)->id, second->id) << "covered, and under way";
}

TEST_F(RespondTest, DurationsDoubleUntilADayOfPeace) {
  RespondSettings s;
  s.duration_ns = 10 * kMinute;
  s.duration_max_ns = kHour;
  make(s);
  std::vector<TimeNs> durations;
  for (int i = 0; i < 5; ++i) {
    const ActionRecord* a = scan(ScanShape::kPorts, 5, static_cast<uint16_t>(i));
    durations.push_back(a->duration_ns / kMinute);
    now = a->expires_ns + 11 * kMinute;
    responder->do_work(now);
    EXPECT_EQ(a->state, ActionState::kExpired);
  }
  EXPECT_EQ(durations, (std::vector<TimeNs>{10, 20, 40, 60, 60}));
  now += 2 * kHour;
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 1)->duration_ns, 10 * kMinute);
}

TEST_F(RespondTest, NeverTouchesWhatItMustNot) {
  RespondSettings s;
  s.never_touch = {net("10.1.0.0/24")};
  make(s);
  const ActionRecord* a = scan(ScanShape::kPorts, 5, 80);
  EXPECT_EQ(a->state, ActionState::kRefused);
  EXPECT_NE(a->refusal.find("never touched"), std::string::npos);
  EXPECT_TRUE(responder->take_orders().empty());
  now += 20 * kMinute;
  for (int i = 0; i < 5; ++i, now += kMinute) scan(ScanShape::kPorts, 6, 80);
  int told = 0;
  responder->each([&](const ActionRecord&) { return ++told < 100; });
  EXPECT_EQ(told, 1) << "a refusal is told, not repeated";
  const auto block = responder->order({.target = net("10.0.0.0/8"), .reason = "all"}, now);
  ASSERT_FALSE(block.has_value());
  EXPECT_NE(block.error().message.find("never_touch"), std::string::npos);
  EXPECT_TRUE(responder->order({.action = Action::kPass, .target = net("10.1.0.9")}, now));
}

TEST_F(RespondTest, GatewaysAndResolversLoseOnlyWhatIsNarrow) {
  for (uint32_t i = 0; i < 3; ++i) {
    inventory.answered(
        flow_update(1, ends(host(1, 20 + i), me, kUdp, 53), UpdateCause::kEstablished, now, now));
  }
  ASSERT_TRUE(inventory.find(me)->roles & kRoleResolver);
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80)->rung, 1);
  EXPECT_EQ(scan(ScanShape::kPorts, 6, 80)->rung, 1);
  now += 20 * kMinute;
  responder->do_work(now);
  const ActionRecord* a = scan(ScanShape::kBoth, 6, 80);
  EXPECT_EQ(a->state, ActionState::kRefused);
}

TEST_F(RespondTest, ActsOnSoManyDevicesAnHourAndNoMore) {
  RespondSettings s;
  s.devices_per_hour_max = 3;
  make(s);
  int acted = 0;
  for (uint32_t i = 0; i < 10; ++i) {
    me = host(1, 100 + i);
    acted += scan(ScanShape::kPorts, 5, 80)->state == ActionState::kPending;
  }
  EXPECT_EQ(acted, 3);
  me = host(1, 100);  // one of the three: its next rung is not a further device
  in_force(*scan(ScanShape::kPorts, 5, 80));
  EXPECT_EQ(scan(ScanShape::kPorts, 6, 80)->state, ActionState::kPending);
  now += kHour + kMinute;
  me = host(1, 109);
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80)->state, ActionState::kPending);
}

TEST_F(RespondTest, OneDeviceOnThreeRungsIsOneDevice) {
  RespondSettings s;
  s.devices_per_hour_max = 2;
  make(s);
  for (uint32_t server = 5; server < 8; ++server) in_force(*scan(ScanShape::kPorts, server, 80));
  me = host(1, 10);
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80)->state, ActionState::kPending);
}

TEST_F(RespondTest, AnUndoHolds) {
  const ActionRecord* a = scan(ScanShape::kPorts, 5, 80);
  responder->take_orders();
  in_force(*a);
  ASSERT_TRUE(responder->undo(a->id, now));
  EXPECT_EQ(a->state, ActionState::kUndone);
  const auto orders = responder->take_orders();
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].kind, CommandKind::kRemove);
  const TimeNs over = a->expires_ns;
  const ActionId undone = a->id;
  now += kMinute;
  scan(ScanShape::kPorts, 5, 81);
  EXPECT_EQ(responder->standing(), 0u);
  EXPECT_EQ(responder->standing_of(me), Standing::kOk);
  EXPECT_FALSE(responder->undo(undone, now)) << "once";
  EXPECT_FALSE(responder->undo(999, now));
  now = over + kHour;
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 82)->state, ActionState::kPending);
}

TEST_F(RespondTest, OperatorOrders) {
  const auto block = responder->order({.target = net("10.1.0.9"), .duration_ns = kHour}, now);
  ASSERT_TRUE(block);
  EXPECT_EQ((*block)->origin, Origin::kOperator);
  EXPECT_EQ((*block)->target, "everything to and from 10.1.0.9");
  EXPECT_EQ(responder->standing_of(me), Standing::kBlocked);
  EXPECT_EQ((*block)->expires_ns, now + kHour);
  const auto flows = responder->order(
      {.target = net("10.1.0.9"), .to = net("10.2.0.0/24"), .port = 80, .proto = kTcp}, now);
  EXPECT_EQ((*flows)->target, "flows 10.1.0.9 -> 10.2.0.0/24 tcp port 80");
  EXPECT_FALSE((*flows)->match.either);
  const auto port = responder->order({.target = net("10.2.0.5"), .port = 22}, now);
  ASSERT_EQ((*port)->companions.size(), 1u);
  EXPECT_TRUE(covers((*port)->companions[0].match, ends(me, host(2, 5), kTcp, 22)));
  EXPECT_TRUE(covers((*port)->match, ends(host(2, 5), me, kTcp, 22)));
  EXPECT_FALSE(covers((*port)->match, ends(host(2, 5), me, kTcp, 23)));
  me = host(1, 12);
  OperatorOrder limit{.action = Action::kRateLimit, .target = {me, 128}};
  EXPECT_FALSE(responder->order(limit, now)) << "no rate";
  limit.limit.packets_per_second = 100;
  EXPECT_TRUE(responder->order(limit, now));
  EXPECT_EQ(responder->standing_of(me), Standing::kLimited);
  limit.limit.bits_per_second = 100;
  EXPECT_FALSE(responder->order(limit, now)) << "two rates";
  EXPECT_FALSE(responder->order({}, now)) << "everything";
  EXPECT_FALSE(responder->order({.target = net("10.1.0.1"), .duration_ns = -1}, now));
  EXPECT_FALSE(responder->order({.action = Action::kAlert, .target = net("10.1.0.1")}, now));
}

TEST_F(RespondTest, WhoIsAllowedIsLeftAlone) {
  const auto allow =
      responder->order({.action = Action::kPass, .target = {me, 128}, .duration_ns = kHour}, now);
  ASSERT_TRUE(allow);
  EXPECT_EQ(responder->standing_of(me), Standing::kAllowed);
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80)->state, ActionState::kRefused);
  for (uint16_t i = 1; i < 50; ++i) {
    learner->reported(
        flow_update(i, ends(me, host(2, 5), kTcp, i), UpdateCause::kRefused, now, now));
  }
  EXPECT_FALSE(learner->has_scores());
  ASSERT_TRUE(responder->undo((*allow)->id, now));
  now += 20 * kMinute;
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80)->state, ActionState::kPending);
}

TEST_F(RespondTest, DoesNothingWhereItMayNot) {
  make({.enabled = false});
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80), nullptr);
  make({.mode = Mode::kTap});
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80), nullptr);
  make({.mode = Mode::kSimulate});
  EXPECT_EQ(scan(ScanShape::kPorts, 5, 80)->mode, Mode::kSimulate);
  make({});
  Score peer = score(ScanShape::kNone, host(2, 5), 80);
  peer.kind = ScoreKind::kNewPeer;
  EXPECT_EQ(see(peer), nullptr) << "to be new is no offence";
}

TEST_F(RespondTest, ARefusedVerdictIsARefusedAction) {
  used(5, 443);
  now += kHour;
  const ActionRecord* a = scan(ScanShape::kPorts, 5, 80);
  responder->take_orders();
  responder->heard({.verdict = a->verdict, .phase = VerdictPhase::kRefused, .time_ns = now});
  EXPECT_EQ(a->state, ActionState::kRefused);
  EXPECT_FALSE(a->refusal.empty());
  EXPECT_EQ(responder->take_orders().size(), 2u) << "nothing of it stays behind";
}

TEST_F(RespondTest, ARestartKnowsWhatRanWhatWasUndoneAndHowOften) {
  used(5, 443);
  now += kHour;
  const ActionRecord* ran = scan(ScanShape::kPorts, 5, 80);
  in_force(*ran);
  me = host(1, 10);
  const ActionRecord* undone = scan(ScanShape::kPorts, 5, 80);
  ASSERT_TRUE(responder->undo(undone->id, now));
  std::vector<ActionRecord> stored;
  responder->each([&](const ActionRecord& a) {
    stored.insert(stored.begin(), a);
    return true;
  });
  make({.first_action_id = stored.back().id + 1, .epoch = 2});
  for (const ActionRecord& a : stored) responder->restore(a, now);
  EXPECT_TRUE(responder->take_orders().empty()) << "the workers have them";
  EXPECT_EQ(responder->standing(), 1u);
  const auto standing = responder->standing_verdicts(now);
  ASSERT_EQ(standing.size(), 2u);
  EXPECT_EQ(standing[0].action, Action::kSpare);
  EXPECT_EQ(standing[1].id, stored[0].verdict);
  EXPECT_EQ(responder->find(stored[0].id)->state, ActionState::kPending);
  scan(ScanShape::kPorts, 5, 81);
  EXPECT_EQ(responder->standing(), 1u) << "the undo holds";
  me = host(1, 9);
  now = stored[0].expires_ns + kMinute;
  responder->do_work(now);
  const ActionRecord* again = scan(ScanShape::kPorts, 7, 80);
  EXPECT_EQ(again->repeat, 1u);
  EXPECT_GT(again->id, stored.back().id);
  EXPECT_EQ(again->verdict >> 32, 2u) << "no verdict id comes twice";
}

TEST_F(RespondTest, AdoptsWhatStandsAndIsNobodysOnce) {
  Verdict v;
  v.id = 77;
  v.match.src = {me, 128};
  v.expire_ns = now + kHour;
  v.decided_ns = now - kHour;
  std::memset(v.reason, 'x', sizeof v.reason);  // not even ended
  EXPECT_TRUE(responder->adopt(v, now));
  EXPECT_TRUE(responder->adopt(v, now));
  EXPECT_EQ(responder->standing(), 1u);
  EXPECT_EQ(responder->standing_of(me), Standing::kBlocked);
  ActionId id = 0;
  responder->each([&](const ActionRecord& a) {
    id = a.id;
    EXPECT_EQ(a.reason.size(), sizeof v.reason);
    return true;
  });
  ASSERT_TRUE(responder->undo(id, now));
  EXPECT_FALSE(responder->adopt(v, now)) << "it should go";
  v.id = 78;
  v.expire_ns = now;
  EXPECT_FALSE(responder->adopt(v, now));
}

TEST_F(RespondTest, KeepsARunningActionAndForgetsOldOnes) {
  make({.devices_per_hour_max = 100'000, .actions_max = 50});
  const auto first = responder->order({.target = net("10.9.0.1"), .duration_ns = 100 * kDay}, now);
  const ActionId kept = (*first)->id;
  for (uint32_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(responder->order({.target = {host(3, i), 128}, .duration_ns = kMinute}, now));
    now += 2 * kMinute;
    responder->do_work(now);
    responder->take_changed();
  }
  int all = 0;
  responder->each([&](const ActionRecord&) { return ++all < 1000; });
  EXPECT_LE(all, 51);
  EXPECT_EQ(responder->find(kept)->state, ActionState::kPending);
}

}  // namespace
}  // namespace weir
