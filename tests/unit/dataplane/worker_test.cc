// SPDX-License-Identifier: Apache-2.0
// A whole worker over frames in memory: every stage, the rings and the books, without EAL.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/support/one_worker.h"

namespace {
std::atomic<uint64_t> allocations{0};
}
// Not inlined: else gcc sees free() beside new and warns of a mismatch that is none.
[[gnu::noinline]] void* operator new(size_t n) {
  ++allocations;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(n);
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept {
  std::free(p);
}

namespace weir {
namespace {

using namespace testing;

TEST_F(WorkerTest, ADropRuleTakesThePacketAndTheRestOfItsFlow) {
  start(Mode::kEnforce, kDropEvil);
  send(kSyn);
  send(kSynAck, Side::kB);
  send(kGood);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 0u);
  send(kEvil);
  send(kGood);
  send(kSynAck, Side::kB);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 3u);
  EXPECT_EQ(wire.sent[0], 2u);
  const auto types = events();
  EXPECT_EQ(std::count(types.begin(), types.end(), RecordType::kRuleHit), 1);
  EXPECT_EQ(std::count(types.begin(), types.end(), RecordType::kDrop), 3);
}

// A SYN that carries nothing takes a short way, but not past who could mean it.
TEST_F(WorkerTest, ABareSynIsToldOnceAndMeetsTheRulesThatCouldMeanIt) {
  for (const char* rules : {"", kDropEvil}) {
    start(Mode::kEnforce, rules);
    events();
    send(kSyn);
    EXPECT_EQ(stats().side[1].sent_packets.get(), 1u);
    EXPECT_EQ(events(), std::vector<RecordType>{RecordType::kFlowStart});
  }
  constexpr size_t kTcpChecksumAt = 14 + 20 + 16;
  const Frame wrong = Frame(kSyn).at(kTcpChecksumAt, 1);
  start(Mode::kEnforce);
  send(wrong);
  EXPECT_EQ(events(), (std::vector{RecordType::kAnomaly, RecordType::kFlowStart}));
  start(Mode::kEnforce, "drop tcp any any -> any 80 (msg:\"no\"; sid:1;)\n");
  send(kSyn);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
}

TEST_F(WorkerTest, AWireThatIsNotInspectedOnlyCarries) {
  settings.wire[0].uninspected = 1;
  start(Mode::kEnforce, kDropEvil);
  for (const Frame* f : {&kSyn, &kEvil, &kGood}) send(*f);
  EXPECT_EQ(stats().side[1].sent_packets.get(), 3u);
  worker->publish_stats();
  EXPECT_EQ(segment->worker(0).stats.flows_created.get(), 0u);
  EXPECT_TRUE(events().empty());
}

TEST_F(WorkerTest, SimulateCountsAndTapDoesNot) {
  start(Mode::kSimulate, kDropEvil);
  send(kEvil);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 0u);
  EXPECT_EQ(stats().would_drop_packets[static_cast<unsigned>(Reason::kRuleDrop)].get(), 1u);
  EXPECT_EQ(wire.sent[0], 1u);
}

// What a reload may change takes effect between two rounds, all at once; what sizes tables does
// not.
TEST_F(WorkerTest, SettingsChangeUnderWay) {
  start(Mode::kEnforce, kDropEvil);
  const auto put_in_force = [&](auto change) {
    auto live = std::make_unique<InForce::Live>();
    live->settings = settings;
    change(live->settings);
    live->depths.fill(live->settings.inspect.match_bytes);
    RuleSet set;
    parse_rules(kDropEvil, "test.rules", set);
    auto compiled = compile_rules(set, {});
    auto next = std::make_unique<InForce>();
    next->generation = ++generation;
    next->rules = std::move(*LoadedRules::load(compiled->image, 1));
    next->live = std::move(live);
    const InForce* old = in_force.replace(next.release());
    worker->poll(now);
    delete old;
  };
  const auto evil_from = [](uint16_t port) {
    return Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(port, 80, kTcpAck, "evil", 2);
  };
  const Frame one = evil_from(1), two = evil_from(2), three = evil_from(3), four = evil_from(4);
  send(one);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
  put_in_force([](Settings& s) {
    s.wire[0].mode = Mode::kSimulate;
    s.wire[0].uninspected = 1;  // not under way
    s.flow.flows_max = 16;
    s.verdicts_max = 1;
  });
  send(two);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
  EXPECT_EQ(stats().would_drop_packets[static_cast<unsigned>(Reason::kRuleDrop)].get(), 1u);
  put_in_force([](Settings&) {});
  send(three);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 2u);
  put_in_force([](Settings& s) { s.inspect.match_bytes = 1, s.inspect.sample_bytes = 0; });
  const Frame long_one =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(5, 80, kTcpAck, "harmless", 2);
  const Frame after =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(5, 80, kTcpAck, "evil", 10);
  send(long_one);
  send(after);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 2u) << "past its depth";
  put_in_force([](Settings& s) { s.flow.tcp_new_ns = s.flow.tcp_established_ns = kNsPerSecond; });
  send(four);
  for (int i = 0; i < 3000; ++i) worker->poll(now += 2 * kNsPerMs);
  worker->publish_stats();
  EXPECT_EQ(segment->worker(0).stats.flows_active.get(), 0u) << "the new timeouts";
}

TEST_F(WorkerTest, ARejectAnswersBothEnds) {
  start(Mode::kEnforce, "reject tcp any any -> any 80 (content:\"evil\"; sid:2;)\n");
  send(kEvil);
  EXPECT_EQ(dropped(Reason::kRuleReject), 1u);
  EXPECT_EQ(wire.injected[0], 1u);
  EXPECT_EQ(wire.injected[1], 1u);
}

TEST_F(WorkerTest, ABadChecksumIsForwardedAndNotBelieved) {
  start(Mode::kEnforce, kDropEvil);
  Frame bad = kEvil;
  bad.at(bad.bytes().size() - 1, 'X');
  send(bad);
  EXPECT_EQ(wire.sent[0], 1u);
  EXPECT_EQ(segment->worker(0).stats.anomaly[static_cast<unsigned>(Anomaly::kTcpBadChecksum)].get(),
            1u);
}

TEST_F(WorkerTest, AFullPortIsAReasonOfItsOwn) {
  start(Mode::kEnforce);
  wire.is_full = true;
  send(kSyn);
  EXPECT_EQ(dropped(Reason::kTxFull), 1u);
}

TEST_F(WorkerTest, AFullRingLosesRecordsCountedAndNoPacket) {
  settings.flow.flows_max = 1 << 17;
  start(Mode::kEnforce);
  std::vector<Frame> flood;
  for (uint32_t i = 0; i < 110'000; ++i) {
    const std::string src = "10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) +
                            "." + std::to_string(i & 255);
    flood.push_back(Frame().ethernet().ipv4(src, "10.9.9.9").tcp(1, 2, kTcpSyn));
  }
  for (const Frame& f : flood) {
    wire.in[0].push_back(&f);
    if (wire.in[0].size() == kBurstMax) worker->poll(now);
  }
  while (worker->poll(now) != 0) {
  }
  expect_balanced();
  EXPECT_EQ(wire.sent[0], flood.size());
  const StatsPage& s = segment->worker(0).stats;
  EXPECT_GT(s.events_lost.get(), 0u);
  EXPECT_EQ(s.events_written.get() + s.events_lost.get(), flood.size());
}

// With a control plane there, a source whose first contacts fail has only a few unanswered at a
// time; the rest waits, is dropped when a verdict comes, or goes when it does not.
TEST_F(WorkerTest, ProbesOfAFailingSourceWaitForTheVerdict) {
  start_scan();
  for (int i = 5; i < 30; ++i) wire.in[0].push_back(&probes[i]);
  worker->poll(now);
  expect_balanced();
  const uint64_t held = stats().held_packets.get();
  EXPECT_EQ(held, 21u) << "four may go";
  VerdictCommand block{.kind = CommandKind::kInstall};
  block.verdict.id = 1;
  block.verdict.match.src = *parse_ip_prefix("10.0.0.1");
  block.verdict.expire_ns = now + kNsPerSecond;
  block.verdict.packet_in_ns = now - 1;
  ASSERT_TRUE(segment->worker(0).mailbox.push(block));
  worker->poll(now);
  expect_balanced();
  EXPECT_EQ(stats().held_packets.get(), 0u);
  EXPECT_EQ(dropped(Reason::kVerdictDrop), held);
  EXPECT_EQ(wire.sent[0], 9u);
}

// A verdict stops a flow in the middle of a message: what parsers and reassembly kept of it goes,
// what is dropped is counted, and when the verdict ends the flow goes on.
TEST_F(WorkerTest, ABlockedFlowKeepsNothing) {
  start(Mode::kEnforce);
  const auto held = [&] {
    worker->publish_stats();
    return segment->worker(0).stats.streams_held.get();
  };
  const auto tell = [&](CommandKind kind) {
    VerdictCommand c{.kind = kind};
    c.verdict.id = 7;
    c.verdict.expire_ns = INT64_MAX;
    c.verdict.match.src = {*parse_ip_address("10.0.0.1"), 128};
    ASSERT_TRUE(segment->worker(0).mailbox.push(c));
    worker->poll(now);
  };
  const Frame half = Frame()
                         .ethernet()
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .tcp(1000, 80, kTcpAck, "GET /a HTTP/1.1\r\nHo", 2, 10),
              more = Frame()
                         .ethernet()
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .tcp(1000, 80, kTcpAck, "st: b\r\n", 21, 10);
  send(kSyn);
  send(kSynAck, Side::kB);
  send(half);
  EXPECT_EQ(held(), 1u);
  tell(CommandKind::kInstall);
  for (int i = 0; i < 3; ++i) send(more);
  EXPECT_EQ(dropped(Reason::kVerdictDrop), 3u);
  EXPECT_EQ(held(), 0u);
  tell(CommandKind::kRemove);
  send(more);
  EXPECT_EQ(wire.sent[0], 3u);
  uint64_t told = 0;
  events();
  while (!worker->finish(now, 64)) {
  }
  segment->event_ring(0).pop(1000, [&](const uint8_t* bytes, uint32_t) {
    const auto& end = *reinterpret_cast<const FlowEnd*>(bytes);
    if (end.header.type == RecordType::kFlowEnd) told = end.counters.dropped_packets;
  });
  EXPECT_EQ(told, 3u);
}

// Of a rule: as soon as no parser wants to know more.
TEST_F(WorkerTest, AFlowThatARuleBlocksKeepsNothingThatNobodyReads) {
  start(Mode::kEnforce, kDropEvil);
  const Frame unknown = piece("\xaa\xaa\xaa\xaa evil", 2);
  send(kSyn);
  send(kSynAck, Side::kB);
  for (int i = 0; i < 4; ++i) send(unknown);
  worker->publish_stats();
  EXPECT_EQ(segment->worker(0).stats.streams_held.get(), 0u);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 4u);
  EXPECT_EQ(wire.sent[0], 1u);
}

TEST_F(WorkerTest, WhatWaitsGoesByItselfWhenNoVerdictComes) {
  start_scan();
  for (int i = 5; i < 20; ++i) wire.in[0].push_back(&probes[i]);
  worker->poll(now);
  EXPECT_EQ(stats().held_packets.get(), 11u);
  for (int ms = 0; ms < 300; ++ms) worker->poll(now += kNsPerMs);
  expect_balanced();
  EXPECT_EQ(stats().held_packets.get(), 0u);
  EXPECT_EQ(wire.sent[0], 20u);
}

// The slot of a flow that ends within a burst is taken again at once: what earlier packets of the
// burst know of it must have served by then.
TEST_F(WorkerTest, PacketsLeaveBeforeAnotherFlowTakesTheirPlace) {
  start(Mode::kEnforce);
  const Frame reset =
      Frame().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 1000, kTcpRst | kTcpAck, "", 9, 2);
  send(kSyn);
  wire.in[1].push_back(&reset);
  wire.in[1].push_back(&kSyn);  // the same ports anew, as a mirrored port shows them: one side
  wire.transmits.clear();
  worker->poll(now += kNsPerMs);
  expect_balanced();
  EXPECT_EQ(wire.transmits, (std::vector<size_t>{1, 1}));
}

// A table full of conversations refuses new ones: passed uninspected by flow, or not at all.
TEST_F(WorkerTest, AFullFlowTableFollowsTheWiresPolicy) {
  for (const FailPolicy policy : {FailPolicy::kOpen, FailPolicy::kClosed}) {
    settings.flow.flows_max = 16;
    settings.wire[0].fail[static_cast<unsigned>(FailCause::kFlowTableFull)] = policy;
    wire.sent[0] = wire.sent[1] = 0;
    start(Mode::kEnforce);
    for (uint16_t port = 1; port <= 20; ++port) {
      const std::string a = "10.0.0.1", b = "10.0.0.2";
      const Frame ask = Frame().ethernet().ipv4(a, b, kProtoUdp).udp(port, 53, "q");
      const Frame answer = Frame().ethernet().ipv4(b, a, kProtoUdp).udp(53, port, "a");
      send(ask);
      send(answer, Side::kB);
    }
    const uint64_t opened =
        stats().fail_open_packets[static_cast<unsigned>(FailCause::kFlowTableFull)].get();
    const bool closed = policy == FailPolicy::kClosed;
    EXPECT_EQ(dropped(Reason::kFailFlowTableFull), closed ? 8u : 0u);
    EXPECT_EQ(opened, closed ? 0u : 8u);
    EXPECT_EQ(wire.sent[0] + wire.sent[1], closed ? 32u : 40u);
  }
}

// Live, packets before the rules are there and after control has gone are nobody's to judge.
TEST_F(WorkerTest, AbsentControlFollowsTheWiresPolicy) {
  settings.wire[0].fail[static_cast<unsigned>(FailCause::kStarting)] = FailPolicy::kClosed;
  settings.wire[0].fail[static_cast<unsigned>(FailCause::kControlGone)] = FailPolicy::kClosed;
  start(Mode::kEnforce);
  SegmentHeader& header = segment->header();
  const auto look_again = [&] {
    for (int i = 0; i < 64; ++i) worker->poll(now);
  };
  header.supervisor.state.store(ProgramState::kRunning);
  look_again();
  const Frame arp = Frame().ethernet(0x0806).raw({0, 1, 8, 0, 6, 4, 0, 1});
  send(kSyn);
  send(arp);
  EXPECT_EQ(dropped(Reason::kFailStarting), 1u);
  EXPECT_EQ(wire.sent[0], 1u) << "what is never inspected passes";
  header.control.heartbeat_ns.store(clock_ns(CLOCK_MONOTONIC));
  look_again();
  send(kSyn);
  EXPECT_EQ(wire.sent[0], 2u);
  header.rules.requested_generation.store(1);
  look_again();
  send(kSyn);
  EXPECT_EQ(dropped(Reason::kFailStarting), 2u);
  header.rules.loaded_generation.store(1);
  header.control.heartbeat_ns.store(clock_ns(CLOCK_MONOTONIC) - 4 * kNsPerSecond);
  look_again();
  send(kSyn);
  EXPECT_EQ(dropped(Reason::kFailControlGone), 1u);
}

// Past its depth a flow is looked at in windows only; what repeats is found all the same.
TEST_F(WorkerTest, PastItsDepthAFlowIsSampled) {
  settings.inspect.match_bytes = 1000;
  settings.inspect.sample_bytes = 500;
  settings.inspect.sample_every_bytes = 10'000;
  start(Mode::kSimulate, "alert tcp any any -> any 80 (content:\"evil\"; sid:1;)\n");
  for (uint32_t i = 0; i < 2000; ++i) send(piece("GET /evil", 2 + 9 * i));
  const auto types = events();
  const auto hits = std::count(types.begin(), types.end(), RecordType::kRuleHit);
  // 111 packets of 9 bytes reach the depth; then 500 of each 10,000 bytes of 63-byte frames.
  EXPECT_GT(hits, 112 + 40);
  EXPECT_LT(hits, 112 + 400);
}

// One datagram of a UDP packet with `payload`, cut at multiples of 8 of its IP payload.
std::vector<Frame> fragments_of(const std::string& payload, std::vector<uint16_t> cuts) {
  const Frame whole =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2", kProtoUdp).udp(7, 80, payload);
  const std::string data(whole.bytes().begin() + 34, whole.bytes().end());
  cuts.push_back(static_cast<uint16_t>(data.size()));
  std::vector<Frame> out;
  uint16_t from = 0;
  for (const uint16_t to : cuts) {
    const auto field = static_cast<uint16_t>(from / 8 | (to == data.size() ? 0 : 0x2000));
    out.push_back(Frame()
                      .ethernet()
                      .ipv4("10.0.0.1", "10.0.0.2", kProtoUdp, field)
                      .text(data.substr(from, to - from))
                      .seal());
    from = to;
  }
  return out;
}

TEST_F(WorkerTest, TheFragmentThatCompletesIsJudgedByTheWhole) {
  start(Mode::kEnforce, "drop udp any any -> any 80 (content:\"an evil thing\"; sid:1;)\n");
  auto evil = fragments_of("hidden: an evil thing in the middle of it all", {16, 24});
  const auto good = fragments_of("hidden: a lovely thing in the middle of it all", {16, 24});
  for (const Frame& f : good) send(f);
  EXPECT_EQ(wire.sent[0], 3u);
  std::swap(evil[0], evil[2]);
  for (Frame& f : evil) send(f.at(19, 9));  // another datagram
  EXPECT_EQ(wire.sent[0], 5u);
  EXPECT_EQ(dropped(Reason::kRuleDrop), 1u);
  const auto types = events();
  EXPECT_EQ(std::count(types.begin(), types.end(), RecordType::kRuleHit), 1);
}

// The rest of it is with its receiver already: a copy of what was refused would do.
TEST_F(WorkerTest, ACopyOfTheFragmentThatWasRefusedIsRefused) {
  start(Mode::kEnforce, "drop udp any any -> any 80 (content:\"an evil thing\"; sid:1;)\n");
  const auto evil = fragments_of("hidden: an evil thing in the middle of it all", {16, 24});
  for (const Frame& f : evil) send(f);
  EXPECT_EQ(wire.sent[0], 2u);
  for (const Frame& f : evil) send(f);
  EXPECT_EQ(wire.sent[0], 2u);
  EXPECT_EQ(dropped(Reason::kRuleDrop) + dropped(Reason::kFragmentConflict), 4u);
}

// What contradicts an earlier fragment does not go, so no receiver can prefer it.
TEST_F(WorkerTest, AContradictingFragmentIsRefused) {
  start(Mode::kEnforce, "drop udp any any -> any 80 (content:\"evil\"; sid:1;)\n");
  const auto good = fragments_of("12345678 something 87654321", {16, 24});
  const auto evil = fragments_of("evil5678 evil thin 87654321", {16, 24});
  send(good[0]);
  send(evil[0]);
  send(evil[1]);
  send(good[0]);  // the same again harms nobody
  send(good[1]);
  EXPECT_EQ(dropped(Reason::kFragmentConflict), 2u);
  EXPECT_EQ(wire.sent[0], 3u);
}

TEST_F(WorkerTest, NoRoomForFragmentsFollowsTheWiresPolicy) {
  settings.fragments.datagrams_max = 16;  // of which one source has 4
  settings.wire[0].fail[static_cast<unsigned>(FailCause::kStreamMemoryFull)] = FailPolicy::kClosed;
  start(Mode::kEnforce);
  auto first = fragments_of("a datagram that never ends", {16})[0];
  std::vector<Frame> flood;
  for (uint8_t id = 0; id < 10; ++id) flood.push_back(Frame(first).at(19, id));
  for (const Frame& f : flood) send(f);
  EXPECT_EQ(dropped(Reason::kFailStreamMemoryFull), 6u);
  now += settings.fragments.timeout_ns;
  worker->poll(now += kNsPerMs);
  send(flood[9]);
  EXPECT_EQ(wire.sent[0], 5u) << "what is too old has made room";
}

TEST(CycleBudget, IsSpentByWorkAlone) {
  CycleBudget endless(0, 1000);
  endless.begin();
  EXPECT_FALSE(endless.is_spent());
  CycleBudget budget(kNsPerMs, measure_cycles_per_us());
  budget.begin();
  EXPECT_FALSE(budget.is_spent());
  timespec pause{.tv_sec = 0, .tv_nsec = 5 * kNsPerMs};
  nanosleep(&pause, nullptr);
  EXPECT_FALSE(budget.is_spent()) << "asleep is not at work";
  const TimeNs end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + 50 * kNsPerMs;
  bool spent = false;
  while (!spent && clock_ns(CLOCK_THREAD_CPUTIME_ID) < end) spent = budget.is_spent();
  EXPECT_TRUE(spent);
  budget.begin();
  EXPECT_FALSE(budget.is_spent());
}

TEST_F(WorkerTest, SettledTrafficAllocatesNothing) {
  start(Mode::kEnforce, kDropEvil);
  send(kSyn);
  send(kSynAck, Side::kB);
  for (int i = 0; i < 200; ++i) send(kGood);  // past nDPI's allowance
  wire.transmits.reserve(10'000);
  for (int i = 0; i < 1000; ++i) {
    wire.in[0].push_back(&kGood);
    const uint64_t before = allocations.load();
    worker->poll(now += kNsPerMs);
    ASSERT_EQ(allocations.load(), before);
  }
}

}  // namespace
}  // namespace weir
