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

  ScoreReason contacts;
  if (score.shape == ScanShape::kPorts) {
    contacts.what = "first connections to ports of " + to_string(c.key.dst);
  } else if (score.shape == ScanShape::kSweep) {
    contacts.what = "first pings of addresses";
  } else if (score.shape == ScanShape::kHosts) {
    contacts.what = "first connections to " + service_words(c.key.proto, c.key.port) +
                    " of different hosts";
  } else {
    contacts.what = "first connections to different hosts and ports";
  }
  contacts.observed = std::to_string(w.failures) + " of " + std::to_string(tries) + " failed";
  std::vector<std::string> named;
  for (auto m = s.misses.rbegin(); m != s.misses.rend() && named.size() < kPortsNamed; ++m) {
    const bool hosts = score.shape == ScanShape::kHosts || score.shape == ScanShape::kSweep;
    if (!hosts && score.shape == ScanShape::kPorts && m->dst != c.key.dst) continue;
    if (hosts && (m->port != c.key.port || m->proto != c.key.proto)) continue;
    const std::string text = hosts ? to_string(m->dst) : service_words(m->proto, m->port);
    if (std::find(named.begin(), named.end(), text) == named.end()) named.push_back(text);
  }
  for (size_t i = 0; i < named.size(); ++i) {
    contacts.observed += (i == 0 ? " (among them " : ", ") + named[i];
  }
  if (!named.empty()) contacts.observed += ")";
  contacts.expected = "about " + number(100 * (1 - benign)) + " in 100 fail";
  contacts.probability = p;
  contacts.compared_with = "a source that means no harm";
  score.reasons.push_back(std::move(contacts));

  const auto* self = population(c.key.src).sources.find(c.key.src);
  const uint32_t goods = self == nullptr ? 0 : self->value.goods;
  score.reasons.push_back({"services it had reached before", std::to_string(goods),
                           "none of these is among them", 1, "its own life"});
  score.reasons.push_back({"sequential test", "failures outweigh successes beyond " +
                           number(threshold_), "a benign source gets there once in " +
                           number(1 / settings_.false_alarm) + " times",
                           settings_.false_alarm, "threshold random walk"});
  return score;
}

}  // namespace weir
