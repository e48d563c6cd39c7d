// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "dataplane/flow/flow.h"

namespace weir {

namespace {

static_assert(std::endian::native == std::endian::little);  // how the last two words are put

// Written word by word, in place: the hash reads words right after, and a load that spans several
// stores would wait for them to land. No branch on which end is the lower: it would be a guess, and
// wrong for every other packet. ports: as Headers lays them out. mapped: kMappedIpv4 or 0. Returns
// whether src is the lower.
inline bool make_key(const IpAddress& src, const IpAddress& dst, uint32_t ports, uint8_t proto,
                     const Headers& h, uint32_t mapped, uint8_t wire,
                     FlowKey::Words& key) noexcept {
  uint64_t s[2], d[2];
  std::memcpy(s, src.bytes.data(), sizeof s);
  std::memcpy(d, dst.bytes.data(), sizeof d);
  const bool same = s[0] == d[0] && s[1] == d[1];
  const bool below = s[1] != d[1] ? s[1] < d[1] : s[0] < d[0];
  const bool src_is_lo = same ? (ports & 0xffff) <= ports >> 16 : below;
  const uint64_t swaps = src_is_lo ? 0 : ~uint64_t{0};
  const uint64_t x0 = (s[0] ^ d[0]) & swaps, x1 = (s[1] ^ d[1]) & swaps;
  key[0] = s[0] ^ x0;
  key[1] = s[1] ^ x1;
  key[2] = d[0] ^ x0;
  key[3] = d[1] ^ x1;
  uint32_t vlans;
  std::memcpy(&vlans, h.vlan, sizeof vlans);
  key[4] = std::rotl(ports, src_is_lo ? 0 : 16) | uint64_t{vlans} << 32;
  key[5] = proto | uint64_t{wire} << 8 | uint64_t{h.network & 0xffffff} << 16 |
           uint64_t{mapped} << (48 - std::countr_zero(unsigned{kMappedIpv4}));
  return src_is_lo;
}

inline bool make_key(const Headers& h, uint8_t wire, FlowKey::Words& key) noexcept {
  static_assert(offsetof(Headers, dst_port) == offsetof(Headers, src_port) + 2);
  uint32_t ports;
  std::memcpy(&ports, &h.src_port, sizeof ports);
  return make_key(h.src, h.dst, ports, h.proto, h, h.flags & kMappedIpv4, wire, key);
}

// The state of one burst's tracking: what each phase below needs of the others.
struct Run {
  std::span<const PacketView> packets;
  const Headers* headers;  // as long
  uint8_t wire;
  FlowTable& table;
  TrackStats& stats;
  Tracked* tracked;
  FlowEnds& ends;
  uint64_t started = 0;  // of the flows that this burst began, a bit by the top of their hashes

  // Whether an earlier packet of this burst belongs to the flow: it must stay until they are sent.
  bool is_in_burst(size_t before, uint32_t index) noexcept {
    if (table.flow(index).last_ns < earliest()) return false;
    return std::any_of(tracked, tracked + before,
                       [index](const Tracked& t) { return t.index == index; });
  }

  void end(uint32_t index, EndReason why, TimeNs now) noexcept {
    ends.flow_ends(index, why, now);
    ++stats.ended;
    table.erase(index);
  }

  TimeNs earliest_ns = INT64_MAX;  // of the burst, once somebody has asked
  TimeNs earliest() noexcept {     // in a capture it need not be the first
    if (earliest_ns == INT64_MAX) {
      for (const PacketView& p : packets) earliest_ns = std::min(earliest_ns, p.time_ns);
    }
    return earliest_ns;
  }

  static uint64_t bit_of(uint64_t hash) noexcept { return uint64_t{1} << (hash >> 58); }
  // No flow had its tag before the burst, nor has one that began in it.
  bool is_new(uint32_t guess, uint64_t hash) const noexcept {
    return guess == kNoFlow && (started & bit_of(hash)) == 0;
  }
  uint32_t start(size_t i, const FlowKey& key, uint64_t hash, bool src_is_lo) noexcept;
  void update(size_t i, bool src_is_lo) noexcept;
  void read_quoted(size_t i) noexcept;
};

// A later fragment does not say whose it is.
bool has_flow(const Headers& h) noexcept {
  return (h.flags & (kHasIp | kLaterFragment)) == kHasIp;
}

bool begins_anew(const Flow& f, const Headers& h) noexcept {
  // RFC 9293 section 3.6.1: a SYN on a connection that is over opens the next one.
  if ((h.tcp_flags & (kTcpSyn | kTcpAck | kTcpRst)) != kTcpSyn) return false;
  return h.proto == kProtoTcp && (f.state == FlowState::kClosed || f.state == FlowState::kRefused);
}

uint32_t Run::start(size_t i, const FlowKey& key, uint64_t hash, bool src_is_lo) noexcept {
  const Headers& h = headers[i];
  const PacketView& p = packets[i];
  uint32_t index = table.insert(key, hash);
  if (index == kNoFlow) {
    const uint32_t victim = table.evict_candidate();
    if (victim != kNoFlow && !is_in_burst(i, victim)) {
      end(victim, EndReason::kEvicted, p.time_ns);
      ++stats.evicted;
      index = table.insert(key, hash);
    }
  }
  if (index == kNoFlow) {
    ++stats.refused_full;
    tracked[i].events |= kNoRoomForFlow;
    return kNoFlow;
  }
  ++stats.created;
  started |= bit_of(hash);
  Flow& f = table.flow(index);
  FlowCold& c = table.cold(index);
  const bool tcp = h.proto == kProtoTcp && h.has(kHasL4);
  // Seen from the middle, an answer to a SYN tells who began: its receiver.
  const bool answer = tcp && (h.tcp_flags & (kTcpSyn | kTcpAck)) == (kTcpSyn | kTcpAck);
  const bool from_initiator = !answer;
  if (src_is_lo == from_initiator) f.flags |= kInitiatorIsLo;
  if (tcp && (h.tcp_flags & (kTcpSyn | kTcpAck)) != kTcpSyn) f.flags |= kMidstream;
  if (h.has(kTunnelled)) f.flags |= kTunnelledFlow;
  if (h.has(kOneWayIcmp)) f.flags |= kOneWay;
  f.flags |= kWantsClassify | kWantsMatch;
  const bool icmp = (h.proto == kProtoIcmp || h.proto == kProtoIcmp6) && h.has(kHasL4);
  if (h.proto == kProtoTcp || h.proto == kProtoUdp || icmp) f.flags |= kWantsParse;
  f.side = static_cast<uint8_t>(from_initiator ? p.side : other(p.side));
  c.first_ns = p.time_ns;
  if (h.has(kHasMac)) {
    std::copy_n(p.data + 6, 6, (from_initiator ? c.src_mac : c.dst_mac).begin());
    std::copy_n(p.data, 6, (from_initiator ? c.dst_mac : c.src_mac).begin());
  }
  if (tcp && (f.flags & kMidstream) == 0) table.await_answer(index);
  tracked[i].events |= kFlowStarted;
  return index;
}

// TCP as far as a sensor in the middle needs it: was it answered, refused, is it over.
void update_tcp(Flow& f, const Headers& h, Tracked& t) noexcept {
  f.tcp_flags[t.direction] |= h.tcp_flags;
  if (f.state == FlowState::kEstablished && (h.tcp_flags & (kTcpFin | kTcpRst)) == 0) return;
  const bool rst = (h.tcp_flags & kTcpRst) != 0;
  const bool midstream = (f.flags & kMidstream) != 0;
  if (f.state == FlowState::kNew) {
    if (rst) {
      const bool refused = t.direction == 1 && !midstream;
      f.state = refused ? FlowState::kRefused : FlowState::kClosed;
      if (refused) t.events |= kFlowRefused;
      return;
    }
    // An answer with SYN and ACK; of a connection met in its middle, any packets both ways.
    const bool answered = t.direction == 1 && (h.tcp_flags & kTcpAck) != 0 &&
                          ((h.tcp_flags & kTcpSyn) != 0 || midstream);
    if (answered) {
      f.state = FlowState::kEstablished;
      if (!midstream) t.events |= kFlowEstablished;
    } else if (midstream && f.packets[0] + f.packets[1] > 1) {
      f.state = FlowState::kEstablished;
    }
  }
  if ((h.tcp_flags & kTcpFin) != 0) f.fin_seen |= 1u << t.direction;
  if (rst || f.fin_seen == 3) f.state = FlowState::kClosed;
}

void Run::update(size_t i, bool src_is_lo) noexcept {
  const PacketView& p = packets.data()[i];
  const Headers& h = headers[i];
  Tracked& t = tracked[i];
  Flow& f = *t.flow;
  t.direction = src_is_lo == ((f.flags & kInitiatorIsLo) != 0) ? 0 : 1;
  t.was = f.state;
  f.last_ns = std::max(f.last_ns, p.time_ns);
  f.packets[t.direction] += 1;
  f.bytes[t.direction] += p.bytes;  // less than on the wire only where a capture cut the frame
  if (h.proto == kProtoTcp) {
    if (h.has(kHasL4)) update_tcp(f, h, t);
  } else if (t.direction == 1 && f.state == FlowState::kNew) {
    f.state = FlowState::kEstablished;
    t.events |= kFlowEstablished;
  }
}

// An ICMP error that comes back for a flow without an answer refuses it: closed UDP ports, hosts
// and networks that are not there (RFC 792 type 3, RFC 4443 type 1).
void Run::read_quoted(size_t i) noexcept {
  const Headers& h = headers[i];
  const bool unreachable = h.src_port == (h.proto == kProtoIcmp ? 3 : 1);
  if (!unreachable) return;
  FlowKey::Words key;
  const uint32_t ports = h.quoted_src_port | uint32_t{h.quoted_dst_port} << 16;
  const bool is_mapped = h.ip_version == 6 && (h.quoted_src.is_v4() || h.quoted_dst.is_v4());
  const uint32_t mapped = is_mapped ? kMappedIpv4 : 0u;
  const bool src_is_lo =
      make_key(h.quoted_src, h.quoted_dst, ports, h.quoted_proto, h, mapped, wire, key);
  const uint32_t index = table.find(std::bit_cast<FlowKey>(key));
  if (index == kNoFlow) return;
  Flow& f = table.flow(index);
  const bool quotes_initiator = src_is_lo == ((f.flags & kInitiatorIsLo) != 0);
  if (f.state != FlowState::kNew || !quotes_initiator) return;
  f.state = FlowState::kRefused;
  tracked[i].quoted = index;
  tracked[i].events |= kQuotedRefused;
}

}  // namespace

FlowKey key_of(const Headers& h, uint8_t wire, bool& src_is_lo) noexcept {
  FlowKey::Words key;
  src_is_lo = make_key(h, wire, key);
  return std::bit_cast<FlowKey>(key);
}

namespace {

// Which flow each packet is probably of, its lines on the way; kNoFlow: probably a new one.
struct Guesses {
  FlowKey::Words key[kBurstMax];
  uint64_t hash[kBurstMax];
  uint32_t index[kBurstMax];
  bool src_is_lo[kBurstMax];
  Rows with_flow = 0;

  // Each packet's bucket is asked for kLag packets before it is looked into, and its flow as soon
  // as that tells which: by the time the burst is gone through for good, most are there.
  Guesses(std::span<const Headers> headers, size_t n, uint8_t wire,
          const FlowTable& table) noexcept {
    constexpr size_t kLag = 12;
    const Headers* const h = headers.data();  // n of them
    for (size_t k = 0; k < n; ++k) {
      src_is_lo[k] = make_key(h[k], wire, key[k]);
      hash[k] = table.hash(key[k]);
      table.prefetch_first(hash[k]);
      with_flow |= Rows{has_flow(h[k])} << k;
      if (k >= kLag) guess(k - kLag, table);
    }
    for (size_t i = n < kLag ? 0 : n - kLag; i < n; ++i) guess(i, table);
    for (const size_t i : each(unknown_)) index[i] = table.guess_second(hash[i]);
  }

 private:
  Rows unknown_ = 0;
  void guess(size_t i, const FlowTable& table) noexcept {
    index[i] = table.guess_first(hash[i]);
    if (index[i] != kNoFlow) return;
    table.prefetch_second(hash[i]);
    unknown_ |= row(i);
  }
};

}  // namespace

size_t track(std::span<const PacketView> packets, std::span<const Headers> headers, uint8_t wire,
             FlowTable& table, TrackStats& stats, std::span<Tracked> tracked,
             FlowEnds& ends) noexcept {
  const size_t n = std::min<size_t>(packets.size(), kBurstMax);
  const Guesses guesses(headers, n, wire, table);
  Run run{packets.first(n), headers.data(), wire, table, stats, tracked.data(), ends};
  for (size_t i = 0; i < n; ++i) {  // in order: a burst may hold a flow's first two
    Tracked& t = tracked.data()[i];
    t = Tracked{};
    if ((guesses.with_flow >> i & 1) == 0) continue;
    const Headers& h = run.headers[i];
    uint32_t index = guesses.index[i];
    const bool is_known = index != kNoFlow && table.flow(index).key.is(guesses.key[i]);
    if (!is_known && !run.is_new(index, guesses.hash[i])) {
      index = table.find(std::bit_cast<FlowKey>(guesses.key[i]), guesses.hash[i]);
    }
    if (index != kNoFlow) {
      const Flow& f = table.flow(index);
      const TimeNs now = packets.data()[i].time_ns;
      const bool over = table.is_expired(f, now);
      if (over || begins_anew(f, h)) {
        if (run.is_in_burst(i, index)) return i;
        run.end(index, over ? EndReason::kTimeout : EndReason::kClosed, now);
        index = kNoFlow;
      }
    }
    if (index == kNoFlow) {
      const auto key = std::bit_cast<FlowKey>(guesses.key[i]);
      index = run.start(i, key, guesses.hash[i], guesses.src_is_lo[i]);
    }
    if (index == kNoFlow) continue;
    t.index = index;
    t.flow = &table.flow(index);
    run.update(i, guesses.src_is_lo[i]);
    if (h.has(kIcmpError)) run.read_quoted(i);
  }
  return n;
}

}  // namespace weir
