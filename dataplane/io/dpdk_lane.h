// SPDX-License-Identifier: Apache-2.0
// Private to io: a port, and one worker's part of a wire.
//
// Rings between workers are rte_ring, many producers and one consumer; ThreadSanitizer does not see
// into it, so their correctness rests on DPDK. A packet's mbuf belongs to whoever took it out of
// the ring. Nobody waits on a ring: a full one drops, with a reason.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/io/dpdk.h"

struct rte_mbuf;
struct rte_mempool;
struct rte_ring;

namespace weir {

struct DpdkPort {
  uint16_t id = 0;
  std::atomic<uint32_t> frame_bytes_max{0};  // longest frame it sends; main: rw, workers: ro
  uint16_t mtu = 0;                          // as it was opened
  uint32_t mtu_told = 0;                     // as it was last seen
  uint32_t number = 0;                       // the kernel's, of an interface of its own; 0: none
  uint16_t rx_queues = 1, tx_queues = 1;
  int node = -1;
  std::string name, driver;
  PortKind kind = PortKind::kVdev;
  bool is_started = false;
  std::string interface;               // of the kernel, below AF_XDP; empty: none
  uint64_t lost_there = 0;             // by then when the port was opened
  std::atomic<uint64_t> missed{0};  // main: rw, workers: ro
  std::atomic<bool> link_up{true};  // main: rw, workers: ro

  // The kernel takes frames for an interface without link, and forgets them: they would count as
  // sent. A NIC's own ring holds them, and some drivers know no link.
  bool is_dead() const noexcept {
    return number != 0 && !link_up.load(std::memory_order_relaxed);
  }
};

// How a port is set up: `workers` receive queues where RSS over the address pair can be had and is
// verified, else one; as many send queues where there are enough, else one. Starts it.
Result<void> start_port(DpdkPort& port, bool want_rss, uint16_t workers, rte_mempool* pool);

// The worker a hash belongs to, as start_port programs the ports' tables to agree with.
constexpr uint32_t kOwnerBuckets = 64;
constexpr uint32_t owner_of(uint32_t hash, uint32_t workers) noexcept {
  return hash % kOwnerBuckets % workers;
}

class DpdkLane final : public WireIo {
 public:
  struct Setup {
    DpdkPort* ports = nullptr;
    rte_mempool* pool = nullptr;
    OwnerHash owner_hash = nullptr;
    WireStats* stats = nullptr;  // of this worker
    uint32_t worker = 0, home = 0, workers = 1;
    bool polls = true;           // has receive queues
    uint16_t queue = 0;          // receive queue on both ports
    int send_queue[2] = {0, 0};  // by side it leaves by; -1: through the home worker
  };
  explicit DpdkLane(const Setup& setup) noexcept;
  ~DpdkLane() override;
  // The rings into this lane, and the other lanes of the wire. lanes outlives this.
  Result<void> connect(const std::string& name,
                       const std::vector<std::unique_ptr<DpdkLane>>& lanes);

  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override;
  void transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) override;
  bool inject(Side side, std::span<const uint8_t> frame, TimeNs now) override;
  LinkType link() const override { return LinkType::kEthernet; }
  uint32_t take_moved() override;
  uint64_t missed(Side side) const override;  // the home worker tells, so that it is told once
  bool is_link_up(Side side) const override;

  bool has_outbox() const noexcept { return outbox_[0] != nullptr; }
  // Sends what other workers handed over to leave by `out`, at most `most`; returns how many.
  uint32_t send_for_others(Side out, uint32_t most);

 private:
  uint16_t keep_own(Side side, rte_mbuf** mbufs, uint16_t n);
  void hand_over(uint32_t worker, Side side, rte_mbuf** mbufs, uint16_t n);
  uint16_t send(Side out, rte_mbuf** mbufs, uint16_t n);
  void send_through_home(Side out, rte_mbuf** mbufs, const size_t* row, uint16_t n,
                         std::span<Reason> reasons);

  const Setup setup_;
  const std::vector<std::unique_ptr<DpdkLane>>* lanes_ = nullptr;
  rte_ring* inbox_[2] = {};   // by the side it came in by: others -> this worker
  rte_ring* outbox_[2] = {};  // by the side it leaves by: others -> home; only home has it
  bool has_backlog_[2] = {};  // by the side it leaves by: frames that the port did not take yet
  uint32_t moved_ = 0;
};

}  // namespace weir
