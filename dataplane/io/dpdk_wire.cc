// SPDX-License-Identifier: Apache-2.0
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include <algorithm>
#include <cstring>

#include "dataplane/io/dpdk.h"
#include "dataplane/io/dpdk_names.h"
#include "dataplane/io/interface.h"

namespace weir {

namespace {

constexpr unsigned kMbufsPerWire = 16'384;  // two receive rings, two send rings and what is between
constexpr unsigned kJumboMbufsPerWire = 8'192;  // of more than a page each
constexpr unsigned kMbufCache = 256;
constexpr uint16_t kDescriptors = 1024;
constexpr unsigned kSendTries = 64;  // a port that is busy for longer than this loses frames
constexpr uint32_t kLinkHeaderBytes = 14, kTagBytes = 8;  // two tags
// AF_XDP keeps a frame with DPDK's headers within one 4 KiB page.
constexpr uint32_t kAfXdpMtuMax = 3'400;
constexpr uint32_t kAfXdpRoomMax = 3'800;

uint32_t data_room_for(uint32_t mtu, PortKind kind) {
  const uint32_t need = RTE_PKTMBUF_HEADROOM + mtu + kLinkHeaderBytes + kTagBytes + 64;
  const uint32_t room = std::max<uint32_t>(need, RTE_MBUF_DEFAULT_BUF_SIZE);
  if (mtu <= 1500) return room;
  if (kind == PortKind::kAfXdp) return kAfXdpRoomMax;
  if (kind != PortKind::kAfPacket) return room;
  return std::max(room, RTE_PKTMBUF_HEADROOM + af_packet_slot_bytes(mtu));
}

rte_mbuf* mbuf_of(const PacketView& p) {
  return static_cast<rte_mbuf*>(p.handle);
}

}  // namespace

Result<std::unique_ptr<DpdkWire>> DpdkWire::open(const Settings& s, uint32_t w,
                                                 Guard::Wire& guard) {
  const WireSettings& wire = s.wire[w];
  uint32_t room = RTE_MBUF_DEFAULT_BUF_SIZE;
  for (const PortSettings& p : wire.side) {
    if (!is_kernel_port(p.kind)) continue;
    auto found = prepare_interface(p.name);
    if (!found) return tl::make_unexpected(found.error());
    room = std::max(room, data_room_for(*found, p.kind));
    if (p.kind == PortKind::kAfXdp && *found > kAfXdpMtuMax) {
      return fail("interface " + std::string(p.name) + " has MTU " + std::to_string(*found) +
                  ", AF_XDP carries at most " + std::to_string(kAfXdpMtuMax) +
                  ": lower it, or name the port af_packet:" + p.name);
    }
  }
  std::unique_ptr<DpdkWire> self(new DpdkWire(wire, guard));
  const unsigned mbufs = room > 4096 ? kJumboMbufsPerWire : kMbufsPerWire;
  const std::string pool_name = "wire" + std::to_string(w);
  self->pool_ = rte_pktmbuf_pool_create(pool_name.c_str(), mbufs, kMbufCache, 0,
                                        static_cast<uint16_t>(room), SOCKET_ID_ANY);
  if (self->pool_ == nullptr) {
    return fail("no memory for the frames of wire " + std::string(wire.name) + " (" +
                rte_strerror(rte_errno) + "): raise memory.megabytes above " +
                std::to_string(s.memory_mb));
  }
  for (const Side side : {Side::kA, Side::kB}) {
    if (auto opened = self->open_port(s, w, side); !opened) {
      return tl::make_unexpected(opened.error());
    }
  }
  self->refresh();
  if (auto begun = self->begin(); !begun) return tl::make_unexpected(begun.error());
  return self;
}

Result<void> DpdkWire::open_port(const Settings& s, uint32_t w, Side side) {
  const PortSettings& settings = s.wire[w].side[index(side)];
  Port& port = ports_[index(side)];
  port.name = settings.name;
  port.kind = settings.kind;
  const auto wrong = [&](const std::string& what, int code) {
    return fail("port " + port.name + " of wire " + s.wire[w].name + ": " + what + ": " +
                rte_strerror(-code));
  };
  const std::string device = device_name(settings, w, side);
  if (const int code = rte_eth_dev_get_port_by_name(device.c_str(), &port.id); code != 0) {
    return wrong("DPDK has no such device (driver not bound?)", code);
  }
  rte_eth_dev_info info{};
  if (const int code = rte_eth_dev_info_get(port.id, &info); code != 0) {
    return wrong("does not describe itself", code);
  }
  port.driver = info.driver_name;
  rte_eth_conf conf{};
  if (const int code = rte_eth_dev_configure(port.id, 1, 1, &conf); code != 0) {
    return wrong("cannot be configured", code);
  }
  uint16_t rx = kDescriptors, tx = kDescriptors;  // the driver's limits rule
  rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &rx, &tx);
  const auto socket = static_cast<unsigned>(SOCKET_ID_ANY);
  if (const int code = rte_eth_rx_queue_setup(port.id, 0, rx, socket, nullptr, pool_); code != 0) {
    return wrong("has no receive queue for us (in use by another program?)", code);
  }
  if (const int code = rte_eth_tx_queue_setup(port.id, 0, tx, socket, nullptr); code != 0) {
    return wrong("has no send queue for us", code);
  }
  if (const int code = rte_eth_dev_start(port.id); code != 0) return wrong("does not start", code);
  port.is_started = true;
  if (const int code = rte_eth_promiscuous_enable(port.id); code != 0 && code != -ENOTSUP) {
    return wrong("does not become promiscuous", code);
  }
  if (is_kernel_port(settings.kind)) {
    const auto mtu = prepare_interface(settings.name);
    port.mtu = static_cast<uint16_t>(mtu ? *mtu : 1500);
  } else if (rte_eth_dev_get_mtu(port.id, &port.mtu) != 0) {
    port.mtu = 1500;
  }
  port.frame_bytes_max = port.mtu + kLinkHeaderBytes + kTagBytes;
  return {};
}

DpdkWire::~DpdkWire() {
  if (const auto held = links_.held(); held) {
    if (set_port(*held, LinkOrder::Act::kRestore)) guard_.held_down[index(*held)].set(0);
  }
  if (bypass_) bypass_->stop();
  for (Port& p : ports_) {
    if (!p.is_started) continue;
    rte_eth_dev_stop(p.id);
    rte_eth_dev_close(p.id);
  }
}

uint16_t DpdkWire::receive(Side side, TimeNs now, std::span<PacketView> packets) {
  rte_mbuf* mbufs[kBurstMax];
  const auto want = static_cast<uint16_t>(std::min<size_t>(packets.size(), kBurstMax));
  const uint16_t n = rte_eth_rx_burst(ports_[index(side)].id, 0, mbufs, want);
  for (uint16_t i = 0; i < n; ++i) {
    rte_mbuf* m = mbufs[i];
    packets[i] = {.data = rte_pktmbuf_mtod(m, const uint8_t*),
                  .bytes = rte_pktmbuf_data_len(m),
                  .wire_bytes = rte_pktmbuf_pkt_len(m),
                  .time_ns = now,
                  .handle = m,
                  .side = side};
    __builtin_prefetch(packets[i].data);
  }
  return n;
}

void DpdkWire::transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) {
  const Port& out = ports_[index(other(from))];
  rte_mbuf* send[kBurstMax];
  size_t row[kBurstMax];
  uint16_t n = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    rte_mbuf* m = mbuf_of(packets[i]);
    if (reasons[i] == Reason::kNone && packets[i].wire_bytes > out.frame_bytes_max) {
      reasons[i] = Reason::kTxOversize;
    }
    if (reasons[i] != Reason::kNone) {
      rte_pktmbuf_free(m);
      continue;
    }
    row[n] = i;
    send[n++] = m;
  }
  uint16_t sent = 0;
  for (unsigned tries = 0; sent < n && tries < kSendTries; ++tries) {
    if (tries != 0) rte_pause();
    sent = static_cast<uint16_t>(
        sent + rte_eth_tx_burst(out.id, 0, send + sent, static_cast<uint16_t>(n - sent)));
  }
  const bool down = sent < n && !out.link_up.load(std::memory_order_relaxed);
  for (uint16_t i = sent; i < n; ++i) {
    reasons[row[i]] = down ? Reason::kPortDown : Reason::kTxFull;
    rte_pktmbuf_free(send[i]);
  }
}

bool DpdkWire::inject(Side side, std::span<const uint8_t> frame, TimeNs) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool_);
  if (m == nullptr) return false;
  char* room = rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()));
  if (room == nullptr) {
    rte_pktmbuf_free(m);
    return false;
  }
  std::memcpy(room, frame.data(), frame.size());
  if (rte_eth_tx_burst(ports_[index(side)].id, 0, &m, 1) == 1) return true;
  rte_pktmbuf_free(m);
  return false;
}

void DpdkWire::refresh() {
  for (Port& p : ports_) {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(p.id, &stats) == 0) {
      p.missed.store(stats.imissed + stats.rx_nombuf, std::memory_order_relaxed);
    }
  }
}

uint64_t DpdkWire::missed(Side side) const {
  return ports_[index(side)].missed.load(std::memory_order_relaxed);
}

bool DpdkWire::is_link_up(Side side) const {
  return ports_[index(side)].link_up.load(std::memory_order_relaxed);
}

std::string DpdkWire::describe(Side side) const {
  const Port& p = ports_[index(side)];
  return p.name + " (" + p.driver + ", MTU " + std::to_string(p.mtu) + ")";
}

}  // namespace weir
