// SPDX-License-Identifier: Apache-2.0
// Alerts become actions: the least that stops what was seen, for a bounded time, on a bounded
// number of devices, never on those that must not be touched; and what the operator orders. Each
// action is one verdict and at most a few companions; orders() are the commands for the workers,
// which publish carries. Control thread; time is an argument; knows nothing of mailboxes or
// workers.
//
// Ladder of a scanning device: (1) one host scanned: its flows to that host; one port of many
// hosts: its flows to that port; (2) every flow it opens; (3) everything it does. On (1) and (2)
// what it had used with success before the scan is spared (and goes on under the rules): those
// verdicts are sent first. What others open to
// it goes on too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/detect/detect.h"
#include "control/intake/intake.h"
#include "control/learn/learn.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/verdict.h"

namespace weir {

struct RespondSettings {
  bool enabled = true;                      // models act; the operator always may
  TimeNs duration_ns = 600 * kNsPerSecond;  // doubles per repeat
  TimeNs duration_max_ns = 24 * 3600 * kNsPerSecond;
  uint32_t devices_per_hour_max = 20;
  std::vector<IpPrefix> never_touch;
  Mode mode = Mode::kEnforce;    // the strongest of the wires'; tap: models do not act
  ActionId first_action_id = 1;  // one more than the store has
  uint64_t epoch = 1;            // of this control process; the high half of its verdict ids
  uint32_t actions_max = 8192;   // kept in memory; those that stand are never forgotten
  uint32_t spared_max = 64;      // known-good services that a model's action spares
  uint32_t kept_max = 1024;      // likewise of an order to keep
};

enum class ActionState : uint8_t {
  kPending = 0,  // not yet in force in every worker
  kStanding = 1,
  kExpired = 2,
  kUndone = 3,   // by the operator
  kRefused = 4,  // never in force; `refusal` says why
};
std::string_view action_state_name(ActionState s) noexcept;  // "pending" "standing" ...
std::string_view origin_name(Origin o) noexcept;             // "model" "operator" "rule"

struct Companion {  // a further verdict that is part of the same action
  VerdictId verdict = 0;
  VerdictMatch match{};
  Action action = Action::kSpare;
};

struct ActionRecord {
  ActionId id = 0;
  VerdictId verdict = 0;
  AlertId alert = 0;  // 0: none
  Origin origin = Origin::kModel;
  IpAddress device{};  // unspecified: not about one device
  VerdictMatch match{};
  Action action = Action::kDrop;
  RateLimit limit{};
  std::string target;  // the match in words: "flows 10.0.0.9 -> 10.0.0.5"
  std::string reason;
  std::string refusal;  // kRefused: why not
  Mode mode = Mode::kEnforce;
  ActionState state = ActionState::kPending;
  uint8_t rung = 0;     // 1..3 on the ladder; 0: not on it
  uint32_t repeat = 0;  // how often this device had been acted on lately
  TimeNs duration_ns = 0;
  TimeNs packet_in_ns = 0, decided_ns = 0;
  TimeNs installed_ns = 0;  // in the last worker; 0: not yet
  TimeNs expires_ns = 0;
  TimeNs ended_ns = 0;  // expired or undone
  TimeNs first_hit_ns = 0, last_hit_ns = 0;
  uint64_t packets = 0, bytes = 0;  // stopped by it, companions not counted
  uint64_t leaked_packets = 0;
  bool leaked_saturated = false;
  std::vector<Companion> companions;
};

// Whether the flow falls under what the action stops, limits or lets pass; what it spares beside
// that does not count.
bool falls_under(const ActionRecord& a, const FlowReport& flow);

struct OperatorOrder {
  // kDrop, kReject, kRateLimit, kPass ("allow"), or kKeep: one address to what it has always done,
  // as client and as server; nothing but target, duration and reason then counts.
  Action action = Action::kDrop;
  IpPrefix target{};  // either direction; bits = 0: the MAC alone says who
  MacAddress mac{};   // zero: any
  IpPrefix to{};      // bits > 0: only flows target -> to
  uint16_t port = 0;  // of the service; 0: any
  uint8_t proto = 0;
  uint16_t app = 0;  // 0: any
  RateLimit limit{};
  TimeNs duration_ns = 0;  // 0: the configured one
  std::string reason;
};

// What the workers say about one verdict, put together by publish.
enum class VerdictPhase : uint8_t { kInForce, kRefused, kGone, kCounted };
struct VerdictStatus {
  VerdictId verdict = 0;
  VerdictPhase phase = VerdictPhase::kCounted;
  TimeNs time_ns = 0;
  TimeNs installed_ns = 0;  // in the last worker
  TimeNs first_hit_ns = 0, last_hit_ns = 0;
  uint64_t packets = 0, bytes = 0, leaked_packets = 0;
  bool leaked_saturated = false;
};

enum class Standing : uint8_t { kOk, kBlocked, kLimited, kAllowed, kKept };
std::string_view standing_name(Standing s) noexcept;  // "ok" "blocked" "limited" "allowed" "kept"

class ActionBook;
class Ladder;

class Responder {
 public:
  Responder(const RespondSettings& settings, const Inventory& inventory, Learner& learner);
  ~Responder();

  // What the operator's configuration says, and the mode; for decisions from now on. What stands
  // stays.
  void use(const RespondSettings& configured);
  // A model's alert, raised or grown. Sets alert.action if it led to one.
  void consider(const Detected& found, TimeNs now);
  // The operator. An error is one sentence for the person who asked. never_touch does not bind them
  // for kPass; for the rest it does.
  Result<const ActionRecord*> order(const OperatorOrder& o, TimeNs now);
  Result<const ActionRecord*> undo(ActionId id, TimeNs now);

  void heard(const VerdictStatus& s);
  // From the store at start, oldest first; those that still run become pending.
  void restore(const ActionRecord& a, TimeNs now);
  // A verdict that stands in a worker: becomes an action if it is nobody's here. false: it belongs
  // to an action that has ended, and should go.
  bool adopt(const Verdict& v, TimeNs now);
  int do_work(TimeNs now);  // ends what has run out

  // Commands for every worker since the last call, in order; and the actions that changed.
  std::vector<VerdictCommand> take_orders();
  std::vector<ActionId> take_changed();
  // Every verdict that should stand at `now`, passes before drops.
  std::vector<Verdict> standing_verdicts(TimeNs now) const;

  const ActionRecord* find(ActionId id) const noexcept;
  Standing standing_of(const IpAddress& device) const noexcept;
  template <class Visit>  // visit(const ActionRecord&) -> bool, newest first
  void each(Visit&& visit) const {
    for (const ActionRecord* a = newest(); a && visit(*a); a = older(a->id)) {
    }
  }
  uint32_t standing() const noexcept;  // actions pending or standing

 private:
  const ActionRecord* newest() const noexcept;
  const ActionRecord* older(ActionId id) const noexcept;
  bool may_act_on(Alert& alert, ActionRecord& planned, TimeNs now);
  void spare(ActionRecord& planned, const VerdictMatch& what) const;
  void spare_known_good(ActionRecord& planned, TimeNs before_ns) const;
  Result<void> keep_to_known(ActionRecord& planned, TimeNs now) const;

  RespondSettings settings_;
  const Inventory& inventory_;
  Learner& learner_;
  std::unique_ptr<ActionBook> book_;
  std::unique_ptr<Ladder> ladder_;
};

}  // namespace weir
