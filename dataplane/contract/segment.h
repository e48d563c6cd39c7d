// SPDX-License-Identifier: Apache-2.0
// The one shared-memory segment in which the programs meet. `weir run` creates and fills it,
// weir-dataplane and weir-control map it; each checks magic, version and layout before it believes
// a byte. It outlives a crash of either. weir replay and the tests make one in ordinary memory.
//
//   SegmentHeader | AppNames | per worker: StatsPage, VerdictMailbox, RingIndexes, ring bytes
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/result.h"
#include "dataplane/base/spsc_ring.h"
#include "dataplane/contract/settings.h"
#include "dataplane/contract/stats_page.h"

namespace weir {

constexpr uint64_t kSegmentMagic = 0x315f524945570a57;
constexpr uint32_t kSegmentVersion = 2;
constexpr uint64_t kEventRingBytes = 8u << 20;  // 8 MiB: 45,000 flow ends that control may lag

enum class ProgramState : uint32_t { kAbsent = 0, kStarting = 1, kRunning = 2, kStopping = 3 };

// One program's presence. Its own process: rw, the others: ro.
struct alignas(64) Presence {
  std::atomic<uint32_t> pid{0};
  std::atomic<ProgramState> state{ProgramState::kAbsent};
  std::atomic<uint64_t> epoch{0};  // +1 at each start of that program
  std::atomic<int64_t> heartbeat_ns{
      0};  // CLOCK_MONOTONIC; control: twice a second, data plane: every 5 ms
  std::atomic<int64_t> started_ns{0};  // packet clock
};

// How rules and settings get from control to the workers. control: rw request_* and wanted; data
// plane: rw loaded_*. The image is the file <runtime dir>/rules-<generation>.img. Control raises
// requested_generation (release) when the file and `wanted` are complete; the data plane (acquire)
// maps, checks and publishes both as one, then sets answer and raises answered_generation
// (release).
struct alignas(64) RuleSlot {
  std::atomic<uint64_t> requested_generation{0};
  alignas(64) std::atomic<uint64_t> answered_generation{0};
  std::atomic<uint64_t> loaded_generation{0};  // in use by every worker; 0: none. release: after
                                               // SegmentHeader::settings
  char answer[200] = {};                       // why the answered one was refused; empty: loaded
};

// The watch over the data plane, and what it did to the ports. Outlives the data plane's restarts.
struct alignas(64) Guard {
  struct Wire {
    Counter link_losses[2];    // data plane: rw. A port's link was there and went
    Counter links_taken_down;  // how often a port followed its partner
    Counter held_down[2];      // gauge, 1: that port is down because Weir took it down
    Counter kernel_relay;      // weir run: rw. Gauge, 1: one stands below the AF_XDP ports
    Counter bypass_on;         // weir run: rw. Gauge, 1: told to bypass
    Counter bypass_calls, bypass_failures;
  };
  Counter worker_stalls[kWorkersMax];  // data plane: rw
  Counter process_stalls;              // weir run: rw
  Wire wire[kWiresMax];
};

struct SegmentHeader {
  uint64_t magic = kSegmentMagic;
  uint32_t version = kSegmentVersion;
  uint32_t layout = 0;  // fold of the sizes of every shared struct
  uint64_t total_bytes = 0;
  uint64_t clock_offset_ns = 0;  // PacketClock
  Settings settings;  // in force. Written before anyone attaches; data plane: rw, the live part
  Settings wanted;    // goes with RuleSlot::requested_generation. control: rw
  Presence supervisor, dataplane, control;
  RuleSlot rules;
  Guard guard;
};

constexpr uint32_t kAppNamesMax = 512;
struct AppNames {               // data plane: rw at start, control: ro
  char name[kAppNamesMax][32];  // by nDPI protocol id; empty: no such id
};

struct alignas(64) WorkerShare {
  StatsPage stats;
  VerdictMailbox mailbox;
  RingIndexes ring;
  alignas(64) uint8_t ring_bytes[kEventRingBytes];
};

class Segment {
 public:
  // In shared memory: creates (truncating what was there) or maps an existing one and checks it.
  static Result<Segment> create(const std::string& path, const Settings& settings,
                                TimeNs clock_offset_ns);
  static Result<Segment> attach(const std::string& path);
  // In this process's memory only.
  static Segment in_memory(const Settings& settings, TimeNs clock_offset_ns);

  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  ~Segment();

  SegmentHeader& header() noexcept { return *header_; }
  const SegmentHeader& header() const noexcept { return *header_; }
  const Settings& settings() const noexcept { return header_->settings; }
  AppNames& app_names() noexcept;
  WorkerShare& worker(uint32_t i) noexcept;
  const WorkerShare& worker(uint32_t i) const noexcept;
  uint32_t workers() const noexcept { return header_->settings.workers; }
  SpscByteRing event_ring(uint32_t worker) noexcept;
  PacketClock clock() const noexcept;

  // Sums over the workers.
  uint64_t sum(Counter StatsPage::*counter) const noexcept;

 private:
  explicit Segment(void* memory, uint64_t bytes) noexcept;
  void release() noexcept;
  SegmentHeader* header_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace weir
