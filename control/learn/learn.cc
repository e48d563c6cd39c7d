// SPDX-License-Identifier: Apache-2.0
#include "control/learn/learn.h"

#include "control/learn/rarity.h"
#include "control/learn/scan_walks.h"

namespace weir {

namespace {

constexpr uint32_t kSnapshotMagic = 0x4c425257;  // "WRBL"
constexpr uint32_t kSnapshotVersion = 1;

}  // namespace

Learner::Learner(const LearnSettings& settings, const Inventory& inventory)
    : scans_(std::make_unique<ScanWalks>(settings, inventory)),
      rarity_(std::make_unique<Rarity>(settings, inventory)) {}

Learner::~Learner() = default;

void Learner::started(const FlowStart& r) {
  scans_->started(r, scores_);
}

void Learner::reported(const FlowUpdate& r) {
  scans_->reported(r, r.cause, scores_);
  if (r.cause != UpdateCause::kEstablished) return;
  rarity_->answered(r, !scans_->suspicious(r.ends.src, r.header.time_ns), scores_);
}

void Learner::ended(const FlowEnd& r) {
  scans_->ended(r, scores_);
}

int Learner::do_work(TimeNs now) {
  return scans_->do_work(now, scores_);
}

void Learner::use(const ScanSettings& scan, const RaritySettings& rarity) {
  scans_->use(scan);
  rarity_->use(rarity);
}

bool Learner::pending(TimeNs now) const noexcept {
  return scans_->pending(now);
}

std::vector<Score> Learner::take_scores() {
  scores_given_ += scores_.size();
  return std::exchange(scores_, {});
}

std::vector<KnownService> Learner::known_good(const IpAddress& source, TimeNs before_ns,
                                              size_t most) const {
  return scans_->known_good(source, before_ns, most);
}

std::vector<KnownService> Learner::known_clients(const IpAddress& server, TimeNs before_ns,
                                                 size_t most) const {
  return scans_->known_clients(server, before_ns, most);
}

void Learner::excuse(const IpPrefix& who, TimeNs until_ns, TimeNs now) {
  scans_->excuse(who, until_ns, now);
}

uint64_t Learner::scores_held_back() const noexcept {
  return scans_->held_back() + rarity_->held_back();
}

std::vector<uint8_t> Learner::snapshot(uint32_t part) const {
  BaselineWriter to;
  to.put(kSnapshotMagic);
  to.put(kSnapshotVersion);
  scans_->save(part, to);
  rarity_->save(part, to);
  return to.take();
}

Result<void> Learner::restore(std::span<const uint8_t> part) {
  BaselineReader from(part);
  if (from.get<uint32_t>() != kSnapshotMagic) return fail("these bytes are not a saved baseline");
  if (from.get<uint32_t>() != kSnapshotVersion) {
    return fail("this saved baseline is of another version of Weir");
  }
  ScanWalks::Saved scans;
  Rarity::Saved rarity;
  ScanWalks::read(from, scans);
  Rarity::read(from, rarity);
  if (!from.whole()) return fail("this saved baseline is cut short or longer than it says");
  scans_->restore(scans);
  rarity_->restore(rarity);
  return {};
}

}  // namespace weir
