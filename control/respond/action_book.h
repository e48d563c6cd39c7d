// SPDX-License-Identifier: Apache-2.0
// The actions there are: their records by id, which verdict belongs to which, when each runs out,
// what the operator took back, and the commands and news that have not been fetched yet. Decides
// nothing. Private to respond.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/respond/respond.h"

namespace weir {

inline bool is_running(const ActionRecord& a) {
  return a.state == ActionState::kPending || a.state == ActionState::kStanding;
}
// Whether a flow with these ends, src the initiator, falls under the match. App and MAC are not
// looked at.
bool covers(const VerdictMatch& m, const Endpoints& ends);
// The flows that `client` opens to this service of `server`. port 0: all of the protocol.
VerdictMatch match_of(const IpAddress& client, const IpAddress& server, uint8_t proto,
                      uint16_t port);
std::string match_words(const VerdictMatch& m);  // "flows 10.0.0.9 -> 10.0.0.5 tcp port 80"

class ActionBook {
 public:
  explicit ActionBook(const RespondSettings& settings)
      : next_id_(settings.first_action_id),
        next_verdict_((settings.epoch << 32) + 1),
        actions_max_(settings.actions_max) {}

  VerdictId new_verdict() { return next_verdict_++; }
  // Gives it its id. A running one also gives its verdicts to the workers, companions first.
  ActionRecord& add(ActionRecord&& a);
  // The same for one whose verdict stands already: nothing is ordered.
  ActionRecord& adopt(ActionRecord&& a);
  // A kSpare that stands already: becomes part of the action it belongs to, now or when that is
  // adopted.
  void adopt_spare(const Verdict& v);
  // As it was before, under the id it has. false: that id is taken.
  bool put_back(const ActionRecord& a);
  void end(ActionRecord& a, ActionState how, TimeNs now);
  void order_removal(const ActionRecord& a);
  void changed(const ActionRecord& a) { changed_.insert(a.id); }

  ActionRecord* find(ActionId id);
  ActionRecord* find_verdict(VerdictId id);
  const std::map<ActionId, ActionRecord>& all() const { return actions_; }
  // Running actions by when they run out; the first is next.
  const std::set<std::pair<TimeNs, ActionId>>& running() const { return running_; }

  void hold(const ActionRecord& a);
  bool held(const VerdictMatch& m, Action action, TimeNs now);

  std::vector<VerdictCommand> take_orders() { return std::exchange(orders_, {}); }
  std::vector<ActionId> take_changed();

 private:
  struct Hold {
    VerdictMatch match;
    Action action = Action::kDrop;
    TimeNs until_ns = 0;
  };
  void know(const ActionRecord& a);
  void forget_old();

  std::map<ActionId, ActionRecord> actions_;
  std::unordered_map<VerdictId, ActionId> by_verdict_;
  std::set<std::pair<TimeNs, ActionId>> running_;
  std::vector<Hold> holds_;
  std::vector<VerdictCommand> orders_;
  std::set<ActionId> changed_;
  std::unordered_map<VerdictId, std::vector<Companion>> early_spares_;  // by what they spare from
  ActionId next_id_;
  VerdictId next_verdict_;
  uint32_t actions_max_;
};

// The verdicts of an action, companions first.
std::vector<Verdict> verdicts_of(const ActionRecord& a);

}  // namespace weir
