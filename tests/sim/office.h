// SPDX-License-Identifier: Apache-2.0
// An office by seed and fake clock, in front of the whole control chain: workstations, printers and
// servers that live their weeks, with the failures that life brings, and whoever attacks them. The
// worker is tests/support/fake_worker.h, so verdicts really stop flows.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "control/publish/publish.h"
#include "tests/support/fake_worker.h"

namespace weir::test {

class Office : public ChainListener {
 public:
  explicit Office(uint64_t seed, ChainSettings settings = {})
      : segment(Segment::in_memory({}, 0)), worker(segment, 0), random_(seed) {
    settings.intake.internal.inside = {net("10.0.0.0/8"), net("fd00::/8")};
    chain = std::make_unique<ControlChain>(segment, settings, *this);
    worker.start(now);
    turn();
  }

  static constexpr uint32_t kWorkstations = 40, kPrinters = 8, kServers = 6;
  static IpAddress workstation(uint32_t i) { return host(1, 10 + i); }
  static IpAddress printer(uint32_t i) { return host(5, 10 + i); }
  static IpAddress server(uint32_t i) { return host(2, 10 + i); }  // 0 DNS, 1 files, 2 web, 3 mail
  static IpAddress monitor() { return host(2, 200); }
  static IpAddress site(uint32_t i) {  // somewhere in the world
    const uint8_t b[4] = {static_cast<uint8_t>(20 + i % 180), static_cast<uint8_t>(i / 180), 3, 4};
    return IpAddress::from_v4(b);
  }

  // One flow, and what the control plane makes of it. false: a verdict stopped it.
  bool flow(const IpAddress& src, const IpAddress& dst, uint8_t proto, uint16_t port,
            Outcome outcome) {
    const bool up = !uplink_down_ || chain->intake().inventory().is_internal(dst);
    const bool passed = worker.flow(ends(src, dst, proto, port, next_port()),
                                    up ? outcome : Outcome::kSilent, now);
    ++flows;
    if (!passed) ++stopped;
    pass(250 * kNsPerUs);  // the answer takes 200
    return passed;
  }
  void turn() {
    worker.step(now);
    chain->do_work(now);
    worker.step(now);
    chain->do_work(now);
  }
  void pass(TimeNs t) {
    now += t;
    turn();
  }

  void live(TimeNs for_ns) {
    for (const TimeNs end = now + for_ns; now < end; pass(5 * kMinute)) live_five_minutes();
  }
  bool at_work() const { return now / kHour % 24 >= 8 && now / kHour % 24 < 18; }
  void uplink(bool up) { uplink_down_ = !up; }

  uint32_t below(uint32_t n) {
    return std::uniform_int_distribution<uint32_t>(0, n - 1)(random_);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }

  void on_alert(const Alert& a, bool fresh) override {
    if (fresh) ++alerts_of[a.kind];
    last_alert = a;
  }
  void on_action(const ActionRecord& a) override { actions[a.id] = a; }
  int scans() const {
    const auto it = alerts_of.find(AlertKind::kScan);
    return it == alerts_of.end() ? 0 : it->second;
  }
  int rarities() const {
    int n = 0;
    for (const auto& [kind, count] : alerts_of) {
      n += kind != AlertKind::kScan && kind != AlertKind::kRule ? count : 0;
    }
    return n;
  }

  Segment segment;
  FakeWorker worker;
  std::unique_ptr<ControlChain> chain;
  TimeNs now = kBegin - kBegin % kDay;
  uint64_t flows = 0, stopped = 0;
  std::map<AlertKind, int> alerts_of;
  std::map<ActionId, ActionRecord> actions;
  Alert last_alert;

 private:
  uint16_t next_port() { return static_cast<uint16_t>(32'768 + flows % 28'000); }

  void live_five_minutes() {
    for (uint32_t i = 0; i < kWorkstations; ++i) {
      if (at_work() ? chance(0.8) : chance(0.05)) work(i);
    }
    for (uint32_t i = 0; i < kPrinters; ++i) {
      if (chance(0.3)) flow(printer(i), server(0), kUdp, 53, Outcome::kAnswered);
      if (chance(0.1)) flow(printer(i), server(0), kUdp, 123, Outcome::kAnswered);
      if (chance(0.2)) flow(printer(i), ip("224.0.0.251"), kUdp, 5353, Outcome::kSilent);
    }
    for (uint32_t i = 0; i < kServers; ++i) {
      if (chance(0.5)) flow(server(i), server(0), kUdp, 53, Outcome::kAnswered);
      if (chance(0.02)) flow(server(i), site(i), kTcp, 443, Outcome::kAnswered);
    }
    watch();
    share();
  }

  void work(uint32_t i) {
    const IpAddress me = workstation(i);
    flow(me, server(0), kUdp, 53, Outcome::kAnswered);
    if (i % 10 == 0) flow(me, host(2, 99), kUdp, 53, Outcome::kRefused);  // an old resolver
    if (chance(0.4)) flow(me, server(1), kTcp, 445, Outcome::kAnswered);
    if (chance(0.4)) flow(me, server(3), kTcp, 993, chance(0.02) ? Outcome::kSilent
                                                                 : Outcome::kAnswered);
    if (chance(0.1)) flow(me, printer(i % kPrinters), kTcp, 9100,
                          chance(0.05) ? Outcome::kSilent : Outcome::kAnswered);
    if (chance(0.2)) flow(me, ip("255.255.255.255"), kUdp, 1947, Outcome::kSilent);
    // The web: mostly the same sites, some never seen; one in twenty does not answer.
    for (uint32_t n = below(6); n > 0; --n) {
      const uint32_t which = chance(0.9) ? i * 40 + below(40) : 2000 + below(20'000);
      const uint16_t port = chance(0.97) ? 443 : 80;
      flow(me, site(which), kTcp, port, chance(0.05) ? Outcome::kSilent : Outcome::kAnswered);
    }
    if (chance(0.01)) flow(me, workstation(below(kWorkstations)), kTcp, 7680, Outcome::kAnswered);
  }
  // Polls thirty services; three of them have been dead for years.
  void watch() {
    for (uint32_t i = 0; i < 30; ++i) {
      const bool dead = i % 10 == 7;
      flow(monitor(), host(6, i), kTcp, i % 2 == 0 ? 22 : 443,
           dead ? Outcome::kSilent : Outcome::kAnswered);
      flow(monitor(), host(6, i), kIcmp, 0, dead ? Outcome::kSilent : Outcome::kAnswered);
    }
  }
  // One machine shares files with the world: three of five peers are gone.
  void share() {
    for (uint32_t n = 0; n < 6; ++n) {
      const auto port = static_cast<uint16_t>(chance(0.3) ? 6881 : 10'000 + below(50'000));
      flow(workstation(7), site(below(30'000)), chance(0.5) ? kTcp : kUdp, port,
           chance(0.4) ? Outcome::kAnswered : Outcome::kSilent);
    }
  }

  std::mt19937_64 random_;
  bool uplink_down_ = false;
};

}  // namespace weir::test
