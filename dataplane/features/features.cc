// SPDX-License-Identifier: Apache-2.0
#include "dataplane/features/features.h"

#include <algorithm>
#include <bit>

namespace weir {

namespace {

constexpr TimeNs kClaimRepeatNs = 60 * kNsPerSecond;

Endpoints endpoints_of(const Headers& h) noexcept {
  Endpoints e;
  e.src = h.src;
  e.dst = h.dst;
  e.src_port = h.src_port;
  e.dst_port = h.dst_port;
  e.proto = h.proto;
  e.vlan[0] = h.vlan[0];
  e.vlan[1] = h.vlan[1];
  e.vlan_count = std::min<uint8_t>(h.vlan_count, 2);
  e.mapped = h.has(kMappedIpv4) ? 1 : 0;
  return e;
}

}  // namespace

EventWriter::EventWriter(SpscByteRing ring, StatsPage& stats, uint8_t worker,
                         const Settings& settings)
    : ring_(ring), stats_(stats), worker_(worker), evidence_limit_(settings.evidence_per_second) {
  drops_.per_second = anomalies_.per_second = settings.reports_per_second;
}

void EventWriter::use(const Settings& settings) noexcept {
  drops_.per_second = anomalies_.per_second = settings.reports_per_second;
  evidence_limit_.use(settings.evidence_per_second);
}

namespace {

// In place: one on the stack would be read back wider than it was written, and wait for that.
void set(Endpoints& ends, const Flow& f) noexcept {
  new (&ends) Endpoints(weir::endpoints_of(f));
}

}  // namespace

// In place, and only where there is room: in a flood there often is none.
template <class Record, class Fill>
void EventWriter::put(RecordType type, uint8_t wire, TimeNs now, Fill&& fill) {
  static_assert(sizeof(Record) % SpscByteRing::kRecordAlign == 0 &&
                alignof(Record) <= SpscByteRing::kRecordAlign && sizeof(Record) <= kRecordBytesMax);
  void* const place = ring_.claim(sizeof(Record));
  if (place == nullptr) {
    stats_.events_lost.add();
    return;
  }
  Record& r = *new (place) Record{};
  fill(r);
  r.header.type = type;
  r.header.bytes = sizeof r;
  r.header.wire = wire;
  r.header.worker = worker_;
  r.header.time_ns = now;
  ring_.offer(sizeof r);
  stats_.events_written.add();
  stats_.events_bytes.add(sizeof r);
}

void EventWriter::flow_report(FlowReport& r, const FlowView& v) const {
  const Flow& f = v.flow;
  const FlowCold& c = v.cold;
  r.flow = f.id;
  set(r.ends, f);
  for (unsigned d = 0; d < 2; ++d) {
    r.counters.packets[d] = f.packets[d];
    r.counters.bytes[d] = f.bytes[d];
    r.tcp_flags[d] = f.tcp_flags[d];
  }
  r.counters.dropped_packets = v.drops.packets;
  r.counters.dropped_bytes = v.drops.bytes;
  r.first_ns = c.first_ns;
  r.last_ns = f.last_ns;
  r.verdict = v.drops.verdict;
  r.rule_sid = v.drops.rule_sid;
  r.app_master = f.app_master;
  r.app = f.app;
  r.state = f.state;
  r.alerted = (f.flags & kAlerted) != 0;
  r.protocol = f.protocol;
  r.app_guessed = (f.flags & kAppGuessed) != 0;
  r.side = f.side;
  r.src_mac = c.src_mac;
  r.dst_mac = c.dst_mac;
}

void EventWriter::flow_start(const Tracked& t, uint8_t wire, FlowTable& flows, TimeNs now) {
  const Flow& f = *t.flow;
  FlowCold& c = flows.cold(t.index);
  c.tell(now);
  put<FlowStart>(RecordType::kFlowStart, wire, c.first_ns, [&](FlowStart& r) {
    r.flow = f.id;
    set(r.ends, f);
    r.src_mac = c.src_mac;
    r.dst_mac = c.dst_mac;
    r.side = f.side;
    r.tcp_flags = f.tcp_flags[0] | f.tcp_flags[1];
    r.midstream = (f.flags & kMidstream) != 0;
    r.tunnelled = (f.flags & kTunnelledFlow) != 0;
  });
}

void EventWriter::flow_update(const FlowView& v, UpdateCause cause, TimeNs now) {
  put<FlowUpdate>(RecordType::kFlowUpdate, v.flow.key.wire, now, [&](FlowUpdate& r) {
    flow_report(r, v);
    r.cause = cause;
  });
}

void EventWriter::flow_end(const FlowView& v, EndReason why, TimeNs now) {
  put<FlowEnd>(RecordType::kFlowEnd, v.flow.key.wire, now, [&](FlowEnd& r) {
    flow_report(r, v);
    r.end = why;
  });
}

void EventWriter::report(const VerdictReport& v) {
  put<VerdictReport>(RecordType::kVerdictReport, 0, v.header.time_ns,
                     [&](VerdictReport& r) { r = v; });
}

void EventWriter::evidence(const Evidence& e) noexcept {
  stats_.evidence_events.add();
  if (evidence_limit_.admit(e, [this](const Evidence& counted) { put_evidence(counted); })) {
    put_evidence(e);
  }
}

void EventWriter::tell_counted(TimeNs now, bool all) {
  constexpr uint32_t kPlacesPerPoll = 8;
  evidence_limit_.sweep(now, kPlacesPerPoll, all, [this](const Evidence& e) { put_evidence(e); });
}

// As many records as its facts take. Where one finds no room the event is lost, the rest with it.
void EventWriter::put_evidence(const Evidence& e) {
  EvidenceRecord r;  // its head: the facts go straight to their place
  r.header.type = RecordType::kEvidence;
  r.header.wire = e.wire;
  r.header.worker = worker_;
  r.header.time_ns = e.time_ns;
  r.flow = e.flow;
  r.ends = e.ends;
  r.serial = ++evidence_serial_;
  r.repeats = e.repeats;
  r.packet_number = packet_number_;
  r.transaction = e.transaction;
  r.kind = e.kind;
  r.overflow = e.overflow;
  std::span<const uint8_t> left = e.facts;
  do {
    const auto n = static_cast<uint16_t>(std::min<size_t>(left.size(), kEvidencePartBytes));
    const auto facts = left.first(n);
    left = left.subspan(n);
    r.fact_bytes = n;
    r.last = left.empty();
    constexpr unsigned kAlign = SpscByteRing::kRecordAlign;
    r.header.bytes = static_cast<uint16_t>((kEvidenceHeadBytes + n + kAlign - 1) / kAlign * kAlign);
    auto* const place = static_cast<uint8_t*>(ring_.claim(r.header.bytes));
    if (place == nullptr) {
      stats_.events_lost.add();
      stats_.evidence_lost.add(e.repeats);
      return;
    }
    std::memset(place + r.header.bytes - kAlign, 0, kAlign);  // what the facts leave of it
    std::memcpy(place, &r, kEvidenceHeadBytes);
    std::copy(facts.begin(), facts.end(), place + kEvidenceHeadBytes);
    ring_.offer(r.header.bytes);
    stats_.events_written.add();
    stats_.events_bytes.add(r.header.bytes);
    ++r.part;
  } while (!left.empty());
}

void EventWriter::observe_flow(const Tracked& t, bool became_known, uint8_t wire, FlowTable& flows,
                               TimeNs now) {
  if ((t.events & kFlowStarted) != 0) flow_start(t, wire, flows, now);
  const auto update = [&](uint32_t index, UpdateCause cause) {
    flow_update(flows.view(index), cause, now);
  };
  if ((t.events & kFlowEstablished) != 0) update(t.index, UpdateCause::kEstablished);
  if ((t.events & kFlowRefused) != 0) update(t.index, UpdateCause::kRefused);
  if ((t.events & kQuotedRefused) != 0) update(t.quoted, UpdateCause::kRefused);
  if (became_known) update(t.index, UpdateCause::kClassified);
}

void EventWriter::rule_hits(const PacketView& p, const Headers& h, const Tracked& t,
                            const Hits& hits, const LoadedRules& rules, const Decision& d,
                            uint8_t wire, FlowTable& flows, uint64_t packet_number,
                            uint32_t transaction) {
  stats_.rule_hits.add(hits.count);
  for (unsigned n = 0; n < hits.count; ++n) {
    const ImageRule& rule = rules.rule(hits.rule[n]);
    if (rule.action == Action::kPass) continue;
    put<RuleHit>(RecordType::kRuleHit, wire, p.time_ns, [&](RuleHit& r) {
      r.ends = endpoints_of(h);
      r.image_generation = rules.generation();
      r.rule_index = hits.rule[n];
      r.sid = rule.sid;
      r.gid = rule.gid;
      r.rev = rule.rev;
      r.packet_bytes = p.wire_bytes;
      r.action = rule.action;
      r.enforced = d.reason != Reason::kNone;
      r.side = static_cast<uint8_t>(p.side);
      r.packet_number = packet_number;
      if (h.has(kHasMac)) {
        std::copy_n(p.data + 6, 6, r.src_mac.begin());
        std::copy_n(p.data, 6, r.dst_mac.begin());
      }
      if (t.flow == nullptr) return;
      FlowReport flow;
      flow_report(flow, flows.view(t.index));
      r.flow = t.flow->id;
      r.counters = flow.counters;
      r.flow_first_ns = flow.first_ns;
      r.app_master = t.flow->app_master;
      r.app = t.flow->app;
      r.to_server = t.direction == 0;
      r.protocol = t.flow->protocol;
      if (rule.buffers_count != 0) r.transaction = transaction;
    });
  }
}

void EventWriter::drop(const PacketView& p, const Headers& h, const Tracked& t, const Decision& d,
                       uint8_t wire) {
  put<Drop>(RecordType::kDrop, wire, p.time_ns, [&](Drop& r) {
    r.flow = t.flow == nullptr ? 0 : t.flow->id;
    r.ends = endpoints_of(h);
    r.verdict = d.verdict;
    r.rule_sid = d.rule_sid;
    r.packet_bytes = p.wire_bytes;
    r.since_last = drops_.passed_over;
    r.reason = d.would;
    r.would = d.reason == Reason::kNone;
    r.tcp_flags = h.tcp_flags;
    r.side = static_cast<uint8_t>(p.side);
    drops_.passed_over = 0;
  });
}

void EventWriter::anomaly(const PacketView& p, const Headers& h, Anomaly what, uint8_t wire,
                          uint64_t packet_number) {
  stats_.anomaly[static_cast<unsigned>(what)].add();
  if (!anomalies_.admit(p.time_ns)) return;
  put<AnomalyRecord>(RecordType::kAnomaly, wire, p.time_ns, [&](AnomalyRecord& r) {
    r.ends = endpoints_of(h);
    r.packet_number = packet_number;
    r.anomaly = what;
    r.side = static_cast<uint8_t>(p.side);
  });
}

void EventWriter::address_claim(const PacketView& p, const Headers& h, uint8_t wire) {
  uint32_t at = 0;
  for (const uint8_t b : h.claim_address.bytes) at = at * 31 + b;
  Claim& known = claims_[at % claims_.size()];
  const bool fresh = known.told_ns != 0 && p.time_ns - known.told_ns < kClaimRepeatNs;
  if (fresh && known.address == h.claim_address && known.mac == h.claim_mac) return;
  known = {h.claim_address, h.claim_mac, p.time_ns};
  put<AddressClaim>(RecordType::kAddressClaim, wire, p.time_ns, [&](AddressClaim& r) {
    r.address = h.claim_address;
    r.mac = h.claim_mac;
    r.vlan = h.vlan[0];
    r.side = static_cast<uint8_t>(p.side);
  });
}

void EventWriter::observe(std::span<const PacketView> packets, std::span<const Headers> headers,
                          std::span<const Tracked> tracked, std::span<const bool> became_known,
                          std::span<const Hits> hits, std::span<const uint32_t> transactions,
                          const LoadedRules* rules, std::span<const Decision> decisions,
                          uint8_t wire, FlowTable& flows, uint64_t packet_number, Rows rows) {
  for (const size_t i : each(rows & first_rows(packets.size()))) {
    const Tracked& t = tracked[i];
    if (t.flow != nullptr && (t.events != 0 || became_known[i])) {
      observe_flow(t, became_known[i], wire, flows, packets[i].time_ns);
    }
    if (hits[i].count != 0 && !decisions[i].settled) {
      rule_hits(packets[i], headers[i], t, hits[i], *rules, decisions[i], wire, flows,
                packet_number + i, transactions[i]);
    }
    if (decisions[i].would != Reason::kNone && drops_.admit(packets[i].time_ns)) {
      drop(packets[i], headers[i], t, decisions[i], wire);
    }
    if (headers[i].anomaly != Anomaly::kNone) {
      anomaly(packets[i], headers[i], headers[i].anomaly, wire, packet_number + i);
    }
    if (headers[i].has(kAddressClaimed)) address_claim(packets[i], headers[i], wire);
  }
}

void EventWriter::dropped(std::span<const PacketView> packets, std::span<const Headers> headers,
                          std::span<const Tracked> tracked, std::span<const Reason> reasons,
                          uint8_t wire, const FlowTable& flows, Rows rows) {
  for (; rows != 0; rows &= rows - 1) {
    const auto i = static_cast<size_t>(std::countr_zero(rows));
    if (drops_.pass_over(packets.back().time_ns, rows)) return;
    if (!drops_.admit(packets[i].time_ns)) continue;
    const FlowDrops of_flow = flows.drops(tracked[i].index);
    Decision d;
    if (reasons[i] == Reason::kVerdictDrop) d.verdict = of_flow.verdict;
    if (reasons[i] == Reason::kRuleDrop) d.rule_sid = of_flow.rule_sid;
    d.reason = d.would = reasons[i];
    drop(packets[i], headers[i], tracked[i], d, wire);
  }
}

}  // namespace weir
