// SPDX-License-Identifier: Apache-2.0
// Wires over DPDK ports. Everything here happens on the main thread at start, except what
// DpdkWire::lane gives, which belongs to the one worker it is for.
#pragma once

#include <memory>
#include <optional>
#include <span>
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
  // The same for one worker, and waits: what it allocates and touches lies on that core's node.
  void run_on(uint32_t worker, void (*work)(void* context, uint32_t worker), void* context);
  // Whether worker i has its core to itself (kernel command line isolcpus), so may spin.
  bool is_isolated(uint32_t worker) const noexcept { return isolated_[worker]; }
  // NUMA node of the calling thread's core; on a worker's core, see run_on.
  static int node_here() noexcept;

 private:
  DpdkEnvironment() noexcept = default;
  void launch_on(unsigned lcore);
  std::vector<bool> isolated_;
  void (*work_)(void*, uint32_t) = nullptr;
  void* context_ = nullptr;
};

// Hash of what a packet belongs to (pair_hash in decode.h): packets of equal hash are one worker's.
// false: it belongs to nobody in particular and stays with the worker that received it.
using OwnerHash = bool (*)(const PacketView& packet, uint32_t& hash) noexcept;

struct DpdkPort;
struct WireFrames;
class DpdkLane;

// Two ports and one lane for each worker. With several workers the packets are spread over them by
// OwnerHash: by the ports themselves where both can (RSS over the address pair, symmetric key,
// verified at start), else by the wire's home worker, which polls both ports and hands packets
// over. A lane sends on a queue of its own where the port has enough of them, else through the home
// worker. Packets of one flow keep their order either way.
class DpdkWire {
 public:
  // stats[i]: this wire's counters of worker i. A single entry: no spreading. guard: what is told
  // of the wire's links; in the segment.
  static Result<std::unique_ptr<DpdkWire>> open(const Settings& settings, uint32_t wire,
                                                OwnerHash owner_hash,
                                                std::span<WireStats* const> stats,
                                                Guard::Wire& guard);
  ~DpdkWire();  // brings back up what follow_links took down

  // What worker i polls; null where the wire is not spread and another worker's.
  WireIo* lane(uint32_t worker) noexcept;
  // Main thread: asks the ports for missed frames.
  void refresh();
  // Main thread: a port's MTU may be changed under way. Empty: nothing to tell; else one line.
  std::string follow_mtu();
  // Main thread: asks both ports for their link, counts losses, and with link_propagation takes the
  // partner of a port without link down, or brings it back. Empty: nothing to tell; else one line.
  std::string follow_links(TimeNs now);
  // Main thread, while the workers of this wire move: keeps a card's bypass relay open.
  void beat_bypass(TimeNs now);
  // Main thread, when no worker runs any more: sends what they had handed to the home worker.
  void drain();
  // Main thread, when no worker polls any more: gives the ports back; frames fall to whatever
  // carries them then. Lanes may still be asked for what they counted.
  void close();
  // "eth1 (net_af_xdp, MTU 1500)"
  std::string describe(Side side) const;
  // "spread over 2 workers by worker 0"; empty: not spread.
  std::string describe_spread() const;
  // NUMA node of the port; negative: not known.
  int node(Side side) const noexcept;

 private:
  DpdkWire(const WireSettings& settings, Guard::Wire& guard);
  Result<void> find_port(const Settings& settings, uint32_t wire, Side side);
  Result<void> start_ports(const Settings& settings, uint32_t wire, uint16_t workers);
  Result<void> open_port(const Settings& settings, uint32_t wire, Side side, uint16_t workers);
  Result<void> make_lanes(const Settings& settings, uint32_t wire, OwnerHash owner_hash,
                          std::span<WireStats* const> stats);
  Result<void> make_pool(const Settings& s, uint32_t w, const WireFrames& frames);

  Result<void> begin();
  Result<void> set_port(Side side, LinkOrder::Act act);
  bool read_link(const DpdkPort& port) const;

  const WireSettings& settings_;
  Guard::Wire& guard_;
  LinkPair links_;
  uint64_t losses_told_[2] = {};
  std::optional<BypassNic> bypass_;
  std::unique_ptr<DpdkPort[]> ports_;
  std::vector<std::unique_ptr<DpdkLane>> lanes_;  // by worker; without spreading: only its home's
  uint32_t home_ = 0;
  bool by_port_ = false;  // the ports spread
  rte_mempool* pool_ = nullptr;
};

}  // namespace weir
