// SPDX-License-Identifier: Apache-2.0
// Carries verdicts to every worker and what the workers say about them back to their actions. Keeps
// trying while a mailbox is full or an answer is missing; finds what stands at attach; sends all of
// it again to a data plane that restarted. Control thread; a bounded step; waits for nobody.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "control/respond/respond.h"
#include "dataplane/base/bounded_table.h"
#include "dataplane/contract/segment.h"

namespace weir {

struct PublishSettings {
  uint32_t queue_max = 65'536;           // commands that wait for room, per worker
  TimeNs answer_wait_ns = kNsPerSecond;  // then an unanswered install is sent again; doubles
  TimeNs count_every_ns = kNsPerSecond;  // counters of verdicts are asked for
  bool in_process = false;  // replay, tests: the workers are here, nobody\'s presence to watch
};

class Publisher {
 public:
  Publisher(Segment& segment, Responder& responder, const PublishSettings& settings);

  // Takes the responder's orders into the mailboxes, watches the data plane's epoch, asks for
  // counters, repeats what was not answered. Returns how many commands went out.
  int do_work(TimeNs now);
  void take(const VerdictReport& r, TimeNs now);

  // Listing done in every worker since this attach or since the data plane's last start.
  bool attached() const noexcept { return listed_ == workers_; }
  uint32_t tracked() const noexcept { return tracked_.size(); }
  uint64_t waiting() const noexcept;  // commands without room yet
  uint64_t refused_for_room() const noexcept { return refused_for_room_; }

 private:
  struct PerWorker {
    TimeNs installed_ns = 0;
    uint64_t packets = 0, bytes = 0, leaked = 0;
    bool answered = false;  // it is in force there; while removing: it is gone there
  };
  struct Tracked {
    Verdict verdict;
    std::array<PerWorker, kWorkersMax> worker{};
    TimeNs sent_ns = 0, wait_ns = 0;
    TimeNs first_hit_ns = 0, last_hit_ns = 0;
    uint32_t answers = 0;
    bool saturated = false;
    bool removing = false;
  };
  struct IdHash {
    uint64_t operator()(VerdictId id) const noexcept { return mix64(id); }
  };
  using Table = BoundedTable<VerdictId, Tracked, IdHash>;

  void watch_data_plane(TimeNs now);
  void start_over(TimeNs now);
  void accept(const VerdictCommand& c, TimeNs now);
  Table::Entry* track(const Verdict& v, TimeNs now);
  void enqueue(uint32_t worker, const VerdictCommand& c);
  void enqueue_all(const VerdictCommand& c);
  void send_missing(Tracked& t, TimeNs now);
  int flush();
  void repeat_unanswered(TimeNs now);
  void ask_for_counters(TimeNs now);
  void answered(Table::Entry& e, uint32_t worker, const VerdictReport& r);
  void counted(Tracked& t, uint32_t worker, const VerdictReport& r);
  void gone(Table::Entry& e, uint32_t worker, const VerdictReport& r);
  void found_standing(uint32_t worker, const VerdictReport& r, TimeNs now);
  void refused(Table::Entry& e, uint32_t worker, const VerdictReport& r);
  VerdictStatus status_of(const Tracked& t, VerdictPhase phase, TimeNs time_ns) const;

  Segment& segment_;
  Responder& responder_;
  PublishSettings settings_;
  uint32_t workers_;
  Table tracked_;
  std::vector<std::deque<VerdictCommand>> queue_;
  std::vector<bool> list_done_;
  uint32_t listed_ = 0;
  uint64_t epoch_ = 0;
  bool running_ = false;
  TimeNs counted_ns_ = 0, listed_ns_ = 0;
  uint32_t repeat_cursor_ = 0;
  uint64_t refused_for_room_ = 0;
};

}  // namespace weir
