// SPDX-License-Identifier: Apache-2.0
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>

#include "dataplane/io/dpdk.h"
#include "dataplane/io/dpdk_lane.h"
#include "dataplane/io/dpdk_memory.h"
#include "dataplane/io/dpdk_names.h"
#include "dataplane/io/interface.h"

namespace weir {

namespace {

constexpr unsigned kMbufCache = 256;
constexpr uint32_t kFrameBytesBesideMtu = 14 + 8;  // link header and two tags

}  // namespace

Result<std::unique_ptr<DpdkWire>> DpdkWire::open(const Settings& s, uint32_t w,
                                                 OwnerHash owner_hash,
                                                 std::span<WireStats* const> stats,
                                                 Guard::Wire& guard) {
  const WireSettings& wire = s.wire[w];
  const auto frames = frames_of(s, w);
  if (!frames) return tl::make_unexpected(frames.error());
  std::unique_ptr<DpdkWire> self(new DpdkWire(wire, guard));
  const auto workers = static_cast<uint16_t>(stats.size());
  self->home_ = w % workers;
  for (const Side side : {Side::kA, Side::kB}) {
    if (auto found = self->find_port(s, w, side); !found) return tl::make_unexpected(found.error());
  }
  if (auto made = self->make_pool(s, w, *frames); !made) {
    return tl::make_unexpected(made.error());
  }
  if (auto started = self->start_ports(s, w, workers); !started) {
    return tl::make_unexpected(started.error());
  }
  if (auto made = self->make_lanes(s, w, owner_hash, stats); !made) {
    return tl::make_unexpected(made.error());
  }
  self->refresh();
  if (auto begun = self->begin(); !begun) return tl::make_unexpected(begun.error());
  return self;
}

Result<void> DpdkWire::find_port(const Settings& s, uint32_t w, Side side) {
  DpdkPort& port = ports_[index(side)];
  port.name = s.wire[w].side[index(side)].name;
  port.kind = s.wire[w].side[index(side)].kind;
  const std::string device = device_name(s.wire[w].side[index(side)], w, side);
  if (const int code = rte_eth_dev_get_port_by_name(device.c_str(), &port.id); code != 0) {
    return fail("port " + port.name + " of wire " + s.wire[w].name +
                ": DPDK has no such device (driver not bound?): " + rte_strerror(-code));
  }
  port.node = rte_eth_dev_socket_id(port.id);
  return {};
}

Result<void> DpdkWire::make_pool(const Settings& s, uint32_t w, const WireFrames& frames) {
  const unsigned cache = std::min(kMbufCache, frames.count / 4);
  const std::string name = "wire" + std::to_string(w);
  // On the port's node; where that has no memory, anywhere.
  for (const int node : {ports_[0].node, SOCKET_ID_ANY}) {
    pool_ = rte_pktmbuf_pool_create(name.c_str(), frames.count, cache, 0,
                                    static_cast<uint16_t>(frames.room), node);
    if (pool_ != nullptr) return {};
  }
  const int code = rte_errno;
  const auto given = memory_mb_of(s, Pages::kOrdinary);
  return fail("no memory for the frames of wire " + std::string(s.wire[w].name) + " (" +
              rte_strerror(code) + "): raise memory.megabytes above " +
              std::to_string(given ? *given : 0) +
              (s.memory_mb != 0 ? ", or leave it to auto" : ""));
}

Result<void> DpdkWire::start_ports(const Settings& s, uint32_t w, uint16_t workers) {
  // Both or none: a worker polls the same queue of both ports.
  by_port_ = workers > 1;
  for (;;) {
    for (const Side side : {Side::kA, Side::kB}) {
      DpdkPort& port = ports_[index(side)];
      if (port.is_started) rte_eth_dev_stop(port.id);
      if (auto opened = open_port(s, w, side, workers); !opened) {
        return fail("port " + port.name + " of wire " + s.wire[w].name + ": " +
                    opened.error().text());
      }
    }
    if (!by_port_ || (ports_[0].rx_queues == workers && ports_[1].rx_queues == workers)) return {};
    const bool half = ports_[0].rx_queues != ports_[1].rx_queues;
    by_port_ = false;
    if (!half) return {};
  }
}

Result<void> DpdkWire::open_port(const Settings& s, uint32_t w, Side side, uint16_t workers) {
  const PortSettings& settings = s.wire[w].side[index(side)];
  DpdkPort& port = ports_[index(side)];
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(port.id, &info); code != 0) {
    return fail(std::string("does not describe itself: ") + rte_strerror(-code));
  }
  port.driver = info.driver_name;
  if (auto started = start_port(port, by_port_, workers, pool_); !started) return started;
  if (const int code = rte_eth_promiscuous_enable(port.id); code != 0 && code != -ENOTSUP) {
    return fail(std::string("does not become promiscuous: ") + rte_strerror(-code));
  }
  if (is_kernel_port(settings.kind)) {
    const auto mtu = prepare_interface(settings.name);
    port.mtu = static_cast<uint16_t>(mtu ? *mtu : 1500);
    port.number = interface_number(settings.name);
    if (settings.kind == PortKind::kAfXdp) {
      port.interface = settings.name;
      port.lost_there = frames_lost_at(settings.name);
    }
  } else if (rte_eth_dev_get_mtu(port.id, &port.mtu) != 0) {
    port.mtu = 1500;
  }
  port.mtu_told = port.mtu;
  port.frame_bytes_max.store(port.mtu + kFrameBytesBesideMtu, std::memory_order_relaxed);
  return {};
}

Result<void> DpdkWire::make_lanes(const Settings& s, uint32_t w, OwnerHash owner_hash,
                                  std::span<WireStats* const> stats) {
  const auto workers = static_cast<uint32_t>(stats.size());
  lanes_.resize(workers);
  // As many wires as workers: each worker has its own, which costs no hand-over.
  const bool spread = workers > 1 && (by_port_ || s.wires < workers);
  for (uint32_t i = 0; i < workers; ++i) {
    if (!spread && i != home_) continue;
    DpdkLane::Setup setup{.ports = ports_.get(),
                          .pool = pool_,
                          .owner_hash = owner_hash,
                          .stats = stats[i],
                          .worker = i,
                          .home = home_,
                          .workers = workers,
                          .polls = by_port_ || i == home_,
                          .queue = static_cast<uint16_t>(by_port_ ? i : 0)};
    for (unsigned side = 0; side < 2; ++side) {
      const bool own = ports_[side].tx_queues >= workers;
      setup.send_queue[side] = own ? static_cast<int>(i) : i == home_ ? 0 : -1;
    }
    lanes_[i] = std::make_unique<DpdkLane>(setup);
  }
  if (!spread) return {};
  for (auto& lane : lanes_) {
    auto connected = lane->connect("w" + std::to_string(w), lanes_);
    if (!connected) return connected;
  }
  return {};
}

WireIo* DpdkWire::lane(uint32_t worker) noexcept {
  return lanes_[worker].get();
}

void DpdkWire::drain() {
  for (const Side side : {Side::kA, Side::kB}) {
    if (lanes_[home_]->has_outbox()) {
      while (lanes_[home_]->send_for_others(side, kBurstMax) != 0) {
      }
    }
  }
}

DpdkWire::~DpdkWire() {
  close();
}

void DpdkWire::close() {
  if (!ports_[0].is_started && !ports_[1].is_started) return;
  if (const auto held = links_.held(); held) {
    if (set_port(*held, LinkOrder::Act::kRestore)) guard_.held_down[index(*held)].set(0);
  }
  if (bypass_) bypass_->stop();
  bypass_.reset();
  for (DpdkPort* p = ports_.get(); p != ports_.get() + 2; ++p) {
    if (!p->is_started) continue;
    rte_eth_dev_stop(p->id);
    rte_eth_dev_close(p->id);
    p->is_started = false;
  }
}

void DpdkWire::refresh() {
  for (DpdkPort* p = ports_.get(); p != ports_.get() + 2; ++p) {
    rte_eth_stats stats{};
    // Of AF_XDP DPDK does not tell what found a full ring; the kernel does, with all it dropped.
    if (!p->interface.empty()) {
      const uint64_t lost = frames_lost_at(p->interface);
      const uint64_t since = lost >= p->lost_there ? lost - p->lost_there : 0;
      p->missed.store(std::max(since, p->missed.load(std::memory_order_relaxed)),
                      std::memory_order_relaxed);
    } else if (rte_eth_stats_get(p->id, &stats) == 0) {
      p->missed.store(stats.imissed + stats.rx_nombuf, std::memory_order_relaxed);
    }
  }
}

// What is longer than the port sends by now is refused by name; what is longer than the frames that
// it was opened with never comes in.
std::string DpdkWire::follow_mtu() {
  for (DpdkPort* p = ports_.get(); p != ports_.get() + 2; ++p) {
    const uint32_t mtu = p->number == 0 ? 0 : mtu_of(interface_name(p->number));
    if (mtu == 0 || mtu == p->mtu_told) continue;
    p->mtu_told = mtu;
    const uint32_t sends = std::min<uint32_t>(mtu, p->mtu) + kFrameBytesBesideMtu;
    p->frame_bytes_max.store(sends, std::memory_order_relaxed);
    const std::string what = "wire " + std::string(settings_.name) + ": port " + p->name +
                             " has MTU " + std::to_string(mtu) + " by now";
    if (mtu == p->mtu) return what + ", as it was opened";
    return what + ", " + std::to_string(p->mtu) + " when it was opened: " +
           (mtu > p->mtu ? "longer frames are lost until weir restart-dataplane"
                         : "longer frames are not sent there (tx-oversize)");
  }
  return {};
}

std::string DpdkWire::describe(Side side) const {
  const DpdkPort& p = ports_[index(side)];
  return p.name + " (" + p.driver + ", MTU " + std::to_string(p.mtu) + ")";
}

std::string DpdkWire::describe_spread() const {
  const size_t lanes =
      static_cast<size_t>(std::count_if(lanes_.begin(), lanes_.end(), [](auto& l) { return !!l; }));
  if (lanes < 2) return {};
  return "spread over " + std::to_string(lanes) + " workers by " +
         (by_port_ ? "its ports (RSS)" : "worker " + std::to_string(home_));
}

int DpdkWire::node(Side side) const noexcept {
  return ports_[index(side)].node;
}

}  // namespace weir
