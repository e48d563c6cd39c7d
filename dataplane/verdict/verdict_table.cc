// SPDX-License-Identifier: Apache-2.0
#include "dataplane/verdict/verdict_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/base/check.h"
#include "dataplane/base/hash.h"

namespace weir {

namespace {

bool is_empty(const VerdictMatch& m) noexcept {
  return m.src.bits == 0 && m.dst.bits == 0 && m.src_port == 0 && m.dst_port == 0 && m.app == 0 &&
         m.proto == 0 && m.mac == MacAddress{};
}

// Higher is stronger.
unsigned rank(const Verdict& v) noexcept {
  unsigned action = 0;
  switch (v.action) {
    case Action::kSpare:  // of whatever origin: it is no reason to do anything
      return 0;
    case Action::kPass:
      action = 5;
      break;
    case Action::kDrop:
      action = 4;
      break;
    case Action::kReject:
      action = 3;
      break;
    case Action::kKeep:
      action = 2;
      break;
    case Action::kRateLimit:
      action = 1;
      break;
    case Action::kAlert:
      action = 0;
      break;
  }
  return (v.origin == Origin::kOperator ? 8 : 0) + action;
}

VerdictSubject reversed(const VerdictSubject& s) noexcept {
  VerdictSubject r = s;
  r.src = s.dst;
  r.dst = s.src;
  r.src_port = s.dst_port;
  r.dst_port = s.src_port;
  r.src_mac = s.dst_mac;
  r.dst_mac = s.src_mac;
  return r;
}

uint64_t chains_for(uint32_t verdicts_max) noexcept {
  return std::bit_ceil(uint64_t{verdicts_max} * 2);
}

}  // namespace

bool matches_one_way(const VerdictMatch& m, const VerdictSubject& s) noexcept {
  return m.src.contains(s.src) && m.dst.contains(s.dst) &&
         (m.src_port == 0 || m.src_port == s.src_port) &&
         (m.dst_port == 0 || m.dst_port == s.dst_port) &&
         (m.app == 0 || m.app == s.app || m.app == s.app_master) &&
         (m.proto == 0 || m.proto == s.proto) && (m.mac == MacAddress{} || m.mac == s.src_mac);
}

bool matches(const VerdictMatch& m, const VerdictSubject& s) noexcept {
  if (is_empty(m)) return false;
  return matches_one_way(m, s) || (m.either && matches_one_way(m, reversed(s)));
}

VerdictTable::VerdictTable(uint32_t verdicts_max)
    : capacity_(verdicts_max == 0 ? 1 : verdicts_max),
      chain_mask_(chains_for(capacity_) - 1),
      entries_(capacity_),
      hits_(capacity_),
      chains_(std::make_unique<uint32_t[]>(chain_mask_ + 1)),
      id_chains_(std::make_unique<uint32_t[]>(chain_mask_ + 1)),
      id_next_(std::make_unique<uint32_t[]>(capacity_)),
      free_(std::make_unique<uint32_t[]>(capacity_)),
      active_(std::make_unique<uint32_t[]>(capacity_)),
      free_count_(capacity_) {
  for (uint32_t i = 0; i < capacity_; ++i) entries_[i] = StandingVerdict{};
  std::fill_n(chains_.get(), chain_mask_ + 1, kNoVerdict);
  std::fill_n(id_chains_.get(), chain_mask_ + 1, kNoVerdict);
  for (uint32_t i = 0; i < capacity_; ++i) free_[i] = capacity_ - 1 - i;
}

uint64_t VerdictTable::bytes_for(uint32_t verdicts_max) noexcept {
  return verdicts_max * (sizeof(StandingVerdict) + sizeof(VerdictHits) + 3 * sizeof(uint32_t)) +
         2 * chains_for(verdicts_max) * sizeof(uint32_t);
}

VerdictMatch VerdictTable::shape_of(const VerdictMatch& m) noexcept {
  VerdictMatch s;
  s.src.bits = m.src.bits;
  s.dst.bits = m.dst.bits;
  s.src_port = m.src_port != 0 ? 0xffff : 0;
  s.dst_port = m.dst_port != 0 ? 0xffff : 0;
  s.app = m.app != 0 ? 0xffff : 0;
  s.proto = m.proto != 0 ? 0xff : 0;
  if (m.mac != MacAddress{}) s.mac.fill(0xff);
  s.either = m.either;
  return s;
}

// The match that a verdict of this shape would have to have for the subject.
VerdictMatch VerdictTable::keyed(const VerdictMatch& shape, const VerdictSubject& s,
                                 uint16_t app) noexcept {
  VerdictMatch k;
  k.src = {masked(s.src, shape.src.bits), shape.src.bits};
  k.dst = {masked(s.dst, shape.dst.bits), shape.dst.bits};
  k.src_port = s.src_port & shape.src_port;
  k.dst_port = s.dst_port & shape.dst_port;
  k.app = app & shape.app;
  k.proto = s.proto & shape.proto;
  if (shape.mac != MacAddress{}) k.mac = s.src_mac;
  k.either = shape.either;
  return k;
}

uint64_t VerdictTable::hash(uint32_t shape, const VerdictMatch& key) const noexcept {
  uint64_t w[4], mac = 0;
  std::memcpy(w, key.src.address.bytes.data(), 16);
  std::memcpy(w + 2, key.dst.address.bytes.data(), 16);
  std::memcpy(&mac, key.mac.data(), key.mac.size());
  const uint64_t rest = uint64_t{key.src_port} << 48 | uint64_t{key.dst_port} << 32 |
                        uint64_t{key.app} << 16 | uint64_t{key.proto} << 8 | shape;
  return hash_mix(hash_mix(w[0] ^ 0xa0761d6478bd642full, w[1] ^ 0xe7037ed1a0b428dbull) ^ rest,
                  hash_mix(w[2] ^ 0x8ebc6af09c88c6e3ull, w[3] ^ mac ^ 0x589965cc75374cc3ull) ^
                      0x1d8e4e27c47d124full) &
         chain_mask_;
}

uint32_t VerdictTable::shape_slot(const VerdictMatch& shape) noexcept {
  uint32_t free_shape = kShapesMax;
  for (uint32_t i = 0; i < kShapesMax; ++i) {
    if (shapes_[i].users != 0 && shapes_[i].mask == shape) return i;
    if (shapes_[i].users == 0 && free_shape == kShapesMax) free_shape = i;
  }
  if (free_shape != kShapesMax) shapes_[free_shape].mask = shape;
  return free_shape;
}

uint32_t VerdictTable::find_id(VerdictId id) const noexcept {
  uint32_t slot = id_chains_[id & chain_mask_];
  while (slot != kNoVerdict && entries_[slot].verdict.id != id) slot = id_next_[slot];
  return slot;
}

uint32_t VerdictTable::install(const Verdict& v, TimeNs now) noexcept {
  if (is_empty(v.match) || v.id == 0) return kNoVerdict;
  if (v.action == Action::kSpare && v.spared_from == 0) return kNoVerdict;
  Verdict clean = v;
  clean.match.src.bits = std::min<uint8_t>(v.match.src.bits, 128);
  clean.match.dst.bits = std::min<uint8_t>(v.match.dst.bits, 128);
  clean.match.src.address = masked(v.match.src.address, clean.match.src.bits);
  clean.match.dst.address = masked(v.match.dst.address, clean.match.dst.bits);
  clean.reason[sizeof clean.reason - 1] = '\0';
  StandingVerdict kept;  // a renewed verdict goes on counting
  VerdictHits hits;
  if (const uint32_t old = remove(v.id); old != kNoVerdict) {
    kept = entries_[old];
    hits = hits_[old];
  }
  if (free_count_ == 0) return kNoVerdict;
  const uint32_t shape = shape_slot(shape_of(clean.match));
  if (shape == kShapesMax) return kNoVerdict;
  const uint32_t slot = free_[--free_count_];
  StandingVerdict& e = entries_[slot];
  e = kept;
  e.verdict = clean;
  hits.expire_ns = clean.expire_ns;
  hits_[slot] = hits;
  if (e.installed_ns == 0) e.installed_ns = now;
  e.shape = shape;
  ++shapes_[shape].users;
  if (clean.action == Action::kSpare) {
    ++shapes_[shape].spares;
    ++spares_;
  }
  shapes_used_ = std::max(shapes_used_, shape + 1);
  uint32_t& head = chains_[hash(shape, clean.match)];
  e.next = head;
  head = slot;
  uint32_t& id_head = id_chains_[clean.id & chain_mask_];
  id_next_[slot] = id_head;
  id_head = slot;
  e.active_at = size_;
  active_[size_++] = slot;
  if (++generation_ == 0) generation_ = 1;
  return slot;
}

uint32_t VerdictTable::remove(VerdictId id) noexcept {
  const uint32_t slot = find_id(id);
  if (slot == kNoVerdict) return kNoVerdict;
  StandingVerdict& e = entries_[slot];
  uint32_t* link = &chains_[hash(e.shape, e.verdict.match)];
  while (*link != slot) link = &entries_[*link].next;
  *link = e.next;
  uint32_t* id_link = &id_chains_[id & chain_mask_];
  while (*id_link != slot) id_link = &id_next_[*id_link];
  *id_link = id_next_[slot];
  active_[e.active_at] = active_[--size_];
  entries_[active_[e.active_at]].active_at = e.active_at;
  --shapes_[e.shape].users;
  if (e.verdict.action == Action::kSpare) {
    --shapes_[e.shape].spares;
    --spares_;
  }
  while (shapes_used_ != 0 && shapes_[shapes_used_ - 1].users == 0) --shapes_used_;
  free_[free_count_++] = slot;
  if (++generation_ == 0) generation_ = 1;
  return slot;
}

uint32_t VerdictTable::best(uint32_t a, uint32_t b) const noexcept {
  if (a == kNoVerdict) return b;
  if (b == kNoVerdict) return a;
  const Verdict& x = entries_[a].verdict;
  const Verdict& y = entries_[b].verdict;
  if (rank(x) != rank(y)) return rank(x) > rank(y) ? a : b;
  return x.id > y.id ? a : b;
}

template <class Visit>
void VerdictTable::each_match(const VerdictSubject& s, TimeNs now, bool only_spares,
                              Visit&& visit) const noexcept {
  const auto probe = [&](uint32_t shape, const VerdictMatch& key) {
    uint32_t slot = chains_[hash(shape, key)];
    for (; slot != kNoVerdict; slot = entries_[slot].next) {
      const StandingVerdict& e = entries_[slot];
      const bool holds = only_spares || hits_[slot].expire_ns > now;
      if (holds && e.shape == shape && e.verdict.match == key) visit(slot);
    }
  };
  for (uint32_t i = 0; i < shapes_used_; ++i) {
    if ((only_spares ? shapes_[i].spares : shapes_[i].users) == 0) continue;
    const VerdictMatch& mask = shapes_[i].mask;
    probe(i, keyed(mask, s, s.app));
    if (mask.app != 0) probe(i, keyed(mask, s, s.app_master));
    if (!mask.either) continue;
    const VerdictSubject r = reversed(s);
    probe(i, keyed(mask, r, s.app));
    if (mask.app != 0) probe(i, keyed(mask, r, s.app_master));
  }
}

uint32_t VerdictTable::find(const VerdictSubject& s, TimeNs now) const noexcept {
  VerdictId spared[kSparedMax];
  VerdictId* spared_end = spared;
  if (spares_ != 0) {
    each_match(s, now, true, [&](uint32_t slot) {
      const StandingVerdict& e = entries_[slot];
      if (e.verdict.action == Action::kSpare && spared_end != std::end(spared)) {
        *spared_end++ = e.verdict.spared_from;
      }
    });
  }
  uint32_t found = kNoVerdict;
  each_match(s, now, false, [&](uint32_t slot) {
    const VerdictId id = entries_[slot].verdict.id;
    if (std::find(spared, spared_end, id) == spared_end) found = best(found, slot);
  });
  return found;
}

uint32_t VerdictTable::next_active() noexcept {
  if (size_ == 0) return kNoVerdict;
  sweep_at_ = sweep_at_ + 1 >= size_ ? 0 : sweep_at_ + 1;
  return active_[sweep_at_];
}

}  // namespace weir
