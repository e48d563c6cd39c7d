// SPDX-License-Identifier: Apache-2.0
// The operator's side of Responder, and taking up what was there before this process.
#include <algorithm>

#include "control/respond/action_book.h"
#include "control/respond/ladder.h"
#include "control/respond/respond.h"

namespace weir {

namespace {

constexpr TimeNs kLongest = TimeNs{366} * 24 * 3600 * kNsPerSecond;
constexpr uint32_t kRunningMax = 32'768;

bool overlap(const IpPrefix& a, const IpPrefix& b) {
  return a.bits <= b.bits ? a.contains(b.address) : b.contains(a.address);
}

Result<void> check(const OperatorOrder& o) {
  if (o.target.bits == 0 && o.mac == MacAddress{}) {
    return fail("an order needs an address, a network or a MAC to act on");
  }
  const bool stops = o.action == Action::kDrop || o.action == Action::kReject;
  if (!stops && o.action != Action::kRateLimit && o.action != Action::kPass &&
      o.action != Action::kKeep) {
    return fail("an order is to drop, to reject, to limit, to keep or to allow");
  }
  if (o.action == Action::kKeep) {
    const bool narrow = o.to.bits != 0 || o.port != 0 || o.proto != 0 || o.app != 0;
    if (o.target.bits != 128 || narrow || o.mac != MacAddress{}) {
      return fail("one address as a whole is kept to what it has always done");
    }
  }
  const bool both = o.limit.packets_per_second != 0 && o.limit.bits_per_second != 0;
  const bool none = o.limit.packets_per_second == 0 && o.limit.bits_per_second == 0;
  if (o.action == Action::kRateLimit && (both || none)) {
    return fail("a limit is one rate above zero, in packets or in bits per second");
  }
  if (o.duration_ns < 0 || o.duration_ns > kLongest) {
    return fail("an order stands for more than nothing and at most 366 days");
  }
  return {};
}

// What keeps a device on the network whatever it does there: its address, its neighbours, and what
// routers say of its packets. Of ICMP the type stands as source port.
struct LifeSupport {
  bool is_v4, opens;  // opens: the device does, else others open it to the device
  uint8_t proto;
  uint16_t src_port, dst_port;  // 0: any
};
constexpr uint8_t kIcmp = 1, kUdp = 17, kIcmp6 = 58;
constexpr LifeSupport kLifeSupport[] = {
    {true, true, kUdp, 0, 67},     {true, false, kUdp, 0, 68},      // DHCP, RFC 2131
    {true, false, kIcmp, 3, 0},    {true, false, kIcmp, 11, 0},     // errors, RFC 792
    {false, true, kUdp, 0, 547},   {false, false, kUdp, 0, 546},    // DHCPv6, RFC 8415
    {false, false, kIcmp6, 1, 0},  {false, false, kIcmp6, 2, 0},    // errors, RFC 4443
    {false, false, kIcmp6, 3, 0},                                   //
    {false, true, kIcmp6, 133, 0}, {false, false, kIcmp6, 133, 0},  // neighbours, RFC 4861
    {false, true, kIcmp6, 135, 0}, {false, false, kIcmp6, 135, 0},  //
    {false, true, kIcmp6, 136, 0}, {false, false, kIcmp6, 136, 0},
};

VerdictMatch match_of(const LifeSupport& l, const IpAddress& device) {
  VerdictMatch m;
  (l.opens ? m.src : m.dst) = {device, 128};
  m.proto = l.proto;
  m.src_port = l.src_port;
  m.dst_port = l.dst_port;
  return m;
}

// Of what a MAC carries each address counts that was seen with it.
Result<void> check_never_touch(const OperatorOrder& o, const RespondSettings& settings,
                               const Inventory& inventory) {
  std::vector<IpPrefix> targets;
  if (o.target.bits != 0) targets.push_back(o.target);
  if (o.target.bits == 0) {
    inventory.each([&](const Device& d) {
      if (d.mac == o.mac) targets.push_back({d.address, 128});
      return true;
    });
  }
  for (const IpPrefix& p : settings.never_touch) {
    for (const IpPrefix& target : targets) {
      if (!overlap(p, target)) continue;
      return fail(to_string(target) + " is never touched: " + to_string(p) +
                  " is in respond.never_touch");
    }
  }
  return {};
}

// Allowing a device as a whole also tells the models that its scans are its normal life.
bool is_excuse(const ActionRecord& a) {
  return a.origin == Origin::kOperator && a.action == Action::kPass && a.match.either &&
         a.match.src.bits != 0 && a.match.dst.bits == 0 && a.match.proto == 0 &&
         a.match.dst_port == 0 && a.match.app == 0 && a.match.mac == MacAddress{};
}

}  // namespace

Result<const ActionRecord*> Responder::order(const OperatorOrder& o, TimeNs now) {
  if (const auto good = check(o); !good) return tl::make_unexpected(good.error());
  if (o.action != Action::kPass) {
    const auto good = check_never_touch(o, settings_, inventory_);
    if (!good) return tl::make_unexpected(good.error());
  }
  if (book_->running().size() >= kRunningMax) {
    return fail("more than " + std::to_string(kRunningMax) + " actions are running");
  }
  ActionRecord a;
  a.origin = Origin::kOperator;
  a.action = o.action;
  a.limit = o.limit;
  a.match.src = {masked(o.target.address, o.target.bits), o.target.bits};
  a.match.dst = {masked(o.to.address, o.to.bits), o.to.bits};
  a.match.dst_port = o.port;
  a.match.proto = o.proto;
  a.match.app = o.app;
  a.match.mac = o.mac;
  a.match.either = o.to.bits == 0 && o.port == 0;
  a.target = match_words(a.match);
  if (o.to.bits == 0 && o.port != 0 &&
      o.target.bits != 0) {  // the port as it uses it, and as it serves it
    VerdictMatch served = a.match;
    std::swap(served.src, served.dst);
    served.mac = MacAddress{};
    a.companions.push_back({book_->new_verdict(), served, o.action});
    a.target += ", and to it";
  }
  if (o.target.bits == 128) a.device = o.target.address;
  a.verdict = book_->new_verdict();
  if (o.action == Action::kKeep) {
    if (auto kept = keep_to_known(a, now); !kept) return tl::make_unexpected(kept.error());
  }
  a.reason = o.reason.empty() ? "ordered by the operator" : o.reason;
  a.mode = settings_.mode;
  a.duration_ns = o.duration_ns != 0 ? o.duration_ns : settings_.duration_ns;
  a.decided_ns = now;
  a.expires_ns = now + a.duration_ns;
  const ActionRecord& kept = book_->add(std::move(a));
  if (is_excuse(kept)) learner_.excuse(kept.match.src, kept.expires_ns, now);
  return &kept;
}

Result<void> Responder::keep_to_known(ActionRecord& planned, TimeNs now) const {
  const IpAddress& device = planned.device;
  const auto used = learner_.known_good(device, now, settings_.kept_max);
  const auto served = learner_.known_clients(device, now, settings_.kept_max - used.size());
  if (used.empty() && served.empty()) {
    return fail("nothing is known yet of what " + to_string(device) +
                " normally does, so that all of it would stop: block it if that is meant");
  }
  for (const KnownService& k : used) spare(planned, match_of(device, k.peer, k.proto, k.port));
  for (const KnownService& k : served) spare(planned, match_of(k.peer, device, k.proto, k.port));
  planned.target = "all of " + to_string(device) + " but " + std::to_string(used.size()) +
                   " services that it uses and " + std::to_string(served.size()) +
                   " uses of its own";
  for (const LifeSupport& l : kLifeSupport) {
    if (l.is_v4 == device.is_v4()) spare(planned, match_of(l, device));
  }
  return {};
}

Result<const ActionRecord*> Responder::undo(ActionId id, TimeNs now) {
  ActionRecord* a = book_->find(id);
  if (a == nullptr) return fail("there is no action " + std::to_string(id));
  if (!is_running(*a)) {
    return fail("action " + std::to_string(id) + " is already " +
                std::string(action_state_name(a->state)));
  }
  book_->order_removal(*a);
  if (a->origin == Origin::kModel) book_->hold(*a);
  if (is_excuse(*a)) learner_.excuse(a->match.src, now, now);  // no longer
  book_->end(*a, ActionState::kUndone, now);
  return a;
}

void Responder::restore(const ActionRecord& stored, TimeNs now) {
  ActionRecord a = stored;
  if (is_running(a)) {
    a.state = a.expires_ns > now ? ActionState::kPending : ActionState::kExpired;
    if (a.state == ActionState::kExpired) a.ended_ns = a.expires_ns;
  }
  if (a.id == 0 || !book_->put_back(a)) return;
  if (a.state != stored.state) book_->changed(a);
  if (a.origin == Origin::kModel && a.rung != 0 && a.state != ActionState::kRefused) {
    ladder_->acted(a.device, a.repeat, a.decided_ns, a.expires_ns);
  }
  const bool undone = a.state == ActionState::kUndone && a.origin == Origin::kModel;
  if (undone && a.expires_ns > now) book_->hold(a);
  if (is_running(a) && is_excuse(a)) learner_.excuse(a.match.src, a.expires_ns, now);
}

bool Responder::adopt(const Verdict& v, TimeNs now) {
  if (const ActionRecord* known = book_->find_verdict(v.id); known != nullptr) {
    return is_running(*known);
  }
  if (v.expire_ns <= now) return false;
  if (v.action == Action::kSpare) {
    book_->adopt_spare(v);
    return true;
  }
  ActionRecord a;
  a.verdict = v.id;
  a.origin = v.origin;
  a.match = v.match;
  a.action = v.action;
  a.limit = v.limit;
  if (v.match.src.bits == 128) a.device = v.match.src.address;
  a.target = match_words(v.match);
  const char* end = std::find(v.reason, v.reason + sizeof v.reason, '\0');
  a.reason.assign(v.reason, end);
  a.mode = settings_.mode;
  a.state = ActionState::kPending;  // until every worker has it
  a.duration_ns = v.expire_ns - v.decided_ns;
  a.packet_in_ns = v.packet_in_ns;
  a.decided_ns = v.decided_ns;
  a.expires_ns = v.expire_ns;
  book_->adopt(std::move(a));
  return true;
}

}  // namespace weir
