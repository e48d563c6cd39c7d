// SPDX-License-Identifier: Apache-2.0
#include "control/learn/scan_walks.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace weir {

namespace {

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmp6 = 58;
constexpr uint8_t kSyn = 0x02, kRst = 0x04, kAck = 0x10;
constexpr TimeNs kHour = 3600 * kNsPerSecond;
constexpr TimeNs kDay = 24 * kHour;
constexpr TimeNs kGoodFor = 30 * kDay;  // then a service must prove itself anew
constexpr TimeNs kTriedFor = 7 * kDay;
constexpr TimeNs kWalkHalves = kDay;
constexpr TimeNs kSuspectFor = kHour;  // after an alarm nothing is learned from the source
constexpr TimeNs kEchoWait = kNsPerSecond;
constexpr uint32_t kAwaitedMax = 65'536;
constexpr uint32_t kGoodsPerSource = 1024;
constexpr uint32_t kAlarmDoublings = 6;  // each further alarm of one walk costs twice the last
constexpr uint32_t kMissesKept = 16;
constexpr uint32_t kFailuresPending = 2;   // what an honest device rarely has in a row
constexpr uint32_t kFailuresDecided = 16;  // by now it is decided, if it ever is
constexpr TimeNs kPending = 5 * kNsPerMs;  // a scanner's next failure comes within it
constexpr uint16_t kFirstOpenPort = 1024;
// traceroute counts up from 33434 and wants to be refused.
constexpr uint16_t kTraceFirst = 33434, kTraceLast = 33534;

// Contacts to the outside on ports of no named service are mostly peer-to-peer, where two of three
// remembered peers are gone; a scanner of the Internet finds one open port in a hundred.
constexpr double kOutsideBenign = 0.3, kOutsideScanner = 0.01;

WalkSteps steps(double benign_success, double scanner_success) {
  return {std::log((1 - scanner_success) / (1 - benign_success)),
          std::log(scanner_success / benign_success)};
}

bool is_echo(const Endpoints& e) {
  return (e.proto == kIcmp && e.src_port == 8) || (e.proto == kIcmp6 && e.src_port == 128);
}

bool is_traceroute(const Endpoints& e) {
  return e.proto == kUdp && e.dst_port >= kTraceFirst && e.dst_port <= kTraceLast;
}

ContactKey key_of(const Endpoints& e) {
  return {e.src, e.dst, is_echo(e) ? uint16_t{0} : e.dst_port, e.proto};
}

void keep_latest(std::vector<KnownService>& all, size_t most) {
  std::stable_sort(all.begin(), all.end(), [](const KnownService& a, const KnownService& b) {
    return a.last_ns > b.last_ns;
  });
  if (all.size() > most) all.resize(most);
}

ContactKey host_walk(const ContactKey& k) {
  return {k.src, k.dst, 0, 0};
}
ContactKey port_walk(const ContactKey& k) {
  return {k.src, {}, k.port, k.proto};
}

}  // namespace

uint64_t ScanWalks::ContactHash::operator()(const ContactKey& k) const noexcept {
  uint64_t w[4];
  std::memcpy(w, k.src.bytes.data(), 16);
  std::memcpy(w + 2, k.dst.bytes.data(), 16);
  uint64_t h = mix64(w[0] ^ seed) + w[1];
  h = mix64(h) + w[2];
  h = mix64(h) + w[3];
  return mix64(h ^ (uint64_t{k.port} << 8) ^ k.proto);
}

ScanWalks::Population::Population(const LearnSettings& s, uint32_t share)
    : goods(s.known_good_max / share, ContactHash{s.hash_seed}),
      tries(s.failed_max / share, ContactHash{s.hash_seed}),
      sources(s.sources_max / share, AddressHash{s.hash_seed}),
      walks(s.walks_max / share, ContactHash{s.hash_seed}) {}

ScanWalks::ScanWalks(const LearnSettings& settings, const Inventory& inventory)
    : inventory_(inventory),
      excuses_(settings.hash_seed),
      ours_(settings, 1),
      strangers_(settings, 4) {
  use(settings.scan);
}

void ScanWalks::use(const ScanSettings& settings) {
  settings_ = settings;
  threshold_ = std::log((1 - settings_.missed) / settings_.false_alarm);
  usual_ = steps(settings_.benign_success, settings_.scanner_success);
  // Who knows a host knows its services: against one host a benign source fails half as often.
  one_host_ = steps((1 + settings_.benign_success) / 2, settings_.scanner_success);
  outside_ = steps(std::min(kOutsideBenign, settings_.benign_success),
                   std::min(kOutsideScanner, settings_.scanner_success));
}

ScanWalks::Population& ScanWalks::population(const IpAddress& source) noexcept {
  return inventory_.is_internal(source) ? ours_ : strangers_;
}
const ScanWalks::Population& ScanWalks::population(const IpAddress& source) const noexcept {
  return inventory_.is_internal(source) ? ours_ : strangers_;
}

bool ScanWalks::judged(const Endpoints& e) const noexcept {
  if (!settings_.enabled || e.dst.is_multicast() || e.src.is_multicast()) return false;
  if (e.src.is_unspecified() || e.dst.is_unspecified()) return false;
  return e.proto == kTcp || e.proto == kUdp || is_echo(e);
}

// Of a flow that has just begun; a report knows more of it.
template <class Record>
Contact ScanWalks::contact_of(const Record& r) const noexcept {
  Contact c{.key = key_of(r.ends),
            .ends = r.ends,
            .flow = r.flow,
            .mac = r.src_mac,
            .wire = r.header.wire,
            .side = r.side,
            .to_outside = !inventory_.is_internal(r.ends.dst),
            .time_ns = r.header.time_ns,
            .first_ns = r.header.time_ns};
  if constexpr (std::is_base_of_v<FlowReport, Record>) {
    c.app_master = r.app_master;
    c.app = r.app;
    c.first_ns = r.first_ns;
  }
  return c;
}

void ScanWalks::started(const FlowStart& r, std::vector<Score>& out) {
  if (!judged(r.ends)) return;
  if (is_echo(r.ends)) {
    if (awaited_.size() >= kAwaitedMax) awaited_.pop_front();
    awaited_.push_back({r.header.time_ns + kEchoWait, contact_of(r)});
  } else if (r.ends.proto == kTcp && r.midstream != 0 &&
             (r.tcp_flags & (kSyn | kAck | kRst)) == 0) {
    failed(contact_of(r), out);  // FIN, NULL or XMAS probe: no TCP opens or continues with it
  }
}

void ScanWalks::reported(const FlowReport& r, UpdateCause cause, std::vector<Score>& out) {
  if (cause != UpdateCause::kEstablished && cause != UpdateCause::kRefused &&
      cause != UpdateCause::kNoAnswer) {
    return;
  }
  if (!judged(r.ends)) return;
  if (r.ends.proto == kTcp && (r.tcp_flags[0] & kSyn) == 0) return;  // began before we looked
  if (cause == UpdateCause::kEstablished) return succeeded(contact_of(r));
  if (r.verdict != 0 || r.rule_sid != 0) return;  // it failed because of us
  if (is_traceroute(r.ends)) return;
  if (cause == UpdateCause::kNoAnswer && r.ends.proto == kUdp) return;  // UDP may go unanswered
  failed(contact_of(r), out);
}

// Says again what an update said, for the case that the update did not fit into the ring.
void ScanWalks::ended(const FlowReport& r, std::vector<Score>& out) {
  if (r.state == FlowState::kRefused) return reported(r, UpdateCause::kRefused, out);
  if (r.counters.packets[1] != 0) {
    if (r.state == FlowState::kNew) return;
    return reported(r, UpdateCause::kEstablished, out);
  }
  if (r.end == EndReason::kTimeout) reported(r, UpdateCause::kNoAnswer, out);
}

int ScanWalks::do_work(TimeNs now, std::vector<Score>& out) {
  int done = 0;
  while (!awaited_.empty() && awaited_.front().until_ns <= now && done < 1024) {
    Contact c = awaited_.front().contact;
    c.time_ns = awaited_.front().until_ns;
    awaited_.pop_front();
    failed(c, out);  // nothing to do if the reply came: it is a known good one by now
    ++done;
  }
  return done;
}

bool ScanWalks::suspicious(const IpAddress& source, TimeNs now) const noexcept {
  const auto* e = population(source).sources.find(source);
  return e != nullptr && e->value.suspect_until_ns > now;
}

ScanWalks::Source& ScanWalks::source_of(Population& p, const IpAddress& a) {
  auto* e = p.sources.find(a);
  if (e == nullptr) {
    e = &p.sources.add(a, [&](Sources::Entry& old) {  // its chain of services goes with it
      while (old.value.newest_good != Goods::kNone) {
        forget_good(p, *p.goods.slot(old.value.newest_good));
      }
    });
  }
  p.sources.touch(*e);
  return e->value;
}

void ScanWalks::forget_good(Population& p, Goods::Entry& e) {
  const Good g = e.value;
  if (auto* s = p.sources.find(e.key.src); s != nullptr) {
    --s->value.goods;
    if (g.newer == Goods::kNone) s->value.newest_good = g.older;
  }
  if (g.newer != Goods::kNone) p.goods.slot(g.newer)->value.older = g.older;
  if (g.older != Goods::kNone) p.goods.slot(g.older)->value.newer = g.newer;
  p.goods.erase(e);
}

void ScanWalks::add_good(Population& p, const ContactKey& key, const Good& good) {
  Source& s = source_of(p, key.src);
  if (s.goods >= kGoodsPerSource) {
    auto* last = p.goods.slot(s.newest_good);
    while (last->value.older != Goods::kNone) last = p.goods.slot(last->value.older);
    forget_good(p, *last);
  }
  if (p.goods.size() == p.goods.capacity()) forget_good(p, *p.goods.oldest());
  auto& e = p.goods.add(key);
  e.value = good;
  e.value.older = s.newest_good;
  e.value.newer = Goods::kNone;
  const uint32_t self = Goods::index_of(e);
  if (s.newest_good != Goods::kNone) p.goods.slot(s.newest_good)->value.newer = self;
  s.newest_good = self;
  ++s.goods;
}

// Whether the source has reached that service before. What has not been used for long is forgotten.
bool ScanWalks::known(Population& p, const Contact& c) {
  auto* e = p.goods.find(c.key);
  if (e == nullptr) return false;
  if (c.time_ns - e->value.last_ns <= kGoodFor) return true;
  forget_good(p, *e);
  return false;
}

void ScanWalks::succeeded(const Contact& c) {
  Population& p = population(c.key.src);
  excuses_.worked(c);
  if (const ContactKey* other = excuses_.excused_by(c); other != nullptr) {
    take_back(population(other->src), *other);
  }
  if (known(p, c)) {
    auto* e = p.goods.find(c.key);
    e->value.last_ns = std::max(e->value.last_ns, c.time_ns);
    if (e->value.uses < UINT32_MAX) ++e->value.uses;
    p.goods.touch(*e);
    return;
  }
  if (auto* tried = p.tries.find(c.key); tried != nullptr) {
    if (tried->value.worked) return;
    take_back(p, c.key);  // it answered after all
    p.tries.erase(*tried);
  }
  count_success(p, c);
  const bool suspect = suspicious(c.key.src, c.time_ns);
  if (!suspect) return add_good(p, c.key, {.first_ns = c.time_ns, .last_ns = c.time_ns, .uses = 1});
  Tried& t = p.tries.add(c.key).value;
  t.last_ns = c.time_ns;
  t.worked = true;
}

void ScanWalks::failed(const Contact& c, std::vector<Score>& out) {
  Population& p = population(c.key.src);
  if (known(p, c)) return excuses_.failed(c, true);
  if (auto* tried = p.tries.find(c.key); tried != nullptr) {
    const bool again = c.time_ns - tried->value.last_ns < kTriedFor;
    if (again) {
      tried->value.last_ns = std::max(tried->value.last_ns, c.time_ns);
      p.tries.touch(*tried);
      return;
    }
    p.tries.erase(*tried);
  }
  if (excuses_.allowed(c.key.src, c.time_ns)) return;
  if (excuses_.other_family_worked(c)) {
    p.tries.add(c.key).value.last_ns = c.time_ns;
    return;
  }
  excuses_.failed(c, false);
  count_failure(p, c, out);
}

bool ScanWalks::pending(TimeNs now) const noexcept {
  return now - pending_ns_ < kPending;
}

void ScanWalks::move(Walk& w, double by, bool failure, TimeNs now) const {
  const TimeNs rested = now - w.moved_ns;
  if (rested > 60 * kNsPerSecond) {
    w.height *= std::exp2(-static_cast<double>(rested) / static_cast<double>(kWalkHalves));
  }
  if (rested > kSuspectFor) w.alarms = 0;
  w.moved_ns = std::max(w.moved_ns, now);
  w.height = std::max(0.0, w.height + by);
  if (failure) {
    if (w.failures == 0 && w.alarms == 0) w.since_ns = now;
    ++w.failures;
  } else {
    ++w.successes;
  }
  if (w.height <= 0) {
    w = Walk{
        .moved_ns = w.moved_ns, .since_ns = w.alarms != 0 ? w.since_ns : 0, .alarms = w.alarms};
  }
}

bool ScanWalks::alarms(const Walk& w) const noexcept {
  return w.height >= threshold_ * (1u << std::min(w.alarms, kAlarmDoublings));
}

void ScanWalks::count_success(Population& p, const Contact& c) {
  const bool lenient = c.to_outside && c.key.port >= kFirstOpenPort;
  const WalkSteps& usual = lenient ? outside_ : usual_;
  const WalkSteps& host = lenient ? outside_ : one_host_;
  if (auto* e = p.walks.find(host_walk(c.key)); e != nullptr) {
    move(e->value, host.success, false, c.time_ns);
  }
  if (auto* e = p.walks.find(port_walk(c.key)); e != nullptr) {
    move(e->value, usual.success, false, c.time_ns);
  }
  if (auto* e = p.sources.find(c.key.src); e != nullptr && e->value.walk.failures != 0) {
    move(e->value.walk, usual.success, false, c.time_ns);
  }
}

void ScanWalks::count_failure(Population& p, const Contact& c, std::vector<Score>& out) {
  const bool lenient = c.to_outside && c.key.port >= kFirstOpenPort;
  const WalkSteps& usual = lenient ? outside_ : usual_;
  const WalkSteps& host = lenient ? outside_ : one_host_;
  const auto walk = [&](const ContactKey& key) {
    auto* e = p.walks.find(key);
    if (e == nullptr) e = &p.walks.add(key);
    p.walks.touch(*e);
    return &e->value;
  };
  Source& s = source_of(p, c.key.src);
  Walk* on_port = walk(port_walk(c.key));
  Walk* on_host = is_echo(c.ends) ? nullptr : walk(host_walk(c.key));  // entries never move
  Tried& tried = p.tries.add(c.key).value;
  tried.last_ns = c.time_ns;
  tried.on_source = tried.on_port = usual.failure;
  if (on_host != nullptr) {
    tried.on_host = host.failure;
    move(*on_host, host.failure, true, c.time_ns);
  }
  move(*on_port, usual.failure, true, c.time_ns);
  move(s.walk, usual.failure, true, c.time_ns);
  if (s.walk.failures >= kFailuresPending && s.walk.failures <= kFailuresDecided) {
    pending_ns_ = std::max(pending_ns_, c.time_ns);
  }
  if (s.misses.size() < kMissesKept) s.misses.resize(s.misses.size() + 1);
  s.misses[s.next_miss] = {c.key.dst, c.key.port, c.key.proto};
  s.next_miss = (s.next_miss + 1) % kMissesKept;
  decide(p, s, c, on_host, on_port, out);
}

void ScanWalks::take_back(Population& p, const ContactKey& key) {
  auto* tried = p.tries.find(key);
  if (tried == nullptr || tried->value.worked) return;
  const auto lower = [](Walk& w, double by) {
    if (w.failures != 0) --w.failures;
    w.height = std::max(0.0, w.height - by);
    if (w.failures == 0) w = Walk{.moved_ns = w.moved_ns};
  };
  Tried& t = tried->value;
  if (auto* e = p.walks.find(host_walk(key)); e && t.on_host > 0) lower(e->value, t.on_host);
  if (auto* e = p.walks.find(port_walk(key)); e && t.on_port > 0) lower(e->value, t.on_port);
  if (auto* e = p.sources.find(key.src); e && t.on_source > 0) lower(e->value.walk, t.on_source);
  t.on_host = t.on_port = t.on_source = 0;
}

// The narrowest walk that has crossed names the scan; the wider ones start over, as what they saw
// is now explained.
void ScanWalks::decide(Population&, Source& s, const Contact& c, Walk* host, Walk* port,
                       std::vector<Score>& out) {
  Walk* crossed = nullptr;
  WalkKind kind = WalkKind::kSource;
  if (host != nullptr && alarms(*host)) {
    crossed = host, kind = WalkKind::kHost;
  } else if (alarms(*port)) {
    crossed = port, kind = WalkKind::kPort;
  } else if (alarms(s.walk)) {
    crossed = &s.walk;
  } else {
    return;
  }
  if (excuses_.outage(c)) {
    ++held_back_;
    if (host != nullptr) *host = Walk{};
    *port = Walk{};
    s.walk = Walk{};
    return;
  }
  out.push_back(score_of(kind, *crossed, s, c));
  ++crossed->alarms;
  crossed->height = 0;
  crossed->failures = crossed->successes = 0;
  if (crossed != &s.walk) s.walk.height = 0;
  s.suspect_until_ns = c.time_ns + kSuspectFor;
}

std::vector<KnownService> ScanWalks::known_good(const IpAddress& source, TimeNs before_ns,
                                                size_t most) const {
  std::vector<KnownService> all;
  const Population& p = population(source);
  const auto* s = p.sources.find(source);
  if (s == nullptr) return all;
  for (uint32_t i = s->value.newest_good; i != Goods::kNone;) {
    const auto* e = p.goods.slot(i);
    const Good& g = e->value;
    if (g.first_ns < before_ns) {
      all.push_back({e->key.dst, e->key.port, e->key.proto, g.uses, g.first_ns, g.last_ns});
    }
    i = g.older;
  }
  keep_latest(all, most);
  return all;
}

std::vector<KnownService> ScanWalks::known_clients(const IpAddress& server, TimeNs before_ns,
                                                   size_t most) const {
  std::vector<KnownService> all;
  for (const Population* p : {&ours_, &strangers_}) {
    for (uint32_t i = 0; i < p->goods.slots(); ++i) {
      const auto* e = p->goods.slot(i);
      if (e == nullptr || e->key.dst != server || e->value.first_ns >= before_ns) continue;
      const Good& g = e->value;
      all.push_back({e->key.src, e->key.port, e->key.proto, g.uses, g.first_ns, g.last_ns});
    }
  }
  keep_latest(all, most);
  return all;
}

void ScanWalks::save(uint32_t part, BaselineWriter& to) const {
  to.put_list<SavedContact>([&](auto&& add) {
    for (uint32_t i = part; i < ours_.goods.slots(); i += Learner::kSnapshotParts) {
      const auto* e = ours_.goods.slot(i);
      if (e == nullptr) continue;
      const Good& g = e->value;
      add(SavedContact{.key = e->key,
                       .worked = 1,
                       .uses = g.uses,
                       .first_ns = g.first_ns,
                       .last_ns = g.last_ns});
    }
    for (uint32_t i = part; i < ours_.tries.slots(); i += Learner::kSnapshotParts) {
      const auto* e = ours_.tries.slot(i);
      if (e == nullptr) continue;
      add(SavedContact{.key = e->key, .last_ns = e->value.last_ns});
    }
  });
}

void ScanWalks::read(BaselineReader& from, Saved& into) {
  into.contacts = from.get_list<SavedContact>();
}

void ScanWalks::restore(const Saved& part) {
  for (const SavedContact& c : part.contacts) {
    if (c.worked != 0 && ours_.goods.find(c.key) == nullptr) {
      add_good(ours_, c.key, {.first_ns = c.first_ns, .last_ns = c.last_ns, .uses = c.uses});
    } else if (c.worked == 0 && ours_.tries.find(c.key) == nullptr) {
      ours_.tries.add(c.key).value.last_ns = c.last_ns;
    }
  }
}

}  // namespace weir
