// SPDX-License-Identifier: Apache-2.0
// A whole worker over frames in memory: every stage, the rings and the books, without EAL.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>

#include "dataplane/pipeline/pipeline.h"
#include "dataplane/verdict/meter.h"
#include "rules/compile/compile.h"
#include "tests/support/frames.h"

namespace weir::testing {

class MemoryWire final : public WireIo {
 public:
  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override {
    uint16_t n = 0;
    for (auto& queue = in [index(side)]; n < packets.size() && n < queue.size(); ++n) {
      packets[n] = queue[n]->view(now, side);
    }
    in[index(side)].erase(in[index(side)].begin(), in[index(side)].begin() + n);
    return n;
  }
  void transmit(Side from, std::span<const PacketView> packets,
                std::span<Reason> reasons) override {
    transmits.push_back(packets.size());
    for (size_t i = 0; i < packets.size(); ++i) {
      if (is_full && reasons[i] == Reason::kNone) reasons[i] = Reason::kTxFull;
      if (reasons[i] != Reason::kNone) continue;
      ++sent[index(from)];
      if (watch != nullptr) watch(packets[i]);
    }
  }
  bool inject(Side side, std::span<const uint8_t>, TimeNs) override {
    ++injected[index(side)];
    return true;
  }
  LinkType link() const override { return LinkType::kEthernet; }

  std::deque<const Frame*> in[2];
  uint64_t sent[2] = {}, injected[2] = {};
  bool is_full = false;
  std::function<void(const PacketView&)> watch;  // of what leaves
  std::vector<size_t> transmits;                 // packets of each call
};

class WorkerTest : public ::testing::Test {
 public:
  WorkerTest() {
    settings.wires = 1;
    settings.flow.flows_max = 4096;
    settings.inspect.classify_flows_max = 256;
    settings.verdicts_max = 64;
  }
  ~WorkerTest() override { delete in_force.replace(nullptr); }
  void start(Mode mode, const std::string& text = "") {
    settings.wire[0].mode = mode;
    segment.emplace(Segment::in_memory(settings, 0));
    if (!text.empty()) {
      RuleSet set;
      parse_rules(text, "test.rules", set);
      auto compiled = compile_rules(set, {});
      ASSERT_TRUE(compiled) << compiled.error().text();
      auto loaded = LoadedRules::load(compiled->image, 1);
      ASSERT_TRUE(loaded) << loaded.error().text();
      worker.reset();  // it reads the rules that go
      auto next = std::make_unique<InForce>();
      next->generation = ++generation;
      next->rules = std::move(*loaded);
      delete in_force.replace(next.release());
    }
    auto made = Worker::create(0, *segment, {{0, &wire}}, in_force, meters, 1);
    ASSERT_TRUE(made);
    worker = std::move(*made);
  }
  void send(const Frame& f, Side side = Side::kA) {
    wire.in[index(side)].push_back(&f);
    worker->poll(now += kNsPerMs);
    expect_balanced();
  }
  // With a control plane there: 60 probes of one source, of which the first five are refused.
  void start_scan() {
    start(Mode::kEnforce);
    segment->header().control.heartbeat_ns.store(clock_ns(CLOCK_MONOTONIC));
    for (int i = 0; i < 64; ++i) worker->poll(now);
    for (uint16_t port = 1; port <= 60; ++port) {
      probes.push_back(Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(999, port, kTcpSyn));
      resets.push_back(
          Frame().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(port, 999, kTcpRst | kTcpAck));
    }
    for (size_t i = 0; i < 5; ++i) {
      send(probes[i]);
      send(resets[i], Side::kB);
    }
  }
  WireStats& stats() { return segment->worker(0).stats.wire[0]; }
  uint64_t dropped(Reason r) { return stats().dropped_packets[static_cast<unsigned>(r)].get(); }
  void expect_balanced() {
    uint64_t received = 0, out = 0;
    for (const PortStats& p : stats().side) {
      received += p.received_packets.get();
      out += p.sent_packets.get();
    }
    for (const Counter& c : stats().dropped_packets) out += c.get();
    EXPECT_EQ(received, out + stats().held_packets.get());
  }
  std::vector<RecordType> events() {
    std::vector<RecordType> types;
    segment->event_ring(0).pop(1000, [&](const uint8_t* bytes, uint32_t) {
      types.push_back(reinterpret_cast<const RecordHeader*>(bytes)->type);
    });
    return types;
  }

  Settings settings;
  std::optional<Segment> segment;
  MemoryWire wire;
  Published<InForce> in_force;
  uint64_t generation = 0;
  Meters meters{1};
  std::unique_ptr<Worker> worker;
  std::vector<Frame> probes, resets;
  TimeNs now = kNsPerSecond;
};

inline const Frame kSyn = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpSyn);
inline const Frame kSynAck =
    Frame().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 1000, kTcpSyn | kTcpAck, "", 9, 2);
inline const Frame kEvil =
    Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpAck, "GET /evil", 2, 10);
inline const Frame kGood =
    Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpAck, "GET /good", 2, 10);
inline const char kDropEvil[] =
    "drop tcp any any -> any 80 (msg:\"evil\"; content:\"evil\"; sid:1;)\n";

// A segment of the client's.
inline Frame piece(const std::string& text, uint32_t seq) {
  return Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpAck, text, seq, 10);
}

}  // namespace weir::testing
