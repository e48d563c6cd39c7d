// SPDX-License-Identifier: Apache-2.0
#include "control/respond/respond.h"

#include <algorithm>
#include <iterator>

#include "control/respond/action_book.h"
#include "control/respond/ladder.h"

namespace weir {

namespace {

// What a source reached in the minute before its scan began may be part of it.
constexpr TimeNs kBeforeScan = 60 * kNsPerSecond;
constexpr size_t kKnownMax = 1024;
constexpr int kEndedPerStep = 256;

bool holds(const std::vector<IpPrefix>& list, const IpAddress& a) {
  return std::any_of(list.begin(), list.end(), [&](const IpPrefix& p) { return p.contains(a); });
}

// Nothing drops what `a` lets pass for this device as a whole.
bool lets_all_pass(const ActionRecord& a, const IpAddress& device) {
  return a.origin == Origin::kOperator && a.action == Action::kPass && a.match.either &&
         a.match.dst.bits == 0 && a.match.proto == 0 && a.match.dst_port == 0 && a.match.app == 0 &&
         a.match.mac == MacAddress{} && a.match.src.contains(device);
}

}  // namespace

std::string_view action_state_name(ActionState s) noexcept {
  constexpr std::string_view kNames[] = {"pending", "standing", "expired", "undone", "refused"};
  const auto i = static_cast<size_t>(s);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

std::string_view origin_name(Origin o) noexcept {
  constexpr std::string_view kNames[] = {"model", "operator", "rule"};
  const auto i = static_cast<size_t>(o);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

std::string_view standing_name(Standing s) noexcept {
  constexpr std::string_view kNames[] = {"ok", "blocked", "limited", "allowed", "kept"};
  const auto i = static_cast<size_t>(s);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

Responder::Responder(const RespondSettings& settings, const Inventory& inventory, Learner& learner)
    : settings_(settings),
      inventory_(inventory),
      learner_(learner),
      book_(std::make_unique<ActionBook>(settings)),
      ladder_(std::make_unique<Ladder>(settings)) {}

void Responder::use(const RespondSettings& configured) {
  settings_.enabled = configured.enabled;
  settings_.duration_ns = configured.duration_ns;
  settings_.duration_max_ns = configured.duration_max_ns;
  settings_.devices_per_hour_max = configured.devices_per_hour_max;
  settings_.never_touch = configured.never_touch;
  settings_.mode = configured.mode;
  ladder_->use(settings_);
}

Responder::~Responder() = default;

void Responder::consider(const Detected& found, TimeNs now) {
  if (!settings_.enabled || settings_.mode == Mode::kTap) return;
  if (found.evidence == nullptr || found.alert->kind != AlertKind::kScan) return;
  const Score& s = *found.evidence;
  Alert& alert = *found.alert;
  uint8_t highest = 0;
  for (const auto& [expires, id] : book_->running()) {
    const ActionRecord& a = *book_->find(id);
    if (a.origin != Origin::kModel || a.device != s.source || a.rung == 0) continue;
    highest = std::max(highest, a.rung);
    const bool was_under_way =
        a.state == ActionState::kPending || s.flow_first_ns <= a.installed_ns;
    if (was_under_way && covers(a.match, s.ends)) return;  // began before it could be stopped
  }
  if (highest >= kRungAll) return;
  const Device* device = inventory_.find(s.source);
  const bool shared = device != nullptr && (device->roles & (kRoleGateway | kRoleResolver)) != 0;
  uint8_t rung = static_cast<uint8_t>(highest + 1);
  if (highest == 0 && s.shape == ScanShape::kBoth) rung = kRungOpens;
  // Others live behind it: only what is narrow.
  if (shared && s.shape != ScanShape::kBoth) rung = kRungNarrow;

  ActionRecord planned;
  planned.alert = alert.id;
  planned.device = s.source;
  planned.match = match_of(rung, s.shape, s);
  planned.action = Action::kDrop;
  planned.target = match_words(planned.match);
  planned.reason = alert.title;
  planned.mode = settings_.mode;
  planned.rung = rung;
  planned.repeat = ladder_->repeats(s.source, now);
  planned.duration_ns = ladder_->duration_ns(planned.repeat);
  planned.packet_in_ns = s.packet_in_ns;
  planned.decided_ns = std::max(now, s.packet_in_ns);
  planned.expires_ns = planned.decided_ns + planned.duration_ns;
  if (shared && s.shape == ScanShape::kBoth) {
    planned.refusal = "others live behind " + to_string(s.source) +
                      " (gateway or resolver), and nothing narrow stops this scan";
  }
  if (!may_act_on(alert, planned, now)) return;
  if (rung != kRungAll)
    spare_known_good(planned, std::min(alert.since_ns, s.since_ns) - kBeforeScan);
  ladder_->acted(s.source, planned.repeat, now, planned.expires_ns);
  alert.action = book_->add(std::move(planned)).id;
}

// Otherwise a refused action is told once per device and hour.
bool Responder::may_act_on(Alert& alert, ActionRecord& planned, TimeNs now) {
  const IpAddress device = planned.device;
  std::string& why = planned.refusal;
  const auto allowed = [&](const auto& running) {
    return lets_all_pass(*book_->find(running.second), device);
  };
  if (why.empty() && holds(settings_.never_touch, device)) {
    why = to_string(device) + " is never touched (respond.never_touch)";
  } else if (why.empty() &&
             std::any_of(book_->running().begin(), book_->running().end(), allowed)) {
    why = "the operator allows " + to_string(device);
  } else if (why.empty() && book_->held(planned.match, planned.action, now)) {
    why = "the operator undid this action, and its time is not over";
  } else if (why.empty() && !ladder_->room_for(device, now)) {
    why = std::to_string(settings_.devices_per_hour_max) +
          " devices have been acted on in the last hour (respond.devices_per_hour_max)";
  }
  if (why.empty()) {
    planned.verdict = book_->new_verdict();
    return true;
  }
  if (ladder_->tell_refusal(device, now)) {
    planned.state = ActionState::kRefused;
    planned.ended_ns = now;
    const ActionId id = book_->add(std::move(planned)).id;
    if (alert.action == 0) alert.action = id;
  }
  return false;
}

void Responder::spare(ActionRecord& planned, const VerdictMatch& what) const {
  planned.companions.push_back({book_->new_verdict(), what, Action::kSpare});
}

// So little that the rest of the device's life goes on: what it reached before is spared.
void Responder::spare_known_good(ActionRecord& planned, TimeNs before_ns) const {
  for (const KnownService& k : learner_.known_good(planned.device, before_ns, kKnownMax)) {
    if (planned.companions.size() >= settings_.spared_max) break;
    const Endpoints ends{
        .src = planned.device, .dst = k.peer, .dst_port = k.port, .proto = k.proto};
    if (!covers(planned.match, ends)) continue;
    spare(planned, match_of(planned.device, k.peer, k.proto, k.port));
  }
}

void Responder::heard(const VerdictStatus& s) {
  ActionRecord* a = book_->find_verdict(s.verdict);
  if (a == nullptr) return;
  if (a->verdict != s.verdict) {  // a companion: of its fate only a refusal matters
    if (s.phase == VerdictPhase::kRefused && a->refusal.empty()) {
      a->refusal = "a part of it found no room in a worker's verdict table";
      if (a->action == Action::kKeep && is_running(*a)) {  // it would stop what should go on
        book_->order_removal(*a);
        book_->end(*a, ActionState::kRefused, s.time_ns);
      }
      book_->changed(*a);
    }
    return;
  }
  a->packets = std::max(a->packets, s.packets);
  a->bytes = std::max(a->bytes, s.bytes);
  a->leaked_packets = std::max(a->leaked_packets, s.leaked_packets);
  a->leaked_saturated = a->leaked_saturated || s.leaked_saturated;
  if (s.first_hit_ns != 0) a->first_hit_ns = s.first_hit_ns;
  a->last_hit_ns = std::max(a->last_hit_ns, s.last_hit_ns);
  if (s.installed_ns != 0 && a->installed_ns == 0) a->installed_ns = s.installed_ns;
  if (s.phase == VerdictPhase::kInForce && a->state == ActionState::kPending) {
    a->state = ActionState::kStanding;
  } else if (s.phase == VerdictPhase::kRefused && is_running(*a)) {
    a->refusal = "no room in a worker's verdict table";
    book_->order_removal(*a);
    book_->end(*a, ActionState::kRefused, s.time_ns);
  } else if (s.phase == VerdictPhase::kGone && is_running(*a) && s.time_ns >= a->expires_ns) {
    book_->end(*a, ActionState::kExpired, s.time_ns);
  }
  book_->changed(*a);
}

int Responder::do_work(TimeNs now) {
  int done = 0;
  while (!book_->running().empty() && book_->running().begin()->first <= now &&
         done < kEndedPerStep) {
    ActionRecord& a = *book_->find(book_->running().begin()->second);
    book_->end(a, ActionState::kExpired, a.expires_ns);  // in the workers it goes by itself
    ++done;
  }
  return done;
}

std::vector<VerdictCommand> Responder::take_orders() {
  return book_->take_orders();
}
std::vector<ActionId> Responder::take_changed() {
  return book_->take_changed();
}

std::vector<Verdict> Responder::standing_verdicts(TimeNs now) const {
  const auto exempts = [](const Verdict& v) {
    return v.action == Action::kPass || v.action == Action::kSpare;
  };
  std::vector<Verdict> passes, others;
  for (const auto& [expires, id] : book_->running()) {
    if (expires <= now) continue;
    for (const Verdict& v : verdicts_of(*book_->find(id))) {
      (exempts(v) ? passes : others).push_back(v);
    }
  }
  passes.insert(passes.end(), others.begin(), others.end());
  return passes;
}

const ActionRecord* Responder::find(ActionId id) const noexcept {
  return book_->find(id);
}

Standing Responder::standing_of(const IpAddress& device) const noexcept {
  Standing standing = Standing::kOk;
  const Device* known = inventory_.find(device);
  const MacAddress mac = known != nullptr ? known->mac : MacAddress{};
  const auto is_its = [&](const VerdictMatch& m) {
    if (m.mac != MacAddress{} && m.mac != mac) return false;
    return m.src.bits != 0 ? m.src.contains(device) : m.mac != MacAddress{};
  };
  for (const auto& [expires, id] : book_->running()) {
    const ActionRecord& a = *book_->find(id);
    if (lets_all_pass(a, device)) return Standing::kAllowed;
    if (!is_its(a.match)) continue;
    if (a.action == Action::kDrop || a.action == Action::kReject) {
      standing = Standing::kBlocked;
    } else if (a.action == Action::kKeep && standing != Standing::kBlocked) {
      standing = Standing::kKept;
    } else if (a.action == Action::kRateLimit && standing == Standing::kOk) {
      standing = Standing::kLimited;
    }
  }
  return standing;
}

uint32_t Responder::standing() const noexcept {
  return static_cast<uint32_t>(book_->running().size());
}

const ActionRecord* Responder::newest() const noexcept {
  return book_->all().empty() ? nullptr : &book_->all().rbegin()->second;
}

const ActionRecord* Responder::older(ActionId id) const noexcept {
  auto it = book_->all().lower_bound(id);
  return it == book_->all().begin() ? nullptr : &std::prev(it)->second;
}

}  // namespace weir
