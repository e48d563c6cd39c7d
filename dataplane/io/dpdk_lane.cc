// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk_lane.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/io/tx_kick.h"

namespace weir {

namespace {

constexpr unsigned kSendTries = 64;  // a port that is busy for longer than this loses frames
constexpr unsigned kRefusedTries = 8;  // so many of them is one that the kernel had no answer to
// Marks in mbuf::hash.usr, which nobody else uses once a packet is received.
constexpr uint32_t kForwarded = 0, kOwnFrame = 1;

rte_mbuf* mbuf_of(const PacketView& p) {
  return static_cast<rte_mbuf*>(p.handle);
}

PacketView view_of(rte_mbuf* m, Side side, TimeNs now) {
  return {.data = rte_pktmbuf_mtod(m, const uint8_t*),
          .bytes = rte_pktmbuf_data_len(m),
          .wire_bytes = rte_pktmbuf_pkt_len(m),
          .time_ns = now,
          .handle = m,
          .side = side};
}

void free_ring(rte_ring* ring) {
  if (ring == nullptr) return;
  void* m = nullptr;
  while (rte_ring_sc_dequeue(ring, &m) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(m));
  rte_ring_free(ring);
}

}  // namespace

DpdkLane::DpdkLane(const Setup& setup) noexcept : setup_(setup) {}

DpdkLane::~DpdkLane() {
  for (unsigned s = 0; s < 2; ++s) {
    free_ring(inbox_[s]);
    free_ring(outbox_[s]);
  }
}

Result<void> DpdkLane::connect(const std::string& name,
                               const std::vector<std::unique_ptr<DpdkLane>>& lanes) {
  lanes_ = &lanes;
  const int node = setup_.ports[0].node;
  for (unsigned s = 0; s < 2; ++s) {
    const std::string ring = name + "-" + std::to_string(setup_.worker) + (s == 0 ? "a" : "b");
    inbox_[s] = rte_ring_create((ring + "in").c_str(), kHandoverSlots, node, RING_F_SC_DEQ);
    if (setup_.worker == setup_.home) {
      outbox_[s] = rte_ring_create((ring + "out").c_str(), kHandoverSlots, node, RING_F_SC_DEQ);
    }
    if (inbox_[s] == nullptr || (setup_.worker == setup_.home && outbox_[s] == nullptr)) {
      return fail(std::string("no memory for the rings between workers: ") +
                  rte_strerror(rte_errno));
    }
  }
  return {};
}

uint16_t DpdkLane::receive(Side side, TimeNs now, std::span<PacketView> packets) {
  rte_mbuf* mbufs[kBurstMax];
  const auto want = static_cast<uint16_t>(std::min<size_t>(packets.size(), kBurstMax));
  const unsigned s = index(side);
  uint16_t n = 0;
  if (outbox_[s] != nullptr) moved_ += send_for_others(side, kBurstMax);
  if (has_backlog_[s] && !setup_.ports[s].is_dead()) send(side, nullptr, 0);
  if (inbox_[s] != nullptr) {
    // Half a burst at most, where there is a queue of its own that must not starve.
    const unsigned most = setup_.polls ? want / 2u : want;
    n = static_cast<uint16_t>(
        rte_ring_sc_dequeue_burst(inbox_[s], reinterpret_cast<void**>(mbufs), most, nullptr));
  }
  if (setup_.polls) {
    const uint16_t got = rte_eth_rx_burst(setup_.ports[s].id, setup_.queue, mbufs + n,
                                          static_cast<uint16_t>(want - n));
    n = static_cast<uint16_t>(n + keep_own(side, mbufs + n, got));
  }
  // The time is that of the worker's round, also for what waited in a ring: a worker's clock must
  // not run backwards.
  for (uint16_t i = 0; i < n; ++i) {
    packets[i] = view_of(mbufs[i], side, now);
    __builtin_prefetch(packets[i].data);
  }
  return n;
}

// Leaves the packets that are this worker's in mbufs, and returns how many; the rest is handed
// over.
uint16_t DpdkLane::keep_own(Side side, rte_mbuf** mbufs, uint16_t n) {
  if (lanes_ == nullptr || n == 0) return n;
  rte_mbuf* other_mbufs[kBurstMax];
  uint8_t other_owner[kBurstMax];
  uint16_t own = 0, others = 0;
  for (uint16_t i = 0; i < n; ++i) {
    uint32_t hash = 0;
    uint32_t owner = setup_.worker;
    if (setup_.owner_hash(view_of(mbufs[i], side, 0), hash)) {
      owner = owner_of(hash, setup_.workers);
    }
    if (owner == setup_.worker) {
      mbufs[own++] = mbufs[i];
    } else {
      other_owner[others] = static_cast<uint8_t>(owner);
      other_mbufs[others++] = mbufs[i];
    }
  }
  // One enqueue per worker: at most as many rounds over the burst as there are packets.
  for (uint16_t left = others; left != 0;) {
    rte_mbuf* same[kBurstMax];
    const uint8_t owner = other_owner[0];
    uint16_t m = 0, rest = 0;
    for (uint16_t i = 0; i < left; ++i) {
      if (other_owner[i] == owner) {
        same[m++] = other_mbufs[i];
      } else {
        other_owner[rest] = other_owner[i];
        other_mbufs[rest++] = other_mbufs[i];
      }
    }
    hand_over(owner, side, same, m);
    left = rest;
  }
  moved_ += others;
  return own;
}

void DpdkLane::hand_over(uint32_t worker, Side side, rte_mbuf** mbufs, uint16_t n) {
  rte_ring* ring = (*lanes_)[worker]->inbox_[index(side)];
  const unsigned put = rte_ring_mp_enqueue_burst(ring, reinterpret_cast<void**>(mbufs), n, nullptr);
  // What is handed over is counted as received by the worker that takes it; what is not, here.
  for (unsigned i = put; i < n; ++i) {
    const uint32_t bytes = rte_pktmbuf_pkt_len(mbufs[i]);
    PortStats& in = setup_.stats->side[index(side)];
    in.received_packets.add();
    in.received_bytes.add(bytes);
    setup_.stats->dropped_packets[static_cast<unsigned>(Reason::kHandoverFull)].add();
    setup_.stats->dropped_bytes[static_cast<unsigned>(Reason::kHandoverFull)].add(bytes);
    rte_pktmbuf_free(mbufs[i]);
  }
}

// With n = 0: what the port's ring still holds.
uint16_t DpdkLane::send(Side out, rte_mbuf** mbufs, uint16_t n) {
  const unsigned s = index(out);
  const uint16_t port = setup_.ports[s].id;
  const auto queue = static_cast<uint16_t>(setup_.send_queue[s]);
  uint16_t sent = 0;
  tx_kick_refused = false;
  for (unsigned tries = 0; tries < kSendTries; tries += tx_kick_refused ? kRefusedTries : 1) {
    if (tries != 0) rte_pause();
    sent = static_cast<uint16_t>(
        sent + rte_eth_tx_burst(port, queue, mbufs + sent, static_cast<uint16_t>(n - sent)));
    if (sent == n) break;
  }
  has_backlog_[s] = tx_kick_refused;
  return sent;
}

void DpdkLane::transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) {
  const Side leaves = other(from);
  const DpdkPort& out = setup_.ports[index(leaves)];
  const int queue = setup_.send_queue[index(leaves)];
  rte_mbuf* mbufs[kBurstMax];
  size_t row[kBurstMax];
  uint16_t n = 0;
  const uint32_t frame_bytes_max = out.frame_bytes_max.load(std::memory_order_relaxed);
  const bool dead = out.is_dead();
  for (size_t i = 0; i < packets.size(); ++i) {
    rte_mbuf* m = mbuf_of(packets[i]);
    if (reasons[i] == Reason::kNone && packets[i].wire_bytes > frame_bytes_max) {
      reasons[i] = Reason::kTxOversize;
    }
    if (reasons[i] == Reason::kNone && dead) reasons[i] = Reason::kPortDown;
    if (reasons[i] != Reason::kNone) {
      rte_pktmbuf_free(m);
      continue;
    }
    row[n] = i;
    mbufs[n++] = m;
  }
  if (n == 0) return;
  if (queue < 0) return send_through_home(leaves, mbufs, row, n, reasons);
  const uint16_t sent = send(leaves, mbufs, n);
  const bool down = sent < n && !out.link_up.load(std::memory_order_relaxed);
  for (uint16_t i = sent; i < n; ++i) {
    reasons[row[i]] = down ? Reason::kPortDown : Reason::kTxFull;
    rte_pktmbuf_free(mbufs[i]);
  }
}

void DpdkLane::send_through_home(Side out, rte_mbuf** mbufs, const size_t* row, uint16_t n,
                                 std::span<Reason> reasons) {
  for (uint16_t i = 0; i < n; ++i) mbufs[i]->hash.usr = kForwarded;
  const unsigned put = rte_ring_mp_enqueue_burst((*lanes_)[setup_.home]->outbox_[index(out)],
                                                 reinterpret_cast<void**>(mbufs), n, nullptr);
  for (unsigned i = 0; i < n; ++i) {
    reasons[row[i]] = i < put ? kUnderWay : Reason::kHandoverFull;
    if (i >= put) rte_pktmbuf_free(mbufs[i]);
  }
}

uint32_t DpdkLane::send_for_others(Side out, uint32_t most) {
  rte_mbuf* mbufs[kBurstMax];
  const auto n = static_cast<uint16_t>(
      rte_ring_sc_dequeue_burst(outbox_[index(out)], reinterpret_cast<void**>(mbufs),
                                std::min<uint32_t>(most, kBurstMax), nullptr));
  if (n == 0) return 0;
  uint32_t bytes[kBurstMax];
  bool forwarded[kBurstMax];
  for (uint16_t i = 0; i < n; ++i) {
    bytes[i] = rte_pktmbuf_pkt_len(mbufs[i]);
    forwarded[i] = mbufs[i]->hash.usr == kForwarded;
  }
  const DpdkPort& port = setup_.ports[index(out)];
  const uint16_t sent = port.is_dead() ? 0 : send(out, mbufs, n);
  const bool down = sent < n && !port.link_up.load(std::memory_order_relaxed);
  const auto reason = static_cast<unsigned>(down ? Reason::kPortDown : Reason::kTxFull);
  PortStats& stats = setup_.stats->side[index(out)];
  for (uint16_t i = 0; i < n; ++i) {
    if (i >= sent) rte_pktmbuf_free(mbufs[i]);
    if (!forwarded[i]) continue;  // our own frame: whoever made it has counted it
    (i < sent ? stats.sent_packets : setup_.stats->dropped_packets[reason]).add();
    (i < sent ? stats.sent_bytes : setup_.stats->dropped_bytes[reason]).add(bytes[i]);
  }
  return n;
}

bool DpdkLane::inject(Side side, std::span<const uint8_t> frame, TimeNs) {
  if (setup_.ports[index(side)].is_dead()) return false;
  rte_mbuf* m = rte_pktmbuf_alloc(setup_.pool);
  if (m == nullptr) return false;
  char* room = rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()));
  if (room == nullptr) {
    rte_pktmbuf_free(m);
    return false;
  }
  std::memcpy(room, frame.data(), frame.size());
  const int queue = setup_.send_queue[index(side)];
  bool gone = false;
  if (queue >= 0) {
    gone = send(side, &m, 1) == 1;
  } else {
    m->hash.usr = kOwnFrame;
    gone = rte_ring_mp_enqueue((*lanes_)[setup_.home]->outbox_[index(side)], m) == 0;
  }
  if (!gone) rte_pktmbuf_free(m);
  return gone;
}

uint32_t DpdkLane::take_moved() {
  return std::exchange(moved_, 0);
}

uint64_t DpdkLane::missed(Side side) const {
  if (setup_.worker != setup_.home) return 0;
  return setup_.ports[index(side)].missed.load(std::memory_order_relaxed);
}

bool DpdkLane::is_link_up(Side side) const {
  return setup_.ports[index(side)].link_up.load(std::memory_order_relaxed);
}

}  // namespace weir
