// SPDX-License-Identifier: Apache-2.0
// The control plane from records to verdicts as one bounded step: intake, learn, detect, respond,
// publish, each record going the whole way before the next is looked at, so that a verdict leaves
// with the record that decided it. Control thread, or lockstep in replay. Who keeps, logs or serves
// listens as a ChainListener; nothing here knows of files or sockets.
#pragma once

#include <cstdint>
#include <set>

#include "control/detect/detect.h"
#include "control/intake/intake.h"
#include "control/learn/learn.h"
#include "control/publish/publisher.h"
#include "control/respond/respond.h"

namespace weir {

// Called on the control thread, inside do_work(). What is passed is valid during the call only.
class ChainListener {
 public:
  virtual ~ChainListener() = default;
  virtual void on_flow_start(const FlowStart&) {}
  virtual void on_flow_update(const FlowUpdate&) {}
  virtual void on_flow_end(const FlowEnd&) {}
  virtual void on_rule_hit(const RuleHit&, const Alert*) {}  // each hit; the alert it counts for
  virtual void on_drop(const Drop&) {}
  virtual void on_anomaly(const AnomalyRecord&) {}
  virtual void on_evidence(const Evidence&) {}
  // Raised: at once. Grown or stamped: at the end of a step, at most once a second per alert.
  virtual void on_alert(const Alert&, bool /*fresh*/) {}
  virtual void on_action(const ActionRecord&) {}  // new or changed, at the end of a step
};

struct ChainSettings {
  IntakeSettings intake;
  LearnSettings learn;
  DetectSettings detect;
  RespondSettings respond;
  PublishSettings publish;
};

class ControlChain {
 public:
  ControlChain(Segment& segment, const ChainSettings& settings, ChainListener& listener);

  // now: the packet clock. Returns how much was done; 0: nothing to do at the moment.
  int do_work(TimeNs now);
  // A decision may come with the next record: whoever steps this is not to sleep.
  bool pending(TimeNs now) const noexcept { return learner_.pending(now); }
  // The operator's orders go out at once, not with the next step.
  Result<const ActionRecord*> order(const OperatorOrder& o, TimeNs now);
  Result<const ActionRecord*> undo(ActionId id, TimeNs now);

  Intake& intake() noexcept { return intake_; }
  Learner& learner() noexcept { return learner_; }
  Detector& detector() noexcept { return detector_; }
  Responder& responder() noexcept { return responder_; }
  Publisher& publisher() noexcept { return publisher_; }

  // For Intake: one decoded record.
  void on(const FlowStart& r);
  void on(const FlowUpdate& r);
  void on(const FlowEnd& r);
  void on(const RuleHit& r);
  void on(const Drop& r) { listener_.on_drop(r); }
  void on(const VerdictReport& r) { publisher_.take(r, now_); }
  void on(const AddressClaim&) {}
  void on(const AnomalyRecord& r) { listener_.on_anomaly(r); }
  void on(const Evidence& e) { listener_.on_evidence(e); }

 private:
  void judge();
  void tell_actions();
  void tell_grown_alerts();

  ChainListener& listener_;
  Intake intake_;
  Learner learner_;
  Detector detector_;
  Responder responder_;
  Publisher publisher_;
  TimeNs now_ = 0;
  TimeNs told_ns_ = 0;
  std::set<AlertId> grown_;
};

}  // namespace weir
