// SPDX-License-Identifier: Apache-2.0
#include "control/operate/control_plane.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "control/operate/answers.h"
#include "control/operate/drop_tally.h"
#include "control/operate/eve.h"
#include "control/operate/kept_records.h"
#include "control/operate/log_file.h"
#include "control/operate/rule_desk.h"
#include "control/operate/store.h"

namespace weir {

using namespace operate;

namespace {

constexpr TimeNs kCommitEvery = 250 * kNsPerMs;
constexpr TimeNs kPutOffMost = kNsPerSecond;
constexpr TimeNs kDevicesEvery = 5 * kNsPerSecond;
constexpr TimeNs kBaselinePartEvery = kNsPerSecond;  // all of it in about a minute
constexpr TimeNs kStampWait = 2 * kNsPerSecond;  // an alert's line waits this long for its stamps
constexpr size_t kWaitingAlertsMax = 1024;
constexpr uint64_t kDevicesMax = IntakeSettings{}.devices_max;

Mode strongest_mode(const Settings& s) {
  Mode mode = Mode::kTap;
  for (uint32_t i = 0; i < s.wires; ++i) mode = std::max(mode, s.wire[i].mode);
  return mode;
}

// Has this long passed since `last`? A clock that went back counts as passed.
bool due(TimeNs now, TimeNs& last, TimeNs every) {
  if (now - last < every && now >= last) return false;
  last = now;
  return true;
}

}  // namespace

struct ControlPlane::Parts final : ChainListener {
  Parts(const Config& c, Segment& s, ControlOptions o, std::unique_ptr<Store> kept,
        std::optional<LogFile> log, const ChainSettings& settings)
      : config(c),
        segment(s),
        options(std::move(o)),
        store(std::move(kept)),
        eve(std::move(log)),
        lines(s, options.from_capture ? EveLines::PacketNumbers::kCapture
                                      : EveLines::PacketNumbers::kNo),
        drops(settings.intake.hash_seed),
        chain(s, settings, *this),
        rules(c.rules,
              s.settings(),
            options.rule_loader ? RuleHandover(s, options.rule_loader)
                                  : RuleHandover(s, c.runtime_dir),
              [this](Telling level, const std::string& text) { tell(level, text); }) {}

  void tell(Telling level, const std::string& text) const {
    if (options.tell) options.tell(level, text);
  }
  Desk desk() {
    follow_restart();
    return {config, segment, chain,  rules, store.get(),
            lines,  eve ? &*eve : nullptr, drops, last_reload};
  }
  void log(std::string_view line) {
    if (!eve) return;
    eve->append(line);
    ++log_lines;
  }
  bool writes(EveType type) const { return eve && config.logs.writes(type); }
  Mode wire_mode(uint8_t wire) const {
    return wire < segment.settings().wires ? segment.settings().wire[wire].mode : Mode::kEnforce;
  }
  const CatalogRule* rule_of(const Alert& a) const {
    if (a.kind != AlertKind::kRule) return nullptr;
    return rules.rule(a.image_generation, a.rule_index, a.sid);
  }

  // ChainListener.
  void on_flow_end(const FlowEnd& r) override {
    if (writes(EveType::kFlow)) log(lines.flow(r));
  }
  void on_rule_hit(const RuleHit& r, const Alert*) override {
    ++rule_hits;
    rules.hit(r);
    if (!writes(EveType::kAlert)) return;
    log(lines.rule_alert(r, rules.rule(r.image_generation, r.rule_index, r.sid)));
  }
  void on_drop(const Drop& r) override {
    drops.take(r);
    if (!writes(EveType::kDrop)) return;
    log(lines.drop(r, r.rule_sid != 0 ? rules.rule_of_sid(r.rule_sid) : nullptr));
  }
  void on_anomaly(const AnomalyRecord& r) override {
    if (writes(EveType::kAnomaly)) log(lines.anomaly(r));
  }
  void on_evidence(const Evidence& e) override {
    const bool violation = e.kind == EvidenceKind::kViolation;
    const bool wanted = violation ? writes(EveType::kAnomaly) : eve && config.logs.writes(e.kind);
    if (wanted) log(lines.evidence(e));
  }
  void on_alert(const Alert& a, bool fresh) override {
    if (store) store->put_alert(a.id, alert_text(a, rule_of(a), lines, wire_mode(a.wire)));
    if (!fresh || a.kind == AlertKind::kRule || !writes(EveType::kAlert)) return;
    if (waiting_alerts.size() == kWaitingAlertsMax) write_waiting(waiting_alerts.front().first);
    waiting_alerts.emplace_back(a.id, now);
  }
  void on_action(const ActionRecord& a) override {
    if (store) store->put_action(a.id, kept_text(a));
    if (a.installed_ns == 0 || a.id <= last_counted_action) return;
    // Ids rise; an action may come into force after a later one, so each is remembered a while.
    if (std::find(in_force.begin(), in_force.end(), a.id) != in_force.end()) return;
    in_force.push_back(a.id);
    ++verdicts;
    constexpr size_t kRemembered = 4096;
    if (in_force.size() > kRemembered) {
      last_counted_action = std::max(last_counted_action, in_force.front());
      in_force.pop_front();
    }
  }

  // The line of a model's alert is written when it is known what came of it: its action is in
  // force, or there is none, or it has taken too long.
  void write_ready_alerts(bool all) {
    for (auto it = waiting_alerts.begin(); it != waiting_alerts.end();) {
      const auto [id, since] = *it;
      const Alert* a = chain.detector().find(id);
      const bool settled = a == nullptr || a->action == 0 || a->enforced_ns != 0 ||
                           action_is_over(a->action) || now - since > kStampWait || now < since;
      if (!settled && !all) {
        ++it;
        continue;
      }
      it = waiting_alerts.erase(it);
      write_alert_line(a);
    }
  }
  bool action_is_over(ActionId id) {
    const ActionRecord* r = chain.responder().find(id);
    return r == nullptr || r->state != ActionState::kPending;
  }
  void write_waiting(AlertId id) {
    waiting_alerts.pop_front();
    write_alert_line(chain.detector().find(id));
  }
  void write_alert_line(const Alert* a) {
    if (a == nullptr) return;
    const ActionRecord* response = chain.responder().find(a->action);
    const std::string text =
        response == nullptr ? ""
                            : fmt::format("{} {}", action_name(response->action), response->target);
    log(lines.model_alert(*a, text));
  }

  void save_devices(bool all) {
    if (!store) return;
    TimeNs newest = saved_devices_until;
    chain.intake().inventory().each([&](const Device& d) {
      if (!all && d.last_seen_ns < saved_devices_until) return false;
      newest = std::max(newest, d.last_seen_ns);
      store->put_device(to_string(d.address), d.last_seen_ns, kept_text(d));
      return true;
    });
    saved_devices_until = newest;
  }
  void save_baseline(uint32_t part) {
    if (store) store->put_baseline(part, chain.learner().snapshot(part));
  }
  void save_everything() {
    save_devices(true);
    chain.responder().each([&](const ActionRecord& a) {
      store->put_action(a.id, kept_text(a));
      return true;
    });
    chain.detector().each([&](const Alert& a) {
      store->put_alert(a.id, alert_text(a, rule_of(a), lines, wire_mode(a.wire)));
      return true;
    });
  }
  void commit() {
    if (!store) return;
    if (store->take_lost()) save_everything();
    store->commit();
    if (const std::string trouble = store->take_trouble(); !trouble.empty()) {
      tell(Telling::kError, trouble);
    }
  }
  void write_stats() {
    if (writes(EveType::kStats)) log(lines.stats(now, now - first_now));
  }
  void tell_log_trouble() {
    if (!eve) return;
    if (const std::string trouble = eve->take_trouble(); !trouble.empty()) {
      tell(Telling::kError, trouble + "; lines that do not fit are counted and left out");
    }
  }
  void restore();
  void keep_house();
  void end_reload(Config accepted, const std::string& refusal);
  void refuse_reload(const std::string& why);
  void follow_restart();

  Config config;
  Segment& segment;
  ControlOptions options;
  std::unique_ptr<Store> store;
  std::optional<LogFile> eve;
  EveLines lines;
  DropTally drops;
  ControlChain chain;
  RuleDesk rules;
  ReloadState last_reload;
  std::optional<Config> last_read;  // by a reload, as it stood in the file
  uint64_t last_reload_epoch = 0;   // of the data plane that it met
  std::deque<std::pair<AlertId, TimeNs>> waiting_alerts;
  std::deque<ActionId> in_force;
  ActionId last_counted_action = 0;
  TimeNs now = 0, first_now = 0;
  TimeNs stats_ns = 0, commit_ns = 0, devices_ns = 0, baseline_ns = 0;
  TimeNs saved_devices_until = 0;
  uint32_t baseline_part = 0;
  uint64_t rule_hits = 0, verdicts = 0, log_lines = 0;
};

// What the store remembers goes back to who knew it. A row that cannot be read is left where it is.
void ControlPlane::Parts::restore() {
  if (!store) return;
  const TimeNs started = segment.clock().now();
  uint64_t unreadable = 0;
  store->each_device(kDevicesMax, [&](std::string_view text) {
    const auto device = kept_device(text);
    device ? chain.intake().inventory().restore(*device) : void(++unreadable);
  });
  bool baselines_good = true;
  store->each_baseline([&](std::span<const uint8_t> part) {
    if (!baselines_good) return;
    if (auto done = chain.learner().restore(part); !done) {
      baselines_good = false;
      tell(Telling::kWarning, "what was learned before is lost: " + done.error().message);
    }
  });
  store->each_action(kAnswerRowsMax, [&](std::string_view text) {
    const auto action = kept_action(text);
    action ? chain.responder().restore(*action, started) : void(++unreadable);
  });
  if (unreadable != 0) {
    tell(Telling::kWarning,
         fmt::format("{} records of the database could not be read", unreadable));
  }
}

// Everything that comes back with the clock.
void ControlPlane::Parts::keep_house() {
  if (!waiting_alerts.empty()) write_ready_alerts(false);
  if (due(now, stats_ns, config.logs.stats_every_ns)) write_stats();
  if (eve) {
    eve->flush_due(now);
    tell_log_trouble();
  }
  if (!store) return;
  // A disk may take milliseconds: while a decision is pending it waits, but not for ever.
  if (chain.pending(now) && now >= commit_ns && now - commit_ns < kPutOffMost) return;
  if (due(now, devices_ns, kDevicesEvery)) save_devices(false);
  if (due(now, baseline_ns, kBaselinePartEvery)) {
    save_baseline(baseline_part);
    baseline_part = (baseline_part + 1) % Learner::kSnapshotParts;
  }
  if (due(now, commit_ns, kCommitEvery)) commit();
}

ControlPlane::ControlPlane(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ControlPlane::~ControlPlane() = default;

Result<std::unique_ptr<ControlPlane>> ControlPlane::open(const Config& config, Segment& segment,
                                                         ControlOptions options) {
  const auto home = home_network(config.rules);
  if (!home) return fail("HOME_NET: " + home.error().message);
  std::unique_ptr<Store> store;
  if (!options.store.empty()) {
    std::string set_aside;
    auto opened = Store::open(options.store, set_aside);
    if (!opened) return fail(opened.error());
    store = std::move(*opened);
    if (!set_aside.empty() && options.tell) options.tell(Telling::kError, set_aside);
  }
  std::optional<LogFile> log;
  if (!options.log_dir.empty()) {
    auto opened = LogFile::open(options.log_dir + "/eve.json", config.logs.rotate_bytes);
    if (!opened) return fail(opened.error());
    log.emplace(std::move(*opened));
  }

  // Verdict ids carry the epoch: it must be new also when an action of an earlier segment comes
  // back.
  Presence& presence = segment.header().control;
  const uint64_t before = presence.epoch.load(std::memory_order_relaxed);
  const uint64_t epoch =
      std::max(before, store ? static_cast<uint64_t>(store->number("epoch")) : uint64_t{0}) + 1;
  presence.epoch.store(epoch, std::memory_order_release);

  ChainSettings settings;
  settings.intake.internal = *home;
  settings.intake.hash_seed = options.hash_seed;
  settings.learn.scan = config.scan;
  settings.learn.rarity = config.rarity;
  settings.learn.hash_seed = options.hash_seed;
  settings.detect.hash_seed = options.hash_seed;
  settings.respond = config.respond;
  settings.respond.mode = strongest_mode(segment.settings());
  settings.respond.epoch = epoch;
  settings.publish.in_process = static_cast<bool>(options.rule_loader);
  if (store) {
    settings.detect.first_id = store->last_alert() + 1;
    settings.respond.first_action_id = store->last_action() + 1;
    store->put_number("epoch", static_cast<int64_t>(epoch));
    store->commit();
  }
  Config in_force = config;  // the file may be newer than what the data plane was started with
  in_force.settings = segment.settings();
  auto parts = std::make_unique<Parts>(in_force, segment, std::move(options), std::move(store),
                                       std::move(log), settings);
  parts->restore();
  return std::unique_ptr<ControlPlane>(new ControlPlane(std::move(parts)));
}

Result<void> ControlPlane::load_rules() {
  return parts_->rules.load();
}
void ControlPlane::reload_rules() {
  parts_->rules.reload();
}
bool ControlPlane::loading_rules() const {
  return parts_->rules.busy();
}

int ControlPlane::do_work(TimeNs now) {
  Parts& p = *parts_;
  p.now = now;
  if (p.first_now == 0) {
    p.first_now = now;
    p.stats_ns = p.commit_ns = p.devices_ns = p.baseline_ns = now;
  }
  const int done = p.chain.do_work(now) + p.rules.do_work();
  p.keep_house();
  return done;
}

bool ControlPlane::pending(TimeNs now) const {
  return parts_->chain.pending(now);
}

void ControlPlane::finish(TimeNs now) {
  Parts& p = *parts_;
  // The rings hold at most so much; whoever still writes does not keep us here for ever.
  constexpr int kStepsMax = 100'000;
  for (int i = 0; i < kStepsMax && do_work(now) != 0; ++i) {
  }
  p.write_ready_alerts(true);
  p.write_stats();
  if (p.eve) p.eve->flush();
  p.tell_log_trouble();
  if (!p.store) return;
  p.save_devices(false);
  for (uint32_t part = 0; part < Learner::kSnapshotParts; ++part) p.save_baseline(part);
  p.commit();
}

ControlTotals ControlPlane::totals() const {
  Parts& p = *parts_;
  return {p.chain.intake().records(),
          p.chain.intake().malformed(),
          p.rule_hits,
          p.chain.detector().raised(),
          p.verdicts,
          p.log_lines,
          p.eve ? p.eve->lines_lost() : 0};
}

ControlReply ControlPlane::answer(const ControlRequest& request, TimeNs now) {
  Parts& p = *parts_;
  p.now = now;
  if (request.method == "POST" && request.path == "/reload") {
    reload();
    return operate::answer(p.desk(), {"GET", "/reload", {}, {}}, now);
  }
  // What is told is kept: nobody is shown what a crash would take back.
  if (request.path == "/devices" || request.path == "/why") p.save_devices(false);
  p.commit();
  return operate::answer(p.desk(), request, now);
}

void ControlPlane::Parts::refuse_reload(const std::string& why) {
  last_reload.error = why;
  last_reload.busy = false;
  tell(Telling::kError, "nothing has changed: " + why);
}

// accepted: what the data plane works by already, if it did not refuse.
void ControlPlane::Parts::end_reload(Config accepted, const std::string& refusal) {
  if (!refusal.empty()) return refuse_reload(refusal);
  config = std::move(accepted);
  config.settings = segment.settings();
  RespondSettings respond = config.respond;
  respond.mode = strongest_mode(config.settings);
  chain.responder().use(respond);
  chain.learner().use(config.scan, config.rarity);
  if (const auto home = home_network(config.rules)) chain.intake().use(*home);
  if (eve) eve->rotate_at(config.logs.rotate_bytes);
  last_reload.busy = false;
  const auto list = [](const std::vector<std::string>& keys) {
    return keys.empty() ? "nothing" : fmt::format("{}", fmt::join(keys, "; "));
  };
  tell(Telling::kInfo, "configuration reloaded; changed: " + list(last_reload.taken));
  if (!last_reload.restart.empty()) {
    tell(Telling::kWarning, "waits for weir restart-dataplane: " + list(last_reload.restart));
  }
  if (!last_reload.start.empty()) {
    tell(Telling::kWarning,
         "waits until weir run is stopped and started: " + list(last_reload.start));
  }
}

// A data plane that started anew may have taken what waited for it.
void ControlPlane::Parts::follow_restart() {
  const uint64_t epoch = segment.header().dataplane.epoch.load(std::memory_order_relaxed);
  if (!last_read || epoch == last_reload_epoch || last_reload.busy) return;
  last_reload_epoch = epoch;
  config.settings = segment.settings();
  last_reload.restart = changes_between(config, *last_read).restart;
}

void ControlPlane::reload() {
  Parts& p = *parts_;
  if (p.eve) p.eve->reopen();
  p.tell_log_trouble();
  auto config = read_config(p.config.file, ConfigUse::kOffline);
  const uint64_t number = p.last_reload.number + 1;
  p.last_reload = {.number = number, .busy = true};
  if (!config) return p.refuse_reload(config.error().text());
  Config now = p.config;
  now.settings = p.segment.settings();
  ConfigChanges changes = changes_between(now, *config);
  p.last_read = std::move(*config);
  p.last_reload_epoch = p.segment.header().dataplane.epoch.load(std::memory_order_relaxed);
  p.last_reload.taken = std::move(changes.taken);
  p.last_reload.restart = std::move(changes.restart);
  p.last_reload.start = std::move(changes.start);
  const auto done = [&p, number, accepted = changes.accepted](const std::string& refusal) {
    // One that was overtaken is not what anybody asks about any more.
    if (p.last_reload.number == number || refusal.empty()) p.end_reload(accepted, refusal);
  };
  p.rules.change({changes.accepted.rules, changes.accepted.settings, done});
}

const MetricsSettings& ControlPlane::metrics() const {
  return parts_->config.metrics;
}

}  // namespace weir
