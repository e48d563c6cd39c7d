// SPDX-License-Identifier: Apache-2.0
// What is normal, learned from flows, and how improbable what just happened is. In: flow records,
// as Intake hands them on. Out: scores with reasons. Two judges: a threshold random walk over the
// outcomes of first contacts (scans), and rarity with back-off (new peers, ports, services).
// Deterministic: time comes with the records and as an argument; runs on the control thread; never
// touches a clock, a file or a packet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "control/intake/intake.h"
#include "dataplane/base/result.h"

namespace weir {

// Jung, Paxson, Berger, Balakrishnan: Fast Portscan Detection Using Sequential Hypothesis Testing
// (IEEE S&P 2004). A first contact of a benign source succeeds with benign_success, of a scanner
// with scanner_success.
struct ScanSettings {
  bool enabled = true;
  double false_alarm = 1e-5;
  double missed = 0.01;
  double benign_success = 0.8;
  double scanner_success = 0.2;
};

struct RaritySettings {
  bool enabled = true;
  TimeNs learning_ns = 24 * 3600 * kNsPerSecond;  // no score in the first so long of the site
  double surprise = 1e-4;                         // a new kind less probable than this is a score
};

struct LearnSettings {
  ScanSettings scan;
  RaritySettings rarity;
  uint32_t sources_max = 65'536;      // that walks are kept for
  uint32_t walks_max = 131'072;       // per (source, port) and per (source, destination)
  uint32_t known_good_max = 262'144;  // (source, destination, port) that worked
  uint32_t failed_max = 131'072;      // (source, destination, port) that did not
  uint32_t kinds_max = 524'288;       // (device, kind) of rarity
  uint64_t hash_seed = 0;
};

enum class ScoreKind : uint8_t { kScan = 0, kNewPeer = 1, kNewPort = 2, kNewService = 3 };

enum class ScanShape : uint8_t {
  kNone = 0,
  kPorts = 1,  // many ports of one host: "port scan"
  kHosts = 2,  // one port of many hosts: "network scan"
  kBoth = 3,   // many ports of many hosts
  kSweep = 4,  // ICMP echo to many addresses: "address sweep"
};

struct ScoreReason {
  std::string what;           // "first connections to ports of 10.0.0.5"
  std::string observed;       // "6 of 8 failed"
  std::string expected;       // "at most 2 in 10 fail"
  double probability = 1;     // of the observed, if the device were as expected
  std::string compared_with;  // "a benign source", "10.0.0.0/24", "this site"
};

struct Score {
  ScoreKind kind = ScoreKind::kScan;
  ScanShape shape = ScanShape::kNone;
  double score = 0;    // -log10 of the probability
  IpAddress source{};  // whose behaviour it is
  MacAddress mac{};
  Endpoints ends;  // of the flow that decided; src is the initiator
  FlowId flow = 0;
  uint16_t app_master = 0, app = 0;
  uint8_t wire = 0, side = 0;
  TimeNs time_ns = 0;        // of the record that decided
  TimeNs packet_in_ns = 0;   // of the packet that decided; for an answer that did not come: when
                             // the wait for it ended
  TimeNs flow_first_ns = 0;  // when the flow that decided began
  TimeNs since_ns = 0;       // first failure of this scan; rarity: time_ns
  uint32_t failures = 0, successes = 0;  // first contacts since this scan's last score
  uint32_t hosts = 0, ports = 0;         // distinct among its latest failures
  std::vector<ScoreReason> reasons;      // most telling first
  // Makes the reasons, where a verdict is not to wait for words; empty: they are made.
  std::function<std::vector<ScoreReason>()> explain;
  void put_in_words() {
    if (explain) reasons = std::exchange(explain, nullptr)();
  }
};

struct KnownService {  // a service that was used with success
  IpAddress peer{};    // by whom, or whose it is: the other end of the one that was asked about
  uint16_t port = 0;
  uint8_t proto = 0;
  uint32_t uses = 0;
  TimeNs first_ns = 0, last_ns = 0;
};

class ScanWalks;
class Rarity;

class Learner {
 public:
  Learner(const LearnSettings& settings, const Inventory& inventory);
  ~Learner();

  void started(const FlowStart& r);
  void reported(const FlowUpdate& r);
  void ended(const FlowEnd& r);
  // Settles waits that are over (echo requests without a reply). Bounded; returns how many.
  int do_work(TimeNs now);

  // What the operator's configuration says; for what is seen from now on.
  void use(const ScanSettings& scan, const RaritySettings& rarity);
  // A source has just failed again: the record that decides may be the next.
  bool pending(TimeNs now) const noexcept;

  // Scores since the last call, in the order in which they came up.
  std::vector<Score> take_scores();
  bool has_scores() const noexcept { return !scores_.empty(); }

  // What `source` had used with success before `before_ns`, latest first, at most `most`.
  std::vector<KnownService> known_good(const IpAddress& source, TimeNs before_ns,
                                       size_t most) const;
  // Who had used what of `server` with success before `before_ns`, likewise. Looks at every contact
  // that is kept: for orders of people.
  std::vector<KnownService> known_clients(const IpAddress& server, TimeNs before_ns,
                                          size_t most) const;
  // The operator says this source's scans are its normal life until then: no walk is kept for it.
  void excuse(const IpPrefix& who, TimeNs until_ns, TimeNs now);

  // Baselines as bytes, in kSnapshotParts independent parts so that saving never stalls the thread.
  // restore() takes each part that snapshot() gave, in order; refuses what is not one, changing
  // nothing.
  static constexpr uint32_t kSnapshotParts = 64;
  std::vector<uint8_t> snapshot(uint32_t part) const;
  Result<void> restore(std::span<const uint8_t> part);

  uint64_t scores_given() const noexcept { return scores_given_; }
  uint64_t scores_held_back() const noexcept;  // by the bound on rarity scores, or as an outage
  // A rarity score is held back beyond this many: the rest is counted.
  static constexpr uint32_t kRarityPerDeviceAndHour = 4;
  static constexpr uint32_t kRarityPerHour = 60;

 private:
  std::unique_ptr<ScanWalks> scans_;
  std::unique_ptr<Rarity> rarity_;
  std::vector<Score> scores_;
  uint64_t scores_given_ = 0;
};

}  // namespace weir
