// SPDX-License-Identifier: Apache-2.0
// The worker: one thread that takes bursts from its wires through every stage to completion. Owns
// its flow table, verdicts, classifier and event writer; shares only counters, its two queues and
// the published rules. Made on the main thread; from then on poll() is called by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/classify/classify.h"
#include "dataplane/contract/segment.h"
#include "dataplane/features/features.h"
#include "dataplane/flow/defragment.h"
#include "dataplane/flow/stream_bytes.h"
#include "dataplane/io/io.h"
#include "dataplane/parse/parse.h"
#include "dataplane/pipeline/depth.h"
#include "dataplane/pipeline/in_force.h"
#include "dataplane/pipeline/published.h"

namespace weir {

struct WorkerWire {
  uint8_t index = 0;  // in Settings::wire
  WireIo* io = nullptr;
};

class JudgeStage;
class StreamStage;

class Worker {
 public:
  // in_force, meters: of all workers of the process, outlive them. seed: of the flow table's hash
  // (live: random; replay: fixed).
  static Result<std::unique_ptr<Worker>> create(uint8_t index, Segment& segment,
                                                std::vector<WorkerWire> wires,
                                                const Published<InForce>& in_force, Meters& meters,
                                                uint64_t seed);
  ~Worker();
  // Before the first poll(): what it polls, where create() was given nothing. So that a port is
  // opened when all is ready to poll it.
  void attach(std::vector<WorkerWire> wires) { wires_ = std::move(wires); }
  // Memory that a worker of these settings takes, in bytes, by user; for the line printed at start.
  struct Memory {
    uint64_t flow_table, verdicts, fragments, streams, classifier, parsers;
    uint64_t total() const noexcept {
      return flow_table + verdicts + fragments + streams + classifier + parsers;
    }
  };
  static Memory memory_for(const Settings& settings) noexcept;

  // One round over its wires, then bounded housekeeping. Returns how many packets came in or were
  // moved for other workers. now:
  // packet clock.
  uint32_t poll(TimeNs now);

  // The end: tells of at most flows_max flows that still live and forgets them. false: there are
  // more; call again when the ring has room.
  bool finish(TimeNs now, uint32_t flows_max);

  // Whether a verdict is to be expected within moments: no time to sleep.
  bool expects_verdict(TimeNs now) const noexcept;

  // Counters into the StatsPage; poll() does it now and then, this does it now.
  void publish_stats();
  const Classifier& classifier() const noexcept { return *classifier_; }

 private:
  struct Burst;
  struct Pacing;
  Worker(uint8_t index, Segment& segment, std::vector<WorkerWire> wires,
         const Published<InForce>& in_force, Meters& meters, uint64_t seed);
  const LoadedRules* follow() noexcept;
  void use(const Settings& settings, const AppDepths& depths) noexcept;
  uint32_t poll_side(const WorkerWire& wire, Side side, TimeNs now, const LoadedRules* rules);
  size_t inspect(const WorkerWire& wire, size_t from, size_t to, const LoadedRules* rules);
  Rows open_bare(const WorkerWire& wire, size_t from, const LoadedRules* rules, Rows rows);
  void look_into(const LoadedRules* rules, const WorkerWire& wire, Rows rows);
  void fetch(size_t i) const;
  void look_into_one(size_t i, const LoadedRules* rules, const WorkerWire& wire,
                     MatchCounts& counts);
  bool read_in_line(size_t i, const WorkerWire& wire);
  void release_unread(const Tracked& tracked, const LoadedRules* rules);
  void read_packet(size_t i, const LoadedRules* rules, const WorkerWire& wire, MatchCounts& counts);
  void take_judged(size_t i, MatchCounts& counts);
  void match_one(size_t i, const StreamBytes& stream, const LoadedRules& rules,
                 MatchCounts& counts);
  void defragment(const WorkerWire& wire, size_t i);
  void parse_stream(size_t i, const StreamBytes& stream);
  void parse_one(size_t i, const Tracked& t, const StreamBytes& stream);
  bool wants_match(const Tracked& t);
  bool is_sound(size_t i, const WorkerWire& wire);
  void look_at_control() noexcept;
  struct Wanted {
    Rows odd = 0;    // of which more is to be told than what its flow says
    Rows look = 0;   // these, and those whose flows a stage still wants
    Rows judge = 0;  // of which it is not known that no verdict stands against them
  };
  Wanted wanted_of(size_t from, size_t n, const LoadedRules* rules) const;
  Rows drop_settled(const WorkerWire& wire, size_t from, size_t n, const Wanted& wanted);
  void let_go(const Tracked& tracked, TimeNs now);
  void make_views(Rows rows);
  struct Stayed {
    uint64_t packets = 0, bytes = 0;
  };
  Stayed account_stayed(WireStats& stats, size_t n, Rows stayed);
  void account(const WorkerWire& wire, Side side, size_t n, Rows looked);
  void account_one(WireStats& stats, const PacketView& packet, Reason reason);
  bool is_pacing(const WorkerWire& wire) const noexcept;
  void learn_outcomes();
  void hold(const WorkerWire& wire, size_t from, size_t n);
  void send(const WorkerWire& wire, Side side, size_t from, size_t n);
  void release_held(TimeNs now);
  void answer(const WorkerWire& wire, Side side, LinkType link);
  void flow_ends(uint32_t index, EndReason why, TimeNs now) noexcept;
  void keep_house(TimeNs now);
  void take_commands(TimeNs now);

  const uint8_t index_;
  WorkerShare& share_;
  const SegmentHeader& header_;
  Settings settings_;
  std::vector<WorkerWire> wires_;
  const Published<InForce>& in_force_;
  uint64_t generation_ = 0;  // of what is in force here
  FlowTable flows_;
  TrackStats track_stats_;
  Verdicts verdicts_;
  EventWriter events_;
  std::unique_ptr<Classifier> classifier_;
  InspectionDepth depth_;
  std::unique_ptr<JudgeStage> judge_;
  ProtocolParsers parsers_;
  Defragmenter fragments_;
  const uint64_t cycles_per_us_;
  CycleBudget budget_;
  FailCause plight_ = FailCause::kCount;  // what keeps every packet from being inspected
  std::unique_ptr<Burst> burst_;
  std::unique_ptr<Pacing> pacing_;
  std::unique_ptr<StreamStage> streams_;
  uint64_t packets_seen_ = 0;
  uint64_t polls_ = 0;
  uint32_t finish_at_ = 0;
};

}  // namespace weir
