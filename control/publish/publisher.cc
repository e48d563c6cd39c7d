// SPDX-License-Identifier: Apache-2.0
#include "control/publish/publisher.h"

#include <algorithm>
#include <atomic>

namespace weir {

namespace {

constexpr uint32_t kTrackedMax = 65'536;             // what a worker's table holds by default
constexpr TimeNs kListWait = 5 * kNsPerSecond;       // then a listing is asked for again
constexpr TimeNs kWaitLongest = 60 * kNsPerSecond;
constexpr TimeNs kRemovalWait = 30 * kNsPerSecond;   // then nobody answers any more
constexpr TimeNs kAfterExpiry = 10 * kNsPerSecond;   // last reports are waited for so long
constexpr uint32_t kLookedAtPerStep = 32;

}  // namespace

Publisher::Publisher(Segment& segment, Responder& responder, const PublishSettings& settings)
    : segment_(segment),
      responder_(responder),
      settings_(settings),
      workers_(std::min(segment.workers(), kWorkersMax)),
      tracked_(kTrackedMax),
      queue_(workers_),
      list_done_(workers_, false) {}

uint64_t Publisher::waiting() const noexcept {
  uint64_t all = 0;
  for (const auto& q : queue_) all += q.size();
  return all;
}

int Publisher::do_work(TimeNs now) {
  watch_data_plane(now);
  for (const VerdictCommand& c : responder_.take_orders()) accept(c, now);
  if (running_) {
    repeat_unanswered(now);
    ask_for_counters(now);
  }
  return running_ ? flush() : 0;
}

void Publisher::watch_data_plane(TimeNs now) {
  if (settings_.in_process) {
    if (!running_) start_over(now);
    return;
  }
  const Presence& there = segment_.header().dataplane;
  // acquire pairs with the data plane's release of its state: its mailboxes are ready by then.
  const bool runs = there.state.load(std::memory_order_acquire) == ProgramState::kRunning;
  const uint64_t epoch = there.epoch.load(std::memory_order_acquire);
  if (runs && (!running_ || epoch != epoch_)) {
    epoch_ = epoch;
    start_over(now);
  } else if (!runs) {
    running_ = false;
  }
}

// At attach, and when the data plane came anew: what stands there is asked for, and what should
// stand and does not is sent once all have told.
void Publisher::start_over(TimeNs now) {
  running_ = true;
  listed_ = 0;
  listed_ns_ = now;
  for (auto* e = tracked_.oldest(); e != nullptr;) {
    auto* next = tracked_.newer(*e);
    Tracked& t = e->value;
    t.answers = 0;
    t.worker = {};
    t.wait_ns = settings_.answer_wait_ns;
    if (t.removing) tracked_.erase(*e);  // found standing, it is removed again
    e = next;
  }
  for (const Verdict& v : responder_.standing_verdicts(now)) {
    if (tracked_.find(v.id) == nullptr) track(v, now);
  }
  for (uint32_t w = 0; w < workers_; ++w) {
    list_done_[w] = false;
    queue_[w].clear();
    enqueue(w, {.kind = CommandKind::kList});
  }
}

Publisher::Table::Entry* Publisher::track(const Verdict& v, TimeNs now) {
  if (tracked_.size() == tracked_.capacity()) return nullptr;
  auto& e = tracked_.add(v.id);
  e.value.verdict = v;
  e.value.sent_ns = now;
  e.value.wait_ns = settings_.answer_wait_ns;
  return &e;
}

void Publisher::accept(const VerdictCommand& c, TimeNs now) {
  auto* e = tracked_.find(c.verdict.id);
  if (c.kind == CommandKind::kInstall) {
    if (e == nullptr) e = track(c.verdict, now);
    if (e == nullptr) {
      ++refused_for_room_;
      responder_.heard({.verdict = c.verdict.id, .phase = VerdictPhase::kRefused, .time_ns = now});
      return;
    }
  } else if (e != nullptr) {
    Tracked& t = e->value;
    t.removing = true;
    t.answers = 0;
    for (PerWorker& w : t.worker) w.answered = false;
    t.sent_ns = now;
    t.wait_ns = settings_.answer_wait_ns;
  }
  if (running_) enqueue_all(c);
}

void Publisher::enqueue(uint32_t worker, const VerdictCommand& c) {
  if (queue_[worker].size() >= settings_.queue_max) {
    ++refused_for_room_;  // unanswered, it is sent again
    return;
  }
  queue_[worker].push_back(c);
}

void Publisher::enqueue_all(const VerdictCommand& c) {
  for (uint32_t w = 0; w < workers_; ++w) enqueue(w, c);
}

void Publisher::send_missing(Tracked& t, TimeNs now) {
  const CommandKind kind = t.removing ? CommandKind::kRemove : CommandKind::kInstall;
  for (uint32_t w = 0; w < workers_; ++w) {
    if (!t.worker[w].answered) enqueue(w, {.kind = kind, .verdict = t.verdict});
  }
  t.sent_ns = now;
}

int Publisher::flush() {
  int sent = 0;
  for (uint32_t w = 0; w < workers_; ++w) {
    auto& queue = queue_[w];
    VerdictMailbox& mailbox = segment_.worker(w).mailbox;
    while (!queue.empty() && mailbox.push(queue.front())) {
      queue.pop_front();
      ++sent;
    }
  }
  return sent;
}

void Publisher::repeat_unanswered(TimeNs now) {
  if (!attached()) {
    if (now - listed_ns_ < kListWait) return;
    listed_ns_ = now;
    for (uint32_t w = 0; w < workers_; ++w) {
      if (!list_done_[w]) enqueue(w, {.kind = CommandKind::kList});
    }
    return;
  }
  const uint32_t slots = tracked_.slots();
  for (uint32_t i = 0; i < std::min(kLookedAtPerStep, slots); ++i) {
    repeat_cursor_ = (repeat_cursor_ + 1) % slots;
    auto* e = tracked_.slot(repeat_cursor_);
    if (e == nullptr) continue;
    Tracked& t = e->value;
    if (now > t.verdict.expire_ns + kAfterExpiry || (t.removing && t.wait_ns > kRemovalWait)) {
      tracked_.erase(*e);
      continue;
    }
    if (t.answers >= workers_ || now - t.sent_ns < t.wait_ns || now >= t.verdict.expire_ns) {
      continue;
    }
    t.wait_ns = std::min(t.wait_ns * 2, kWaitLongest);
    send_missing(t, now);
  }
}

void Publisher::ask_for_counters(TimeNs now) {
  if (!attached() || tracked_.size() == 0 || now - counted_ns_ < settings_.count_every_ns) return;
  counted_ns_ = now;
  for (uint32_t w = 0; w < workers_; ++w) {
    if (queue_[w].empty()) enqueue(w, {.kind = CommandKind::kListHits});
  }
}

void Publisher::take(const VerdictReport& r, TimeNs now) {
  const uint32_t worker = r.header.worker;
  if (worker >= workers_) return;
  auto* e = tracked_.find(r.verdict.id);
  switch (r.kind) {
    case ReportKind::kInstalled:
    case ReportKind::kStanding:
      if (e == nullptr) return found_standing(worker, r, now);
      return answered(*e, worker, r);
    case ReportKind::kFirstHit:
      if (e == nullptr) return;
      counted(e->value, worker, r);
      return responder_.heard(status_of(e->value, VerdictPhase::kCounted, r.header.time_ns));
    case ReportKind::kRefused:
      if (e != nullptr) refused(*e, worker, r);
      return;
    case ReportKind::kRemoved:
    case ReportKind::kExpired:
      if (e != nullptr) gone(*e, worker, r);
      return;
    case ReportKind::kListEnd:
      if (attached() || list_done_[worker]) return;  // the end of a counter listing
      list_done_[worker] = true;
      if (++listed_ < workers_) return;
      for (auto* t = tracked_.oldest(); t != nullptr; t = tracked_.newer(*t)) {
        if (t->value.answers < workers_) send_missing(t->value, now);
      }
      return;
  }
}

void Publisher::found_standing(uint32_t worker, const VerdictReport& r, TimeNs now) {
  if (r.verdict.id == 0 || r.verdict.expire_ns <= now) return;
  if (!responder_.adopt(r.verdict, now)) {
    enqueue(worker, {.kind = CommandKind::kRemove, .verdict = r.verdict});
    return;
  }
  if (auto* e = track(r.verdict, now); e != nullptr) answered(*e, worker, r);
}

void Publisher::counted(Tracked& t, uint32_t worker, const VerdictReport& r) {
  PerWorker& w = t.worker[worker];
  w.packets = std::max(w.packets, r.packets);
  w.bytes = std::max(w.bytes, r.bytes);
  w.leaked = std::max(w.leaked, r.leaked_packets);
  t.saturated = t.saturated || r.leaked_saturated != 0;
  if (r.first_hit_ns != 0 && (t.first_hit_ns == 0 || r.first_hit_ns < t.first_hit_ns)) {
    t.first_hit_ns = r.first_hit_ns;
  }
  t.last_hit_ns = std::max(t.last_hit_ns, r.last_hit_ns);
}

void Publisher::answered(Table::Entry& e, uint32_t worker, const VerdictReport& r) {
  Tracked& t = e.value;
  counted(t, worker, r);
  if (t.removing) return;
  PerWorker& w = t.worker[worker];
  const bool first = !w.answered;
  if (first) {
    w.answered = true;
    w.installed_ns = r.installed_ns;
    ++t.answers;
  }
  const bool complete = first && t.answers == workers_;
  responder_.heard(status_of(t, complete ? VerdictPhase::kInForce : VerdictPhase::kCounted,
                             r.header.time_ns));
}

void Publisher::refused(Table::Entry& e, uint32_t worker, const VerdictReport& r) {
  Tracked& t = e.value;
  if (!t.worker[worker].answered) {
    t.worker[worker].answered = true;  // an answer, if not the wished one: it is not sent again
    ++t.answers;
  }
  responder_.heard(status_of(t, VerdictPhase::kRefused, r.header.time_ns));
}

void Publisher::gone(Table::Entry& e, uint32_t worker, const VerdictReport& r) {
  Tracked& t = e.value;
  counted(t, worker, r);
  if (!t.removing) {  // it ran out there: the others follow
    t.removing = true;
    t.answers = 0;
    for (PerWorker& w : t.worker) w.answered = false;
  }
  if (t.worker[worker].answered) return;
  t.worker[worker].answered = true;
  ++t.answers;
  const bool complete = t.answers == workers_;
  responder_.heard(status_of(t, complete ? VerdictPhase::kGone : VerdictPhase::kCounted,
                             r.header.time_ns));
  if (complete) tracked_.erase(e);
}

VerdictStatus Publisher::status_of(const Tracked& t, VerdictPhase phase, TimeNs time_ns) const {
  VerdictStatus s{.verdict = t.verdict.id, .phase = phase, .time_ns = time_ns,
                  .first_hit_ns = t.first_hit_ns, .last_hit_ns = t.last_hit_ns,
                  .leaked_saturated = t.saturated};
  for (uint32_t w = 0; w < workers_; ++w) {
    const PerWorker& p = t.worker[w];
    s.packets += p.packets;
    s.bytes += p.bytes;
    s.leaked_packets += p.leaked;
    if (phase == VerdictPhase::kInForce) s.installed_ns = std::max(s.installed_ns, p.installed_ns);
  }
  return s;
}

}  // namespace weir
