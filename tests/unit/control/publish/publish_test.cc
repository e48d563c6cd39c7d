// SPDX-License-Identifier: Apache-2.0
#include "control/publish/publish.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_worker.h"

namespace weir {
namespace {

using namespace test;

struct PublishTest : testing::Test, ChainListener {
  static constexpr uint32_t kWorkers = 3;
  PublishTest() {
    for (uint32_t w = 0; w < kWorkers; ++w) workers.emplace_back(segment, w);
    settings.publish.queue_max = 20'000;
    make();
  }
  static Segment make_segment() {
    Settings s;
    s.workers = kWorkers;
    return Segment::in_memory(s, 0);
  }
  void make() { chain = std::make_unique<ControlChain>(segment, settings, *this); }
  void start_data_plane() {
    for (auto& w : workers) w.start(now);
  }
  void turn(int times = 3, TimeNs each = kNsPerMs) {
    for (int i = 0; i < times; ++i, now += each) {
      chain->do_work(now);
      for (auto& w : workers) w.step(now);
    }
    chain->do_work(now);
  }
  const ActionRecord& block(const IpAddress& a, TimeNs duration = kHour) {
    auto made = chain->order({.target = {a, 128}, .duration_ns = duration}, now);
    CHECK(made.has_value());
    return **made;
  }
  bool stopped_everywhere(const IpAddress& a) {
    return std::all_of(workers.begin(), workers.end(), [&](FakeWorker& w) {
      return w.stops(ends(a, host(2, 1), kTcp, 80));
    });
  }
  void on_action(const ActionRecord& a) override { told[a.id] = a; }
  void on_flow_start(const FlowStart&) override {
    sent_before_next_flow = !segment.worker(1).mailbox.empty();
  }

  Segment segment = make_segment();
  std::deque<FakeWorker> workers;
  ChainSettings settings;
  std::unique_ptr<ControlChain> chain;
  std::map<ActionId, ActionRecord> told;
  TimeNs now = kBegin;
  bool sent_before_next_flow = false;
};

TEST_F(PublishTest, AVerdictLeavesWithTheRecordThatDecidedNotWithTheStep) {
  start_data_plane();
  turn();
  for (uint16_t port = 1; port <= 6; ++port) {
    workers[0].push(flow_update(port, ends(host(1, 9), host(2, 1), kTcp, port),
                                UpdateCause::kRefused, now, now));
  }
  workers[0].push(flow_start(99, ends(host(1, 8), host(2, 1), kTcp, 80), now));
  chain->do_work(now);
  EXPECT_TRUE(sent_before_next_flow);
}

TEST_F(PublishTest, StandsWhenEveryWorkerHasItNotBefore) {
  start_data_plane();
  turn();
  EXPECT_TRUE(chain->publisher().attached());
  const ActionId id = block(host(1, 9)).id;
  workers[0].step(now);
  workers[1].step(now + 5);
  chain->do_work(now + 6);
  EXPECT_EQ(told[id].state, ActionState::kPending);
  workers[2].step(now + 9);
  chain->do_work(now + 10);
  EXPECT_EQ(told[id].state, ActionState::kStanding);
  EXPECT_EQ(told[id].installed_ns, now + 9) << "of the last one";
  EXPECT_TRUE(stopped_everywhere(host(1, 9)));
}

TEST_F(PublishTest, CountsWhatAllWorkersStopped) {
  start_data_plane();
  turn();
  const ActionId id = block(host(1, 9)).id;
  turn();
  for (auto& w : workers) {
    for (int i = 0; i < 4; ++i)
      w.flow(ends(host(1, 9), host(2, 1), kUdp, 53), Outcome::kSilent, now);
  }
  turn(3, kNsPerSecond);
  EXPECT_EQ(told[id].packets, 12u);
  EXPECT_EQ(told[id].bytes, 720u);
  EXPECT_NE(told[id].first_hit_ns, 0);
}

TEST_F(PublishTest, ExpiresByItselfAndIsForgotten) {
  start_data_plane();
  turn();
  const ActionId id = block(host(1, 9), kMinute).id;
  turn();
  now += 2 * kMinute;
  turn();
  EXPECT_EQ(told[id].state, ActionState::kExpired);
  EXPECT_EQ(told[id].ended_ns, told[id].expires_ns);
  EXPECT_FALSE(stopped_everywhere(host(1, 9)));
  EXPECT_EQ(chain->publisher().tracked(), 0u);
}

TEST_F(PublishTest, UndoRemovesItEverywhere) {
  start_data_plane();
  turn();
  const ActionId id = block(host(1, 9)).id;
  turn();
  ASSERT_TRUE(chain->undo(id, now));
  turn();
  EXPECT_EQ(told[id].state, ActionState::kUndone);
  for (auto& w : workers) EXPECT_EQ(w.standing(), 0u);
  EXPECT_EQ(chain->publisher().tracked(), 0u);
}

TEST_F(PublishTest, AFullMailboxDelaysAndLosesNothing) {
  start_data_plane();
  turn();
  workers[1].commands_max = 0;  // it is stuck
  for (uint32_t i = 0; i < 5000; ++i) {
    block(host(3, i));
    if (i % 500 == 0) {
      workers[0].commands_max = workers[2].commands_max = 100'000;
      turn(1, 0);
    }
  }
  turn();
  EXPECT_GT(chain->publisher().waiting(), 0u);
  EXPECT_TRUE(workers[0].stops(ends(host(3, 4999), host(2, 1), kTcp, 80)));
  EXPECT_EQ(workers[1].standing(), 0u);
  workers[1].commands_max = 100'000;
  turn(5);
  EXPECT_EQ(chain->publisher().waiting(), 0u);
  EXPECT_EQ(workers[1].standing(), 5000u);
  EXPECT_TRUE(stopped_everywhere(host(3, 0)));
  EXPECT_TRUE(std::all_of(told.begin(), told.end(), [](const auto& a) {
    return a.second.state == ActionState::kStanding;
  }));
}

TEST_F(PublishTest, AFullQueueDropsAndTriesAgain) {
  settings.publish.queue_max = 16;
  make();
  start_data_plane();
  turn();
  for (auto& w : workers) w.commands_max = 0;
  for (uint32_t i = 0; i < kMailboxSlots + 500; ++i) block(host(3, i));
  EXPECT_GT(chain->publisher().refused_for_room(), 0u);
  for (auto& w : workers) w.commands_max = 100'000;
  turn(600, 20 * kNsPerMs);
  for (auto& w : workers) EXPECT_EQ(w.standing(), kMailboxSlots + 500u);
}

TEST_F(PublishTest, AnAnswerThatWasLostIsAskedForAgain) {
  start_data_plane();
  turn();
  // The event ring is full at the moment of the answer.
  auto filler = record<Drop>(RecordType::kDrop, now);
  SpscByteRing ring = segment.event_ring(2);
  while (ring.push(&filler, sizeof filler)) {}
  const ActionId id = block(host(1, 9)).id;
  for (auto& w : workers) w.step(now);
  turn(60, 0);
  EXPECT_GT(workers[2].lost_records, 0u);
  EXPECT_EQ(told[id].state, ActionState::kPending);
  turn(20, 200 * kNsPerMs);
  EXPECT_EQ(told[id].state, ActionState::kStanding);
}

TEST_F(PublishTest, AWorkerWithoutRoomRefuses) {
  workers[1].verdicts_max = 0;
  start_data_plane();
  turn();
  const ActionId id = block(host(1, 9)).id;
  turn();
  EXPECT_EQ(told[id].state, ActionState::kRefused);
  EXPECT_FALSE(told[id].refusal.empty());
  EXPECT_EQ(workers[0].standing(), 0u) << "not half in force";
}

TEST_F(PublishTest, ARestartedDataPlaneGetsAllOfItAgain) {
  start_data_plane();
  turn();
  const ActionId id = block(host(1, 9)).id;
  block(host(1, 10), kMinute);
  turn();
  segment.header().dataplane.state.store(ProgramState::kStarting);
  now += 2 * kMinute;  // one runs out while it is away
  turn();
  const ActionId meanwhile = block(host(1, 11)).id;
  turn();
  EXPECT_EQ(told[meanwhile].state, ActionState::kPending);
  start_data_plane();
  EXPECT_FALSE(stopped_everywhere(host(1, 9)));
  turn();
  EXPECT_TRUE(stopped_everywhere(host(1, 9)));
  EXPECT_TRUE(stopped_everywhere(host(1, 11)));
  EXPECT_FALSE(stopped_everywhere(host(1, 10)));
  EXPECT_EQ(told[id].state, ActionState::kStanding);
  EXPECT_EQ(told[meanwhile].state, ActionState::kStanding);
}

TEST_F(PublishTest, ARestartedControlPlaneFindsWhatStands) {
  start_data_plane();
  turn();
  const ActionRecord kept = block(host(1, 9));
  const ActionRecord lost = block(host(1, 10));   // its record will not be in the store
  const ActionRecord undone = block(host(1, 11));
  turn();
  for (auto& w : workers) w.installs = 0;
  const ActionRecord stored = told[kept.id];
  ActionRecord was_undone = told[undone.id];      // and nobody told the workers
  was_undone.state = ActionState::kUndone;
  told.clear();
  settings.respond.epoch = 2;
  make();
  chain->responder().restore(stored, now);
  chain->responder().restore(was_undone, now);
  turn();
  EXPECT_TRUE(chain->publisher().attached());
  EXPECT_EQ(told[kept.id].state, ActionState::kStanding);
  EXPECT_EQ(told[kept.id].installed_ns, stored.installed_ns);
  EXPECT_TRUE(stopped_everywhere(host(1, 10)));
  EXPECT_EQ(chain->responder().standing(), 2u);
  EXPECT_EQ(chain->responder().standing_of(host(1, 10)), Standing::kBlocked);
  EXPECT_FALSE(stopped_everywhere(host(1, 11)));
  for (auto& w : workers) EXPECT_EQ(w.installs, 0u) << "what stands is left standing";
  // An adopted one can be undone.
  ActionId adopted = 0;
  for (const auto& [id, a] : told) {
    if (a.verdict == lost.verdict) adopted = id;
  }
  ASSERT_NE(adopted, 0u);
  ASSERT_TRUE(chain->undo(adopted, now));
  turn();
  EXPECT_FALSE(stopped_everywhere(host(1, 10)));
}

TEST_F(PublishTest, OneWorkerThatLacksAStandingVerdictGetsIt) {
  start_data_plane();
  Verdict v;
  v.id = 5;
  v.match.src = {host(1, 9), 128};
  v.expire_ns = now + kHour;
  workers[0].put(v, now);
  workers[2].put(v, now);
  turn();
  EXPECT_TRUE(stopped_everywhere(host(1, 9)));
  EXPECT_EQ(workers[1].installs, 1u);
  EXPECT_EQ(workers[0].installs, 0u);
}

TEST_F(PublishTest, InOneProcessNobodysPresenceIsWaitedFor) {
  settings.publish.in_process = true;
  make();
  turn();
  block(host(1, 9));
  turn();
  EXPECT_TRUE(stopped_everywhere(host(1, 9)));
}

struct HandoverTest : testing::Test {
  HandoverTest() {
    dir = std::filesystem::path(testing::TempDir()) /
          ("weir-handover-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir);
  }
  ~HandoverTest() override { std::filesystem::remove_all(dir); }
  bool exists(uint64_t generation) {
    return std::filesystem::exists(dir / ("rules-" + std::to_string(generation) + ".img"));
  }
  // What the data plane does with an offer.
  void answer(const std::string& refusal) {
    RuleSlot& slot = segment.header().rules;
    const uint64_t g = slot.requested_generation.load();
    std::fill(std::begin(slot.answer), std::end(slot.answer), '\0');
    std::copy(refusal.begin(), refusal.end(), slot.answer);
    if (refusal.empty()) slot.loaded_generation.store(g);
    slot.answered_generation.store(g);
  }
  Segment segment = Segment::in_memory({}, 0);
  std::filesystem::path dir;
  const std::vector<uint8_t> image{1, 2, 3, 4, 5};
};

TEST_F(HandoverTest, AnImageIsWholeBeforeItIsNamedAndOldOnesGo) {
  RuleHandover handover(segment, dir.string());
  EXPECT_EQ(handover.next_generation(), 1u);
  ASSERT_TRUE(handover.offer(1, image, {}));
  EXPECT_TRUE(exists(1));
  EXPECT_EQ(std::filesystem::file_size(dir / "rules-1.img"), image.size());
  EXPECT_EQ(segment.header().rules.requested_generation.load(), 1u);
  EXPECT_TRUE(handover.waiting());
  EXPECT_FALSE(handover.poll());
  answer("");
  auto a = handover.poll();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->generation, 1u);
  EXPECT_EQ(a->refusal, "");
  EXPECT_FALSE(handover.poll()) << "once";
  ASSERT_TRUE(handover.offer(2, image, {}));
  answer("its checksum is wrong");
  a = handover.poll();
  EXPECT_EQ(a->refusal, "its checksum is wrong");
  EXPECT_EQ(segment.header().rules.requested_generation.load(), 1u) << "what a new one is to load";
  EXPECT_TRUE(exists(1)) << "still in use";
  EXPECT_EQ(handover.next_generation(), 3u);
  std::ofstream(dir / "rules-local.img") << "not ours";
  ASSERT_TRUE(handover.offer(3, image, {}));
  answer("");
  ASSERT_TRUE(handover.poll());
  EXPECT_FALSE(exists(1));
  EXPECT_FALSE(exists(2));
  EXPECT_TRUE(exists(3));
  EXPECT_TRUE(std::filesystem::exists(dir / "rules-local.img"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir), {}), 2)
      << "nothing half-written";
}

TEST_F(HandoverTest, WhatCannotBeWrittenChangesNothing) {
  RuleHandover handover(segment, (dir / "gone").string());
  const auto offered = handover.offer(1, image, {});
  ASSERT_FALSE(offered);
  EXPECT_NE(offered.error().text().find("gone"), std::string::npos);
  EXPECT_EQ(segment.header().rules.requested_generation.load(), 0u);
  EXPECT_FALSE(handover.waiting());
}

TEST_F(HandoverTest, InOneProcessAFunctionTakesTheBytes) {
  std::vector<uint8_t> got;
  RuleHandover handover(segment, [&](uint64_t generation, std::span<const uint8_t> bytes) {
    got.assign(bytes.begin(), bytes.end());
    return generation == 1 ? std::string() : std::string("no");
  });
  ASSERT_TRUE(handover.offer(handover.next_generation(), image, {}));
  EXPECT_EQ(got, image);
  EXPECT_EQ(handover.poll()->refusal, "");
  ASSERT_TRUE(handover.offer(handover.next_generation(), image, {}));
  EXPECT_EQ(handover.poll()->refusal, "no");
}

}  // namespace
}  // namespace weir
