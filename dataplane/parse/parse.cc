// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/parse.h"

#include <bit>

#include "dataplane/base/prefetch.h"
#include "dataplane/parse/conversation.h"
#include "dataplane/parse/icmp.h"
#include "dataplane/parse/parsers.h"

namespace weir {

using namespace parse;

namespace {

constexpr size_t kProbeBytesMax = 2048;  // both ways: who is not known by then stays unknown
constexpr unsigned kProbeDatagramsMax = 4;
constexpr unsigned kSilentPacketsMax = 16;  // without a new byte, while nobody is certain
constexpr unsigned kEvictLook = 64;
constexpr unsigned kTurnsMax = 4;
constexpr uint8_t kBothEnded = 3;

uint8_t transport_of(const Flow& f) noexcept {
  return f.key.proto == kProtoUdp ? kOverUdp : kOverTcp;
}

// Who could speak on f: all of its transport, or who was found before.
uint64_t candidates_of(const Flow& f) noexcept {
  const uint8_t transport = transport_of(f);
  if (f.protocol == 0) return parsers_over(transport);
  // Known from before: only which side is the client is asked again.
  const unsigned known = parser_for(static_cast<EvidenceKind>(f.protocol - 1), transport);
  return known == kNoParser ? 0 : uint64_t{1} << known;
}

// Where the flow's next parser begins to count what it tells.
void count_on(Flow& f, uint32_t transactions) noexcept {
  f.transactions = static_cast<uint16_t>(std::min<uint32_t>(transactions, UINT16_MAX));
}

}  // namespace

// What the probes make of the first bytes of a direction.
struct ProtocolParsers::Answers {
  bool asked = false;
  bool is_first = true;        // nobody before who was found may still become certain
  unsigned found = kNoParser;  // who is certain
  Probe::Sender sender = Probe::Sender::kUnknown;
  uint64_t candidates = 0;  // who did not say no
};

ProtocolParsers::ProtocolParsers(const ParseSettings& settings, EvidenceSink& sink)
    : settings_(settings),
      sink_(sink),
      pool_(std::make_unique<Pool>(settings)),
      teller_(std::make_unique<Teller>(sink, stats_)) {
  static_assert(sizeof(Slot) + sizeof(Pool::State) <= 8192);
}

ProtocolParsers::~ProtocolParsers() = default;

uint64_t ProtocolParsers::bytes_for(const ParseSettings& s) noexcept {
  return uint64_t{s.flows_max} * (sizeof(Slot) + sizeof(Pool::State)) +
         uint64_t{s.buffers} * kMessageBytesMax;
}

void ProtocolParsers::judge_kinds(uint64_t kinds) noexcept {
  teller_->judge_kinds(kinds);
}

void ProtocolParsers::fetch(uint32_t slot) const noexcept {
  constexpr size_t kLine = 64, kStateBytesFirst = 4 * kLine;  // where most keep what they need
  const auto* bytes = reinterpret_cast<const uint8_t*>(&pool_->slot(slot));
  for (size_t at = 0; at < sizeof(Slot); at += kLine) prefetch_to_write(bytes + at);
  const uint8_t* state = pool_->states[slot].bytes;  // the slot, which tells, is not there yet
  for (size_t at = 0; at < kStateBytesFirst; at += kLine) prefetch_to_write(state + at);
}

// The flow's state is not needed any more; whether its next packet is wanted is the caller's word.
void ProtocolParsers::release(Flow& f) noexcept {
  if (f.parse_slot == kNoSlot) return;
  Slot& s = pool_->slot(f.parse_slot);
  for (const Pending& p : s.pending) {
    if (p.buffer != kNoBuffer) pool_->free_buffers.push_back(p.buffer);
  }
  s.flow = 0;
  pool_->free_slots.push_back(f.parse_slot);
  f.parse_slot = kNoSlot;
}

void ProtocolParsers::settle(Flow& f) noexcept {
  f.flags &= ~kWantsParse;
  release(f);
}

void ProtocolParsers::finish(Flow& f, TimeNs now) noexcept {
  if (f.parse_slot != kNoSlot) {
    Slot& s = pool_->slot(f.parse_slot);
    if (s.parser != kNoParser) {
      teller_->about(f, s, now);
      teller_->ends(s.pending, s.swapped);
      all_parsers()[s.parser].end(s.state, *teller_);
    }
  }
  settle(f);
}

// A slot for t's flow, if need be that of another. Null: there is none.
ProtocolParsers::Slot* ProtocolParsers::new_slot(const Tracked& t, uint64_t candidates,
                                                 FlowTable& flows, TimeNs now) {
  Flow& f = *t.flow;
  for (unsigned look = 0; pool_->free_slots.empty() && look < kEvictLook; ++look) {
    Slot& victim = pool_->slot(pool_->evict_at);
    pool_->evict_at = (pool_->evict_at + 1) % settings_.flows_max;
    if (victim.touched && look + 1 < kEvictLook) {
      victim.touched = false;
      continue;
    }
    ++stats_.evicted;
    Flow& loser = flows.flow(victim.flow_index);
    finish(loser, now);
    count_on(flows.flow(victim.flow_index), victim.transactions);
    if (loser.key.proto == kProtoUdp) loser.flags |= kWantsParse;  // its datagrams stand alone
  }
  if (pool_->free_slots.empty()) return nullptr;
  f.parse_slot = pool_->free_slots.back();
  pool_->free_slots.pop_back();
  Slot& s = pool_->slot(f.parse_slot);
  s.flow = f.id;
  s.flow_index = t.index;
  s.parser = kNoParser;
  s.swapped = false;
  s.touched = true;
  s.ended = 0;
  s.tries = 0;
  s.turns = 0;
  s.transactions = f.transactions;
  s.pending[0] = s.pending[1] = Pending{};
  s.candidates = candidates;
  return &s;
}

// The flow's slot. Of a flow without one the probes are asked first: whose bytes nobody could claim
// never has one.
ProtocolParsers::Slot* ProtocolParsers::slot_of(const Tracked& t, const Arrived& a,
                                                FlowTable& flows, TimeNs now, Answers& answers) {
  Flow& f = *t.flow;
  if (f.parse_slot != kNoSlot) {
    Slot& s = pool_->slot(f.parse_slot);
    s.touched = true;
    return &s;
  }
  answers = ask(candidates_of(f), t.direction, a, a.bytes, f);
  if (answers.candidates != 0) return new_slot(t, answers.candidates, flows, now);
  settle(f);
  return nullptr;
}

bool ProtocolParsers::datagram(const PacketView& p, const Headers& h, const Tracked& t,
                               FlowTable& flows) {
  const std::span<const uint8_t> bytes = payload_of(p, h);
  if (bytes.empty()) return true;
  Arrived a{bytes, true, true};
  Answers answers;
  Slot* s = slot_of(t, a, flows, p.time_ns, answers);
  if (s == nullptr) return true;
  teller_->about(*t.flow, *s, p.time_ns);
  const bool good = feed(*s, t.direction, a, *t.flow, answers);
  if (t.flow->parse_slot == kNoSlot) {
    count_on(*t.flow, s->transactions);
  }
  return good;
}

// Of each flow the first few; of what went wrong everything.
void ProtocolParsers::icmp(const PacketView& p, const Headers& h, const Tracked& t) {
  constexpr uint32_t kMessagesTold = 8;
  uint32_t told = t.flow->transactions;
  teller_->about(*t.flow, false, told, p.time_ns);
  teller_->speaks(t.direction == 0);
  FactWriter& facts = teller_->fresh();
  write_icmp(facts, p, h);
  teller_->tell(EvidenceKind::kIcmp, facts, Ends::kSenderFirst, 0);
  count_on(*t.flow, told);
  if (told >= kMessagesTold && !h.has(kIcmpError)) settle(*t.flow);
}

void ProtocolParsers::arp(const PacketView& p, const Headers& h, uint8_t wire) {
  FactWriter& facts = teller_->fresh();
  Evidence e;
  write_arp(facts, p, h, e.ends);
  e.kind = EvidenceKind::kArp;
  e.wire = wire;
  e.time_ns = p.time_ns;
  e.facts = facts.facts();
  ++stats_.events;
  sink_.evidence(e);
}

bool ProtocolParsers::stream(const StreamBytes& in, TimeNs now, const Tracked& t,
                             FlowTable& flows) {
  Flow& f = *t.flow;
  if (in.bytes.empty() && f.parse_slot == kNoSlot) return true;
  if (in.bytes.empty() && !in.end) {
    Slot& idle = pool_->slot(f.parse_slot);  // who says nothing more is not waited for
    if (idle.parser == kNoParser && ++idle.tries >= kSilentPacketsMax) settle(f);
    return true;
  }
  Arrived a{in.bytes, in.end, false};
  Answers answers;
  Slot* s = slot_of(t, a, flows, now, answers);
  if (s == nullptr) return true;
  Pending& p = s->pending[t.direction];
  if (in.gap && p.begun) {
    // A gap inside what is skipped anyway costs nothing.
    const uint64_t missed = in.at - p.next_at;
    if (in.at < p.next_at || missed > p.skip) {
      ++stats_.gaps;
      finish(f, now);
      return true;
    }
    p.skip -= missed;
  }
  p.begun = true;
  s->tries = 0;
  p.next_at = in.at + in.bytes.size();
  if (s->parser != kNoParser && p.skip > in.bytes.size() && !in.end) {  // nobody reads it
    p.skip -= in.bytes.size();
    return true;
  }
  teller_->about(f, *s, now);
  const bool good = feed(*s, t.direction, a, f, answers);
  if (in.end && f.parse_slot != kNoSlot) {
    s->ended |= static_cast<uint8_t>(1U << t.direction);
    if (s->ended == kBothEnded) finish(f, now);  // what waits is told now, not when the flow goes
  }
  return good;
}

bool ProtocolParsers::feed(Slot& s, unsigned direction, Arrived& a, Flow& f, Answers& answers) {
  if (s.parser == kNoParser && !find_out(s, direction, a, f, answers)) return true;
  return run(s, direction, a, f);
}

void ProtocolParsers::adopt(Slot& s, unsigned parser, Flow& f) noexcept {
  s.parser = static_cast<uint8_t>(parser);
  all_parsers()[parser].start(s.state);
  for (Pending& p : s.pending) p.shown = 0, p.needs = 0;
  if (f.protocol != 0) return;  // a flow keeps the name of what it began as
  ++stats_.flows;
  f.protocol = static_cast<uint8_t>(static_cast<unsigned>(all_parsers()[parser].kind) + 1);
}

// Asks those of `candidates` that could begin like `bytes`, the first of a direction.
ProtocolParsers::Answers ProtocolParsers::ask(uint64_t candidates, unsigned direction,
                                              const Arrived& a, Bytes bytes, const Flow& f) {
  // However it is cut, a probe never sees more than this, so that it answers the same.
  const bool all_of_it = bytes.size() <= kProbeBytesMax;
  ProbeInput in;
  in.bytes = bytes.first(std::min(bytes.size(), kProbeBytesMax));
  in.from_initiator = direction == 0;
  in.whole = a.whole && all_of_it;
  in.initiator_port = port_of(f, true);
  in.responder_port = port_of(f, false);
  in.transport = transport_of(f);
  const auto parsers = all_parsers();
  Answers answers;
  answers.asked = true;
  answers.candidates = candidates & parsers_beginning_with(bytes[0], in.transport);
  // The first in the table that is certain takes it, once nobody before it may still become so:
  // else it would depend on how few bytes came first.
  for (uint64_t left = answers.candidates; left != 0; left &= left - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(left));
    const Probe probe = parsers[i].probe(in);
    if (probe.likelihood == Likelihood::kNo) answers.candidates &= ~(uint64_t{1} << i);
    if (probe.likelihood == Likelihood::kUnsure) answers.is_first = false;
    if (probe.likelihood != Likelihood::kCertain) continue;
    answers.found = i;
    answers.sender = probe.sender;
    break;
  }
  return answers;
}

// Asks the probes, where that has not been done. true: the flow has a parser from now on, and
// `bytes` are for it.
bool ProtocolParsers::find_out(Slot& s, unsigned direction, const Arrived& a, Flow& f,
                               Answers& answers) {
  Pending& p = s.pending[direction];
  const std::span<const uint8_t> bytes = a.bytes;
  size_t kept = 0;
  if (p.held != 0 && !bytes.empty()) {  // see it together with what came before
    kept = std::min(bytes.size(), kProbeBytesMax);
    if (!keep(s, direction, bytes.first(kept))) {
      settle(f);
      return false;
    }
  }
  const Bytes shown = p.held != 0 ? Bytes(pool_->buffer(p.buffer) + p.begin, p.held) : bytes;
  if (shown.empty()) return false;
  if (!answers.asked) answers = ask(s.candidates, direction, a, shown, f);
  s.candidates = answers.candidates;
  const size_t held = s.pending[0].held + s.pending[1].held + (p.held == 0 ? bytes.size() : 0);
  const bool enough = a.whole || held >= kProbeBytesMax;
  if (answers.found == kNoParser || (!answers.is_first && !enough)) {
    const bool over = a.datagram ? ++s.tries >= kProbeDatagramsMax : enough;
    if (s.candidates == 0 || over) {
      settle(f);
    } else if (!a.datagram && p.held == 0 && !keep(s, direction, bytes)) {
      settle(f);
    }
    return false;
  }
  const bool sent_by_server = answers.sender == Probe::Sender::kServer;
  const bool sent_by_client = answers.sender == Probe::Sender::kClient;
  s.swapped = direction == 0 ? sent_by_server : sent_by_client;
  adopt(s, answers.found, f);
  teller_->about(f, s, teller_->now());
  // What was kept while nobody knew: the other side spoke first.
  const unsigned other = 1 - direction;
  if (Arrived nothing; s.pending[other].held != 0) run(s, other, nothing, f);
  if (f.parse_slot == kNoSlot || s.parser == kNoParser) return false;
  if (p.held == 0) return true;
  Arrived left{bytes.subspan(kept), a.whole, a.datagram};  // it holds the others
  run(s, direction, left, f);
  return false;
}

// Puts bytes behind what the direction holds. false: no room.
bool ProtocolParsers::keep(Slot& s, unsigned direction, std::span<const uint8_t> bytes) noexcept {
  Pending& p = s.pending[direction];
  if (p.buffer == kNoBuffer) {
    if (pool_->free_buffers.empty()) {
      ++stats_.no_buffer;
      return false;
    }
    p.buffer = pool_->free_buffers.back();
    pool_->free_buffers.pop_back();
    p.begin = p.held = 0;
  }
  uint8_t* buffer = pool_->buffer(p.buffer);
  if (p.begin + p.held + bytes.size() > kMessageBytesMax) {
    std::memmove(buffer, buffer + p.begin, p.held);
    p.begin = 0;
  }
  if (p.held + bytes.size() > kMessageBytesMax) return false;
  std::memcpy(buffer + p.held + p.begin, bytes.data(), bytes.size());
  p.held += static_cast<uint32_t>(bytes.size());
  return true;
}

// What the parser is shown next: of what is held, completed from `bytes`, or of `bytes` alone.
// false: nothing to show for now.
bool ProtocolParsers::next_input(Slot& s, unsigned direction, Arrived& a, Input& in, Flow& f) {
  Pending& p = s.pending[direction];
  if (p.held == 0) {
    Bytes bytes = a.bytes;
    if (p.skip != 0) {
      const auto skipped = static_cast<size_t>(std::min<uint64_t>(p.skip, bytes.size()));
      p.skip -= skipped;
      bytes = bytes.subspan(skipped);
      a.bytes = bytes;
    }
    in.bytes = bytes;
  } else {
    const size_t wanted = p.needs > p.held ? p.needs - p.held : a.bytes.size();
    const size_t n = std::min({wanted, a.bytes.size(), kMessageBytesMax - p.held});
    if (n != 0 && !keep(s, direction, a.bytes.first(n))) {
      finish(f, teller_->now());
      return false;
    }
    a.bytes = a.bytes.subspan(n);
    in.bytes = Bytes(pool_->buffer(p.buffer) + p.begin, p.held);
  }
  in.whole = a.whole && (p.held == 0 || a.bytes.empty());
  in.seen = p.shown;
  in.from_client = (direction == 0) != s.swapped;
  in.datagram = a.datagram;
  teller_->speaks(in.from_client);
  in.server_port = teller_->server_port();
  in.now = teller_->now();
  if (in.bytes.empty()) return false;
  if (in.bytes.size() >= p.needs || in.whole) return true;
  if (p.held == 0 && !keep(s, direction, a.bytes)) finish(f, teller_->now());
  return false;
}

// Gives the parser message after message. Every round consumes a byte or is the last.
bool ProtocolParsers::run(Slot& s, unsigned direction, Arrived& a, Flow& f) {
  Input in;
  while (next_input(s, direction, a, in, f)) {
    const Step step = all_parsers()[s.parser].parse(s.state, in, *teller_);
    switch (step.what) {
      case Step::Do::kNeed:
        if (!await_more(s, direction, a, in, step.bytes, f)) return true;
        continue;
      case Step::Do::kFinish:
        finish(f, teller_->now());
        return true;
      case Step::Do::kMalformed:
        ++stats_.malformed;
        teller_->violation(all_parsers()[s.parser].kind, step.why);
        finish(f, teller_->now());
        return false;
      case Step::Do::kForget:
        release(f);
        return true;
      case Step::Do::kBecome:
        consume(s, direction, a, in, step.bytes);
        return become(s, direction, a, step.kind, f);
      case Step::Do::kConsume:
        consume(s, direction, a, in, step.bytes);
        if (step.bytes != 0) continue;
        finish(f, teller_->now());  // a parser that does not get on: our own mistake
        return true;
    }
  }
  return true;
}

// The parser wants more than it was shown. true: there is more at hand.
bool ProtocolParsers::await_more(Slot& s, unsigned direction, Arrived& a, const Input& in,
                                 uint64_t needs, Flow& f) {
  Pending& p = s.pending[direction];
  p.shown = static_cast<uint32_t>(in.bytes.size());
  p.needs = needs > in.bytes.size() ? needs : 0;
  if (in.whole) return false;  // what is cut off here never comes
  bool kept = p.needs <= kMessageBytesMax && in.bytes.size() < kMessageBytesMax;
  if (p.held == 0) {
    kept = kept && keep(s, direction, a.bytes);
    a.bytes = {};
  }
  if (!kept) finish(f, teller_->now());
  return kept && !a.bytes.empty();
}

void ProtocolParsers::consume(Slot& s, unsigned direction, Arrived& a, const Input& in,
                              uint64_t bytes) noexcept {
  Pending& p = s.pending[direction];
  const auto used = static_cast<size_t>(std::min<uint64_t>(bytes, in.bytes.size()));
  p.skip = bytes - used;
  p.shown = 0;
  p.needs = 0;
  if (p.held == 0) {
    a.bytes = a.bytes.subspan(used);
    return;
  }
  p.begin += static_cast<uint32_t>(used);
  p.held -= static_cast<uint32_t>(used);
  if (p.held != 0) return;
  pool_->free_buffers.push_back(p.buffer);
  p.buffer = kNoBuffer;
}

// Another protocol goes on where this one stopped.
bool ProtocolParsers::become(Slot& s, unsigned direction, Arrived& a, EvidenceKind kind,
                             Flow& f) {
  teller_->ends(s.pending, s.swapped);
  all_parsers()[s.parser].end(s.state, *teller_);
  const unsigned next = parser_for(kind, transport_of(f));
  if (++s.turns > kTurnsMax || (next == kNoParser && kind != EvidenceKind::kAny)) {
    settle(f);
    return true;
  }
  if (kind != EvidenceKind::kAny) {
    adopt(s, next, f);
    return run(s, direction, a, f);
  }
  s.parser = kNoParser;
  s.tries = 0;
  s.candidates = parsers_over(transport_of(f));
  Answers none;
  return feed(s, direction, a, f, none);
}

}  // namespace weir
