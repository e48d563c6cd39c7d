// SPDX-License-Identifier: Apache-2.0
#include "control/learn/excuses.h"

#include <algorithm>
#include <cstring>

namespace weir {

namespace {

constexpr uint32_t kFamiliesMax = 16'384;
constexpr size_t kAllowedMax = 1024;
constexpr TimeNs kOutageLookback = 60 * kNsPerSecond;
constexpr int kOutageSources = 3;         // other sources that fail at the same time
constexpr int kOutageKnown = 3;           // own services that used to work and do not
constexpr TimeNs kFamilyGap = 2 * kNsPerSecond;  // happy eyeballs tries the second within 250 ms

uint64_t source_hash(const IpAddress& a, uint64_t seed) {
  uint64_t w[2];
  std::memcpy(w, a.bytes.data(), sizeof w);
  return mix64(w[0] ^ mix64(w[1] ^ seed));
}

unsigned family(const Contact& c) { return c.key.dst.is_v4() ? 0 : 1; }

}  // namespace

uint64_t Excuses::FamilyHash::operator()(const FamilyKey& k) const noexcept {
  uint64_t w = 0;
  std::memcpy(&w, k.mac.data(), k.mac.size());
  return mix64((w << 16) ^ k.port ^ seed);
}

Excuses::Excuses(uint64_t hash_seed)
    : seed_(hash_seed), families_(kFamiliesMax, FamilyHash{hash_seed}) {}

void Excuses::remember(const Contact& c, bool ok, bool known) {
  outcomes_[next_] = {source_hash(c.key.src, seed_), c.time_ns, ok, known};
  next_ = (next_ + 1) % outcomes_.size();
}

Excuses::FamilyUse& Excuses::use_of(const Contact& c) {
  const FamilyKey key{c.mac, c.key.port};
  auto* e = families_.find(key);
  if (e == nullptr) e = &families_.add(key);
  families_.touch(*e);
  return e->value;
}

void Excuses::worked(const Contact& c) {
  if (!c.to_outside) return;
  remember(c, true, false);
  if (c.mac != MacAddress{}) use_of(c).worked_ns[family(c)] = c.time_ns;
}

void Excuses::failed(const Contact& c, bool known_service) {
  if (!c.to_outside) return;
  remember(c, false, known_service);
  if (c.mac == MacAddress{} || known_service) return;
  FamilyUse& use = use_of(c);
  use.failed_ns[family(c)] = c.time_ns;
  use.failed[family(c)] = c.key;
}

bool Excuses::other_family_worked(const Contact& c) const {
  if (!c.to_outside || c.mac == MacAddress{}) return false;
  const auto* e = families_.find(FamilyKey{c.mac, c.key.port});
  return e != nullptr && e->value.worked_ns[1 - family(c)] >= c.first_ns &&
         c.first_ns != 0;
}

const ContactKey* Excuses::excused_by(const Contact& c) {
  if (!c.to_outside || c.mac == MacAddress{}) return nullptr;
  auto* e = families_.find(FamilyKey{c.mac, c.key.port});
  if (e == nullptr) return nullptr;
  const unsigned o = 1 - family(c);
  const TimeNs failed_ns = e->value.failed_ns[o];
  if (failed_ns == 0 || c.time_ns - failed_ns > kFamilyGap) return nullptr;
  e->value.failed_ns[o] = 0;
  return &e->value.failed[o];
}

bool Excuses::outage(const Contact& c) const {
  if (!c.to_outside) return false;
  const uint64_t self = source_hash(c.key.src, seed_);
  std::array<uint64_t, kOutageSources> others{};
  int failing = 0, other_ok = 0, other_all = 0, own_known = 0, own_ok = 0;
  for (const Outcome& o : outcomes_) {
    if (o.time_ns == 0 || c.time_ns - o.time_ns > kOutageLookback) continue;
    if (o.source == self) {
      own_known += !o.ok && o.known;
      own_ok += o.ok;
      continue;
    }
    ++other_all;
    other_ok += o.ok;
    const auto end = others.begin() + failing;
    if (!o.ok && failing < kOutageSources && std::find(others.begin(), end, o.source) == end) {
      others[static_cast<size_t>(failing++)] = o.source;
    }
  }
  if (failing >= kOutageSources && other_ok * 5 < other_all) return true;
  return own_known >= kOutageKnown && own_ok == 0 && other_ok == 0;
}

void Excuses::allow(const IpPrefix& who, TimeNs until_ns, TimeNs now) {
  std::erase_if(allowed_, [&](const Allowed& a) { return a.until_ns <= now || a.who == who; });
  if (allowed_.size() < kAllowedMax && until_ns > now) allowed_.push_back({who, until_ns});
}

bool Excuses::allowed(const IpAddress& who, TimeNs now) const {
  return std::any_of(allowed_.begin(), allowed_.end(), [&](const Allowed& a) {
    return a.until_ns > now && a.who.contains(who);
  });
}

}  // namespace weir
