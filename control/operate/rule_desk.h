// SPDX-License-Identifier: Apache-2.0
// The rules in force as the control plane knows them: compiles the configured files, hands the
// image over with the data plane's settings, and keeps who is who in it for logs and questions. A
// reload compiles on a thread of its own, for tens of thousands of rules take seconds; the control
// thread picks the result up. What fails changes nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <unordered_map>

#include "control/operate/control_plane.h"

namespace weir::operate {

class RuleDesk {
 public:
  using Tell = std::function<void(Telling, const std::string&)>;
  // Other files and settings than those in force. `done` hears once why not, or nothing: they are.
  struct Change {
    RuleFiles files;
    Settings settings;
    std::function<void(const std::string& refusal)> done = {};
  };

  // settings: in force.
  RuleDesk(RuleFiles files, const Settings& settings, RuleHandover handover, Tell tell);

  Result<void> load();  // compiles here and now
  // Compile beside the loop. What is asked for while one is under way comes after it; of several
  // changes the last one alone.
  void reload();
  void change(Change change);
  int do_work();

  void hit(const RuleHit& r) { ++hits_[key(r.gid, r.sid)]; }
  // Rule `index` of that image; null if it is none of the last three.
  const CatalogRule* rule(uint64_t generation, uint32_t index, uint32_t sid) const noexcept;
  const CatalogRule* rule_of_sid(uint32_t sid) const noexcept;  // of the newest image that has it

  // The catalog in force; null: no rules.
  const RuleCatalog* current() const noexcept;
  uint64_t hits_of(const CatalogRule& r) const noexcept;
  uint64_t generation() const noexcept { return in_force_; }
  const std::string& error() const noexcept { return error_; }  // of the last load; empty: good
  bool busy() const noexcept { return current_ || next_ || again_; }

 private:
  static uint64_t key(uint32_t gid, uint32_t sid) noexcept { return uint64_t{gid} << 32 | sid; }
  bool nothing_to_do() const noexcept;
  void start_next();
  void end_current(const std::string& refusal);
  Result<void> offer(RuleBuild build, const Settings& settings);
  void answered(const RuleAnswer& answer);
  void refused(const std::string& why);

  static constexpr size_t kCatalogsKept = 3;  // hits of an older image may still be in the rings

  RuleFiles files_;
  Settings settings_;
  RuleHandover handover_;
  Tell tell_;
  std::deque<RuleCatalog> catalogs_;  // by generation, newest last
  uint64_t in_force_ = 0;
  std::unordered_map<uint64_t, uint64_t> hits_;
  std::unordered_map<uint32_t, std::pair<uint64_t, uint32_t>> by_sid_;  // generation, index
  std::optional<Change> current_;  // compiled, or with the data plane
  std::optional<Change> next_;
  bool again_ = false;
  std::future<RuleBuild> compiling_;
  std::string error_;
};

}  // namespace weir::operate
