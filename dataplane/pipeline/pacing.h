// SPDX-License-Identifier: Apache-2.0
// Private to pipeline. A scanner sends faster than any control plane decides: while the verdict is
// on its way, hundreds of probes would get past. So a source whose last first contacts failed one
// after the other may have only a few unanswered at a time; further ones wait in the worker's hands
// until an answer comes, the verdict stands, or 50 ms have passed. Whoever has no such run of
// failures never waits. Fixed memory: a direct-mapped table of sources (a collision forgets the
// older) and one short queue.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/flow/flow.h"
#include "dataplane/pipeline/pipeline.h"

namespace weir {

class Suspects {
 public:
  // Outcome of a first contact of `source`.
  void failed(const IpAddress& source, TimeNs now) noexcept {
    Suspect& s = at(source);
    if (s.source != source || now - s.failed_ns > kForgetNs) s = {.source = source};
    s.failed_ns = now;
    if (s.failures < UINT16_MAX) ++s.failures;
    // Past the number that decides, an answer lets no further one out: only time does.
    if (s.failures < kDecisionDue && s.unanswered != 0) --s.unanswered;
    if (s.failures >= kFailuresMin && s.failures <= kDecisionLate) failing_ns_ = now;
  }
  void answered(const IpAddress& source) noexcept {
    Suspect& s = at(source);
    if (s.source != source) return;
    s.failures = static_cast<uint16_t>(s.failures > 2 ? s.failures - 2 : 0);
    if (s.unanswered != 0) --s.unanswered;
  }
  // Whether a first contact of `source` may go now; if so it counts as unanswered.
  bool may_go(const IpAddress& source, TimeNs now) noexcept {
    Suspect& s = at(source);
    if (s.source != source || s.failures < kFailuresMin || now - s.failed_ns > kForgetNs) {
      return true;
    }
    if (s.unanswered >= kUnansweredMax) {
      if (now - s.paced_ns < kWaitNs) return false;
      s.unanswered = 0;
    }
    s.paced_ns = now;
    ++s.unanswered;
    return true;
  }

  // A source with a run of failures has failed just now: its verdict may be on the way.
  bool expect_verdict(TimeNs now) const noexcept { return now - failing_ns_ < kExpectNs; }

 private:
  static constexpr TimeNs kExpectNs = 5 * kNsPerMs;
  static constexpr unsigned kFailuresMin = 3;  // a run that an honest client rarely has
  static constexpr unsigned kDecisionDue = 8;  // the random walk decides in fewer
  static constexpr unsigned kUnansweredMax = 4;
  static constexpr unsigned kDecisionLate = 16;  // it is made, or will not be: for what is allowed
  static constexpr TimeNs kWaitNs = 50 * kNsPerMs;
  static constexpr TimeNs kForgetNs = 10 * kNsPerSecond;
  struct Suspect {
    IpAddress source{};
    TimeNs failed_ns = 0;
    TimeNs paced_ns = 0;    // when the last one went
    uint16_t failures = 0;  // in a row, an answer takes two back
    uint16_t unanswered = 0;
  };
  Suspect& at(const IpAddress& a) noexcept {
    uint64_t w[2];
    std::memcpy(w, a.bytes.data(), sizeof w);
    return table_[(w[0] ^ w[1]) * 0x9e3779b97f4a7c15ull >> 52];
  }
  std::array<Suspect, 4096> table_{};
  TimeNs failing_ns_ = INT64_MIN / 2;
};

// Packets in the worker's hands, in the order of their coming.
struct HeldPacket {
  PacketView packet;
  uint32_t flow = kNoFlow;  // index; id tells whether it is still that flow
  FlowId id = 0;
  uint8_t wire = 0;  // position in the worker's wires
};

struct HeldQueue {
  static constexpr size_t kMost = 512;
  std::array<HeldPacket, kMost> packet{};
  size_t size = 0;
  bool is_full() const noexcept { return size == kMost; }
  void add(const HeldPacket& p) noexcept { packet[size++] = p; }
};

struct Worker::Pacing {
  Suspects suspects;
  HeldQueue held;
  bool is_control_there = false;
};

constexpr uint32_t kPublishEvery = 64;  // polls

// Of weir run; a replay has no supervisor, nobody to wait for and all the time it takes.
inline bool is_live(const SegmentHeader& h) noexcept {
  return h.supervisor.state.load(std::memory_order_relaxed) != ProgramState::kAbsent;
}

}  // namespace weir
