// SPDX-License-Identifier: Apache-2.0
#include "control/detect/detect.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace weir {

namespace {

constexpr size_t kReasonsMax = 8;
constexpr TimeNs kNeverEnds = INT64_MAX;
constexpr TimeNs kRarityQuiet = 24 * 3600 * kNsPerSecond;

AlertKind kind_of(ScoreKind k) {
  switch (k) {
    case ScoreKind::kScan: return AlertKind::kScan;
    case ScoreKind::kNewPeer: return AlertKind::kNewPeer;
    case ScoreKind::kNewPort: return AlertKind::kNewPort;
    case ScoreKind::kNewService: return AlertKind::kNewService;
  }
  return AlertKind::kScan;
}

std::string scan_words(const Score& s, ScanShape shape) {
  switch (shape) {
    case ScanShape::kPorts: return "port scan of " + to_string(s.ends.dst);
    case ScanShape::kHosts:
      return "network scan for " + service_words(s.ends.proto, s.ends.dst_port);
    case ScanShape::kSweep: return "address sweep by ping";
    default: return "scan of many hosts and ports";
  }
}

std::string title_of(const Score& s, ScanShape shape, uint64_t failures) {
  const std::string who = to_string(s.source);
  const std::string service = service_words(s.ends.proto, s.ends.dst_port);
  switch (s.kind) {
    case ScoreKind::kScan:
      return who + ": " + scan_words(s, shape) + ", " + std::to_string(failures) +
             " first connections failed";
    case ScoreKind::kNewPeer:
      return who + ": new peer " + to_string(s.ends.dst) + " (" + service + ")";
    case ScoreKind::kNewPort:
      return who + ": first use of " + service + ", to " + to_string(s.ends.dst);
    case ScoreKind::kNewService:
      return who + ": serves " + service + " for the first time, to " + to_string(s.ends.src);
  }
  return who;
}

}  // namespace

std::string_view alert_kind_name(AlertKind k) noexcept {
  constexpr std::string_view kNames[] = {"rule", "scan", "new-peer", "new-port", "new-service"};
  const auto i = static_cast<size_t>(k);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

std::string_view scan_shape_name(ScanShape s) noexcept {
  constexpr std::string_view kNames[] = {"none", "port scan", "network scan",
                                         "port and network scan", "address sweep"};
  const auto i = static_cast<size_t>(s);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

uint64_t Detector::OpenHash::operator()(const OpenKey& k) const noexcept {
  uint64_t w[4];
  std::memcpy(w, k.a.bytes.data(), 16);
  std::memcpy(w + 2, k.b.bytes.data(), 16);
  uint64_t h = mix64(w[0] ^ seed) + w[1];
  h = mix64(h) + w[2];
  h = mix64(h) + w[3];
  return mix64(h ^ (uint64_t{k.sid} << 32 | k.gid) ^
               (uint64_t{static_cast<uint8_t>(k.kind)} << 24));
}

Detector::Detector(const DetectSettings& settings)
    : settings_(settings),
      next_id_(settings.first_id),
      alerts_(settings.alerts_max),
      open_(settings.open_max, OpenHash{settings.hash_seed}) {}

Alert* Detector::find(AlertId id) noexcept {
  auto* e = alerts_.find(id);
  return e == nullptr ? nullptr : &e->value;
}

Alert* Detector::open_alert(const OpenKey& key, TimeNs time_ns, TimeNs quiet_ns,
                            TimeNs longest_ns) {
  auto* e = open_.find(key);
  if (e == nullptr) return nullptr;
  const bool over = time_ns - e->value.last_ns > quiet_ns ||
                    time_ns - e->value.first_ns > longest_ns;
  Alert* alert = over ? nullptr : find(e->value.id);
  if (alert == nullptr) {
    open_.erase(*e);
    return nullptr;
  }
  e->value.last_ns = std::max(e->value.last_ns, time_ns);
  open_.touch(*e);
  return alert;
}

Alert& Detector::raise(const OpenKey& key, TimeNs time_ns, TimeNs now) {
  const AlertId id = next_id_++;
  open_.add(key).value = {id, time_ns, time_ns};
  Alert& a = alerts_.add(id).value;
  a.id = id;
  a.kind = key.kind;
  a.time_ns = a.updated_ns = std::max(time_ns, now);
  return a;
}

Detected Detector::take(const Score& s, TimeNs now) {
  OpenKey key{.kind = kind_of(s.kind), .a = s.source};
  if (s.kind == ScoreKind::kNewPeer) key.b = s.ends.dst;
  if (s.kind == ScoreKind::kNewPort || s.kind == ScoreKind::kNewService) {
    key.sid = uint32_t{s.ends.proto} << 16 | s.ends.dst_port;
  }
  const bool scan = s.kind == ScoreKind::kScan;
  const TimeNs quiet = scan ? settings_.scan_quiet_ns : kRarityQuiet;
  Alert* open = open_alert(key, s.time_ns, quiet, kNeverEnds);
  if (open == nullptr) {
    Alert& a = raise(key, s.time_ns, now);
    a.shape = s.shape;
    a.title = title_of(s, s.shape, s.failures);
    a.device = s.source, a.mac = s.mac;
    a.ends = s.ends, a.flow = s.flow;
    a.app_master = s.app_master, a.app = s.app;
    a.wire = s.wire, a.side = s.side;
    a.score = s.score;
    a.count = scan ? s.failures : 1;
    a.since_ns = s.since_ns;
    a.packet_in_ns = s.packet_in_ns;
    a.decided_ns = std::max(now, s.packet_in_ns);
    return {&a, true, &s};
  }
  open->updated_ns = std::max({open->updated_ns, s.time_ns, now});
  open->count += scan ? s.failures : 1;
  open->score = std::max(open->score, s.score);
  if (!scan) return {open, false, &s};
  const bool same_aim = open->shape == s.shape &&
                        (s.shape != ScanShape::kPorts || open->ends.dst == s.ends.dst) &&
                        (s.shape != ScanShape::kHosts || open->ends.dst_port == s.ends.dst_port);
  if (!same_aim) open->shape = ScanShape::kBoth;
  open->title = title_of(s, open->shape, open->count);
  return {open, false, &s};
}

void Detector::add_reasons(const Detected& found) {
  const Score& s = *found.evidence;
  Alert& a = *found.alert;
  if (found.fresh) {
    a.reasons = s.reasons;
    return;
  }
  if (s.kind != ScoreKind::kScan || s.reasons.empty()) return;
  // What is new, first; what it adds to stays.
  const auto same = std::find_if(a.reasons.begin(), a.reasons.end(), [&](const ScoreReason& r) {
    return r.what == s.reasons[0].what;
  });
  if (same != a.reasons.end()) a.reasons.erase(same);
  a.reasons.insert(a.reasons.begin(), s.reasons[0]);
  if (a.reasons.size() > kReasonsMax) a.reasons.pop_back();
}

Detected Detector::take(const RuleHit& r, TimeNs now) {
  const auto [a, b] = std::minmax(r.ends.src, r.ends.dst);
  const OpenKey key{.kind = AlertKind::kRule, .gid = r.gid, .sid = r.sid, .a = a, .b = b};
  const TimeNs time_ns = r.header.time_ns;
  if (Alert* open = open_alert(key, time_ns, settings_.rule_window_ns, settings_.rule_window_ns);
      open != nullptr) {
    ++open->count;
    open->updated_ns = std::max(open->updated_ns, time_ns);
    if (r.enforced != 0 && open->enforced_ns == 0) {
      open->enforced = true;
      open->enforced_ns = time_ns;
    }
    return {open, false, nullptr};
  }
  Alert& alert = raise(key, time_ns, now);
  alert.time_ns = alert.updated_ns = time_ns;
  alert.device = r.to_server != 0 ? r.ends.src : r.ends.dst;
  alert.mac = r.to_server != 0 ? r.src_mac : r.dst_mac;
  alert.ends = r.ends, alert.flow = r.flow;
  alert.app_master = r.app_master, alert.app = r.app;
  alert.wire = r.header.wire, alert.side = r.side;
  alert.since_ns = r.flow_first_ns;
  alert.packet_in_ns = alert.decided_ns = time_ns;  // the worker decided, on the packet itself
  alert.gid = r.gid, alert.sid = r.sid, alert.rev = r.rev;
  alert.rule_index = r.rule_index;
  alert.image_generation = r.image_generation;
  alert.rule_action = r.action;
  alert.enforced = r.enforced != 0;
  alert.enforced_ns = alert.enforced ? time_ns : 0;
  return {&alert, true, nullptr};
}

}  // namespace weir
