// SPDX-License-Identifier: Apache-2.0
// What a worker does with what is inside packets: fragments and segments are put together, parsers
// and rules read what that gives.
#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/pipeline/burst.h"
#include "dataplane/pipeline/judge_stage.h"
#include "dataplane/pipeline/stream_stage.h"
#include "dataplane/pipeline/urgent.h"

namespace weir {

constexpr unsigned kPacketsAhead = 2;  // with one HTTP waits, with three TLS loses

// A fragment goes on as it is; the one that completes its datagram is judged by the whole. Nothing
// looks at what waits for the rest: it will be seen then, or never be put together by anyone.
void Worker::defragment(const WorkerWire& wire, size_t i) {
  Burst& b = *burst_;
  const PacketView& p = b.packet[i];
  if (p.bytes < p.wire_bytes) return;  // a capture that was cut: nothing to put together
  FragmentFate fate = FragmentFate::kComplete;
  for (unsigned depth = 0; fate == FragmentFate::kComplete && b.headers[i].has(kFragment);
       ++depth) {
    // What was put together may carry a fragment again, in a tunnel; but not for ever.
    fate = depth == kTunnelDepthMax
               ? FragmentFate::kConflict
               : fragments_.add(PacketView(b.view[i]), wire.index, i, b.headers[i], b.view[i]);
  }
  switch (fate) {
    case FragmentFate::kWaits:
      b.headers[i].flags |= kAwaitsRest;
      break;
    case FragmentFate::kComplete:
      break;
    case FragmentFate::kConflict:
      b.plight[i].refused = Reason::kFragmentConflict;
      break;
    case FragmentFate::kNoRoom:
      b.plight[i].cause = FailCause::kStreamMemoryFull;
      break;
  }
}

// Whether rules look at what is in t's packet.
bool Worker::wants_match(const Tracked& t) {
  if (t.flow == nullptr) return true;
  Flow& f = *t.flow;
  if ((f.flags & kWantsMatch) == 0) return false;
  const unsigned deep = unsigned{kDeepEnough} << t.direction;
  const bool was_deep = (f.flags & deep) != 0;
  const bool wanted = depth_.wants(flows_, t);
  if ((f.flags & deep) != 0) streams_->follow_depth(f, t, was_deep, wanted);
  return wanted;
}

// Whether its receiver takes packet i, as far as checksums tell.
bool Worker::is_sound(size_t i, const WorkerWire& wire) {
  Burst& b = *burst_;
  if (settings_.inspect.verify_checksums == 0) return true;
  const Anomaly wrong = checksum_anomaly(b.view[i], b.headers[i]);
  if (wrong == Anomaly::kNone) return true;
  events_.anomaly(b.view[i], b.headers[i], wrong, wire.index, packets_seen_ + i + 1);
  return false;
}

// What is read of packet i is on its way while two others are looked into: until then nobody
// has touched its payload, and waiting for that is most of what checksums and copies take.
void Worker::fetch(size_t i) const {
  constexpr uint32_t kLine = 64, kFetchedMax = 1536;
  const Burst& b = *burst_;
  const Tracked& t = b.tracked[i];
  if (t.flow == nullptr || (t.flow->flags & (kWantsParse | kWantsMatch)) == 0) return;
  const Headers& h = b.headers[i];
  const uint32_t end = std::min(uint32_t{h.payload_offset} + h.payload_bytes, kFetchedMax);
  for (uint32_t at = kLine; at < end; at += kLine) __builtin_prefetch(b.view[i].data + at);
  if ((t.flow->flags & kHasStream) != 0) streams_->fetch(t.index);
  if (t.flow->parse_slot != kNoSlot) parsers_.fetch(t.flow->parse_slot);
}

// What is in the packets, one after the other: each is put into its stream, and what that adds is
// good until the next one is.
void Worker::look_into(const LoadedRules* rules, const WorkerWire& wire, Rows rows) {
  Burst& b = *burst_;
  MatchCounts counts;
  judge_->use(rules, index_);
  parsers_.judge_kinds(judge_->wanted_kinds());
  Rows later = rows;  // whose payloads nobody has asked for
  const auto fetch_next = [&] {
    if (later == 0) return;
    fetch(static_cast<size_t>(std::countr_zero(later)));
    later &= later - 1;
  };
  for (unsigned n = 0; n < kPacketsAhead; ++n) fetch_next();
  for (const size_t i : each(rows)) {
    FailCause& cause = b.plight[i].cause;
    if (!b.headers[i].has(kHasIp)) {
      cause = FailCause::kCount;
    } else if (plight_ != FailCause::kCount) {
      cause = plight_;
    } else if ((b.tracked[i].events & kNoRoomForFlow) != 0) {
      cause = FailCause::kFlowTableFull;
    }
    fetch_next();
    b.hits[i].count = 0;
    b.hits[i].truncated = false;
    b.transaction[i] = kNoTransaction;
    b.inspect[i] = Inspect::kNo;
    look_into_one(i, rules, wire, counts);
    release_unread(b.tracked[i], rules);
  }
  share_.stats.inspected_packets.add(counts.packets);
  share_.stats.inspected_bytes.add(counts.bytes);
}

void Worker::look_into_one(size_t i, const LoadedRules* rules, const WorkerWire& wire,
                           MatchCounts& counts) {
  Burst& b = *burst_;
  const Headers& h = b.headers[i];
  const Tracked& t = b.tracked[i];
  if (t.flow != nullptr && settings_.parse.flows_max == 0) t.flow->flags &= ~kWantsParse;
  if (b.stopped[i] && t.flow != nullptr) let_go(t, b.packet[i].time_ns);
  if (h.has(kArp)) {
    events_.at_packet(packets_seen_ + i + 1);
    parsers_.arp(b.view[i], h, wire.index);
  }
  if (!h.has(kHasIp) || h.has(kAwaitsRest) || b.stopped[i]) return;
  if (b.plight[i].refused != Reason::kNone) return;
  // Rules judge what is stated however deep they look into payloads: parsers read it anyway.
  const bool judges = judge_->wanted_kinds() != 0 && t.flow != nullptr &&
                      (t.flow->flags & kWantsMatch) != 0;
  if (judges) judge_->enter(h, t, budget_);
  read_packet(i, rules, wire, counts);
  judge_->leave();
  if (judges) take_judged(i, counts);
}

void Worker::take_judged(size_t i, MatchCounts& counts) {
  Burst& b = *burst_;
  judge_->take(b.hits[i], b.transaction[i]);
  const MatchCounts judged = judge_->take_counts();
  counts.bytes += judged.bytes;
  FailCause& cause = b.plight[i].cause;
  if (judged.unscanned != 0 && cause == FailCause::kCount) cause = FailCause::kOverload;
}

// Parsers and rules over what is in packet i.
void Worker::read_packet(size_t i, const LoadedRules* rules, const WorkerWire& wire,
                         MatchCounts& counts) {
  Burst& b = *burst_;
  const Headers& h = b.headers[i];
  const Tracked& t = b.tracked[i];
  const unsigned flags = t.flow == nullptr ? 0 : t.flow->flags;
  const bool matches = rules != nullptr && wants_match(t);
  const bool parses = (flags & kWantsParse) != 0 && h.has(kHasL4);
  // Captures of a sending host have datagrams without their checksum; a fact more harms nobody.
  const bool datagram = parses && h.proto != kProtoTcp;
  if (datagram) parse_one(i, t, {});
  if ((!matches && (!parses || datagram)) || !is_sound(i, wire)) return;
  if (!matches && streams_->opens_bare(h, t)) {
    streams_->remember(h, t, flows_.cold(t.index));
    return;
  }
  StreamBytes stream;
  if (t.flow != nullptr && h.proto == kProtoTcp && h.has(kHasL4)) {
    if ((h.tcp_flags & kTcpUrg) != 0 && !read_in_line(i, wire)) return;
    streams_->add(b.view[i], h, t, flows_.cold(t.index), b.plight[i], stream);
  }
  if (parses && !datagram) parse_stream(i, stream);
  if (matches) match_one(i, stream, *rules, counts);
}

// A receiver leaves the urgent byte out of what it reads, or not (RFC 6093 section 3.2); here it is
// read in line. So where the wire enforces its sender's word for it goes, and all read the same.
// false: it cannot go, and the packet with it.
bool Worker::read_in_line(size_t i, const WorkerWire& wire) {
  Burst& b = *burst_;
  const bool enforces = settings_.wire[wire.index].mode == Mode::kEnforce;
  if (!enforces || settings_.inspect.keep_urgent != 0) return true;
  if (b.view[i].data != b.packet[i].data) {  // in fragments, whose first one has gone on
    b.plight[i].refused = Reason::kFragmentConflict;
    return false;
  }
  clear_urgent(b.packet[i], b.headers[i]);
  return true;
}

// What nobody reads any more is not kept.
void Worker::release_unread(const Tracked& t, const LoadedRules* rules) {
  if (t.flow == nullptr) return;
  const unsigned reads = kWantsParse | (rules == nullptr ? 0u : unsigned{kWantsMatch});
  const unsigned flags = t.flow->flags & (kHasStream | reads);
  if (flags == kHasStream) streams_->release(*t.flow, t.index);
}

void Worker::parse_stream(size_t i, const StreamBytes& stream) {
  Burst& b = *burst_;
  if (!stream.opening.empty()) {
    Tracked opener = b.tracked[i];
    opener.direction = stream.opening_direction;
    parse_one(i, opener, {.bytes = stream.opening});
  }
  // Data with a SYN waits until the connection goes on: a forged one is to cost no parser's state.
  const bool opens = (b.headers[i].tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
  const bool wanted = (b.tracked[i].flow->flags & kWantsParse) != 0;
  if (wanted && !opens && b.plight[i].refused == Reason::kNone) {
    parse_one(i, b.tracked[i], stream);
  }
  // A reset ends both directions: what waits is told now, not when the flow is forgotten.
  Flow& f = *b.tracked[i].flow;
  const bool reset = (b.headers[i].tcp_flags & kTcpRst) != 0 && f.state == FlowState::kClosed;
  if (reset && f.parse_slot != kNoSlot) parsers_.finish(f, b.packet[i].time_ns);
}

void Worker::parse_one(size_t i, const Tracked& t, const StreamBytes& stream) {
  Burst& b = *burst_;
  events_.at_packet(packets_seen_ + i + 1);
  const Headers& h = b.headers[i];
  if (h.proto != kProtoTcp && h.proto != kProtoUdp) {
    return parsers_.icmp(b.view[i], h, t);
  }
  const bool good = h.proto == kProtoUdp ? parsers_.datagram(b.view[i], h, t, flows_)
                                         : parsers_.stream(stream, b.packet[i].time_ns, t, flows_);
  if (!good && b.plight[i].cause == FailCause::kCount) {
    b.plight[i].cause = FailCause::kParserError;
  }
}

// The payload of packet i, joined to what stands before it in its stream, and all that can be read
// because of it. What is refused or came early is looked at by itself.
void Worker::match_one(size_t i, const StreamBytes& stream, const LoadedRules& rules,
                       MatchCounts& counts) {
  Burst& b = *burst_;
  const Headers& h = b.headers[i];
  const Tracked& t = b.tracked[i];
  b.inspect[i] = Inspect::kFirstOfDirection;
  if (t.flow != nullptr) {
    FlowCold& c = flows_.cold(t.index);
    const auto direction = static_cast<uint8_t>(1u << t.direction);
    if ((c.seen_directions & direction) != 0) b.inspect[i] = Inspect::kYes;
    c.seen_directions |= direction;
  }
  const uint8_t* payload = payload_of(b.view[i], h).data();
  const uint8_t* bytes = stream.bytes.data();
  bool is_own = bytes >= payload && bytes < payload + h.payload_bytes;
  std::span<const uint8_t> before;
  if (is_own) {  // what is sent again stands in both, or is a lie where its receiver has it already
    const auto again = static_cast<size_t>(bytes - payload);
    const size_t both = std::min(again, stream.before.size());
    before = stream.before.first(stream.before.size() - both);
    const uint8_t* had = stream.before.data() + before.size();
    is_own = both == 0 || std::memcmp(had, bytes - both, both) == 0;
    if (!is_own) before = {};
  }
  Matcher& matcher = rules.matcher(index_);
  const FlowSide side = flow_side_of(h, t);
  MatchCounts one = match({b.view + i, 1}, {b.headers + i, 1}, {b.inspect + i, 1}, rules, matcher,
                          budget_, {b.hits + i, 1}, before, side);
  counts.packets += one.packets;
  counts.bytes += one.bytes;
  if (!stream.bytes.empty() && !is_own && one.unscanned == 0) {
    one = match_more(h, stream.bytes, stream.before, rules, matcher, budget_, b.hits[i], side);
    counts.bytes += one.bytes;
  }
  FailCause& cause = b.plight[i].cause;
  if (one.unscanned != 0 && cause == FailCause::kCount) cause = FailCause::kOverload;
  if (t.flow == nullptr) return;
  const bool in_stream = (t.flow->flags & kHasStream) != 0 && cause != FailCause::kStreamMemoryFull;
  InspectionDepth::looked_at(flows_, t, in_stream ? stream.bytes.size() : h.payload_bytes);
}

}  // namespace weir
