// SPDX-License-Identifier: Apache-2.0
// The control plane put together: the chain (intake to publish) with the rules, the logs and the
// store around it, as one agent. weir-control calls do_work() in its loop; weir replay calls it in
// lockstep with the worker, on a segment in ordinary memory, without store and server, and gets the
// same output for the same capture each time: no wall clock, no pid, no random number gets in. One
// thread; time is an argument; nothing here waits, but for a rule file that is being read.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "control/operate/config.h"
#include "control/publish/publish.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/segment.h"
#include "rules/compile/compile.h"

namespace weir {

enum class Telling { kInfo, kWarning, kError };  // to the operator, one sentence each

struct ControlOptions {
  std::string log_dir;               // eve.json goes there; empty: nowhere
  std::string store;                 // database file; empty: nothing is kept
  RuleHandover::Loader rule_loader;  // replay: puts an image into use in this process; empty: live,
                                     // through a file in the config's runtime_dir
  bool from_capture = false;         // replay: packet numbers mean something and go into the logs
  uint64_t hash_seed = 0;            // live: random, so that nobody aims at our tables
  std::function<void(Telling, const std::string&)> tell;  // empty: nobody listens
};

// For the summary of a replay and for tests. All since open().
struct ControlTotals {
  uint64_t events = 0;  // records taken from the rings
  uint64_t malformed = 0;
  uint64_t rule_hits = 0;  // alert lines of rules
  uint64_t alerts = 0;     // raised, rules and models
  uint64_t verdicts = 0;   // actions that came into force
  uint64_t log_lines = 0;  // written to eve.json or still in its buffer
  uint64_t log_lines_lost = 0;
};

// A question or an order, as it comes through the control socket.
struct ControlRequest {
  std::string method;                         // "GET", "POST"
  std::string path;                           // "/status"
  std::map<std::string, std::string> params;  // of the query
  std::string body;                           // JSON, of an order
};
struct ControlReply {
  int status = 200;  // HTTP's
  std::string body;
  const char* content_type = "application/json";
};

class ControlPlane {
 public:
  // Opens logs and store and takes up what the store remembers. segment must outlive it.
  static Result<std::unique_ptr<ControlPlane>> open(const Config& config, Segment& segment,
                                                    ControlOptions options);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  // Reads, compiles and offers the configured rules before it returns. An error leaves in force
  // what was. With a rule_loader they are in use afterwards; live the data plane answers later.
  Result<void> load_rules();
  // The same, compiled beside the loop; what came of it is told. For a running sensor.
  void reload_rules();
  bool loading_rules() const;  // not yet compiled, or not yet taken by the data plane

  // One bounded step. now: the packet clock. Returns how much there was to do.
  int do_work(TimeNs now);
  // A source has just failed again and the next record may decide: not the time to sleep. Lasts for
  // some milliseconds after each such failure.
  bool pending(TimeNs now) const;
  // At the end: takes what is still in the rings, then writes a last stats record, everything that
  // waits for the logs, and all state.
  void finish(TimeNs now);

  ControlTotals totals() const;

  // What `weir status` and the other verbs ask. Never fails otherwise than by the reply's status.
  ControlReply answer(const ControlRequest& request, TimeNs now);

  // SIGHUP, `weir reload`: reads the configuration and its rule files again. All of it takes effect
  // that may while packets flow, at once, or nothing where a word of it is wrong; what came of it
  // is told, and answered at /reload. Logs are opened anew (somebody may have moved them away).
  void reload();
  const MetricsSettings& metrics() const;  // as configured by now

 private:
  struct Parts;
  explicit ControlPlane(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// The configured rule files, read and compiled: what a start or reload uses, and what `weir check`
// and replay report. diagnostics tells of every rule that was refused.
struct RuleBuild {
  Result<CompiledRules> compiled;
  Diagnostics diagnostics;
  uint64_t refused = 0;
};
RuleBuild build_rules(const RuleFiles& rules, uint64_t generation);

}  // namespace weir
