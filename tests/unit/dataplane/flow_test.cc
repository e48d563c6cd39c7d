// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow/flow.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;
constexpr TimeNs kS = kNsPerSecond;

FlowSettings settings_for(uint64_t flows) {
  FlowSettings s;
  s.flows_max = flows;
  return s;
}

struct Ended {
  Flow flow;
  EndReason why;
};

// One frame at a time through track, as the worker does it.
class Tracker final : public FlowEnds {
 public:
  explicit Tracker(uint64_t flows) : table(settings_for(flows), 0, 42) {}
  Tracked see(const Frame& f, TimeNs now, Side side = Side::kA) {
    const PacketView p = f.view(now, side);
    const Headers h = f.headers();
    Tracked t;
    ended.clear();
    track({&p, 1}, {&h, 1}, 0, table, stats, {&t, 1}, *this);
    return t;
  }
  void flow_ends(uint32_t index, EndReason why, TimeNs) noexcept override {
    EXPECT_NE(table.flow(index).id, 0u);  // still there
    ended.push_back({table.flow(index), why});
  }
  FlowTable table;
  TrackStats stats;
  std::vector<Ended> ended;
};

Frame syn(uint16_t port) {
  return Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(port, 80, kTcpSyn);
}
Frame back(uint16_t port, uint8_t flags) {
  return Frame().ethernet().ipv4("10.0.0.2", "10.0.0.1").tcp(80, port, flags);
}

TEST(Track, AMappedAddressIsNotTheIpv4AddressInIt) {
  Tracker t(64);
  const Tracked four = t.see(syn(1000), kS);
  const auto six = [&t](const char* src, const char* dst, uint16_t from, uint16_t to) {
    return t.see(Frame().ethernet(0x86dd).ipv6(src, dst).tcp(from, to, kTcpSyn), kS);
  };
  const Tracked mapped = six("::ffff:10.0.0.1", "::ffff:10.0.0.2", 1000, 80);
  EXPECT_NE(mapped.index, four.index);
  EXPECT_EQ(endpoints_of(*four.flow).mapped, 0);
  EXPECT_EQ(endpoints_of(*mapped.flow).mapped, 1);
  EXPECT_EQ(six("::ffff:10.0.0.2", "::ffff:10.0.0.1", 80, 1000).index, mapped.index);
  EXPECT_EQ(endpoints_of(*six("fd00::1", "::ffff:10.0.0.2", 1, 2).flow).mapped, 1);
  EXPECT_EQ(endpoints_of(*six("fd00::1", "fd00::2", 1, 2).flow).mapped, 0);
}

TEST(Track, BothDirectionsAreOneFlowAndAnAnswerEstablishesIt) {
  Tracker t(64);
  const Tracked a = t.see(syn(1000), kS);
  EXPECT_EQ(a.events, kFlowStarted);
  EXPECT_EQ(a.direction, 0);
  const Tracked b = t.see(back(1000, kTcpSyn | kTcpAck), kS + 1, Side::kB);
  EXPECT_EQ(b.index, a.index);
  EXPECT_EQ(b.direction, 1);
  EXPECT_EQ(b.events, kFlowEstablished);
  EXPECT_EQ(t.table.flow(a.index).state, FlowState::kEstablished);
  EXPECT_EQ(to_string(endpoints_of(*a.flow).src), "10.0.0.1");
}

TEST(Track, ResetToASynIsARefusalAndTheNextSynIsAnotherFlow) {
  Tracker t(64);
  const FlowId first = t.see(syn(1000), kS).flow->id;
  EXPECT_EQ(t.see(back(1000, kTcpRst | kTcpAck), kS).events, kFlowRefused);
  const Tracked again = t.see(syn(1000), 2 * kS);
  EXPECT_NE(again.flow->id, first);
  ASSERT_EQ(t.ended.size(), 1u);
  EXPECT_EQ(t.ended[0].flow.id, first);
  EXPECT_EQ(t.ended[0].why, EndReason::kClosed);
}

TEST(Track, AnIcmpUnreachableRefusesTheFlowItQuotes) {
  Tracker t(64);
  const Frame probe =
      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2", kProtoUdp).udp(4000, 161, "q");
  const uint32_t index = t.see(probe, kS).index;
  const std::string quoted(probe.bytes().begin() + 14, probe.bytes().end());
  const Tracked error = t.see(
      Frame().ethernet().ipv4("10.0.0.2", "10.0.0.1", kProtoIcmp).icmp(3, 3, quoted), kS, Side::kB);
  EXPECT_NE(error.events & kQuotedRefused, 0);
  EXPECT_EQ(error.quoted, index);
  EXPECT_EQ(t.table.flow(index).state, FlowState::kRefused);
}

TEST(Track, AnAnswerSeenFirstNamesItsReceiverAsInitiator) {
  Tracker t(64);
  const Tracked a = t.see(back(1000, kTcpSyn | kTcpAck), kS, Side::kB);
  EXPECT_EQ(to_string(endpoints_of(*a.flow).src), "10.0.0.1");
  EXPECT_EQ(a.direction, 1);
  EXPECT_EQ(static_cast<Side>(a.flow->side), Side::kA);
}

TEST(Track, UnansweredSynsAreToldOnceAfterTheEmbryonicTime) {
  Tracker t(64);
  t.see(syn(1000), kS);
  t.see(syn(1001), kS);
  t.see(back(1001, kTcpSyn | kTcpAck), kS);
  std::vector<uint16_t> told;
  const auto tell = [&](uint32_t i) { told.push_back(endpoints_of(t.table.flow(i)).src_port); };
  t.table.unanswered(kS + kS / 2, 10, tell);
  EXPECT_TRUE(told.empty());
  t.table.unanswered(3 * kS, 10, tell);
  t.table.unanswered(4 * kS, 10, tell);
  EXPECT_EQ(told, std::vector<uint16_t>{1000});
}

TEST(Track, AFullTableGivesUpUnansweredFlowsAndNeverEstablishedOnes) {
  Tracker t(16);
  std::vector<FlowId> good;
  for (uint16_t p = 0; p < 8; ++p) {
    good.push_back(t.see(syn(p), kS).flow->id);
    t.see(back(p, kTcpSyn | kTcpAck), kS);
  }
  for (uint16_t p = 100; p < 400; ++p) t.see(syn(p), kS + p);
  EXPECT_GT(t.stats.evicted, 200u);
  for (uint16_t p = 0; p < 8; ++p) {
    const Tracked again = t.see(back(p, kTcpAck), 2 * kS);
    ASSERT_NE(again.flow, nullptr);
    EXPECT_EQ(again.flow->id, good[p]);
  }
}

TEST(Track, ABurstStopsBeforeAPacketThatEndsAFlowOfTheBurst) {
  Tracker t(64);
  t.see(syn(1000), kS);
  const Frame frames[] = {back(1000, kTcpRst | kTcpAck), syn(1000)};
  PacketView p[2];
  Headers h[2];
  Tracked out[2];
  for (int i = 0; i < 2; ++i) {
    p[i] = frames[i].view(kS);
    h[i] = frames[i].headers();
  }
  EXPECT_EQ(track(p, h, 0, t.table, t.stats, out, t), 1u);
  t.ended.clear();
  EXPECT_EQ(track({p + 1, 1}, {h + 1, 1}, 0, t.table, t.stats, {out + 1, 1}, t), 1u);
  EXPECT_EQ(t.ended.size(), 1u);
}

// A capture's clock may go back within a burst; what its packets point to stays all the same.
TEST(Track, AFullTableKeepsTheFlowsOfTheBurstWhateverItsTimes) {
  constexpr size_t kFlows = 16, kPackets = 32;
  Tracker t(kFlows);
  PacketView p[kPackets];
  Headers h[kPackets];
  Tracked out[kPackets];
  std::vector<Frame> frames;
  for (uint16_t i = 0; i < kPackets; ++i) frames.push_back(syn(static_cast<uint16_t>(1000 + i)));
  for (size_t i = 0; i < kPackets; ++i) {
    p[i] = frames[i].view(kS - static_cast<TimeNs>(i));
    h[i] = frames[i].headers();
  }
  const size_t all = track(p, h, 0, t.table, t.stats, out, t);
  EXPECT_EQ(all, kPackets);
  EXPECT_EQ(t.stats.evicted, 0u);
  EXPECT_EQ(t.stats.refused_full, kPackets - kFlows);
  for (size_t i = 0; i < kFlows; ++i) EXPECT_EQ(out[i].flow->id, i + 1);
}

// Keys that differ in half an address alone, with the other chosen freely, do not meet.
TEST(FlowTable, NoHalfOfAnAddressHidesTheOther) {
  const FlowTable table(settings_for(16), 0, 0x0123456789abcdef);
  for (const uint64_t half : {0xa0761d6478bd642full, 0xe7037ed1a0b428dbull}) {
    FlowKey one;
    std::memcpy(one.lo.bytes.data() + 8, &half, 8);
    std::memcpy(one.hi.bytes.data(), &half, 8);
    FlowKey two = one, three = one;
    two.lo.bytes[3] = 1;
    three.hi.bytes[11] = 1;
    EXPECT_NE(table.hash(one), table.hash(two));
    EXPECT_NE(table.hash(one), table.hash(three));
  }
}

// The table against a map, over random inserts, look-ups, erasures and sweeps.
TEST(FlowTable, AgreesWithAMap) {
  FlowTable table(settings_for(5000), 0, 7);
  std::map<uint32_t, uint32_t> reference;  // key number -> slot
  std::mt19937 random(1);
  const auto key = [](uint32_t n) {
    FlowKey k;
    std::memcpy(k.lo.bytes.data(), &n, 4);
    k.lo_port = static_cast<uint16_t>(n * 7);
    return k;
  };
  for (int step = 0; step < 200'000; ++step) {
    const auto n = static_cast<uint32_t>(random() % 6000);
    const auto known = reference.find(n);
    const uint32_t found = table.find(key(n));
    ASSERT_EQ(found == kNoFlow, known == reference.end());
    if (known != reference.end()) {
      ASSERT_EQ(found, known->second);
      if (random() % 2 == 0) {
        table.erase(found);
        reference.erase(known);
      }
    } else {
      const uint32_t slot = table.insert(key(n), table.hash(key(n)));
      if (slot == kNoFlow) {
        ASSERT_EQ(reference.size(), 5000u) << "refused with room left";
      } else {
        reference[n] = slot;
      }
    }
    ASSERT_EQ(table.size(), reference.size());
  }
}

}  // namespace
}  // namespace weir
