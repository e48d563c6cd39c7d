// SPDX-License-Identifier: Apache-2.0
// Wires over DPDK ports. Everything here happens on the main thread at start, except DpdkWire's
// receive, transmit and inject, which belong to the one worker that polls the wire.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/contract/segment.h"
#include "dataplane/io/bypass.h"
#include "dataplane/io/io.h"
#include "dataplane/io/link_pair.h"

struct rte_mempool;

namespace weir {

// DPDK's environment: memory, lcores, devices. One per process, once.
class DpdkEnvironment {
 public:
  // One lcore per worker (1..workers), the main thread on lcore 0. note: one line about memory, for
  // people.
  static Result<std::unique_ptr<DpdkEnvironment>> start(const Settings& settings,
                                                        std::string& note);
  ~DpdkEnvironment();
  // Calls work(context, i) on the core of each worker i; wait() returns when all have returned.
  void launch(void (*work)(void* context, uint32_t worker), void* context);
  void wait();
  // Whether worker i has its core to itself (kernel command line isolcpus), so may spin.
  bool is_isolated(uint32_t worker) const noexcept { return isolated_[worker]; }

 private:
  DpdkEnvironment() noexcept = default;
  std::vector<bool> isolated_;
  void (*work_)(void*, uint32_t) = nullptr;
  void* context_ = nullptr;
};

class DpdkWire final : public WireIo {
 public:
  // guard: what is told of the wire's links; in the segment.
  static Result<std::unique_ptr<DpdkWire>> open(const Settings& settings, uint32_t wire,
                                                Guard::Wire& guard);
  ~DpdkWire() override;  // brings back up what follow_links took down

  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override;
  void transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) override;
  bool inject(Side side, std::span<const uint8_t> frame, TimeNs now) override;
  LinkType link() const override { return LinkType::kEthernet; }
  uint64_t missed(Side side) const override;
  bool is_link_up(Side side) const override;

  // Main thread: asks the ports for missed frames.
  void refresh();
  // Main thread: asks both ports for their link, counts losses, and with link_propagation takes the
  // partner of a port without link down, or brings it back. Empty: nothing to tell; else one line.
  std::string follow_links(TimeNs now);
  // Main thread, while the worker of this wire moves: keeps a card's bypass relay open.
  void beat_bypass(TimeNs now);
  // "eth1 (net_af_xdp, MTU 1500)"
  std::string describe(Side side) const;

 private:
  struct Port {
    uint16_t id = 0;
    uint32_t frame_bytes_max = 0;  // longest frame it sends
    uint16_t mtu = 0;
    std::string name, driver;
    PortKind kind = PortKind::kVdev;
    bool is_started = false;
    std::atomic<uint64_t> missed{0};  // main: rw, worker: ro
    std::atomic<bool> link_up{true};  // main: rw, worker: ro
  };
  DpdkWire(const WireSettings& settings, Guard::Wire& guard);
  Result<void> open_port(const Settings& settings, uint32_t wire, Side side);
  Result<void> begin();
  Result<void> set_port(Side side, LinkOrder::Act act);
  bool read_link(const Port& port) const;

  const WireSettings& settings_;
  Guard::Wire& guard_;
  Port ports_[2];
  LinkPair links_;
  uint64_t losses_told_[2] = {};
  std::optional<BypassNic> bypass_;
  rte_mempool* pool_ = nullptr;
};

}  // namespace weir
