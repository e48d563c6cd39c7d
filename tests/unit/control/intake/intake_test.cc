// SPDX-License-Identifier: Apache-2.0
#include "control/intake/intake.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "tests/support/records.h"

namespace weir {
namespace {

using namespace test;

struct Seen {
  int starts = 0, updates = 0, ends = 0, claims = 0, others = 0;
  void on(const FlowStart&) { ++starts; }
  void on(const FlowUpdate&) { ++updates; }
  void on(const FlowEnd&) { ++ends; }
  void on(const AddressClaim&) { ++claims; }
  template <class T>
  void on(const T&) { ++others; }
};

struct IntakeTest : testing::Test {
  static Settings two_workers() {
    Settings s;
    s.workers = 2;
    return s;
  }
  static IntakeSettings inside(std::string_view prefix) {
    IntakeSettings s;
    s.internal.inside = {net(prefix)};
    return s;
  }
  template <class T>
  void push(uint32_t worker, const T& r) {
    ASSERT_TRUE(segment.event_ring(worker).push(&r, sizeof r));
  }
  void claim(std::string_view address, const MacAddress& mac) {
    auto r = record<AddressClaim>(RecordType::kAddressClaim, kBegin);
    r.address = ip(address);
    r.mac = mac;
    push(0, r);
  }
  Segment segment = Segment::in_memory(two_workers(), 0);
  Seen seen;
};

TEST_F(IntakeTest, DrainsEveryWorkerInBoundedSteps) {
  IntakeSettings settings;
  settings.records_per_step = 10;
  Intake intake(segment, settings);
  for (uint32_t i = 0; i < 25; ++i) {
    push(i % 2, flow_start(i + 1, ends(host(1, i + 1), host(2, 1), kTcp, 80), kBegin));
  }
  EXPECT_EQ(intake.do_work(seen), 20);
  EXPECT_EQ(intake.do_work(seen), 5);
  EXPECT_EQ(intake.do_work(seen), 0);
  EXPECT_EQ(seen.starts, 25);
  EXPECT_EQ(intake.inventory().size(), 25u);
  EXPECT_EQ(intake.flows().live(), 25u);
}

TEST_F(IntakeTest, RecordsThatAreNotOursAreCountedAndSkipped) {
  Intake intake(segment, {});
  auto r = flow_start(1, ends(host(1, 1), host(2, 1), kTcp, 80), kBegin);
  r.header.type = static_cast<RecordType>(99);
  push(0, r);
  r.header.type = RecordType::kFlowEnd;  // a start's length under an end's name
  push(0, r);
  push(0, flow_start(2, r.ends, kBegin));
  EXPECT_EQ(intake.do_work(seen), 3);
  EXPECT_EQ(intake.malformed(), 2u);
  EXPECT_EQ(seen.starts, 1);
}

TEST_F(IntakeTest, CountsOnceWhatIsReportedCumulatively) {
  Intake intake(segment, {});
  const Endpoints e = ends(host(1, 1), host(2, 1), kTcp, 443);
  push(0, flow_start(7, e, kBegin));
  auto u = flow_update(7, e, UpdateCause::kEstablished, kBegin, kBegin + 1);
  u.counters.packets[0] = 10, u.counters.bytes[0] = 1000;
  u.counters.packets[1] = 20, u.counters.bytes[1] = 9000;
  push(0, u);
  auto end = flow_end(7, e, FlowState::kClosed, kBegin, kBegin + 2);
  end.counters.packets[0] = 12, end.counters.bytes[0] = 1200;
  end.counters.packets[1] = 21, end.counters.bytes[1] = 9100;
  push(0, end);
  intake.do_work(seen);
  const Device* client = intake.inventory().find(e.src);
  const Device* server = intake.inventory().find(e.dst);
  ASSERT_TRUE(client && server);
  EXPECT_EQ(client->packets_out, 12u);
  EXPECT_EQ(client->bytes_in, 9100u);
  EXPECT_EQ(server->packets_out, 21u);
  EXPECT_EQ(server->bytes_in, 1200u);
  EXPECT_EQ(client->flows_out, 1u);
  EXPECT_EQ(client->ports_used, (std::vector<ServicePort>{{kTcp, 443}}));
  EXPECT_EQ(server->ports_served, (std::vector<ServicePort>{{kTcp, 443}}));
  EXPECT_EQ(client->peers(), 1u);
  const BookedFlow* flow = intake.flows().find(FlowId{7});
  ASSERT_NE(flow, nullptr);
  EXPECT_TRUE(flow->ended);
  EXPECT_EQ(intake.flows().find(e), flow);
  std::swap(u.ends.src, u.ends.dst);
  std::swap(u.ends.src_port, u.ends.dst_port);
  EXPECT_EQ(intake.flows().find(u.ends), flow) << "either direction names the flow";
}

TEST_F(IntakeTest, OnlyInsideAddressesAreDevicesAndScannedOnesAreNot) {
  Intake intake(segment, inside("10.1.0.0/16"));
  push(0, flow_start(1, ends(host(1, 1), ip("192.0.2.1"), kTcp, 80), kBegin));
  push(0, flow_start(2, ends(ip("192.0.2.9"), host(1, 77), kTcp, 80), kBegin));
  intake.do_work(seen);
  EXPECT_NE(intake.inventory().find(host(1, 1)), nullptr);
  EXPECT_EQ(intake.inventory().find(ip("192.0.2.1")), nullptr);
  EXPECT_EQ(intake.inventory().find(host(1, 77)), nullptr) << "tried, and never heard of";
}

TEST_F(IntakeTest, AGatewaysMacDoesNotMergeWhatIsBehindIt) {
  Intake intake(segment, {});
  const MacAddress router{2, 0, 0, 0, 0, 1};
  claim("10.1.0.1", router);
  for (uint32_t i = 10; i < 20; ++i) {
    auto r = flow_start(i, ends(host(3, i), host(1, 5), kTcp, 80), kBegin);
    r.src_mac = router;
    push(0, r);
  }
  push(0, flow_start(99, ends(host(1, 7), host(1, 5), kTcp, 80), kBegin));
  intake.do_work(seen);
  EXPECT_EQ(intake.inventory().find(host(3, 10))->mac, MacAddress{});
  EXPECT_EQ(intake.inventory().find(host(3, 19))->mac, MacAddress{});
  EXPECT_EQ(intake.inventory().find(host(1, 7))->mac, mac_of(host(1, 7)));
  const Device* gateway = intake.inventory().find(ip("10.1.0.1"));
  ASSERT_NE(gateway, nullptr);
  EXPECT_TRUE(gateway->roles & kRoleGateway);
  EXPECT_EQ(intake.inventory().addresses_of(*gateway).size(), 1u);
}

TEST_F(IntakeTest, AddressesThatOneMachineClaimsBelongTogetherUntilOneMoves) {
  Intake intake(segment, {});
  const MacAddress first{2, 0, 0, 0, 0, 1}, second{2, 0, 0, 0, 0, 2};
  claim("10.1.0.9", first);
  claim("fe80::9", first);
  intake.do_work(seen);
  const Device* d = intake.inventory().find(ip("10.1.0.9"));
  EXPECT_EQ(intake.inventory().addresses_of(*d),
            (std::vector<IpAddress>{ip("10.1.0.9"), ip("fe80::9")}));
  claim("fe80::9", second);
  claim("0.0.0.0", second);  // an ARP probe names no address
  intake.do_work(seen);
  EXPECT_EQ(intake.inventory().addresses_of(*d).size(), 1u);
  EXPECT_EQ(intake.inventory().find(ip("fe80::9"))->mac, second);
  EXPECT_EQ(intake.inventory().size(), 2u);
}

TEST_F(IntakeTest, TheOneLastSeenLongestAgoMakesRoom) {
  IntakeSettings settings;
  settings.devices_max = 16;
  Intake intake(segment, settings);
  TimeNs now = kBegin;
  for (uint32_t i = 0; i < 100; ++i) {
    const Endpoints e = ends(host(1, i), host(2, 0), kTcp, 80);
    push(0, flow_update(i + 1, e, UpdateCause::kEstablished, now, now));
    now += kNsPerSecond;
  }
  intake.do_work(seen);
  EXPECT_EQ(intake.inventory().size(), 16u);
  EXPECT_NE(intake.inventory().find(host(1, 99)), nullptr);
  EXPECT_EQ(intake.inventory().find(host(1, 0)), nullptr);
  EXPECT_NE(intake.inventory().find(host(2, 0)), nullptr) << "the server is seen all the time";
}

TEST_F(IntakeTest, InventedSourcesDoNotPushOutDevicesThatAnswer) {
  IntakeSettings settings;
  settings.devices_max = 64;
  Intake intake(segment, settings);
  const Endpoints real = ends(host(1, 1), host(1, 2), kTcp, 80);
  push(0, flow_update(1, real, UpdateCause::kEstablished, kBegin, kBegin));
  for (uint32_t i = 0; i < 5000; ++i) {
    push(0, flow_start(i + 2, ends(host(9, i), host(1, 2), kTcp, 80), kBegin + i));
    intake.do_work(seen);
  }
  EXPECT_NE(intake.inventory().find(host(1, 1)), nullptr);
  EXPECT_NE(intake.inventory().find(host(1, 2)), nullptr);
}

TEST_F(IntakeTest, PeersAreExactWhenFewAndCloseWhenMany) {
  Device d;
  for (uint32_t i = 0; i < 32; ++i) {
    for (int again = 0; again < 3; ++again) d.add_peer(host(4, i));
    EXPECT_EQ(d.peers(), i + 1);
  }
  for (uint32_t i = 32; i < 10'000; ++i) d.add_peer(host(4, i));
  EXPECT_NEAR(d.peers(), 10'000, 2'500);  // four standard errors
}

TEST_F(IntakeTest, ANewDataPlaneBeginsAnEmptyBook) {
  Intake intake(segment, {});
  push(0, flow_start(1, ends(host(1, 1), host(2, 1), kTcp, 80), kBegin));
  intake.do_work(seen);
  EXPECT_EQ(intake.flows().live(), 1u);
  segment.header().dataplane.epoch.fetch_add(1);
  intake.do_work(seen);
  EXPECT_EQ(intake.flows().live(), 0u);
}

TEST_F(IntakeTest, FlowsWhoseEndWasLostAreForgotten) {
  Intake intake(segment, {});
  push(0, flow_start(1, ends(host(1, 1), host(2, 1), kTcp, 80), kBegin));
  push(0, flow_start(2, ends(host(1, 1), host(2, 1), kTcp, 81), kBegin + 2 * kHour));
  intake.do_work(seen);
  EXPECT_EQ(intake.flows().live(), 1u);
}

// The table under the inventory against the obvious: a map and a list.
TEST(BoundedTable, BehavesAsAMapWithAListOfUse) {
  struct Hash {
    uint64_t operator()(uint32_t k) const noexcept { return mix64(k); }
  };
  BoundedTable<uint32_t, uint32_t, Hash> table(50);
  std::map<uint32_t, uint32_t> map;
  std::vector<uint32_t> order;  // oldest first
  std::mt19937 random(7);
  for (uint32_t n = 0; n < 200'000; ++n) {
    const auto key = static_cast<uint32_t>(random() % 120);
    auto* e = table.find(key);
    ASSERT_EQ(e != nullptr, map.contains(key));
    if (e == nullptr) {
      if (map.size() == 50) {
        map.erase(order.front());
        order.erase(order.begin());
      }
      table.add(key).value = n;
      map[key] = n;
      order.push_back(key);
    } else if (random() % 4 == 0) {
      ASSERT_EQ(e->value, map[key]);
      table.erase(*e);
      map.erase(key);
      std::erase(order, key);
    } else {
      table.touch(*e);
      std::erase(order, key);
      order.push_back(key);
    }
  }
  std::vector<uint32_t> walked;
  for (auto* e = table.oldest(); e != nullptr; e = table.newer(*e)) walked.push_back(e->key);
  EXPECT_EQ(walked, order);
}

}  // namespace
}  // namespace weir
