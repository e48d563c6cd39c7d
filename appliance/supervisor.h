// SPDX-License-Identifier: Apache-2.0
// `weir run`: prepares the folders and the shared segment, starts weir-dataplane and weir-control,
// starts each again when it dies (the one never because of the other) or is to be replaced by what
// is on disk, kills a data plane that does not move, switches bypass relays, and takes everything
// down again. Touches no packet and no record. One thread, which sleeps in poll().
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/bypass_hook.h"
#include "appliance/child.h"
#include "appliance/port_claims.h"
#include "appliance/relay.h"
#include "appliance/stall_watch.h"
#include "control/operate/operate.h"
#include "dataplane/contract/segment.h"

namespace weir {

class Supervisor {
 public:
  // Checks what can be checked, then takes the lock; afterwards this is the one instance with that
  // runtime_dir. Starts nothing yet.
  static Result<std::unique_ptr<Supervisor>> prepare(const std::string& config_path);
  ~Supervisor();  // ends what runs, removes what was made in runtime_dir but the lock

  // Until SIGTERM or SIGINT. An error: it could not start at all.
  Result<void> run();

 private:
  struct Program {
    const char* name;  // "weir-dataplane"
    Presence SegmentHeader::*presence;
    std::optional<Child> child;
    TimeNs started_ns = 0;  // CLOCK_MONOTONIC
    TimeNs again_ns = 0;    // when to start it again; 0: not waiting
    TimeNs wait_ns = 0;     // how long it waited last time
    TimeNs kill_ns = 0;     // asked to end: when it is made to; 0: not asked
    bool is_dying = false;  // it has been killed, or was seen to exit
  };

  Supervisor() = default;
  Result<void> make_folders();
  Result<void> take_lock();
  Result<void> make_segment();
  Result<void> block_signals();
  Result<void> start(Program& program);
  Result<void> start_first(Program& program);
  void watch(Program& program);
  void replace_dataplane();
  int wait_for_news(int most_ms);
  void take_settings();
  void give_settings_back();
  void use_for_dataplane(const Settings& settings);
  void follow_settings();
  void look_at_ports(TimeNs now);
  void begin_watches();
  void begin_guard();
  void guard();  // the data plane as a whole, and the bypass relays
  bool is_forwarding(TimeNs now);
  void kill_stalled(const char* what, TimeNs for_ns);
  void begin_relays();
  void set_relays(FailCause cause);  // stands where that cause's policy is open, else goes
  BypassHook::State relay_state(uint32_t wire, FailCause cause) const;
  void stop();
  void report_ready();
  void report_end();
  Presence& presence(const Program& p) { return segment_->header().*p.presence; }

  std::string config_path_;
  Config config_;
  uint64_t rules_count_ = 0;
  UserIds ids_;
  std::string user_;  // that ids_ belongs to
  int lock_fd_ = -1, signal_fd_ = -1;
  PortClaims ports_;
  std::optional<Segment> segment_;
  std::vector<Relay> relays_;              // in the kernel, of the wires that can have one
  TimeNs ports_looked_ns_ = 0;
  uint64_t followed_ = 0;                  // generation of the settings in config_
  std::optional<Settings> before_;         // of the data plane that was replaced, until one runs
  bool has_run_ = false;                   // both programs were ready once
  std::vector<uint32_t> relay_wire_;       // whose
  std::vector<BypassHook> hooks_;          // of the wires that have one
  std::vector<uint32_t> hook_wire_;        // whose
  StallWatch whole_watch_{0, 0};           // no thread of the data plane moves
  StallWatch main_watch_{0, 0};            // its main thread, which watches the workers
  FailCause away_ = FailCause::kStarting;  // why the data plane does not run, when it does not
  Program dataplane_{"weir-dataplane", &SegmentHeader::dataplane, {}, 0, 0, 0, 0, false};
  Program control_{"weir-control", &SegmentHeader::control, {}, 0, 0, 0, 0, false};
};

}  // namespace weir
