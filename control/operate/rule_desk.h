// SPDX-License-Identifier: Apache-2.0
// The rules in force as the control plane knows them: compiles the configured files, hands the
// image over, and keeps who is who in it for logs and questions. A reload compiles on a thread of
// its own, for tens of thousands of rules take seconds; the control thread picks the result up.
// What fails changes nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <string>
#include <unordered_map>

#include "control/operate/control_plane.h"

namespace weir::operate {

class RuleDesk {
 public:
  using Tell = std::function<void(Telling, const std::string&)>;

  RuleDesk(RuleFiles files, RuleHandover handover, Tell tell);

  Result<void> load();  // compiles here and now
  void reload();        // compiles beside the loop; a second request while one runs comes after
  void use(RuleFiles files) { files_ = std::move(files); }  // from the next load on
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
  bool busy() const noexcept { return compiling_.valid() || handover_.waiting(); }

 private:
  static uint64_t key(uint32_t gid, uint32_t sid) noexcept { return uint64_t{gid} << 32 | sid; }
  bool nothing_to_do() const noexcept;
  Result<void> offer(RuleBuild build);
  void answered(const RuleAnswer& answer);
  void refused(const std::string& why);

  static constexpr size_t kCatalogsKept = 3;  // hits of an older image may still be in the rings

  RuleFiles files_;
  RuleHandover handover_;
  Tell tell_;
  std::deque<RuleCatalog> catalogs_;  // by generation, newest last
  uint64_t in_force_ = 0;
  std::unordered_map<uint64_t, uint64_t> hits_;
  std::unordered_map<uint32_t, std::pair<uint64_t, uint32_t>> by_sid_;  // generation, index
  std::future<RuleBuild> compiling_;
  bool again_ = false;
  std::string error_;
};

}  // namespace weir::operate
