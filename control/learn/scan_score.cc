// SPDX-License-Identifier: Apache-2.0
// What a walk that crossed its threshold tells a person.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "control/learn/scan_walks.h"

namespace weir {

namespace {

constexpr size_t kPortsNamed = 8;
constexpr uint32_t kTermsMax = 1000;
constexpr uint8_t kIcmp = 1, kIcmp6 = 58;

// P(at least `failures` of `tries` fail | each fails with q).
double binomial_tail(uint32_t failures, uint32_t tries, double q) {
  double sum = 0;
  const uint32_t last = std::min(tries, failures + kTermsMax);
  for (uint32_t k = failures; k <= last; ++k) {
    sum += std::exp(std::lgamma(tries + 1.0) - std::lgamma(k + 1.0) -
                    std::lgamma(tries - k + 1.0) + k * std::log(q) + (tries - k) * std::log1p(-q));
  }
  return std::clamp(sum, 1e-300, 1.0);
}

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", v);
  return text;
}

}  // namespace

void ScanWalks::shape(WalkKind kind, const Source& s, const Contact& c, Score& score) {
  std::set<IpAddress> hosts;
  std::set<std::pair<uint8_t, uint16_t>> ports;
  for (const Miss& m : s.misses) {
    if (kind == WalkKind::kHost && m.dst != c.key.dst) continue;
    if (kind == WalkKind::kPort && (m.port != c.key.port || m.proto != c.key.proto)) continue;
    hosts.insert(m.dst);
    ports.insert({m.proto, m.port});
  }
  score.hosts = static_cast<uint32_t>(hosts.size());
  score.ports = static_cast<uint32_t>(ports.size());
  const bool echo = c.key.proto == kIcmp || c.key.proto == kIcmp6;
  if (kind == WalkKind::kPort) {
    score.shape = echo ? ScanShape::kSweep : ScanShape::kHosts;
  } else if (kind == WalkKind::kHost) {
    score.shape = ScanShape::kPorts;
  } else if (score.hosts == 1) {
    score.shape = ScanShape::kPorts;
  } else if (score.ports == 1) {
    score.shape = echo ? ScanShape::kSweep : ScanShape::kHosts;
  } else {
    score.shape = ScanShape::kBoth;
  }
}

// What the words are made of, as it was when the walk crossed.
struct ScanWalks::Story {
  WalkKind kind;
  ScanShape shape;
  ContactKey key;
  uint32_t failures, tries, goods;
  double benign, probability, threshold, false_alarm;
  std::vector<Miss> misses;

  std::string contacts() const {
    switch (shape) {
      case ScanShape::kPorts: return "first connections to ports of " + to_string(key.dst);
      case ScanShape::kSweep: return "first pings of addresses";
      case ScanShape::kHosts:
        return "first connections to " + service_words(key.proto, key.port) + " of different hosts";
      default: return "first connections to different hosts and ports";
    }
  }
  std::string named() const {
    const bool hosts = shape == ScanShape::kHosts || shape == ScanShape::kSweep;
    std::vector<std::string> names;
    for (auto m = misses.rbegin(); m != misses.rend() && names.size() < kPortsNamed; ++m) {
      if (shape == ScanShape::kPorts && m->dst != key.dst) continue;
      if (hosts && (m->port != key.port || m->proto != key.proto)) continue;
      const std::string text = hosts ? to_string(m->dst) : service_words(m->proto, m->port);
      if (std::find(names.begin(), names.end(), text) == names.end()) names.push_back(text);
    }
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? " (among them " : ", ") + name;
    return all.empty() ? all : all + ")";
  }
  std::vector<ScoreReason> operator()() const {
    return {{.what = contacts(),
             .observed = std::to_string(failures) + " of " + std::to_string(tries) + " failed" +
                         named(),
             .expected = "about " + number(100 * (1 - benign)) + " in 100 fail",
             .probability = probability,
             .compared_with = "a source that means no harm"},
            {.what = "services it had reached before",
             .observed = std::to_string(goods),
             .expected = "none of these is among them",
             .probability = 1,
             .compared_with = "its own life"},
            {.what = "sequential test",
             .observed = "failures outweigh successes beyond " + number(threshold),
             .expected = "a benign source gets there once in " + number(1 / false_alarm) + " times",
             .probability = false_alarm,
             .compared_with = "threshold random walk"}};
  }
};

Score ScanWalks::score_of(WalkKind kind, const Walk& w, const Source& s, const Contact& c) const {
  Score score{.kind = ScoreKind::kScan, .source = c.key.src, .mac = c.mac, .ends = c.ends,
              .flow = c.flow, .app_master = c.app_master, .app = c.app, .wire = c.wire,
              .side = c.side, .time_ns = c.time_ns, .packet_in_ns = c.time_ns,
              .flow_first_ns = c.first_ns, .since_ns = w.since_ns, .failures = w.failures,
              .successes = w.successes};
  shape(kind, s, c, score);
  const uint32_t tries = w.failures + w.successes;
  const bool lenient = c.to_outside && c.key.port >= 1024;
  const double benign = lenient ? std::min(0.3, settings_.benign_success)
                        : kind == WalkKind::kHost ? (1 + settings_.benign_success) / 2
                                                  : settings_.benign_success;
  const double p = binomial_tail(w.failures, tries, 1 - benign);
  score.score = -std::log10(p);
  const auto* self = population(c.key.src).sources.find(c.key.src);
  score.explain = Story{.kind = kind,
                        .shape = score.shape,
                        .key = c.key,
                        .failures = w.failures,
                        .tries = tries,
                        .goods = self == nullptr ? 0 : self->value.goods,
                        .benign = benign,
                        .probability = p,
                        .threshold = threshold_,
                        .false_alarm = settings_.false_alarm,
                        .misses = s.misses};
  return score;
}

}  // namespace weir
