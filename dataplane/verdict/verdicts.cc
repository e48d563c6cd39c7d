// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "dataplane/base/hash.h"
#include "dataplane/verdict/meter.h"
#include "dataplane/verdict/verdict.h"
#include "dataplane/verdict/verdict_table.h"

namespace weir {

namespace {

constexpr uint32_t kHistoryPackets = 8'192;  // packets remembered to count what leaked
constexpr uint32_t kExpiredPerStep = 32, kListedPerStep = 16;
constexpr TimeNs kExpiryRoundNs = 100 * kNsPerMs;  // a flow's own verdict ends exactly all the same

VerdictSubject subject_of(const Flow& f, const FlowCold& c) noexcept {
  const Endpoints e = endpoints_of(f);
  return {e.src, e.dst, e.src_port, e.dst_port, f.app, f.app_master, e.proto, c.src_mac, c.dst_mac};
}

VerdictSubject subject_of(const PacketView& p, const Headers& h) noexcept {
  VerdictSubject s{h.src, h.dst, h.src_port, h.dst_port, 0, 0, h.proto, {}, {}};
  if (h.has(kHasMac)) {
    std::copy_n(p.data + 6, 6, s.src_mac.begin());
    std::copy_n(p.data, 6, s.dst_mac.begin());
  }
  return s;
}

bool is_blocked_by_rule(const Tracked& t) noexcept {
  return t.flow != nullptr && (t.flow->flags & kBlockedByRule) != 0;
}

Reason verdict_reason(Action a) noexcept {
  switch (a) {
    case Action::kDrop:
    case Action::kKeep:
      return Reason::kVerdictDrop;
    case Action::kReject:
      return Reason::kVerdictReject;
    case Action::kRateLimit:
      return Reason::kVerdictRateLimit;
    default:
      return Reason::kNone;
  }
}

Reason rule_reason(Action a) noexcept {
  switch (a) {
    case Action::kDrop:
      return Reason::kRuleDrop;
    case Action::kReject:
      return Reason::kRuleReject;
    case Action::kRateLimit:
      return Reason::kRuleRateLimit;
    default:
      return Reason::kNone;
  }
}

// What track has counted of a flow and drop() let be.
FlowTraffic undecided(std::span<const PacketView> packets, std::span<const Tracked> tracked,
                      uint32_t flow, Rows dropped) noexcept {
  FlowTraffic t;
  for (const size_t i : each(first_rows(packets.size()) & ~dropped)) {
    if (tracked[i].flow == nullptr || tracked[i].index != flow) continue;
    ++t.packets;
    t.bytes += packets[i].bytes;
  }
  return t;
}

Reason fail_reason(FailCause c) noexcept {
  switch (c) {
    case FailCause::kStarting:
      return Reason::kFailStarting;
    case FailCause::kOverload:
      return Reason::kFailOverload;
    case FailCause::kFlowTableFull:
      return Reason::kFailFlowTableFull;
    case FailCause::kStreamMemoryFull:
      return Reason::kFailStreamMemoryFull;
    case FailCause::kParserError:
      return Reason::kFailParserError;
    case FailCause::kControlGone:
      return Reason::kFailControlGone;
    default:  // the others stop the whole wire, not a packet
      return Reason::kNone;
  }
}

}  // namespace

// The last packets that were let through, to say how many of an attack got past before its verdict
// stood. Overwritten round and round.
struct Verdicts::History {
  struct Passed {
    TimeNs time_ns;
    uint32_t flow, index;  // flow: the lower half of its id
  };
  Passed passed[kHistoryPackets] = {};
  uint64_t count = 0;
};

Verdicts::Verdicts(uint32_t verdicts_max, Meters& meters)
    : table_(std::make_unique<VerdictTable>(verdicts_max)),
      meters_(meters),
      history_(std::make_unique<History>()) {}

Verdicts::~Verdicts() = default;

uint64_t Verdicts::bytes_for(uint32_t verdicts_max) noexcept {
  return VerdictTable::bytes_for(verdicts_max) + kHistoryPackets * sizeof(History::Passed);
}

uint32_t Verdicts::standing() const noexcept {
  return table_->size();
}

VerdictReport Verdicts::make_report(uint32_t slot, ReportKind kind, TimeNs now) const noexcept {
  return make_report(table_->at(slot), table_->hits(slot), kind, now);
}

// Of a verdict that is not in the table.
VerdictReport Verdicts::make_report(const Verdict& v, ReportKind kind, TimeNs now) const noexcept {
  StandingVerdict none;
  none.verdict = v;
  return make_report(none, VerdictHits{}, kind, now);
}

VerdictReport Verdicts::make_report(const StandingVerdict& e, const VerdictHits& hits,
                                    ReportKind kind, TimeNs now) const noexcept {
  VerdictReport r;
  r.header.type = RecordType::kVerdictReport;
  r.header.bytes = sizeof r;
  r.header.time_ns = now;
  r.verdict = e.verdict;
  r.installed_ns = e.installed_ns;
  r.first_hit_ns = e.first_hit_ns;
  r.last_hit_ns = hits.last_ns;
  r.packets = hits.packets;
  r.bytes = hits.bytes;
  r.leaked_packets = e.leaked;
  r.leaked_saturated = e.leaked_saturated ? 1 : 0;
  r.kind = kind;
  return r;
}

void Verdicts::count_leaks(StandingVerdict& e, const FlowTable& flows) const noexcept {
  if (e.verdict.packet_in_ns == 0) return;
  const uint64_t held = std::min<uint64_t>(history_->count, kHistoryPackets);
  uint64_t n = 0;
  for (; n < held; ++n) {  // newest first
    const History::Passed& p = history_->passed[(history_->count - 1 - n) % kHistoryPackets];
    if (p.time_ns <= e.verdict.packet_in_ns) break;
    const Flow& f = flows.flow(p.index);
    if (f.id != 0 && static_cast<uint32_t>(f.id) == p.flow &&
        matches(e.verdict.match, subject_of(f, flows.cold(p.index)))) {
      ++e.leaked;
    }
  }
  e.leaked_saturated = n == held && history_->count > kHistoryPackets;
}

void Verdicts::apply(const VerdictCommand& command, const FlowTable& flows, TimeNs now,
                     VerdictReports& reports) {
  switch (command.kind) {
    case CommandKind::kInstall: {
      const bool renewed = table_->find_id(command.verdict.id) != kNoVerdict;
      const uint32_t slot = table_->install(command.verdict, now);
      if (slot == kNoVerdict) {
        ++refused_;
        return reports.report(make_report(command.verdict, ReportKind::kRefused, now));
      }
      ++installed_;
      if (!renewed) count_leaks(table_->at(slot), flows);
      return reports.report(make_report(slot, ReportKind::kInstalled, now));
    }
    case CommandKind::kRemove: {
      const uint32_t slot = table_->remove(command.verdict.id);
      return reports.report(slot == kNoVerdict
                                ? make_report(command.verdict, ReportKind::kRemoved, now)
                                : make_report(slot, ReportKind::kRemoved, now));
    }
    case CommandKind::kList:
    case CommandKind::kListHits:
      listing_hits_only_ = command.kind == CommandKind::kListHits;
      listing_ = true;
      list_at_ = 0;
      return;
  }
}

// How many of the standing verdicts to look at for expiry, so that all are within a round.
uint32_t Verdicts::entries_due(TimeNs now) noexcept {
  const TimeNs since = std::clamp<TimeNs>(now - swept_ns_, 0, kExpiryRoundNs);
  const auto due = static_cast<uint32_t>(since * TimeNs{table_->size()} / kExpiryRoundNs);
  if (due != 0 || now < swept_ns_) swept_ns_ = now;
  return std::min(due, kExpiredPerStep);
}

void Verdicts::step(TimeNs now, VerdictReports& reports) {
  while (first_hits_count_ != 0) {
    const uint32_t slot = table_->find_id(first_hits_[--first_hits_count_]);
    if (slot != kNoVerdict) reports.report(make_report(slot, ReportKind::kFirstHit, now));
  }
  for (uint32_t due = entries_due(now); due != 0; --due) {
    const uint32_t slot = table_->next_active();
    if (slot == kNoVerdict) break;
    if (table_->hits(slot).expire_ns > now) continue;
    reports.report(make_report(slot, ReportKind::kExpired, now));
    table_->remove(table_->at(slot).verdict.id);
    ++expired_;
  }
  for (unsigned n = 0; n < kListedPerStep && listing_; ++n) {
    if (list_at_ >= table_->size()) {
      listing_ = false;
      return reports.report(make_report(Verdict{}, ReportKind::kListEnd, now));
    }
    const uint32_t slot = table_->active_slot(list_at_++);
    StandingVerdict& e = table_->at(slot);
    const uint64_t packets = table_->hits(slot).packets;
    if (listing_hits_only_ && packets == e.packets_listed) continue;
    e.packets_listed = packets;
    reports.report(make_report(slot, ReportKind::kStanding, now));
  }
}

[[gnu::noinline]] void Verdicts::look_up(Flow& f, const FlowCold& c,
                                         const PacketView& packet) noexcept {
  const bool is_empty = table_->size() == 0;
  f.verdict_slot = is_empty ? kNoVerdict : table_->find(subject_of(f, c), packet.time_ns);
  f.verdict_generation = table_->generation();
}

uint32_t Verdicts::verdict_of(const Tracked& t, const FlowTable& flows,
                              const PacketView& packet) noexcept {
  Flow& f = *t.flow;
  const bool known = f.verdict_generation == table_->generation();
  if (known && f.verdict_slot == kNoVerdict) return kNoVerdict;
  if (!known || table_->hits(f.verdict_slot).expire_ns <= packet.time_ns) {
    look_up(f, flows.cold(t.index), packet);
  }
  return f.verdict_slot;
}

Verdicts::Standing Verdicts::now() const noexcept {
  static_assert(kNoSlot == kNoVerdict);
  return Standing(table_->generation());
}

void Verdicts::fetch(std::span<const Tracked> tracked, Rows rows) const noexcept {
  for (const size_t i : each(rows)) {
    const Flow* f = tracked[i].flow;
    if (f != nullptr && f->verdict_slot < table_->capacity())
      table_->prefetch_hits(f->verdict_slot);
  }
}

inline void Verdicts::count_stopped(uint32_t slot, const PacketView& packet) noexcept {
  VerdictHits& hits = table_->hits(slot);
  if (hits.packets++ == 0) {
    StandingVerdict& e = table_->at(slot);
    e.first_hit_ns = packet.time_ns;
    if (first_hits_count_ < kFirstHitsMax) first_hits_[first_hits_count_++] = e.verdict.id;
  }
  hits.bytes += packet.wire_bytes;
  hits.last_ns = packet.time_ns;
}

// Whether all of the packet's flow is dropped, by its verdict, which is as good as found, or by a
// rule, and nothing is kept of it.
bool Verdicts::is_over(const Tracked& t, const FlowTable& flows) const noexcept {
  const Flow& f = *t.flow;
  if ((f.flags & kHasStream) != 0 || f.parse_slot != kNoSlot) return false;
  if (f.verdict_slot != kNoVerdict) {
    const Action a = table_->at(f.verdict_slot).verdict.action;
    return a == Action::kDrop || a == Action::kKeep;
  }
  // What a rule blocks is read to its end: it tells what was tried.
  const bool reads = (f.flags & kWantsParse) != 0;
  return (f.flags & kBlockedByRule) != 0 && !reads &&
         flows.drops(t.index).rule_action == Action::kDrop;
}

Rows Verdicts::drop(std::span<const PacketView> packets, std::span<const Tracked> tracked,
                    FlowTable& flows, std::span<Reason> reasons, Rows rows) noexcept {
  const Standing standing = now();
  Rows dropped = 0, newly = 0;
  for (const size_t i : each(rows)) {
    const PacketView& p = packets.data()[i];
    const Tracked& t = tracked.data()[i];
    const Flow& f = *t.flow;
    const bool is_stopped = (f.flags & kStopped) != 0;
    if (!standing.is_known(f) || (!is_stopped && !is_over(t, flows))) continue;
    const uint32_t slot = f.verdict_slot;
    if (slot != kNoVerdict && table_->hits(slot).expire_ns <= p.time_ns) continue;
    if (slot != kNoVerdict) count_stopped(slot, p);
    reasons.data()[i] = slot != kNoVerdict ? Reason::kVerdictDrop : Reason::kRuleDrop;
    dropped |= row(i);
    if (is_stopped) continue;
    newly |= row(i);
    const VerdictId id = slot != kNoVerdict ? table_->at(slot).verdict.id : 0;
    flows.drops_to_write(t.index).count(id, p.bytes);
  }
  for (const size_t i : each(newly)) {
    const uint32_t index = tracked[i].index;
    const bool all = undecided(packets, tracked, index, dropped).packets == 0;
    if (all && (tracked[i].flow->flags & kStopped) == 0) flows.stop(index);
  }
  return dropped;
}

void Verdicts::resume(std::span<const PacketView> packets, std::span<const Tracked> tracked,
                      FlowTable& flows, Rows rows, Rows dropped) noexcept {
  for (const size_t i : each(rows & ~dropped)) {
    const Tracked& t = tracked.data()[i];
    if (t.flow == nullptr || (t.flow->flags & kStopped) == 0) continue;
    flows.resume(t.index, undecided(packets, tracked, t.index, dropped));
  }
}

Rows Verdicts::judge(std::span<const PacketView> packets, std::span<const Headers> headers,
                     std::span<const Tracked> tracked, const FlowTable& flows,
                     std::span<Decision> decisions, Rows rows) noexcept {
  Rows found = 0;
  for (const size_t i : each(rows & first_rows(packets.size()))) {
    uint32_t slot = kNoVerdict;
    if (tracked[i].flow != nullptr) {
      slot = verdict_of(tracked[i], flows, packets[i]);
    } else if (headers[i].has(kHasIp) && table_->size() != 0) {
      slot = table_->find(subject_of(packets[i], headers[i]), packets[i].time_ns);
    }
    if (slot == kNoVerdict) continue;
    decisions[i] = Decision{};
    decisions[i].verdict_slot = slot;
    found |= row(i);
  }
  return found;
}

bool Verdicts::is_stopped(const Decision& d) const noexcept {
  if (d.verdict_slot == kNoVerdict) return false;
  const Action a = table_->at(d.verdict_slot).verdict.action;
  return a == Action::kDrop || a == Action::kReject || a == Action::kKeep;
}

bool Verdicts::is_trusted(const Decision& d) const noexcept {
  return d.verdict_slot != kNoVerdict && table_->at(d.verdict_slot).verdict.action == Action::kPass;
}

bool Verdicts::is_spared(const Decision& d) const noexcept {
  return d.verdict_slot != kNoVerdict &&
         table_->at(d.verdict_slot).verdict.action == Action::kSpare;
}

bool Verdicts::is_within(const StandingVerdict& e, const PacketView& packet, const Tracked& t,
                         const FlowTable& flows) noexcept {
  const RateLimit& limit = e.verdict.limit;
  const MeterKey of_all = meters_.key(e.verdict.id);
  MeterKey own = of_all;
  if (limit.per == RateLimit::Per::kFlow && t.flow != nullptr) {
    own = meters_.key(e.verdict.id, t.flow->id);
  } else if (limit.per == RateLimit::Per::kSource && t.flow != nullptr) {
    const VerdictSubject s = subject_of(*t.flow, flows.cold(t.index));
    const bool forward = !e.verdict.match.either || matches_one_way(e.verdict.match, s);
    const bool sends = forward == (t.direction == 0);
    own = meters_.key(e.verdict.id | uint64_t{sends} << 62, forward ? s.src : s.dst);
  }
  return meters_.pass(own, of_all, limit, packet.time_ns, packet.wire_bytes);
}

bool Verdicts::is_within(uint32_t limit, const LoadedRules& rules, const PacketView& packet,
                         const Tracked& t) noexcept {
  const RateLimit& rate = rules.limits()[limit];
  const uint64_t owner = uint64_t{1} << 63 | rules.generation() << 32 | limit;
  const MeterKey of_all = meters_.key(owner);
  MeterKey own = of_all;
  if (rate.per == RateLimit::Per::kFlow && t.flow != nullptr) {
    own = meters_.key(owner, t.flow->id);
  } else if (rate.per == RateLimit::Per::kSource && t.flow != nullptr) {
    const Endpoints e = endpoints_of(*t.flow);
    own = meters_.key(owner, t.direction == 0 ? e.src : e.dst);
  }
  return meters_.pass(own, of_all, rate, packet.time_ns, packet.wire_bytes);
}

Reason Verdicts::by_verdict(const PacketView& packet, const Tracked& t, FlowTable& flows,
                            Decision& d, bool& is_trusted) noexcept {
  if (d.verdict_slot == kNoVerdict) return Reason::kNone;
  StandingVerdict& e = table_->at(d.verdict_slot);
  if (e.verdict.action == Action::kPass) {
    is_trusted = true;
    return Reason::kNone;
  }
  if (e.verdict.action == Action::kRateLimit && is_within(e, packet, t, flows)) {
    return Reason::kNone;
  }
  const Reason reason = verdict_reason(e.verdict.action);
  if (reason == Reason::kNone) return reason;
  count_stopped(d.verdict_slot, packet);
  d.verdict = e.verdict.id;
  return reason;
}

Reason Verdicts::by_rules(const PacketView& packet, const Tracked& t, const Hits& hits,
                          const LoadedRules* rules, Mode mode, FlowTable& flows,
                          Decision& d) noexcept {
  Flow* f = t.flow;
  if (is_blocked_by_rule(t)) {
    const FlowDrops& drops = flows.drops(t.index);
    d.rule_sid = drops.rule_sid;
    return rule_reason(drops.rule_action);
  }
  if (hits.count == 0 || d.settled) return Reason::kNone;
  const ImageRule& best = rules->rule(hits.rule[0]);
  if (best.action == Action::kPass) {
    if (f != nullptr && (best.flags & kRuleOfFlow) != 0) {
      f->flags &= ~kWantsMatch;
    }
    return Reason::kNone;
  }
  if (f != nullptr) f->flags |= kAlerted;
  Reason reason = Reason::kNone;
  for (unsigned n = 0; n < hits.count && reason == Reason::kNone; ++n) {
    const ImageRule& rule = rules->rule(hits.rule[n]);
    if (rule.action == Action::kRateLimit) {
      if (!is_within(rule.limit, *rules, packet, t)) reason = Reason::kRuleRateLimit;
    } else {
      reason = rule_reason(rule.action);
      if (reason != Reason::kNone && f != nullptr && mode != Mode::kTap) {
        f->flags = (f->flags | kBlockedByRule) & ~(kWantsClassify | kWantsMatch);
        FlowDrops& drops = flows.drops_to_write(t.index);
        drops.rule_sid = rule.sid;
        drops.rule_action = rule.action;
      }
    }
    if (reason != Reason::kNone) d.rule_sid = rule.sid;
  }
  return reason;
}

void Verdicts::decide_one(const PacketView& packet, const Tracked& t, const Hits& hits,
                          const Plight& plight, const LoadedRules* rules, const WireSettings& wire,
                          FlowTable& flows, Decision& d) noexcept {
  const Mode mode = wire.mode;
  Flow* f = t.flow;
  // A whole burst is matched before its first packet is decided.
  d.settled = f != nullptr && (f->flags & kWantsMatch) == 0;
  bool is_trusted = false;
  Reason reason = by_verdict(packet, t, flows, d, is_trusted);
  if (reason == Reason::kNone) {
    const Reason rule = by_rules(packet, t, hits, rules, is_trusted ? Mode::kTap : mode, flows, d);
    if (!is_trusted) reason = rule;
  }
  if (reason == Reason::kNone && !is_trusted) reason = plight.refused;
  if (reason == Reason::kNone && !is_trusted && plight.cause != FailCause::kCount) {
    const bool closed = wire.on(plight.cause) == FailPolicy::kClosed;
    if (closed) reason = fail_reason(plight.cause);
    if (!closed || mode != Mode::kEnforce) d.opened = plight.cause;
  }
  d.would = mode == Mode::kTap ? Reason::kNone : reason;
  d.reason = mode == Mode::kEnforce ? reason : Reason::kNone;
  d.answer = d.reason == Reason::kRuleReject || d.reason == Reason::kVerdictReject;
  if (d.reason != Reason::kNone && f != nullptr) {
    flows.drops_to_write(t.index).count(d.verdict, packet.bytes);
  }
}

void Verdicts::decide(std::span<const PacketView> packets, std::span<const Tracked> tracked,
                      std::span<const bool> became_known, std::span<const Hits> hits,
                      std::span<const Plight> plights, const LoadedRules* rules,
                      const WireSettings& wire, FlowTable& flows, std::span<Decision> decisions,
                      Rows rows) noexcept {
  for (const size_t i : each(rows & first_rows(packets.size()))) {
    if (became_known[i]) {  // a verdict may name the application
      look_up(*tracked[i].flow, flows.cold(tracked[i].index), packets[i]);
      decisions[i].verdict_slot = tracked[i].flow->verdict_slot;
    }
    // Most of a flow's beginning is none of anybody's business.
    const bool free = decisions[i].verdict_slot == kNoVerdict && hits[i].count == 0 &&
                      plights[i].refused == Reason::kNone && plights[i].cause == FailCause::kCount;
    if (free && !is_blocked_by_rule(tracked[i])) continue;
    decide_one(packets[i], tracked[i], hits[i], plights[i], rules, wire, flows, decisions[i]);
  }
}

void Verdicts::passed(std::span<const PacketView> packets, std::span<const Tracked> tracked,
                      Rows rows) noexcept {
  static constexpr Flow kNobody;
  History& h = *history_;
  uint64_t count = h.count;
  const Tracked* const t = tracked.data();  // as many as packets
  const PacketView* const p = packets.data();
  // Without a branch: which packets went is no guess. What did not is written over.
  for (size_t i = 0; i < packets.size(); ++i) {
    const bool has_flow = t[i].flow != nullptr;
    const Flow& f = has_flow ? *t[i].flow : kNobody;
    h.passed[count % kHistoryPackets] = {p[i].time_ns, static_cast<uint32_t>(f.id), t[i].index};
    count += unsigned{has_flow} & (rows >> i & 1);
  }
  h.count = count;
}

}  // namespace weir
