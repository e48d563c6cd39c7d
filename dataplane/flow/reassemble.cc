// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow/reassemble.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weir {

namespace {

// Met in the middle, how far behind what we saw first its receiver may still be.
constexpr int64_t kBehindMax = 16 << 20;
constexpr uint32_t kWarmBlocks = 512;  // a megabyte, given out first and again and again
constexpr uint64_t kOpeningMax = 65'536;  // one SYN's, or several that overlap

uint32_t blocks_of(const StreamSettings& s) noexcept {
  return s.megabytes * 512;
}

uint32_t seconds_of(TimeNs t) noexcept {
  return static_cast<uint32_t>(t / kNsPerSecond);
}

}  // namespace

// Pages of streams that never are cost nothing: but for the first blocks, which all that is held in
// most places fits into, nothing is touched before it is used.
Reassembler::Reassembler(const StreamSettings& settings, uint64_t flows_max)
    : blocks_max_(blocks_of(settings)),
      reach_(uint64_t{settings.direction_kilobytes} << 10),
      streams_(std::make_unique_for_overwrite<Stream[]>(flows_max)),
      blocks_(std::make_unique_for_overwrite<Block[]>(blocks_max_ + 1)),
      bytes_(std::make_unique_for_overwrite<uint8_t[]>((uint64_t{blocks_max_} + 1) * kBlockBytes)),
      bits_(std::make_unique_for_overwrite<uint64_t[]>((uint64_t{blocks_max_} + 1) * kWords)),
      scratch_(std::make_unique_for_overwrite<uint8_t[]>(kBeforeBytes + reach_)),
      opening_(std::make_unique_for_overwrite<uint8_t[]>(kOpeningMax)) {
  const uint64_t warm = std::min(blocks_max_, kWarmBlocks);
  std::memset(bytes_.get(), 0, warm * kBlockBytes);
  std::memset(bits_.get(), 0, warm * kWords * sizeof(uint64_t));
  std::fill_n(blocks_.get(), warm, Block{});
}

uint64_t Reassembler::bytes_for(const StreamSettings& settings, uint64_t flows_max) noexcept {
  const uint64_t block = kBlockBytes + kWords * sizeof(uint64_t) + sizeof(Block);
  return flows_max * sizeof(Stream) + blocks_of(settings) * block + kOpeningMax;
}

int64_t Reassembler::position(const Half& d, uint32_t seq) noexcept {
  const uint32_t here = d.base + static_cast<uint32_t>(d.edge);  // RFC 9293 section 3.4
  return static_cast<int64_t>(d.edge) + static_cast<int32_t>(seq - here);
}

// The peer is heard only from its own side of the wire, else a sender could acknowledge its own
// data. Where all comes from one side, as off a mirrored port or a capture, it is believed.
bool Reassembler::believes(Stream& s, const Flow& f, uint8_t direction, Side side) noexcept {
  const auto initiator = static_cast<Side>(f.side);
  if (side != (direction == 0 ? initiator : other(initiator))) return !s.is_two_sided;
  if (direction == 1 && !s.is_two_sided) {  // what was said in its name until now was not its own
    s.is_two_sided = true;
    drop_all(s.half[1]);
    s.half[1] = Half{};
    if (s.half[0].has(kAcked)) {  // to be seen from what it says now
      s.half[0].flags = kKnown | kFromSyn;
      s.half[0].acked = 0;
    }
  }
  return true;
}

// d goes on at seq, which nobody can join to what was before.
void Reassembler::start_at(Half& d, uint32_t seq) noexcept {
  drop_all(d);
  d.base = seq - static_cast<uint32_t>(d.edge);
  d.kept = d.highest = d.acked = d.edge;
  d.flags = static_cast<uint8_t>(kKnown | (d.edge != 0 ? kGap : 0));
}

void Reassembler::acknowledge(Half& d, uint32_t ack) noexcept {
  if (!d.has(kKnown)) return;
  const int64_t at = position(d, ack);
  const uint64_t last = d.has(kFin) ? d.fin + 1 : d.highest;
  if (!d.has(kAcked)) {
    const bool ahead = at > static_cast<int64_t>(last);
    if (ahead || at < (d.has(kFromSyn) ? 0 : -kBehindMax)) {  // its receiver is elsewhere
      start_at(d, ack);
      d.flags |= kGap;
    }
    d.flags |= kAcked;
  }
  int64_t has = position(d, ack);
  if (d.has(kFin)) has = std::min(has, static_cast<int64_t>(d.fin));
  if (has <= static_cast<int64_t>(d.acked)) return;
  d.acked = static_cast<uint64_t>(has);
  trim(d);
}

// Where d begins, if h tells. false: h adds nothing.
bool Reassembler::begin(Half& d, const Headers& h) noexcept {
  if ((h.tcp_flags & kTcpSyn) == 0) {
    if (!d.has(kKnown)) start_at(d, h.tcp_seq);
    return true;
  }
  const bool is_new = !d.has(kKnown) || (d.highest == 0 && !d.has(kAcked | kFin));
  if (is_new) {
    start_at(d, h.tcp_seq + 1);
    if (d.edge == 0) d.flags |= kFromSyn;
  }
  // In the middle of a connection its receiver takes nothing of it (RFC 5961 section 4.2).
  return position(d, h.tcp_seq + 1) == 0;
}

void Reassembler::open(Flow& f, uint32_t index, uint32_t isn) noexcept {
  Stream& s = streams_[index];
  s = Stream{};
  f.flags |= kHasStream;
  start_at(s.half[0], isn + 1);
  s.half[0].flags |= kFromSyn;
}

SegmentFate Reassembler::add(const PacketView& p, const Headers& h, const Tracked& t,
                             StreamBytes& out) noexcept {
  out = {};
  Stream& s = streams_[t.index];
  if ((t.flow->flags & kHasStream) == 0) {
    s = Stream{};
    t.flow->flags |= kHasStream;
  }
  Half& d = s.half[t.direction];
  const bool believed = believes(s, *t.flow, t.direction, p.side);
  if ((h.tcp_flags & kTcpRst) != 0) return SegmentFate::kTaken;
  const bool opens = (h.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
  if (!opens && (s.half[0].has(kOpening) || s.half[1].has(kOpening))) {
    tell_opening(s, h, t.direction, believed, out);
  }
  if (believed && (h.tcp_flags & kTcpAck) != 0) acknowledge(s.half[1 - t.direction], h.tcp_ack);
  if (!begin(d, h)) return SegmentFate::kTaken;
  const bool is_first = d.edge == 0 || d.has(kOpening);
  const uint32_t now = seconds_of(p.time_ns);
  if (s.is_listed && s.touched != now) {
    unlist(s);
    list(s, t.index);
  }
  s.touched = now;
  Piece piece{};
  piece.data = p.data + h.payload_offset;
  piece.begin = position(d, h.tcp_seq + ((h.tcp_flags & kTcpSyn) != 0 ? 1 : 0));
  piece.end = piece.begin + h.payload_bytes;
  piece.fin = (h.tcp_flags & kTcpFin) != 0;
  const SegmentFate fate = take(s, d, t.index, piece);
  if (fate == SegmentFate::kConflict) ++stats_.conflicts;
  if (fate == SegmentFate::kNoRoom) ++stats_.refused_full;
  out.at = d.edge;
  if (fate != SegmentFate::kConflict) tell(d, piece, out);
  if (opens && is_first && d.edge != 0) d.flags |= kOpening;
  return fate;
}

// What came with a SYN is told once its sender goes on, or its receiver took it or answers: neither
// is done by who only floods.
void Reassembler::tell_opening(Stream& s, const Headers& h, uint8_t direction, bool believed,
                               StreamBytes& out) noexcept {
  const auto other = static_cast<uint8_t>(1 - direction);
  const bool goes_on = s.half[direction].has(kOpening);
  Half& d = s.half[goes_on ? direction : other];
  const bool acks = (h.tcp_flags & kTcpAck) != 0 && position(d, h.tcp_ack) > 0;
  if (!goes_on && (!believed || (!acks && h.payload_bytes == 0))) return;
  d.flags &= static_cast<uint8_t>(~kOpening);
  if (d.kept != 0 || d.edge > kOpeningMax) return;  // given up for others
  copy_out(d, 0, d.edge, opening_.get());
  out.opening = {opening_.get(), d.edge};
  out.opening_direction = goes_on ? direction : other;
}

// Compares and keeps what the segment says; nothing of one that is refused.
SegmentFate Reassembler::take(Stream& s, Half& d, uint32_t self, Piece& piece) noexcept {
  const bool has_all = piece.end + (piece.fin ? 1 : 0) <= static_cast<int64_t>(d.acked);
  if (has_all || (piece.begin == piece.end && !piece.fin)) return SegmentFate::kTaken;
  const auto from = static_cast<uint64_t>(std::max(piece.begin, static_cast<int64_t>(d.acked)));
  const auto to = static_cast<uint64_t>(std::max<int64_t>(piece.end, 0));
  // Nothing follows a FIN, and there is but one.
  if (d.has(kFin) ? to > d.fin || (piece.fin && to != d.fin) : piece.fin && to < d.highest) {
    return SegmentFate::kConflict;
  }
  if (from < to && from < d.kept) return SegmentFate::kNoRoom;
  if (to > d.edge + reach_) skip_gap(d);
  if (to > d.edge + reach_) return SegmentFate::kNoRoom;
  if (from < to) {
    const uint8_t* data = piece.data + (static_cast<int64_t>(from) - piece.begin);
    if (from < d.highest && !agrees(d, from, std::min(to, d.highest), data)) {
      return SegmentFate::kConflict;
    }
    const uint64_t fresh = std::max(from, d.edge);
    if (fresh < to) {
      if (!reserve(d, fresh, to, self, s.touched)) return SegmentFate::kNoRoom;
      store(d, fresh, to, data + (fresh - from), from > d.edge || d.highest > d.edge);
      if (!s.is_listed) list(s, self);
    }
  }
  piece.is_held = true;
  if (piece.fin) {
    d.flags |= kFin;
    d.fin = to;
  }
  return SegmentFate::kTaken;
}

bool Reassembler::agrees(const Half& d, uint64_t from, uint64_t to,
                         const uint8_t* data) const noexcept {
  for (uint64_t at = from; at < to;) {
    const uint64_t end = std::min(to, (at / kBlockBytes + 1) * kBlockBytes);
    const uint32_t block = seek(d, at / kBlockBytes);
    const uint8_t* comes = data + (at - from);
    if (block != kNone) {
      const uint8_t* had = data_of(block) + at % kBlockBytes;
      const uint64_t known = std::clamp(d.edge, at, end) - at;
      if (std::memcmp(had, comes, known) != 0) return false;
      const uint64_t* bits = bits_of(block);
      for (uint64_t i = known; blocks_[block].has_bits && i < end - at; ++i) {
        const uint64_t bit = at % kBlockBytes + i;
        if ((bits[bit / 64] >> bit % 64 & 1) != 0 && had[i] != comes[i]) return false;
      }
    }
    at = end;
  }
  return true;
}

// early: not all up to `to` is in order after it, so bits say what is there.
void Reassembler::store(Half& d, uint64_t from, uint64_t to, const uint8_t* data,
                        bool early) noexcept {
  for (uint64_t at = from; at < to;) {
    const uint64_t end = std::min(to, (at / kBlockBytes + 1) * kBlockBytes);
    const uint32_t block = block_for(d, at / kBlockBytes);
    std::memcpy(data_of(block) + at % kBlockBytes, data + (at - from), end - at);
    if (early) {
      uint64_t* bits = bits_of(block);
      if (!blocks_[block].has_bits) std::fill_n(bits, kWords, 0);
      blocks_[block].has_bits = true;
      for (uint64_t i = at % kBlockBytes; i < at % kBlockBytes + (end - at);) {
        const uint64_t n = std::min<uint64_t>(64 - i % 64, at % kBlockBytes + (end - at) - i);
        bits[i / 64] |= (n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1) << i % 64;
        i += n;
      }
    }
    at = end;
  }
  d.highest = std::max(d.highest, to);
}

bool Reassembler::holds(const Half& d, uint64_t at) const noexcept {
  const uint32_t block = at < d.highest ? seek(d, at / kBlockBytes) : kNone;
  if (block == kNone || !blocks_[block].has_bits) return false;
  const uint64_t bit = at % kBlockBytes;
  return (bits_of(block)[bit / 64] >> bit % 64 & 1) != 0;
}

// Where what is held from the edge on ends.
uint64_t Reassembler::run_end(const Half& d) const noexcept {
  uint64_t at = d.edge;
  uint32_t block = seek(d, at / kBlockBytes);
  while (at < d.highest && block != kNone && blocks_[block].has_bits &&
         blocks_[block].number == at / kBlockBytes) {
    const uint64_t bit = at % kBlockBytes;
    const auto ones = static_cast<uint64_t>(std::countr_one(bits_of(block)[bit / 64] >> bit % 64));
    at += ones;
    if (ones < 64 - bit % 64) break;
    if (at % kBlockBytes == 0) block = blocks_[block].next;
  }
  return std::min(at, d.highest);
}

// The edge stands before bytes that nobody will send again, or for which there is no more waiting:
// it moves on to the next that is held.
void Reassembler::skip_gap(Half& d) noexcept {
  const bool missed = d.edge < d.acked;
  const bool unheard = !d.has(kAcked) && d.highest - d.edge > reach_ / 2;
  if ((!missed && !unheard) || holds(d, d.edge)) return;
  const uint64_t most = missed ? d.acked : d.highest;
  uint64_t at = d.edge;
  uint32_t block = d.head;
  while (block != kNone && at < most) {  // a word of bits at a time, reach_ / 64 at most
    const uint64_t first = blocks_[block].number * kBlockBytes;
    at = std::max(at, first);
    const bool is_here = at < first + kBlockBytes && blocks_[block].has_bits;
    const uint64_t bit = at % kBlockBytes;
    const uint64_t word = is_here ? bits_of(block)[bit / 64] >> bit % 64 : 0;
    if (word != 0) {
      at += static_cast<uint64_t>(std::countr_zero(word));
      break;
    }
    if (is_here) at += 64 - bit % 64;
    if (!is_here || at == first + kBlockBytes) block = blocks_[block].next;
  }
  d.edge = block == kNone ? most : std::min(at, most);
  d.kept = d.edge;
  d.highest = std::max(d.highest, d.edge);
  d.flags |= kGap;
  trim(d);
}

std::span<const uint8_t> Reassembler::before(const Half& d) noexcept {
  const uint64_t n = std::min<uint64_t>(kBeforeBytes, d.edge - d.kept);
  if (n == 0) return {};
  const uint64_t from = d.edge - n;
  const uint32_t block = seek(d, from / kBlockBytes);
  if (from / kBlockBytes == (d.edge - 1) / kBlockBytes) {
    return {data_of(block) + from % kBlockBytes, n};
  }
  copy_out(d, from, d.edge, scratch_.get());
  return {scratch_.get(), n};
}

void Reassembler::copy_out(const Half& d, uint64_t from, uint64_t to, uint8_t* out) const noexcept {
  uint32_t block = seek(d, from / kBlockBytes);
  while (from < to) {
    const uint64_t end = std::min(to, (from / kBlockBytes + 1) * kBlockBytes);
    std::memcpy(out, data_of(block) + from % kBlockBytes, end - from);
    out += end - from;
    from = end;
    block = blocks_[block].next;
  }
}

// What is in order now and was not before.
void Reassembler::tell(Half& d, const Piece& piece, StreamBytes& out) noexcept {
  if (d.edge < d.highest || d.edge < d.acked) skip_gap(d);
  // Just what this segment says, in order: no bits were made for it.
  const bool in_order = piece.is_held && piece.begin <= static_cast<int64_t>(d.edge);
  const bool simple = in_order && piece.end == static_cast<int64_t>(d.highest);
  const uint64_t end = d.edge == d.highest ? d.edge : simple ? d.highest : run_end(d);
  out.at = d.edge;
  if (end > d.edge) {
    const auto edge = static_cast<int64_t>(d.edge);
    out.gap = d.has(kGap);
    stats_.gaps += out.gap;
    if (in_order && piece.end >= static_cast<int64_t>(end)) {
      out.bytes = {piece.data + (edge - piece.begin), end - d.edge};
      out.before = before(d);
    } else {
      const uint64_t n = std::min<uint64_t>(kBeforeBytes, d.edge - d.kept);
      copy_out(d, d.edge - n, end, scratch_.get());
      out.before = {scratch_.get(), n};
      out.bytes = {scratch_.get() + n, end - d.edge};
    }
    d.edge = end;
    d.flags &= static_cast<uint8_t>(~kGap);
    trim(d);
  }
  if (d.has(kFin) && !d.has(kEnded) && d.edge == d.fin) {
    out.end = true;
    out.gap = out.gap || d.has(kGap);
    d.flags = static_cast<uint8_t>((d.flags | kEnded) & ~kGap);
  }
}

bool Reassembler::accepts_reset(const PacketView& p, const Headers& h,
                                const Tracked& t) const noexcept {
  if ((t.flow->flags & kHasStream) == 0) return true;
  const Stream& s = streams_[t.index];
  const Half& d = s.half[t.direction];
  const auto initiator = static_cast<Side>(t.flow->side);
  if (s.is_two_sided && p.side != (t.direction == 0 ? initiator : other(initiator))) return false;
  if (!d.has(kKnown)) return true;
  const int64_t at = position(d, h.tcp_seq);
  const uint64_t last = d.has(kFin) ? d.fin + 1 : d.highest;
  return at >= static_cast<int64_t>(d.acked) && at <= static_cast<int64_t>(last);
}

void Reassembler::forget(const Flow& f, uint32_t index, uint8_t direction) noexcept {
  if ((f.flags & kHasStream) == 0) return;
  Stream& s = streams_[index];
  Half& d = s.half[direction];
  drop_all(d);
  d.flags = 0;
  d.kept = d.highest = d.acked = d.edge;
  if (s.is_listed && s.half[0].head == kNone && s.half[1].head == kNone) unlist(s);
}

void Reassembler::release(const Flow& f, uint32_t index) noexcept {
  if ((f.flags & kHasStream) == 0) return;
  Stream& s = streams_[index];
  for (Half& d : s.half) drop_all(d);
  if (s.is_listed) unlist(s);
}

}  // namespace weir
