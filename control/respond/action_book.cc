// SPDX-License-Identifier: Apache-2.0
#include "control/respond/action_book.h"

#include <algorithm>
#include <cstring>

namespace weir {

namespace {

constexpr size_t kHoldsMax = 4096;
constexpr size_t kEarlyMax = 65'536;

Verdict verdict_of(const ActionRecord& a, VerdictId id, const VerdictMatch& match, Action action) {
  Verdict v;
  v.id = id;
  v.packet_in_ns = id == a.verdict ? a.packet_in_ns : 0;  // leaks are counted for the main one
  v.decided_ns = a.decided_ns;
  v.expire_ns = a.expires_ns;
  v.limit = action == Action::kRateLimit ? a.limit : RateLimit{};
  v.match = match;
  v.action = action;
  v.spared_from = action == Action::kSpare ? a.verdict : 0;
  v.origin = a.origin;
  const std::string text =
      id == a.verdict ? a.reason : "goes on beside action " + std::to_string(a.id);
  std::memcpy(v.reason, text.data(), std::min(text.size(), sizeof v.reason - 1));
  return v;
}

}  // namespace

bool covers(const VerdictMatch& m, const Endpoints& ends) {
  if (m.proto != 0 && m.proto != ends.proto) return false;
  const auto agree = [&m](const IpAddress& src, uint16_t src_port, const IpAddress& dst,
                          uint16_t dst_port) {
    return m.src.contains(src) && m.dst.contains(dst) &&
           (m.src_port == 0 || m.src_port == src_port) &&
           (m.dst_port == 0 || m.dst_port == dst_port);
  };
  return agree(ends.src, ends.src_port, ends.dst, ends.dst_port) ||
         (m.either && agree(ends.dst, ends.dst_port, ends.src, ends.src_port));
}

bool falls_under(const ActionRecord& a, const FlowReport& f) {
  const auto agrees = [&f](const VerdictMatch& m) {
    const bool app = m.app == 0 || m.app == f.app || m.app == f.app_master;
    const bool mac =
        m.mac == MacAddress{} || m.mac == f.src_mac || (m.either && m.mac == f.dst_mac);
    return app && mac && covers(m, f.ends);
  };
  const auto has = [&](Action action) {
    return std::any_of(a.companions.begin(), a.companions.end(),
                       [&](const Companion& c) { return c.action == action && agrees(c.match); });
  };
  return (agrees(a.match) || has(a.action)) && !has(Action::kSpare);
}

VerdictMatch match_of(const IpAddress& client, const IpAddress& server, uint8_t proto,
                      uint16_t port) {
  VerdictMatch m;
  m.src = {client, 128};
  m.dst = {server, 128};
  m.dst_port = port;
  m.proto = proto;
  return m;
}

std::string match_words(const VerdictMatch& m) {
  std::string what;
  if (m.dst_port != 0 || m.proto != 0) {
    what = m.proto != 0 ? service_words(m.proto, m.dst_port) : "port " + std::to_string(m.dst_port);
    if (m.proto != 0 && m.dst_port == 0) {
      what = m.proto == 6 ? "tcp" : m.proto == 17 ? "udp" : service_words(m.proto, 0);
    }
  }
  if (m.app != 0) what += (what.empty() ? "" : " ") + ("application " + std::to_string(m.app));
  const std::string suffix = what.empty() ? "" : " " + what;
  std::string who = m.src.bits != 0 || m.mac == MacAddress{} ? to_string(m.src) : "";
  if (m.mac != MacAddress{}) who += (who.empty() ? "" : " at ") + mac_text(m.mac);
  if (m.dst.bits == 0 && m.either) return "everything to and from " + who + suffix;
  if (m.dst.bits == 0 && what.empty()) return "everything " + who + " opens";
  return "flows " + who + (m.either ? " <-> " : " -> ") + to_string(m.dst) + suffix;
}

std::vector<Verdict> verdicts_of(const ActionRecord& a) {
  std::vector<Verdict> all;
  for (const Companion& c : a.companions) {
    all.push_back(verdict_of(a, c.verdict, c.match, c.action));
  }
  all.push_back(verdict_of(a, a.verdict, a.match, a.action));
  return all;
}

void ActionBook::know(const ActionRecord& a) {
  if (a.verdict != 0) by_verdict_[a.verdict] = a.id;
  for (const Companion& c : a.companions) by_verdict_[c.verdict] = a.id;
  if (is_running(a)) running_.insert({a.expires_ns, a.id});
}

ActionRecord& ActionBook::adopt(ActionRecord&& a) {
  a.id = next_id_++;
  if (const auto early = early_spares_.extract(a.verdict); !early.empty()) {
    a.companions.insert(a.companions.end(), early.mapped().begin(), early.mapped().end());
  }
  ActionRecord& kept = actions_.emplace(a.id, std::move(a)).first->second;
  know(kept);
  changed_.insert(kept.id);
  return kept;
}

void ActionBook::adopt_spare(const Verdict& v) {
  const Companion spare{v.id, v.match, v.action};
  if (ActionRecord* a = find_verdict(v.spared_from); a != nullptr) {
    a->companions.push_back(spare);
    by_verdict_[v.id] = a->id;
    changed_.insert(a->id);
  } else if (early_spares_.size() < kEarlyMax || early_spares_.contains(v.spared_from)) {
    auto& early = early_spares_[v.spared_from];  // each worker tells of it
    const bool told = std::any_of(early.begin(), early.end(),
                                  [&](const Companion& c) { return c.verdict == v.id; });
    if (!told) early.push_back(spare);
  }
}

ActionRecord& ActionBook::add(ActionRecord&& a) {
  ActionRecord& kept = adopt(std::move(a));
  if (is_running(kept)) {
    for (const Verdict& v : verdicts_of(kept)) {
      orders_.push_back({.kind = CommandKind::kInstall, .verdict = v});
    }
  }
  forget_old();
  return kept;
}

bool ActionBook::put_back(const ActionRecord& a) {
  const auto [it, fresh] = actions_.emplace(a.id, a);
  if (!fresh) return false;
  know(it->second);
  next_id_ = std::max(next_id_, a.id + 1);
  forget_old();
  return true;
}

void ActionBook::end(ActionRecord& a, ActionState how, TimeNs now) {
  running_.erase({a.expires_ns, a.id});
  a.state = how;
  a.ended_ns = now;
  changed_.insert(a.id);
}

void ActionBook::order_removal(const ActionRecord& a) {
  const auto verdicts = verdicts_of(a);  // the other way round: what it spares goes last
  for (auto v = verdicts.rbegin(); v != verdicts.rend(); ++v) {
    orders_.push_back({.kind = CommandKind::kRemove, .verdict = *v});
  }
}

ActionRecord* ActionBook::find(ActionId id) {
  const auto it = actions_.find(id);
  return it == actions_.end() ? nullptr : &it->second;
}

ActionRecord* ActionBook::find_verdict(VerdictId id) {
  const auto it = by_verdict_.find(id);
  return it == by_verdict_.end() ? nullptr : find(it->second);
}

void ActionBook::hold(const ActionRecord& a) {
  if (holds_.size() >= kHoldsMax) holds_.erase(holds_.begin());
  holds_.push_back({a.match, a.action, a.expires_ns});
}

bool ActionBook::held(const VerdictMatch& m, Action action, TimeNs now) {
  std::erase_if(holds_, [now](const Hold& h) { return h.until_ns <= now; });
  return std::any_of(holds_.begin(), holds_.end(),
                     [&](const Hold& h) { return h.match == m && h.action == action; });
}

std::vector<ActionId> ActionBook::take_changed() {
  std::vector<ActionId> ids(changed_.begin(), changed_.end());
  changed_.clear();
  return ids;
}

void ActionBook::forget_old() {
  for (auto it = actions_.begin(); actions_.size() > actions_max_ && it != actions_.end();) {
    if (is_running(it->second) || changed_.contains(it->first)) {
      ++it;
      continue;
    }
    by_verdict_.erase(it->second.verdict);
    for (const Companion& c : it->second.companions) by_verdict_.erase(c.verdict);
    it = actions_.erase(it);
  }
}

}  // namespace weir
