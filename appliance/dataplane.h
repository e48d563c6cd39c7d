// SPDX-License-Identifier: Apache-2.0
// The packet process as a whole: opens what the segment's settings name, runs one worker per lcore,
// and looks after them from the main thread: rule images, link state, heartbeat, workers that are
// stuck. Reads no file of the operator's and opens no socket. Called by weir-dataplane's main
// alone.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "appliance/stall_watch.h"
#include "dataplane/contract/segment.h"
#include "dataplane/io/dpdk.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/verdict/meter.h"

namespace weir {

class Dataplane {
 public:
  // segment_path: also tells the folder where rule images are.
  static Result<std::unique_ptr<Dataplane>> create(const std::string& segment_path);
  ~Dataplane();

  // Until SIGTERM or SIGINT. Does not return, and ends the process, when a worker is stuck: `weir
  // run` starts another.
  void run();

 private:
  explicit Dataplane(Segment segment, std::string folder);
  Result<void> open();
  Result<void> open_wire(uint32_t wire, std::vector<std::vector<WorkerWire>>& shares);
  Result<void> make_worker(uint32_t worker);
  void tell_far_ports(uint32_t worker) const;
  void work(uint32_t worker);
  void look_for_orders();
  Result<void> put_in_force(uint64_t generation);
  void free_when_unused(const InForce* old);
  void beat();
  void look_at_workers(TimeNs now);
  void look_at_links(TimeNs now);
  [[noreturn]] void give_up(uint32_t worker, TimeNs stalled_ns);

  // What the watch knows of a worker's thread.
  struct Watched {
    explicit Watched(StallWatch how) : watch(how) {}
    std::atomic<pid_t> thread{0};  // worker: rw at its start (release), main: ro (acquire)
    clockid_t cpu{};               // its CPU time; written before `thread`
    StallWatch watch;              // main
    bool moves = false;            // main: at the last look
    int node = -1;                 // NUMA node it runs on; negative: not known
  };

  Segment segment_;
  std::string folder_;
  // Declared in the order of their making: workers go before wires, wires before the environment.
  std::unique_ptr<DpdkEnvironment> environment_;
  std::vector<std::unique_ptr<DpdkWire>> wires_;
  Published<InForce> in_force_;
  Meters meters_;
  Quiescence quiescence_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Watched>> watched_;
  TimeNs links_looked_ns_ = 0;
  std::atomic<bool> stopping_{false};  // main: rw, workers: ro
  std::atomic<uint32_t> polling_{0};   // how many workers still poll; workers: rw
};

}  // namespace weir
