// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "appliance/bypass_hook.h"
#include "appliance/spin.h"
#include "appliance/stall_watch.h"
#include "dataplane/io/bypass.h"
#include "dataplane/io/link_pair.h"

namespace weir {
namespace {

constexpr TimeNs kMs = kNsPerMs;

// Looks every 5 ms for `ms`, with CPU time growing by cpu_share; when it says stuck, or -1.
TimeNs stuck_after(StallWatch& watch, char state, double cpu_share, TimeNs ms) {
  for (TimeNs t = 0; t <= ms; t += 5) {
    const Pulse p{.beats = 7,
                  .cpu_ns = static_cast<TimeNs>(cpu_share * static_cast<double>(t * kMs)),
                  .state = state};
    if (watch.look(p, t * kMs) != 0) return t;
  }
  return -1;
}

TEST(Spin, WhoIsPutOffNapsForAWhile) {
  Spin spin;
  TimeNs now = kNsPerSecond;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(spin.is_good(now += 1000)) << i;
  now += 3 * kNsPerMs;  // a turn of somebody else's
  EXPECT_FALSE(spin.is_good(now));
  EXPECT_FALSE(spin.is_good(now + 99 * kNsPerMs));
  EXPECT_TRUE(spin.is_good(now + 100 * kNsPerMs));
}

TEST(Spin, TakesAFifthOfTheTimeAtMost) {
  Spin spin;
  int spun = 0;
  for (TimeNs now = 0; now < 10 * kNsPerSecond; now += 10'000) spun += spin.is_good(now);
  EXPECT_LE(spun, 200'500);
  EXPECT_GE(spun, 190'000);
}

TEST(Spin, TimeSpentOtherwiseIsNoPuttingOff) {
  Spin spin;
  EXPECT_TRUE(spin.is_good(kNsPerSecond));
  spin.stop();
  EXPECT_TRUE(spin.is_good(2 * kNsPerSecond));
}

TEST(StallWatch, AnEndlessLoopIsSeenWithinTheTime) {
  StallWatch watch(35 * kMs, 5 * kMs);
  const TimeNs t = stuck_after(watch, 'R', 1.0, 1000);
  EXPECT_GE(t, 35);
  EXPECT_LE(t, 45);
}

TEST(StallWatch, BlockedAndStoppedThreadsAreSeenWithinTheTime) {
  for (const char state : {'S', 'D', 'T', 'X'}) {
    StallWatch watch(35 * kMs, 5 * kMs);
    const TimeNs t = stuck_after(watch, state, 0, 1000);
    EXPECT_GE(t, 35) << state;
    EXPECT_LE(t, 45) << state;
  }
}

TEST(StallWatch, AThreadThatWaitsForACpuIsGivenTenTimesAsLong) {
  StallWatch watch(35 * kMs, 5 * kMs);
  EXPECT_EQ(stuck_after(watch, 'R', 0, 1000), 350);
  StallWatch slowed(35 * kMs, 5 * kMs);  // it gets a fifth of a CPU
  const TimeNs t = stuck_after(slowed, 'R', 0.2, 1000);
  EXPECT_GE(t, 175);
  EXPECT_LE(t, 185);
}

TEST(StallWatch, ABeatClearsIt) {
  StallWatch watch(35 * kMs, 5 * kMs);
  for (TimeNs t = 0; t < 2000; t += 5) {
    // one beat each 30 ms, burning all the time
    const Pulse p{.beats = static_cast<uint64_t>(t / 30), .cpu_ns = t * kMs, .state = 'R'};
    ASSERT_EQ(watch.look(p, t * kMs), 0) << t;
  }
}

TEST(StallWatch, AWatcherThatWasAwayBlamesNobody) {
  StallWatch watch(35 * kMs, 5 * kMs);
  EXPECT_EQ(watch.look({.beats = 1, .cpu_ns = 0, .state = 'S'}, 0), 0);
  EXPECT_EQ(watch.look({.beats = 1, .cpu_ns = 0, .state = 'R'}, 5'000 * kMs), 0);
  EXPECT_EQ(watch.look({.beats = 1, .cpu_ns = 0, .state = 'S'}, 10'000 * kMs), 0);
}

TEST(StallWatch, ReadsThePulseOfARealThread) {
  std::atomic<bool> spin{true};
  std::atomic<pid_t> id{0};
  clockid_t cpu{};
  std::thread thread([&] {
    ASSERT_EQ(pthread_getcpuclockid(pthread_self(), &cpu), 0);
    id.store(gettid(), std::memory_order_release);
    while (spin.load(std::memory_order_relaxed)) continue;
    id.store(0, std::memory_order_release);
    while (id.load(std::memory_order_acquire) == 0) usleep(200'000);
  });
  while (id.load(std::memory_order_acquire) == 0) usleep(100);
  const pid_t tid = id.load();
  // A thread that burns its CPU is found by what it burned, however late it gets it.
  StallWatch watch(35 * kMs, 5 * kMs);
  const TimeNs began = clock_ns(CLOCK_MONOTONIC);
  TimeNs stalled = 0;
  while (stalled == 0 && clock_ns(CLOCK_MONOTONIC) - began < 5 * kNsPerSecond) {
    usleep(5000);
    stalled = watch.look(read_pulse(1, 0, tid, cpu), clock_ns(CLOCK_MONOTONIC));
  }
  EXPECT_GE(stalled, 35 * kMs);
  spin.store(false, std::memory_order_relaxed);
  // Then it sleeps, and says so.
  char state = 'R';
  for (int i = 0; i < 500 && state != 'S'; ++i) {
    usleep(5000);
    state = read_pulse(1, 0, tid, cpu).state;
  }
  EXPECT_EQ(state, 'S');
  id.store(1, std::memory_order_release);
  thread.join();
  EXPECT_EQ(read_pulse(1, 0, tid, cpu).state, 'X');
}

struct Ports {
  LinkPair pair{100 * kMs};
  TimeNs now = 0;
  bool peer_up[2] = {true, true};  // the device at the other end of each port
  bool ours_up[2] = {true, true};
  int orders = 0;

  void run(TimeNs ms) {
    for (const TimeNs end = now + ms * kMs; now < end; now += 20 * kMs) {
      const auto order = pair.look(peer_up[0] && ours_up[0], peer_up[1] && ours_up[1], now);
      if (!order) continue;
      ++orders;
      ours_up[index(order->side)] = order->act == LinkOrder::Act::kRestore;
    }
  }
};

TEST(LinkPair, APortWithoutLinkTakesItsPartnerDownAndBack) {
  Ports p;
  p.run(1000);
  EXPECT_EQ(p.orders, 0);
  p.peer_up[0] = false;
  p.run(80);
  EXPECT_TRUE(p.ours_up[1]);  // not yet: it may come back
  p.run(60);
  EXPECT_FALSE(p.ours_up[1]);
  p.run(60'000);  // and our own taking down is nobody's loss: nothing more happens
  EXPECT_EQ(p.orders, 1);
  EXPECT_EQ(p.pair.losses(Side::kA), 1u);
  EXPECT_EQ(p.pair.losses(Side::kB), 0u);
  p.peer_up[0] = true;
  p.run(160);
  EXPECT_TRUE(p.ours_up[1]);
  p.run(60'000);
  EXPECT_EQ(p.orders, 2);
}

TEST(LinkPair, FlapsShorterThanTheDebounceAreOnlyCounted) {
  Ports p;
  for (int i = 0; i < 10; ++i) {
    p.run(200);
    p.peer_up[1] = false;
    p.run(60);
    p.peer_up[1] = true;
  }
  p.run(1000);
  EXPECT_EQ(p.orders, 0);
  EXPECT_EQ(p.pair.losses(Side::kB), 10u);
}

TEST(LinkPair, BothDownHoldNothingAndComeBackInAnyOrder) {
  for (const unsigned first : {0u, 1u}) {
    Ports p;
    p.run(200);
    p.peer_up[0] = p.peer_up[1] = false;
    p.run(10'000);
    EXPECT_TRUE(p.ours_up[0] && p.ours_up[1]);
    p.peer_up[first] = true;
    p.run(1000);
    EXPECT_FALSE(p.ours_up[first]) << "the other one is still without link";
    p.peer_up[1 - first] = true;
    p.run(20'000);
    EXPECT_TRUE(p.ours_up[0] && p.ours_up[1]);
    EXPECT_EQ(p.orders, 2);
  }
}

TEST(LinkPair, TheHeldOneLosingItsPeerTurnsTheWireRoundWithoutALoop) {
  Ports p;
  p.run(200);
  p.peer_up[0] = false;
  p.run(500);
  ASSERT_FALSE(p.ours_up[1]);
  p.peer_up[1] = false;
  p.peer_up[0] = true;
  p.run(60'000);
  EXPECT_TRUE(p.ours_up[1]);
  EXPECT_FALSE(p.ours_up[0]);
  EXPECT_EQ(p.orders, 3);
  p.peer_up[1] = true;
  p.run(60'000);
  EXPECT_TRUE(p.ours_up[0] && p.ours_up[1]);
  EXPECT_EQ(p.orders, 4);
}

TEST(LinkPair, WhatCannotBeDoneIsNotOrderedAgain) {
  Ports p;
  p.run(200);
  p.peer_up[0] = false;
  p.run(500);
  p.pair.cannot();
  p.ours_up[1] = true;
  p.run(60'000);
  EXPECT_EQ(p.orders, 1);
}

int nic_timeouts, nic_resets, nic_fails_at;
uint32_t nic_state, nic_events[6];
const BypassCalls kFakeNic = {
    [](uint16_t) { return nic_fails_at == 1 ? -ENOTSUP : 0; },
    [](uint16_t, uint32_t* state) { return nic_state = *state, 0; },
    [](uint16_t, uint32_t event, uint32_t state) { return nic_events[event] = state, 0; },
    [](uint16_t, uint32_t code) { return nic_timeouts = static_cast<int>(code), 0; },
    [](uint16_t) { return ++nic_resets, nic_fails_at == 2 ? -EIO : 0; }};

TEST(BypassNic, IsArmedByThePoliciesAndKeptByBeats) {
  nic_fails_at = 0;
  nic_resets = 0;
  WireSettings wire;
  wire.fail[static_cast<unsigned>(FailCause::kWorkerStalled)] = FailPolicy::kClosed;
  auto nic = BypassNic::start(0, wire, kFakeNic);
  ASSERT_TRUE(nic);
  EXPECT_EQ(nic_state, 1u);      // normal
  EXPECT_EQ(nic_events[3], 2u);  // power off: bypass, as `stopping` is open
  EXPECT_EQ(nic_events[5], 3u);  // timer: isolate, as `worker-stalled` is closed
  EXPECT_EQ(nic_timeouts, 1);
  for (TimeNs t = 1; t <= 1000; t += 5) nic->beat(t * kMs);
  EXPECT_EQ(nic_resets, 3);
  nic_fails_at = 2;
  nic->beat(5'000 * kMs);
  EXPECT_EQ(nic->failures(), 1u);
  nic->stop();
  EXPECT_EQ(nic_state, 2u);
  EXPECT_EQ(nic_timeouts, 0);
  nic_fails_at = 1;
  EXPECT_FALSE(BypassNic::start(0, wire, kFakeNic));
}

TEST(BypassHook, CallsAreBoundedAndFailuresCounted) {
  using State = BypassHook::State;
  Guard::Wire told;
  BypassCommand good{.words = {"/bin/true"}};
  BypassHook hook(good, "w", told);
  hook.want(State::kOn);
  hook.finish();
  EXPECT_EQ(told.bypass_on.get(), 1u);
  hook.want(State::kOn);
  hook.finish();
  EXPECT_EQ(told.bypass_calls.get(), 1u);  // it is on already
  hook.want(State::kOff);
  hook.finish();
  EXPECT_EQ(told.bypass_on.get(), 0u);
  EXPECT_EQ(told.bypass_failures.get(), 0u);

  BypassCommand slow{.words = {"/bin/sh", "-c", "sleep 60"}, .time_ns = 100 * kMs};
  BypassHook late(slow, "w", told);
  late.want(State::kOn);
  const TimeNs began = clock_ns(CLOCK_MONOTONIC);
  late.finish();
  EXPECT_LT(clock_ns(CLOCK_MONOTONIC) - began, 10 * kNsPerSecond);
  EXPECT_EQ(told.bypass_failures.get(), 2u);  // finish tries twice
  EXPECT_EQ(told.bypass_on.get(), 0u);
}

}  // namespace
}  // namespace weir
