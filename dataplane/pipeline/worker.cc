// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/judge_stage.h"
#include "dataplane/pipeline/pacing.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/pipeline/stream_stage.h"

namespace weir {

namespace {

// Unique among workers and across restarts of the data plane: logs outlive both.
FlowId first_flow_id(uint8_t worker, const Segment& segment) noexcept {
  const uint64_t epoch = segment.header().dataplane.epoch.load(std::memory_order_relaxed);
  return FlowId{worker} << 56 | (epoch & 0xff) << 48;
}

}  // namespace

Worker::Worker(uint8_t index, Segment& segment, std::vector<WorkerWire> wires,
               const Published<InForce>& in_force, Meters& meters, uint64_t seed)
    : index_(index),
      share_(segment.worker(index)),
      header_(segment.header()),
      settings_(segment.settings()),
      wires_(std::move(wires)),
      in_force_(in_force),
      flows_(settings_.flow, first_flow_id(index, segment), seed),
      verdicts_(settings_.verdicts_max, meters),
      events_(segment.event_ring(index), share_.stats, index, settings_),
      depth_(seed),
      judge_(std::make_unique<JudgeStage>(events_)),
      parsers_(settings_.parse, *judge_),
      fragments_(settings_.fragments, seed),
      cycles_per_us_(measure_cycles_per_us()),
      budget_(is_live(header_) ? settings_.inspect.burst_budget_ns : 0, cycles_per_us_),
      burst_(std::make_unique<Burst>()),
      pacing_(std::make_unique<Pacing>()),
      streams_(std::make_unique<StreamStage>(settings_)) {
  look_at_control();
  share_.stats.flow_table_bytes.set(FlowTable::bytes_for(settings_.flow.flows_max));
  share_.stats.verdict_table_bytes.set(Verdicts::bytes_for(settings_.verdicts_max));
}

Worker::~Worker() = default;

Result<std::unique_ptr<Worker>> Worker::create(uint8_t index, Segment& segment,
                                               std::vector<WorkerWire> wires,
                                               const Published<InForce>& in_force, Meters& meters,
                                               uint64_t seed) {
  std::unique_ptr<Worker> worker(
      new Worker(index, segment, std::move(wires), in_force, meters, seed));
  auto classifier = Classifier::create(worker->settings_.inspect);
  if (!classifier) return tl::make_unexpected(classifier.error());
  worker->classifier_ = std::move(*classifier);
  const auto names = std::make_unique<AppNames>();
  worker->classifier_->write_names(*names);
  const auto depths = read_depths(worker->settings_.inspect, *names);
  if (!depths) return tl::make_unexpected(depths.error());
  worker->depth_.use(worker->settings_.inspect, *depths);
  return worker;
}

Worker::Memory Worker::memory_for(const Settings& s) noexcept {
  const uint64_t flows = s.flow.flows_max;
  return {.flow_table = FlowTable::bytes_for(flows) + FlowTable::drops_bytes_for(flows),
          .verdicts = Verdicts::bytes_for(s.verdicts_max),
          .fragments = Defragmenter::bytes_for(s.fragments),
          .streams = Reassembler::bytes_for(s.streams, s.flow.flows_max),
          .classifier = Classifier::bytes_for(s.inspect),
          .parsers = ProtocolParsers::bytes_for(s.parse)};
}

// One rule image for the whole round, and the settings that came with it: the main thread frees the
// old ones when all have moved on. Null: no rules.
const LoadedRules* Worker::follow() noexcept {
  const InForce* now = in_force_.acquire();
  if (now == nullptr) return nullptr;
  if (now->generation != generation_) {
    generation_ = now->generation;
    if (now->live != nullptr) use(now->live->settings, now->live->depths);
  }
  const LoadedRules* rules = now->rules.get();
  return rules == nullptr || rules->count() == 0 ? nullptr : rules;
}

// Copies, a few kilobytes in all, between two rounds.
void Worker::use(const Settings& settings, const AppDepths& depths) noexcept {
  settings_ = with_live_part(settings_, settings);
  flows_.use(settings_.flow);
  events_.use(settings_);
  depth_.use(settings_.inspect, depths);
  classifier_->use(settings_.inspect);
  fragments_.use_timeout(settings_.fragments.timeout_ns);
  if (is_live(header_)) budget_ = CycleBudget(settings_.inspect.burst_budget_ns, cycles_per_us_);
}

uint32_t Worker::poll(TimeNs now) {
  const LoadedRules* rules = follow();
  uint32_t received = 0;
  for (const WorkerWire& wire : wires_) {
    received += poll_side(wire, Side::kA, now, rules);
    if (received != 0 && is_live(header_)) {  // sending takes its time: verdicts do not wait for it
      now = PacketClock(static_cast<TimeNs>(header_.clock_offset_ns)).now();
      take_commands(now);
    }
    received += poll_side(wire, Side::kB, now, rules);
    received += wire.io->take_moved();
  }
  keep_house(now);
  share_.stats.loops.add();
  if (received != 0) share_.stats.busy_loops.add();
  if (++polls_ % kPublishEvery == 0) publish_stats();
  return received;
}

uint32_t Worker::poll_side(const WorkerWire& wire, Side side, TimeNs now,
                           const LoadedRules* rules) {
  Burst& b = *burst_;
  const uint16_t n = wire.io->receive(side, now, b.packet);
  if (n == 0) return 0;
  b.held = 0;
  std::fill_n(b.reason, n, Reason::kNone);
  if (settings_.wire[wire.index].uninspected != 0) {
    send(wire, side, 0, n);
    account(wire, side, n, 0);
    return n;
  }
  const LinkType link = wire.io->link();
  const uint32_t flags = decode({b.packet, n}, link, {b.headers, n});
  b.has_views = false;
  if ((flags & kFragment) != 0) {
    make_views(first_rows(n));
    b.has_views = true;
    for (size_t i = 0; i < n; ++i) {
      if (b.headers[i].has(kFragment)) defragment(wire, i);
    }
  }
  // As far as track came, then send, then the rest: a flow stays until its packets have left.
  Rows looked = 0;
  for (size_t at = 0; at < n;) {
    const size_t done = inspect(wire, at, n, rules);
    answer(wire, side, link);
    hold(wire, at, done);
    send(wire, side, at, done);
    looked |= b.look;
    at += done;
  }
  if ((flags & kFragment) != 0) {
    Rows refused = 0;
    for (size_t i = 0; i < n; ++i) {
      refused |= Rows{b.reason[i] != Reason::kNone && b.reason[i] != kUnderWay} << i;
    }
    fragments_.release(refused);
  }
  account(wire, side, n, looked);
  packets_seen_ += n;
  return n;
}

// The stages over packets [from, to); returns how many it did (fewer where track stopped short).
size_t Worker::inspect(const WorkerWire& wire, size_t from, size_t to, const LoadedRules* rules) {
  Burst& b = *burst_;
  struct Ends final : FlowEnds {
    explicit Ends(Worker& w) noexcept : worker(w) {}
    void flow_ends(uint32_t index, EndReason why, TimeNs now) noexcept override {
      worker.flow_ends(index, why, now);
    }
    Worker& worker;
  } ends(*this);
  const size_t n =
      track({b.packet + from, to - from}, {b.headers + from, to - from}, wire.index, flows_,
            track_stats_, {b.tracked + from, to - from}, ends);
  const std::span<const PacketView> packets(b.packet + from, n), views(b.view + from, n);
  const std::span<const Headers> headers(b.headers + from, n);
  const std::span<const Tracked> tracked(b.tracked + from, n);
  const std::span<Decision> decisions(b.decision + from, n);
  const Wanted wanted = wanted_of(from, n, rules);
  verdicts_.fetch(tracked, wanted.judge);
  const Rows dropped = drop_settled(wire, from, n, wanted);
  b.dropped = dropped << from;
  const Rows with_verdict = verdicts_.judge(b.has_views ? views : packets, headers, tracked, flows_,
                                            decisions, wanted.judge & ~dropped);
  Rows look = wanted.look & ~dropped;
  for (const size_t i : each(with_verdict & ~look)) {  // of what is trusted and plain, nothing
    if (!verdicts_.is_trusted(decisions[i])) look |= row(i);
  }
  b.look = look << from;
  if (look == 0) return n;
  for (const size_t i : each(look & ~with_verdict)) decisions[i] = Decision{};
  if (!b.has_views) make_views(look << from);
  for (const size_t i : each(look)) b.stopped[from + i] = verdicts_.is_stopped(decisions[i]);
  look &= ~open_bare(wire, from, rules, look & ~with_verdict);
  const std::span<bool> became_known(b.became_known + from, n);
  budget_.begin();
  classifier_->classify(views, headers, tracked, {b.stopped + from, n}, flows_, budget_,
                        became_known, look);
  look_into(rules, wire, look << from);
  const std::span<const Hits> hits(b.hits + from, n);
  verdicts_.decide(views, tracked, became_known, hits, {b.plight + from, n}, rules,
                   settings_.wire[wire.index], flows_, decisions, look);
  events_.observe(views, headers, tracked, became_known, hits, {b.transaction + from, n}, rules,
                  decisions, wire.index, flows_, packets_seen_ + from + 1, look);
  learn_outcomes();
  return n;
}

// SYNs of new connections that carry nothing, where no verdict, rule or plight has to do with them:
// all there is of most floods. Their flow is told, and remembered where its stream begins; what
// comes after judge would do no more. Returns which they were.
Rows Worker::open_bare(const WorkerWire& wire, size_t from, const LoadedRules* rules, Rows rows) {
  if (plight_ != FailCause::kCount || settings_.parse.flows_max == 0) return 0;
  if (rules != nullptr && rules->asks_without_payload(PacketKind::kTcp)) return 0;
  const Burst& b = *burst_;
  Rows opened = 0;
  for (const size_t row_of : each(rows)) {
    const size_t i = from + row_of;
    const Headers& h = b.headers[i];
    const Tracked& t = b.tracked[i];
    const bool plain = t.events == kFlowStarted && StreamStage::opens_bare(h, t) &&
                       h.anomaly == Anomaly::kNone && (h.flags & kFragment) == 0;
    if (!plain) continue;
    if (is_sound(i, wire)) StreamStage::remember(h, t, flows_.cold(t.index));
    events_.flow_start(t, wire.index, flows_, b.packet[i].time_ns);
    opened |= row(row_of);
  }
  return opened;
}

// What is left for the stages after track.
Worker::Wanted Worker::wanted_of(size_t from, size_t n, const LoadedRules* rules) const {
  const Burst& b = *burst_;
  const unsigned wants = kWantsClassify | kWantsParse | kHasStream | kBlockedByRule |
                         (rules == nullptr ? 0u : unsigned{kWantsMatch});
  const Verdicts::Standing standing = verdicts_.now();
  static constexpr Flow kNobody;  // judged against no table
  Wanted w;
  for (size_t i = n; i-- > 0;) {  // without a branch: what half of the packets are is no guess
    const Tracked& t = b.tracked[from + i];
    const Headers& h = b.headers[from + i];
    const bool has_flow = t.flow != nullptr;
    const Flow& f = has_flow ? *t.flow : kNobody;
    const unsigned told =
        t.events | (h.flags & (kFragment | kAddressClaimed)) | static_cast<unsigned>(h.anomaly);
    const Rows odd = unsigned{!has_flow} | unsigned{told != 0};
    w.odd = w.odd * 2 + odd;
    w.look = w.look * 2 + (odd | Rows{(f.flags & wants) != 0});
    w.judge = w.judge * 2 + Rows{!standing.has_none(f)};
  }
  if (plight_ != FailCause::kCount) w.look = first_rows(n);
  return w;
}

// What a verdict or rule drops whatever is in it, and of which nothing is kept any more, costs no
// more than that. Returns those that it dropped.
Rows Worker::drop_settled(const WorkerWire& wire, size_t from, size_t n, const Wanted& wanted) {
  const Rows rows = wanted.judge | wanted.look;  // flows that are kStopped are among them
  if (rows == 0) return 0;
  Burst& b = *burst_;
  const std::span<const PacketView> packets(b.packet + from, n);
  const std::span<const Tracked> tracked(b.tracked + from, n);
  const std::span<Reason> reasons(b.reason + from, n);
  const bool enforces = settings_.wire[wire.index].mode == Mode::kEnforce;
  const Rows plain = enforces ? rows & ~wanted.odd : 0;
  const Rows dropped = plain == 0 ? 0 : verdicts_.drop(packets, tracked, flows_, reasons, plain);
  if (dropped != 0) {
    events_.dropped(packets, {b.headers + from, n}, tracked, reasons, wire.index, flows_, dropped);
  }
  verdicts_.resume(packets, tracked, flows_, rows, dropped);
  return dropped;
}

// Nobody looks into the flow for now: what parsers and reassembly keep of it goes. Datagrams stand
// alone, and a flow that nothing was kept of may still begin.
void Worker::let_go(const Tracked& t, TimeNs now) {
  Flow& f = *t.flow;
  if (f.parse_slot != kNoSlot) {
    parsers_.finish(f, now);
    if (f.key.proto == kProtoUdp) f.flags |= kWantsParse;
  }
  if ((f.flags & kHasStream) != 0) streams_->release(f, t.index);
}

// What is inspected: the packets themselves, until defragment says otherwise of one.
void Worker::make_views(Rows rows) {
  Burst& b = *burst_;
  for (const size_t i : each(rows)) {
    b.view[i] = b.packet[i];
    b.plight[i] = Plight{};
  }
}

void Worker::answer(const WorkerWire& wire, Side side, LinkType link) {
  Burst& b = *burst_;
  for (const size_t i : each(b.look)) {
    if (!b.decision[i].answer) continue;
    Answer answers[2];
    const size_t count = make_answers(b.view[i], b.headers[i], link, answers);
    for (size_t a = 0; a < count; ++a) {
      const Side out = answers[a].to_sender ? side : other(side);
      if (!wire.io->inject(out, {answers[a].frame, answers[a].bytes}, b.packet[i].time_ns))
        continue;
      PortStats& port = share_.stats.wire[wire.index].side[index(out)];
      port.injected_packets.add();
      port.injected_bytes.add(answers[a].bytes);
    }
  }
}

// Only where holding can help: the wire enforces, and a control plane is there to decide.
bool Worker::is_pacing(const WorkerWire& wire) const noexcept {
  return settings_.pace_suspects != 0 && pacing_->is_control_there &&
         settings_.wire[wire.index].mode == Mode::kEnforce;
}

void Worker::learn_outcomes() {
  const Burst& b = *burst_;
  for (const size_t i : each(b.look)) {
    const Tracked& t = b.tracked[i];
    if (t.events == 0) continue;
    const TimeNs now = b.packet[i].time_ns;
    if ((t.events & kFlowRefused) != 0) pacing_->suspects.failed(endpoints_of(*t.flow).src, now);
    if ((t.events & kFlowEstablished) != 0) pacing_->suspects.answered(endpoints_of(*t.flow).src);
    if ((t.events & kQuotedRefused) != 0) {
      pacing_->suspects.failed(endpoints_of(flows_.flow(t.quoted)).src, now);
    }
  }
}

void Worker::hold(const WorkerWire& wire, size_t from, size_t n) {
  Burst& b = *burst_;
  Rows goes = first_rows(n) << from;
  for (const size_t i : each(b.look)) {
    const Tracked& t = b.tracked[i];
    b.reason[i] = b.decision[i].reason;
    if (b.reason[i] != Reason::kNone) {
      goes &= ~row(i);
      continue;
    }
    const bool first = (t.events & kFlowStarted) != 0 && (t.flow->flags & kMidstream) == 0;
    const bool known = verdicts_.is_trusted(b.decision[i]) || verdicts_.is_spared(b.decision[i]);
    const bool waits = first && is_pacing(wire) && !known && !pacing_->held.is_full() &&
                       !b.headers[i].dst.is_multicast() &&
                       !pacing_->suspects.may_go(b.headers[i].src, b.packet[i].time_ns);
    if (!waits) continue;
    goes &= ~row(i);
    b.held |= row(i);
    pacing_->held.add(
        {b.packet[i], t.index, t.flow->id, static_cast<uint8_t>(&wire - wires_.data())});
    WireStats& w = share_.stats.wire[wire.index];
    w.held_packets.add();
    w.held_bytes.add(b.packet[i].wire_bytes);
  }
  verdicts_.passed({b.packet, from + n}, {b.tracked, from + n}, goes & ~b.dropped);
}

// Hands the burst, without what is held, to the other side; reasons come back to their rows.
void Worker::send(const WorkerWire& wire, Side side, size_t from, size_t n) {
  Burst& b = *burst_;
  const Rows going = first_rows(n) << from & ~b.held;
  if (going == first_rows(n) << from) {
    return wire.io->transmit(side, {b.packet + from, n}, {b.reason + from, n});
  }
  PacketView packets[kBurstMax];
  Reason reasons[kBurstMax];
  size_t m = 0;
  for (const size_t i : each(going)) {
    packets[m] = b.packet[i];
    reasons[m++] = b.reason[i];
  }
  wire.io->transmit(side, {packets, m}, {reasons, m});
  m = 0;
  for (const size_t i : each(going)) b.reason[i] = reasons[m++];
}

// What is held goes when its turn has come, or ends when a verdict stands against it by now.
void Worker::release_held(TimeNs now) {
  HeldQueue& q = pacing_->held;
  size_t kept = 0;
  for (size_t i = 0; i < q.size; ++i) {
    const HeldPacket h = q.packet[i];
    const WorkerWire& wire = wires_[h.wire];
    Flow& f = flows_.flow(h.flow);
    Tracked t{.flow = f.id == h.id ? &f : nullptr, .index = h.flow};
    Headers headers;
    decode_packet(h.packet, wire.io->link(), headers);
    Decision d;
    verdicts_.judge({&h.packet, 1}, {&headers, 1}, {&t, 1}, flows_, {&d, 1});
    const bool stopped = verdicts_.is_stopped(d);
    if (!stopped && is_pacing(wire) && !pacing_->suspects.may_go(headers.src, now)) {
      q.packet[kept++] = h;
      continue;
    }
    if (stopped) {
      const bool known = false;
      Hits none;
      const Plight nothing;
      // No later packet's turn could count this one.
      if (t.flow != nullptr && (f.flags & kStopped) != 0) flows_.resume(h.flow, {});
      verdicts_.decide({&h.packet, 1}, {&t, 1}, {&known, 1}, {&none, 1}, {&nothing, 1}, nullptr,
                       settings_.wire[wire.index], flows_, {&d, 1});
    } else {
      verdicts_.passed({&h.packet, 1}, {&t, 1}, row(0));
    }
    Reason reason = d.reason;
    wire.io->transmit(h.packet.side, {&h.packet, 1}, {&reason, 1});
    WireStats& w = share_.stats.wire[wire.index];
    w.held_packets.set(w.held_packets.get() - 1);
    w.held_bytes.set(w.held_bytes.get() - h.packet.wire_bytes);
    account_one(w, h.packet, reason);
  }
  q.size = kept;
}

void Worker::account_one(WireStats& w, const PacketView& packet, Reason reason) {
  if (reason == kUnderWay) return;
  if (reason == Reason::kNone) {
    PortStats& out = w.side[index(other(packet.side))];
    out.sent_packets.add();
    out.sent_bytes.add(packet.wire_bytes);
  } else {
    w.dropped_packets[static_cast<unsigned>(reason)].add();
    w.dropped_bytes[static_cast<unsigned>(reason)].add(packet.wire_bytes);
  }
}

// Counts what was dropped. stayed: of the first n, dropped, held or on their way by another worker.
Worker::Stayed Worker::account_stayed(WireStats& w, size_t n, Rows stayed) {
  const Burst& b = *burst_;
  const auto count = [&w](Reason reason, uint64_t packets, uint64_t bytes) {
    w.dropped_packets[static_cast<unsigned>(reason)].add(packets);
    w.dropped_bytes[static_cast<unsigned>(reason)].add(bytes);
  };
  Stayed s{.packets = static_cast<unsigned>(std::popcount(stayed))};
  const Reason first = b.reason[std::countr_zero(stayed)];
  unsigned others = 0;
  for (size_t i = 0; i < n; ++i) {  // without a branch: what half of the packets are is no guess
    const unsigned stays = stayed >> i & 1;
    s.bytes += b.packet[i].wire_bytes & (0u - stays);
    others |= stays & unsigned{b.reason[i] != first};
  }
  if (others == 0 && (first != Reason::kNone && first != kUnderWay)) {  // most often
    count(first, s.packets, s.bytes);
    return s;
  }
  for (const size_t i : each(stayed & ~b.held)) {
    if (b.reason[i] != kUnderWay) count(b.reason[i], 1, b.packet[i].wire_bytes);
  }
  return s;
}

// looked: whose decision was written.
void Worker::account(const WorkerWire& wire, Side side, size_t n, Rows looked) {
  const Burst& b = *burst_;
  WireStats& w = share_.stats.wire[wire.index];
  uint64_t received_bytes = 0;
  Rows stayed = b.held;
  for (size_t i = 0; i < n; ++i) {
    received_bytes += b.packet[i].wire_bytes;
    stayed |= Rows{b.reason[i] != Reason::kNone} << i;
  }
  const Stayed not_sent = stayed == 0 ? Stayed{} : account_stayed(w, n, stayed);
  for (const size_t i : each(looked)) {
    const Decision& d = b.decision[i];
    if (d.opened != FailCause::kCount) w.fail_open_packets[static_cast<unsigned>(d.opened)].add();
    if (d.would != Reason::kNone && d.reason == Reason::kNone) {
      w.would_drop_packets[static_cast<unsigned>(d.would)].add();
    }
  }
  PortStats& in = w.side[index(side)];
  PortStats& out = w.side[index(other(side))];
  in.received_packets.add(n);
  in.received_bytes.add(received_bytes);
  out.sent_packets.add(n - not_sent.packets);
  out.sent_bytes.add(received_bytes - not_sent.bytes);
  share_.stats.bursts.add();
}

}  // namespace weir
