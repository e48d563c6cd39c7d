// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow/defragment.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/base/hash.h"

namespace weir {

namespace {

constexpr uint8_t kFragmentHeader = 44, kAuthentication = 51;

}  // namespace

// The bytes are not touched before they are used: pages of datagrams that never are cost nothing.
Defragmenter::Defragmenter(const FragmentSettings& settings, uint64_t seed)
    : timeout_ns_(settings.timeout_ns),
      seed_(seed | 1),
      of_source_max_(std::max(4u, settings.datagrams_max / 8)),
      datagrams_(std::make_unique<Datagram[]>(settings.datagrams_max)),
      bytes_(std::make_unique_for_overwrite<uint8_t[]>(uint64_t{settings.datagrams_max} *
                                                       (kPrefix + kDataMax + 1))) {
  std::fill(std::begin(bucket_), std::end(bucket_), kNone);
  for (uint32_t i = 0; i < settings.datagrams_max; ++i) {
    datagrams_[i].chain = i + 1 < settings.datagrams_max ? i + 1 : kNone;
  }
}

uint64_t Defragmenter::bytes_for(const FragmentSettings& settings) noexcept {
  return uint64_t{settings.datagrams_max} * (kPrefix + kDataMax + 1 + sizeof(Datagram));
}

uint32_t Defragmenter::hash(const IpAddress& a, uint64_t more) const noexcept {
  uint64_t w[2];
  std::memcpy(w, a.bytes.data(), sizeof w);
  return static_cast<uint32_t>(
      hash_mix(hash_mix(w[0] ^ seed_, w[1] ^ 0x9e3779b97f4a7c15ull) ^ more, seed_));
}

// false: no receiver takes it: past 65,535 (RFC 791), empty, or not a multiple of eight where more
// follows (RFC 8200 section 4.5).
bool Defragmenter::read(const PacketView& p, const Headers& h, uint8_t wire,
                        Place& at) const noexcept {
  const uint8_t* ip = p.data + h.l3_offset;
  const uint32_t end = h.l3_offset + uint32_t{h.l3_bytes};
  Key& k = at.key;
  k = {.src = h.src, .dst = h.dst, .network = h.network, .vlan = {h.vlan[0], h.vlan[1]}};
  k.wire = wire;
  k.side = static_cast<uint8_t>(p.side);
  k.version = h.ip_version;
  uint32_t before = 0;  // IP header bytes that count against the datagram's length
  if (h.ip_version == 4) {
    k.id = load_be16(ip + 4);
    k.proto = ip[9];
    at.is_last = (ip[6] & 0x20) == 0;
    at.field_offset = 0;
    before = (ip[0] & 0x0fu) * 4;
    at.data_offset = h.l3_offset + before;
  } else {
    uint8_t next = ip[6];
    uint32_t here = h.l3_offset + 40u;
    // Past other extensions and atomic fragments (RFC 6946), of which we leave some ourselves.
    const auto is_here = [&] {
      return next == kFragmentHeader && here + 8 <= end &&
             (load_be16(p.data + here + 2) & 0xfff9) != 0;
    };
    for (unsigned n = 0; !is_here(); ++n) {
      if (n == kIpv6ExtensionsMax || here + 8 > end) return false;
      const uint32_t words = next == kFragmentHeader ? 0 : p.data[here + 1];
      const bool authentication = next == kAuthentication;
      next = p.data[here];
      here += authentication ? (words + 2) * 4 : (words + 1) * 8;
    }
    if (here + 8 > end) return false;
    k.id = load_be32(p.data + here + 4);
    at.is_last = (p.data[here + 3] & 1) == 0;
    at.field_offset = here;
    at.data_offset = here + 8;
    before = at.data_offset - h.l3_offset - 40;
  }
  if (at.data_offset >= end) return false;
  at.begin = h.fragment_offset;
  at.end = at.begin + (end - at.data_offset);
  return at.end + before <= kDataMax && (at.is_last || at.end % kUnit == 0);
}

bool Defragmenter::agrees(uint32_t index, const PacketView& p, const Place& at) const noexcept {
  const Datagram& d = datagrams_[index];
  if (d.total != 0 && (at.is_last ? at.end != d.total : at.end > d.total)) return false;
  if (at.is_last && at.end < d.highest) return false;
  const uint8_t* had = data_of(index);
  const uint8_t* comes = p.data + at.data_offset;
  for (uint32_t u = at.begin / kUnit; u * kUnit < at.end; ++u) {
    if ((d.has[u / 64] >> u % 64 & 1) == 0) continue;
    const uint32_t from = u * kUnit;
    const uint32_t bytes = std::min({kUnit, at.end - from, d.highest - from});
    if (std::memcmp(had + from, comes + (from - at.begin), bytes) != 0) return false;
  }
  // The first one says what the datagram is: a second first one must say the same.
  return at.begin != 0 || d.head_bytes == 0 || at.key.version == 4 ||
         p.data[at.field_offset] == had[int64_t{d.field_offset} - d.head_bytes];
}

// Keeps what is new of it; of what was whole once, all of it. false: its headers are longer than
// there is room for.
bool Defragmenter::store(uint32_t index, const PacketView& p, const Headers& h,
                         const Place& at) noexcept {
  Datagram& d = datagrams_[index];
  uint8_t* data = data_of(index);
  const bool over = d.state == State::kPassed;
  if (at.begin == 0 && (d.head_bytes == 0 || over)) {
    if (at.data_offset > kPrefix) return false;
    std::memcpy(data - at.data_offset, p.data, at.data_offset);
    d.head_bytes = at.data_offset;
    d.l3_offset = h.l3_offset;
    d.field_offset = static_cast<uint16_t>(at.field_offset);
  }
  for (uint32_t u = at.begin / kUnit; u * kUnit < at.end; ++u) {
    uint64_t& word = d.has[u / 64];
    const uint64_t bit = uint64_t{1} << u % 64;
    if ((word & bit) != 0 && !over) continue;
    d.units += (word & bit) == 0;
    word |= bit;
    const uint32_t from = u * kUnit;
    std::memcpy(data + from, p.data + at.data_offset + (from - at.begin),
                std::min(kUnit, at.end - from));
  }
  d.highest = std::max(d.highest, at.end);
  if (at.is_last) d.total = at.end;
  return true;
}

bool Defragmenter::is_whole(const Datagram& d) const noexcept {
  const uint32_t units = (d.total + kUnit - 1) / kUnit;
  if (d.total == 0 || d.units < units || d.head_bytes == 0) return false;
  if (d.units == units) return true;
  uint32_t n = 0;  // an earlier one with its number was longer
  for (uint32_t word = 0; word < units / 64; ++word) n += std::popcount(d.has[word]);
  if (units % 64 != 0) n += std::popcount(d.has[units / 64] << (64 - units % 64));
  return n == units;
}

// Where what was whole ends, when this is laid into it.
void Defragmenter::lay_over(Datagram& d, const Place& at) noexcept {
  if (!at.is_last && at.end > d.total) d.total = 0;
}

// The datagram in the place of its fragment, as a host would have put it together.
void Defragmenter::finish(uint32_t index, const PacketView& p, size_t row, Headers& h,
                          PacketView& whole) noexcept {
  Datagram& d = datagrams_[index];
  uint8_t* frame = data_of(index) - d.head_bytes;
  uint8_t* ip = frame + d.l3_offset;
  const uint32_t l3_bytes = d.head_bytes - d.l3_offset + d.total;
  if (d.key.version == 4) {
    store_be16(ip + 2, static_cast<uint16_t>(l3_bytes));
    store_be16(ip + 6, 0);
    store_be16(ip + 10, 0);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < (ip[0] & 0x0fu) * 4; i += 2) sum += load_be16(ip + i);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    store_be16(ip + 10, static_cast<uint16_t>(~sum));
  } else {  // its fragment header stays, as that of an atomic fragment (RFC 6946)
    store_be16(ip + 4, static_cast<uint16_t>(l3_bytes - 40));
    store_be16(frame + d.field_offset + 2, 0);
  }
  whole = p;
  const bool fits = d.l3_offset + l3_bytes <= kDataMax;  // else without its link header
  whole.data = fits ? frame : ip;
  whole.bytes = fits ? d.l3_offset + l3_bytes : std::min(l3_bytes, kDataMax);
  decode_ip(whole, fits ? d.l3_offset : 0, h);
  if (!fits) h.flags &= ~uint32_t{kHasMac};
  d.state = State::kJudged;
  done_[done_count_++] = {index, static_cast<uint8_t>(row), p.time_ns};
}

uint32_t Defragmenter::find(const Key& key) const noexcept {
  uint32_t at = bucket_[hash(key.src, key.id) % kBuckets];
  while (at != kNone && !(datagrams_[at].key == key)) at = datagrams_[at].chain;
  return at;
}

uint32_t Defragmenter::start(const Key& key, TimeNs now) noexcept {
  if (of_source_[hash(key.src, 0) % kSources] >= of_source_max_) return kNone;
  const uint32_t oldest = passed_list_.oldest;
  const bool may_go = oldest != kNone && datagrams_[oldest].state == State::kPassed;
  if (free_ == kNone && may_go) forget(oldest);
  if (free_ == kNone) return kNone;
  const uint32_t index = free_;
  free_ = datagrams_[index].chain;
  uint32_t& bucket = bucket_[hash(key.src, key.id) % kBuckets];
  datagrams_[index] = {.key = key, .chain = bucket};
  bucket = index;
  link(index, false, now);
  return index;
}

// At the young end of its list.
void Defragmenter::link(uint32_t index, bool is_passed, TimeNs now) noexcept {
  Datagram& d = datagrams_[index];
  d.is_passed = is_passed;
  d.since_ns = now;
  List& list = list_of(d);
  d.older = list.newest;
  d.newer = kNone;
  (list.newest == kNone ? list.oldest : datagrams_[list.newest].newer) = index;
  list.newest = index;
  if (is_passed) return;
  ++of_source_[hash(d.key.src, 0) % kSources];
  ++waiting_;
}

void Defragmenter::unlink(uint32_t index) noexcept {
  const Datagram& d = datagrams_[index];
  List& list = list_of(d);
  (d.older == kNone ? list.oldest : datagrams_[d.older].newer) = d.newer;
  (d.newer == kNone ? list.newest : datagrams_[d.newer].older) = d.older;
  if (d.is_passed) return;
  --of_source_[hash(d.key.src, 0) % kSources];
  --waiting_;
}

void Defragmenter::forget(uint32_t index) noexcept {
  Datagram& d = datagrams_[index];
  uint32_t* at = &bucket_[hash(d.key.src, d.key.id) % kBuckets];
  while (*at != index) at = &datagrams_[*at].chain;
  *at = d.chain;
  unlink(index);
  d.chain = free_;
  free_ = index;
}

FragmentFate Defragmenter::add(const PacketView& p, uint8_t wire, size_t row, Headers& h,
                               PacketView& whole) noexcept {
  Place at;
  if (!read(p, h, wire, at)) return FragmentFate::kConflict;
  uint32_t index = find(at.key);
  const bool judged = index != kNone && datagrams_[index].state == State::kJudged;
  if (index != kNone && !judged && p.time_ns - datagrams_[index].since_ns > timeout_ns_) {
    forget(index);
    index = kNone;
  }
  if (index == kNone) index = start(at.key, p.time_ns);
  if (index == kNone || done_count_ == kBurstMax) return FragmentFate::kNoRoom;
  Datagram& d = datagrams_[index];
  if (d.state == State::kRefused) return FragmentFate::kConflict;
  const bool same = agrees(index, p, at);
  if (d.state == State::kPassed) {
    if (same && is_whole(d)) return FragmentFate::kWaits;  // once more what went on already
    lay_over(d, at);
  } else if (!same) {
    return FragmentFate::kConflict;
  }
  if (!judged && !store(index, p, h, at)) return FragmentFate::kNoRoom;
  if (d.state == State::kPassed) {
    unlink(index);
    link(index, true, p.time_ns);
  }
  if (!is_whole(d)) return FragmentFate::kWaits;
  finish(index, p, row, h, whole);
  return FragmentFate::kComplete;
}

void Defragmenter::release(Rows refused) noexcept {
  for (uint32_t i = 0; i < done_count_; ++i) {
    const Done& done = done_[i];
    Datagram& d = datagrams_[done.index];
    if (d.state == State::kRefused) continue;  // it came twice
    const bool is_refused = (refused >> done.row & 1) != 0;
    d.state = is_refused ? State::kRefused : State::kPassed;
    unlink(done.index);
    link(done.index, !is_refused, done.time_ns);
  }
  done_count_ = 0;
}

// Between bursts.
void Defragmenter::expire(TimeNs now, uint32_t most) noexcept {
  for (List* list : {&waiting_list_, &passed_list_}) {
    for (uint32_t n = 0; n < most && list->oldest != kNone; ++n) {
      if (now - datagrams_[list->oldest].since_ns <= timeout_ns_) break;
      forget(list->oldest);
    }
  }
}

}  // namespace weir
