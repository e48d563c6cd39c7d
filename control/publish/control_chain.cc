// SPDX-License-Identifier: Apache-2.0
#include "control/publish/control_chain.h"

namespace weir {

namespace {

constexpr TimeNs kTellGrownEvery = kNsPerSecond;

}  // namespace

ControlChain::ControlChain(Segment& segment, const ChainSettings& settings,
                           ChainListener& listener)
    : listener_(listener),
      intake_(segment, settings.intake),
      learner_(settings.learn, intake_.inventory()),
      detector_(settings.detect),
      responder_(settings.respond, intake_.inventory(), learner_),
      publisher_(segment, responder_, settings.publish) {}

int ControlChain::do_work(TimeNs now) {
  now_ = now;
  int done = intake_.do_work(*this);
  done += learner_.do_work(now);
  judge();
  done += responder_.do_work(now);
  done += publisher_.do_work(now);
  tell_actions();
  tell_grown_alerts();
  return done;
}

Result<const ActionRecord*> ControlChain::order(const OperatorOrder& o, TimeNs now) {
  auto made = responder_.order(o, now);
  if (made) publisher_.do_work(now);
  return made;
}

Result<const ActionRecord*> ControlChain::undo(ActionId id, TimeNs now) {
  auto undone = responder_.undo(id, now);
  if (undone) publisher_.do_work(now);
  return undone;
}

void ControlChain::on(const FlowStart& r) {
  listener_.on_flow_start(r);
  learner_.started(r);
  judge();
}

void ControlChain::on(const FlowUpdate& r) {
  listener_.on_flow_update(r);
  learner_.reported(r);
  judge();
}

void ControlChain::on(const FlowEnd& r) {
  listener_.on_flow_end(r);
  learner_.ended(r);
  judge();
}

void ControlChain::on(const RuleHit& r) {
  const Detected found = detector_.take(r, now_);
  listener_.on_rule_hit(r, found.alert);
  if (found.fresh) {
    listener_.on_alert(*found.alert, true);
  } else {
    grown_.insert(found.alert->id);
  }
}

void ControlChain::judge() {
  if (!learner_.has_scores()) return;
  for (Score& s : learner_.take_scores()) {
    const Detected found = detector_.take(s, now_);
    responder_.consider(found, now_);
    publisher_.do_work(now_);  // what was decided leaves at once, why is told after
    s.put_in_words();
    Detector::add_reasons(found);
    if (found.fresh) {
      listener_.on_alert(*found.alert, true);
    } else {
      grown_.insert(found.alert->id);
    }
  }
}

// The stamps of an alert are those of the first action it led to.
void ControlChain::tell_actions() {
  for (const ActionId id : responder_.take_changed()) {
    const ActionRecord* a = responder_.find(id);
    if (a == nullptr) continue;
    listener_.on_action(*a);
    Alert* alert = a->alert == 0 ? nullptr : detector_.find(a->alert);
    if (alert == nullptr || a->packet_in_ns != alert->packet_in_ns || a->installed_ns == 0) {
      continue;
    }
    if (alert->enforced_ns == a->installed_ns && alert->leaked_packets == a->leaked_packets) {
      continue;
    }
    alert->decided_ns = a->decided_ns;
    alert->enforced_ns = a->installed_ns;
    alert->leaked_packets = a->leaked_packets;
    alert->leaked_saturated = a->leaked_saturated;
    alert->enforced = a->mode == Mode::kEnforce;
    grown_.insert(alert->id);
  }
}

void ControlChain::tell_grown_alerts() {
  if (grown_.empty() || now_ - told_ns_ < kTellGrownEvery) return;
  told_ns_ = now_;
  for (const AlertId id : grown_) {
    if (const Alert* alert = detector_.find(id); alert != nullptr) {
      listener_.on_alert(*alert, false);
    }
  }
  grown_.clear();
}

}  // namespace weir
