// SPDX-License-Identifier: Apache-2.0
// Rarity with back-off: how improbable is a peer, a port or a served port that a device shows for
// the first time. An observation is one kind in one hour, however many flows, so that what polls
// every second does not drown what happens daily.
//
//   P(x | device) = lambda n_x / n + (1 - lambda) P(x | its /24 or /64),  lambda = n / (n + kappa),
//   kappa = 1/2 + kinds seen in one hour only + kinds / 10:
// 1 - lambda is then the Good-Turing share of new kinds. For a group n counts devices: P(x | group)
// is the share of the others that show x, or the share of kinds that only one of them shows, times
// the same for the site (add one half to what was seen in vain, as Jeffreys). Only first sights are
// scored, so n_x = 0. Private to learn.
#pragma once

#include <cstdint>
#include <vector>

#include "control/learn/baseline_bytes.h"
#include "control/learn/learn.h"
#include "dataplane/base/bounded_table.h"

namespace weir {

class Rarity {
 public:
  Rarity(const LearnSettings& settings, const Inventory& inventory);

  // A flow that was answered. learn: the initiator is not under suspicion; else nothing of what it
  // does is learned or scored here.
  void use(const RaritySettings& settings) { settings_ = settings; }
  void answered(const FlowReport& r, bool learn, std::vector<Score>& out);
  uint64_t held_back() const noexcept { return held_back_; }

  void save(uint32_t part, BaselineWriter& to) const;
  struct Saved;
  static void read(BaselineReader& from, Saved& into);
  void restore(const Saved& part);

 private:
  enum Dimension : uint8_t { kPeer = 0, kPort = 1, kService = 2, kDimensions = 3 };
  struct Key {                   // of a device's or a group's kind
    IpAddress who{};             // device, subnet, or unspecified for the site
    uint64_t kind = 0;
    uint8_t dimension = 0;
    uint8_t level = 0;           // 0 device, 1 subnet, 2 site
    bool operator==(const Key&) const noexcept = default;
  };
  struct KeyHash {
    uint64_t seed = 0;
    uint64_t operator()(const Key& k) const noexcept;
  };
  struct Kind {
    uint32_t hours = 0;          // in which the device showed it
    uint32_t last_hour = 0;
  };
  struct Counts {
    uint32_t observations = 0, kinds = 0, singles = 0;
  };
  struct DeviceTotals {
    Counts of[kDimensions];
    TimeNs first_ns = 0;
    uint32_t hour = 0, given = 0;  // scores given in that hour
  };
  struct GroupTotals {           // per subnet and for the site
    struct {
      // Devices; (device, kind); kinds of one device. Without kinds that a device of very many
      // brought in: one machine that shares files with the world is not the measure of a site.
      uint32_t devices = 0, pairs = 0, singles = 0;
    } of[kDimensions];
  };
  struct Judged {
    double probability = 1;
    std::vector<ScoreReason> reasons;
  };
  using Kinds = BoundedTable<Key, Kind, KeyHash>;
  struct Shared {
    uint32_t devices = 0;        // that show this kind
    bool counted = false;        // in GroupTotals::pairs and singles
  };
  using GroupKinds = BoundedTable<Key, Shared, KeyHash>;
  using Totals = BoundedTable<IpAddress, DeviceTotals, AddressHash>;
  using Groups = BoundedTable<IpAddress, GroupTotals, AddressHash>;

  uint64_t kind_of_peer(const IpAddress& a) const noexcept;
  uint64_t kind_of_port(const Endpoints& e) const noexcept;
  // Whether the device has shown it before; if so counts this hour.
  bool shown(const IpAddress& device, Dimension d, uint64_t kind, TimeNs time_ns);
  void learn_new(const IpAddress& device, Dimension d, uint64_t kind, const Kind& k,
                 TimeNs first_ns);
  void forget(const Kinds::Entry& e);
  void group_add(const IpAddress& group, uint8_t level, Dimension d, uint64_t kind,
                 uint32_t kinds_of_device);
  void group_remove(const IpAddress& group, uint8_t level, Dimension d, uint64_t kind,
                    bool last_of_device);
  DeviceTotals& totals_of(const IpAddress& device, TimeNs first_ns);
  GroupTotals& group_of(const IpAddress& group);
  Judged judge(const IpAddress& device, Dimension d, uint64_t kind, TimeNs now,
               const std::string& what) const;
  double judge_group(const IpAddress& device, Dimension d, uint64_t kind,
                     std::vector<ScoreReason>& reasons) const;
  bool may_give(const IpAddress& device, TimeNs now);
  Score score_of(const FlowReport& r, const IpAddress& device, ScoreKind kind,
                 Judged&& judged) const;

  const Inventory& inventory_;
  RaritySettings settings_;
  Kinds kinds_;
  GroupKinds group_kinds_;
  Totals totals_;
  Groups groups_;
  TimeNs begin_ns_ = 0;          // when this site began to be learned
  uint32_t hour_ = 0, given_ = 0;
  uint64_t held_back_ = 0;
};

struct SavedKind {
  IpAddress device{};
  uint64_t kind = 0;
  TimeNs first_ns = 0;           // of the device
  uint32_t hours = 0, last_hour = 0;
  uint8_t dimension = 0;
  uint8_t reserved[7] = {};
};
static_assert(sizeof(SavedKind) == 48);

struct Rarity::Saved {
  TimeNs begin_ns = 0;
  std::vector<SavedKind> kinds;
};

}  // namespace weir
