// SPDX-License-Identifier: Apache-2.0
#include "control/learn/rarity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace weir {

namespace {

constexpr uint8_t kTcp = 6, kUdp = 17;
constexpr TimeNs kHour = 3600 * kNsPerSecond;
constexpr uint16_t kFirstEphemeral = 32'768;  // above, one kind: such ports are drawn by chance
constexpr uint32_t kCountedKinds = 64;        // of a device, toward what is usual in its groups
constexpr uint32_t kGroupsMax = 16'384;
constexpr const char* kSiteName = "this site";

IpAddress subnet_of(const IpAddress& a) { return masked(a, a.is_v4() ? 120 : 64); }

// External peers are kept by network: single addresses of large services change all the time.
IpAddress outside_network(const IpAddress& a) { return masked(a, a.is_v4() ? 112 : 32); }

uint32_t hour_of(TimeNs t) { return static_cast<uint32_t>(t / kHour); }

void lower(uint32_t& v, uint32_t by = 1) { v -= std::min(v, by); }

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", v);
  return text;
}

std::string span_words(TimeNs t) {
  const TimeNs hours = t / kHour;
  if (hours >= 48) return std::to_string(hours / 24) + " days";
  if (hours >= 2) return std::to_string(hours) + " hours";
  return std::to_string(t / (60 * kNsPerSecond)) + " minutes";
}

}  // namespace

uint64_t Rarity::KeyHash::operator()(const Key& k) const noexcept {
  uint64_t w[2];
  std::memcpy(w, k.who.bytes.data(), sizeof w);
  return mix64(mix64(w[0] ^ mix64(w[1] ^ seed)) + k.kind +
               (uint64_t{k.dimension} << 60) + (uint64_t{k.level} << 56));
}

Rarity::Rarity(const LearnSettings& settings, const Inventory& inventory)
    : inventory_(inventory),
      settings_(settings.rarity),
      kinds_(settings.kinds_max, KeyHash{settings.hash_seed}),
      // Each device kind has one entry for its subnet and one for the site at most.
      group_kinds_(2 * settings.kinds_max, KeyHash{settings.hash_seed}),
      totals_(settings.sources_max, AddressHash{settings.hash_seed}),
      groups_(kGroupsMax, AddressHash{settings.hash_seed}) {}

uint64_t Rarity::kind_of_peer(const IpAddress& a) const noexcept {
  const IpAddress peer = inventory_.is_internal(a) ? a : outside_network(a);
  uint64_t w[2];
  std::memcpy(w, peer.bytes.data(), sizeof w);
  return mix64(w[0] ^ mix64(w[1]));  // no seed: it is stored
}

uint64_t Rarity::kind_of_port(const Endpoints& e) const noexcept {
  const uint64_t outside = inventory_.is_internal(e.dst) ? 0 : 1;
  const uint16_t port = std::min(e.dst_port, kFirstEphemeral);
  return outside << 32 | uint64_t{e.proto} << 16 | (e.proto == kTcp || e.proto == kUdp ? port : 0);
}

bool Rarity::shown(const IpAddress& device, Dimension d, uint64_t kind, TimeNs time_ns) {
  auto* e = kinds_.find(Key{device, kind, d, 0});
  if (e == nullptr) return false;
  const uint32_t hour = hour_of(time_ns);
  if (hour <= e->value.last_hour) return true;
  e->value.last_hour = hour;
  kinds_.touch(*e);
  if (auto* t = totals_.find(device); t != nullptr) {
    totals_.touch(*t);
    Counts& c = t->value.of[d];
    ++c.observations;
    if (e->value.hours == 1) lower(c.singles);
  }
  ++e->value.hours;
  return true;
}

Rarity::DeviceTotals& Rarity::totals_of(const IpAddress& device, TimeNs first_ns) {
  auto* t = totals_.find(device);
  if (t == nullptr) {
    t = &totals_.add(device, [this](Totals::Entry& old) {
      for (int d = 0; d < kDimensions; ++d) {
        if (old.value.of[d].kinds == 0) continue;
        lower(group_of(subnet_of(old.key)).of[d].devices);
        lower(group_of(IpAddress{}).of[d].devices);
      }
    });
    t->value.first_ns = first_ns;
  }
  return t->value;
}

Rarity::GroupTotals& Rarity::group_of(const IpAddress& group) {
  auto* g = groups_.find(group);
  if (g == nullptr) g = &groups_.add(group);
  groups_.touch(*g);
  return g->value;
}

void Rarity::group_add(const IpAddress& group, uint8_t level, Dimension d, uint64_t kind,
                       uint32_t kinds_of_device) {
  const Key key{group, kind, d, level};
  auto* e = group_kinds_.find(key);
  if (e == nullptr) {
    e = &group_kinds_.add(key);
    e->value.counted = kinds_of_device <= kCountedKinds;
  }
  group_kinds_.touch(*e);
  auto& g = group_of(group).of[d];
  Shared& shared = e->value;
  ++shared.devices;
  if (shared.counted) {
    ++g.pairs;
    if (shared.devices == 1) ++g.singles;
    if (shared.devices == 2) lower(g.singles);
  }
  if (kinds_of_device == 1) ++g.devices;
}

void Rarity::group_remove(const IpAddress& group, uint8_t level, Dimension d, uint64_t kind,
                          bool last_of_device) {
  auto* e = group_kinds_.find(Key{group, kind, d, level});
  if (e == nullptr) return;
  auto& g = group_of(group).of[d];
  Shared& shared = e->value;
  if (shared.counted) {
    lower(g.pairs);
    if (shared.devices == 1) lower(g.singles);
    if (shared.devices == 2) ++g.singles;
  }
  if (last_of_device) lower(g.devices);
  if (--shared.devices == 0) group_kinds_.erase(*e);
}

void Rarity::learn_new(const IpAddress& device, Dimension d, uint64_t kind, const Kind& k,
                       TimeNs first_ns) {
  auto& e = kinds_.add(Key{device, kind, d, 0}, [this](Kinds::Entry& old) { forget(old); });
  e.value = k;
  Counts& c = totals_of(device, first_ns).of[d];
  ++c.kinds;
  c.observations += k.hours;
  if (k.hours == 1) ++c.singles;
  group_add(subnet_of(device), 1, d, kind, c.kinds);
  group_add(IpAddress{}, 2, d, kind, c.kinds);
}

void Rarity::forget(const Kinds::Entry& e) {
  const auto d = static_cast<Dimension>(e.key.dimension);
  bool last = false;
  if (auto* t = totals_.find(e.key.who); t != nullptr) {
    Counts& c = t->value.of[d];
    lower(c.kinds);
    lower(c.observations, e.value.hours);
    if (e.value.hours == 1) lower(c.singles);
    last = c.kinds == 0;
  }
  group_remove(subnet_of(e.key.who), 1, d, e.key.kind, last);
  group_remove(IpAddress{}, 2, d, e.key.kind, last);
}

double Rarity::judge_group(const IpAddress& device, Dimension d, uint64_t kind,
                           std::vector<ScoreReason>& reasons) const {
  const auto count = [&](const IpAddress& group, uint8_t level) {
    const auto* e = group_kinds_.find(Key{group, kind, d, level});
    return e == nullptr ? 0u : e->value.devices;
  };
  const auto totals = [&](const IpAddress& group) {
    const auto* g = groups_.find(group);
    return g == nullptr ? GroupTotals{} : g->value;
  };
  const auto* own = totals_.find(device);
  const uint32_t self = own != nullptr && own->value.of[d].kinds != 0 ? 1 : 0;
  const IpAddress subnet = subnet_of(device);
  const std::string subnet_name = to_string(IpPrefix{subnet, uint8_t(device.is_v4() ? 120 : 64)});
  const auto near = totals(subnet).of[d];
  const auto all = totals(IpAddress{}).of[d];
  const uint32_t near_others = near.devices - std::min(near.devices, self);
  const uint32_t all_others = all.devices - std::min(all.devices, self);
  const auto share = [&](uint32_t have, uint32_t others, const std::string& where) {
    const double p = std::min(1.0, static_cast<double>(have) / others);
    reasons.push_back({"other devices that do this", std::to_string(have) + " of " +
                       std::to_string(others), "", p, where});
    return p;
  };
  const auto novelty = [&](uint32_t singles, uint32_t pairs, const std::string& where) {
    const double p = (0.5 + singles) / (1.0 + pairs);
    reasons.push_back({"other devices that do this", "none", "such a thing is one device's alone "
                       "in " + number(100 * p) + " of 100 cases", p, where});
    return p;
  };
  double p = 1;
  if (near_others != 0) {
    if (const uint32_t have = count(subnet, 1); have != 0) {
      return share(have, near_others, subnet_name);
    }
    p = novelty(near.singles, near.pairs, subnet_name);
    if (near_others * 10 >= all_others * 9) return p;  // the site is that subnet: nothing to add
  }
  if (all_others == 0) return p;
  if (const uint32_t have = count(IpAddress{}, 2); have != 0) {
    return p * share(have, all_others, kSiteName);
  }
  return p * novelty(all.singles, all.pairs, kSiteName);
}

Rarity::Judged Rarity::judge(const IpAddress& device, Dimension d, uint64_t kind, TimeNs now,
                             const std::string& what) const {
  Judged j;
  const auto* own = totals_.find(device);
  const DeviceTotals none{};
  const DeviceTotals& t = own == nullptr ? none : own->value;
  const Counts& c = t.of[d];
  const double kappa = 0.5 + c.singles + 0.1 * c.kinds;
  const double p_new = c.observations == 0 ? 1.0 : kappa / (kappa + c.observations);
  const std::string age = own == nullptr ? "now" : span_words(now - t.first_ns);
  j.reasons.push_back({what, "for the first time; " + std::to_string(c.kinds) + " known since " +
                       age, "something new once in " + number(1 / p_new) + " observations", p_new,
                       "its own life"});
  j.probability = p_new * judge_group(device, d, kind, j.reasons);
  std::stable_sort(j.reasons.begin(), j.reasons.end(), [](const auto& a, const auto& b) {
    return a.probability < b.probability;
  });
  return j;
}

bool Rarity::may_give(const IpAddress& device, TimeNs now) {
  const uint32_t hour = hour_of(now);
  if (hour != hour_) hour_ = hour, given_ = 0;
  DeviceTotals& t = totals_of(device, now);
  if (t.hour != hour) t.hour = hour, t.given = 0;
  if (given_ >= Learner::kRarityPerHour || t.given >= Learner::kRarityPerDeviceAndHour) {
    ++held_back_;
    return false;
  }
  ++given_;
  ++t.given;
  return true;
}

Score Rarity::score_of(const FlowReport& r, const IpAddress& device, ScoreKind kind,
                       Judged&& judged) const {
  const bool by_initiator = device == r.ends.src;
  return {.kind = kind, .score = -std::log10(std::max(judged.probability, 1e-300)),
          .source = device, .mac = by_initiator ? r.src_mac : r.dst_mac, .ends = r.ends,
          .flow = r.flow, .app_master = r.app_master, .app = r.app, .wire = r.header.wire,
          .side = r.side, .time_ns = r.header.time_ns, .packet_in_ns = r.header.time_ns,
          .flow_first_ns = r.first_ns, .since_ns = r.header.time_ns,
          .reasons = std::move(judged.reasons)};
}

void Rarity::answered(const FlowReport& r, bool learn, std::vector<Score>& out) {
  if (!settings_.enabled || !learn || r.ends.dst.is_multicast()) return;
  const TimeNs now = r.header.time_ns;
  if (begin_ns_ == 0) begin_ns_ = now;
  const bool ported = r.ends.proto == kTcp || r.ends.proto == kUdp;
  const struct {
    bool applies;
    const IpAddress& device;
    Dimension dimension;
    uint64_t kind;
    ScoreKind score;
  } looks[] = {
      {inventory_.is_internal(r.ends.src), r.ends.src, kPeer, kind_of_peer(r.ends.dst),
       ScoreKind::kNewPeer},
      {inventory_.is_internal(r.ends.src) && ported, r.ends.src, kPort, kind_of_port(r.ends),
       ScoreKind::kNewPort},
      {inventory_.is_internal(r.ends.dst) && ported, r.ends.dst, kService, kind_of_port(r.ends),
       ScoreKind::kNewService},
  };
  for (const auto& look : looks) {
    if (!look.applies || shown(look.device, look.dimension, look.kind, now)) continue;
    if (now - begin_ns_ >= settings_.learning_ns) {
      const std::string service = service_words(r.ends.proto, r.ends.dst_port);
      const std::string what =
          look.score == ScoreKind::kNewPeer   ? "talks to " + to_string(r.ends.dst)
          : look.score == ScoreKind::kNewPort ? "uses " + service + " (of " +
                                                    to_string(r.ends.dst) + ")"
                                              : "serves " + service;
      Judged j = judge(look.device, look.dimension, look.kind, now, what);
      if (j.probability < settings_.surprise && may_give(look.device, now)) {
        out.push_back(score_of(r, look.device, look.score, std::move(j)));
      }
    }
    learn_new(look.device, look.dimension, look.kind, {1, hour_of(now)}, now);
  }
}

void Rarity::save(uint32_t part, BaselineWriter& to) const {
  to.put(begin_ns_);
  to.put_list<SavedKind>([&](auto&& add) {
    for (uint32_t i = part; i < kinds_.slots(); i += Learner::kSnapshotParts) {
      const auto* e = kinds_.slot(i);
      if (e == nullptr) continue;
      const auto* t = totals_.find(e->key.who);
      add(SavedKind{.device = e->key.who, .kind = e->key.kind,
                    .first_ns = t == nullptr ? 0 : t->value.first_ns, .hours = e->value.hours,
                    .last_hour = e->value.last_hour, .dimension = e->key.dimension});
    }
  });
}

void Rarity::read(BaselineReader& from, Saved& into) {
  into.begin_ns = from.get<TimeNs>();
  into.kinds = from.get_list<SavedKind>();
}

void Rarity::restore(const Saved& part) {
  if (part.begin_ns != 0 && (begin_ns_ == 0 || part.begin_ns < begin_ns_)) {
    begin_ns_ = part.begin_ns;
  }
  for (const SavedKind& k : part.kinds) {
    if (k.dimension >= kDimensions || k.hours == 0) continue;
    if (kinds_.find(Key{k.device, k.kind, k.dimension, 0}) != nullptr) continue;
    learn_new(k.device, static_cast<Dimension>(k.dimension), k.kind, {k.hours, k.last_hour},
              k.first_ns);
  }
}

}  // namespace weir
