// SPDX-License-Identifier: Apache-2.0
#include "control/operate/rule_desk.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace weir {

RuleBuild build_rules(const RuleFiles& rules, uint64_t generation) {
  RuleSet set;
  for (const std::string& path : rules.files) {
    if (auto read = read_rules(path, set); !read) {
      return {fail(read.error()), std::move(set.diagnostics), set.refused};
    }
  }
  const CompileSettings settings{generation, rules.address_groups, rules.port_groups,
                                 rules.skip_bad ? BadRules::kLeaveOut : BadRules::kRefuseAll};
  auto compiled = compile_rules(set, settings);
  return {std::move(compiled), std::move(set.diagnostics), set.refused};
}

namespace operate {

RuleDesk::RuleDesk(RuleFiles files, const Settings& settings, RuleHandover handover, Tell tell)
    : files_(std::move(files)),
      settings_(settings),
      handover_(std::move(handover)),
      tell_(std::move(tell)) {}

bool RuleDesk::nothing_to_do() const noexcept {
  return files_.files.empty() && in_force_ == 0 && handover_.next_generation() == 1;
}

Result<void> RuleDesk::load() {
  if (nothing_to_do()) return {};
  auto offered = offer(build_rules(files_, handover_.next_generation()), settings_);
  if (!offered) error_ = offered.error().text();
  if (auto answer = handover_.poll(); answer) {
    answered(*answer);
    if (!answer->refusal.empty()) return fail(error_);
  }
  return offered;
}

void RuleDesk::reload() {
  if (nothing_to_do()) {
    tell_(Telling::kInfo, "no rule files are configured");
    return;
  }
  again_ = true;
  start_next();
}

void RuleDesk::change(Change change) {
  if (next_ && next_->done) next_->done("another reload took its place");
  next_ = std::move(change);
  start_next();
}

void RuleDesk::start_next() {
  if (compiling_.valid() || (!next_ && !again_)) return;
  if (current_ && !handover_.waits_in_vain()) return;
  if (current_) end_current("there is no data plane to take it, and another reload took its place");
  current_ = next_ ? std::move(*next_) : Change{files_, settings_};
  next_.reset();
  again_ = false;
  compiling_ = std::async(std::launch::async, [files = current_->files,
                                               generation = handover_.next_generation()] {
    return build_rules(files, generation);
  });
}

// Empty: it is in force.
void RuleDesk::end_current(const std::string& refusal) {
  if (!current_) return;
  Change ended = std::move(*current_);
  current_.reset();
  if (refusal.empty()) {
    files_ = std::move(ended.files);
    settings_ = ended.settings;
  }
  if (ended.done) ended.done(refusal);
}

int RuleDesk::do_work() {
  int done = 0;
  if (compiling_.valid() &&
      compiling_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    auto offered = offer(compiling_.get(), current_->settings);
    if (!offered) refused(offered.error().text());
    ++done;
  }
  if (auto answer = handover_.poll(); answer) {
    answered(*answer);
    ++done;
  }
  start_next();
  return done;
}

Result<void> RuleDesk::offer(RuleBuild build, const Settings& settings) {
  if (!build.compiled) return fail(build.compiled.error());
  const uint64_t generation = build.compiled->catalog.generation;
  // Known before the first hit of it can arrive.
  catalogs_.push_back(std::move(build.compiled->catalog));
  if (catalogs_.size() > kCatalogsKept) catalogs_.pop_front();
  if (auto offered = handover_.offer(generation, build.compiled->image, settings);
      !offered) {
    catalogs_.pop_back();
    return offered;
  }
  if (build.refused != 0) {
    tell_(Telling::kWarning,
          fmt::format("{} rules were left out; `weir check` lists them", build.refused));
  }
  return {};
}

void RuleDesk::answered(const RuleAnswer& answer) {
  if (!answer.refusal.empty()) {
    if (!catalogs_.empty() && catalogs_.back().generation == answer.generation) {
      catalogs_.pop_back();
    }
    refused("the data plane refused the rules: " + answer.refusal);
    return;
  }
  in_force_ = answer.generation;
  error_.clear();
  handover_.remove_old();
  end_current("");
  by_sid_.clear();
  std::unordered_map<uint64_t, uint64_t> hits;
  const RuleCatalog* catalog = current();
  if (catalog == nullptr) return;
  for (uint32_t i = 0; i < catalog->rules.size(); ++i) {
    const CatalogRule& r = catalog->rules[i];
    by_sid_[r.sid] = {catalog->generation, i};
    if (const auto old = hits_.find(key(r.gid, r.sid)); old != hits_.end()) hits.insert(*old);
  }
  hits_ = std::move(hits);
  tell_(Telling::kInfo, fmt::format("{} rules in force (generation {})", catalog->rules.size(),
                                    catalog->generation));
}

void RuleDesk::refused(const std::string& why) {
  error_ = why;
  tell_(Telling::kError, why + (in_force_ != 0 ? "; the rules before stay in force" : ""));
  end_current(why);
}

const RuleCatalog* RuleDesk::current() const noexcept {
  for (const RuleCatalog& c : catalogs_) {
    if (c.generation == in_force_) return &c;
  }
  return nullptr;
}

const CatalogRule* RuleDesk::rule(uint64_t generation, uint32_t index,
                                  uint32_t sid) const noexcept {
  for (const RuleCatalog& c : catalogs_) {
    if (c.generation == generation && index < c.rules.size()) return &c.rules[index];
  }
  return rule_of_sid(sid);  // of an image before this process: most likely still the same rule
}

const CatalogRule* RuleDesk::rule_of_sid(uint32_t sid) const noexcept {
  const auto found = by_sid_.find(sid);
  if (found == by_sid_.end()) return nullptr;
  for (const RuleCatalog& c : catalogs_) {
    if (c.generation == found->second.first) return &c.rules[found->second.second];
  }
  return nullptr;
}

uint64_t RuleDesk::hits_of(const CatalogRule& r) const noexcept {
  const auto found = hits_.find(key(r.gid, r.sid));
  return found == hits_.end() ? 0 : found->second;
}

}  // namespace operate
}  // namespace weir
