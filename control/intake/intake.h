// SPDX-License-Identifier: Apache-2.0
// Takes the event records of every worker out of their rings, keeps the inventory of devices and
// the book of flows with them, and hands each on, decoded, to the next step of the chain. First
// thing in the control thread's loop; also what `devices`, `flows` and `why` ask. It judges
// nothing.
//
// A device is an address inside (HOME_NET, or every address if that is unset). Its MAC is taken
// only where it can be the device's own: an ARP or ND claim, or a MAC that has one address per
// family; so the MAC of a gateway never makes one device of all that is behind it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "control/intake/evidence_parts.h"
#include "control/intake/flow_book.h"
#include "control/intake/inventory.h"
#include "dataplane/contract/event_record.h"
#include "dataplane/contract/segment.h"

namespace weir {

class Intake {
 public:
  Intake(Segment& segment, const IntakeSettings& settings);

  // One bounded step over every worker's ring. For each record, after inventory and flow book have
  // taken it, calls next.on(record) with its own type (FlowStart, FlowUpdate, FlowEnd, RuleHit,
  // Drop, VerdictReport, AddressClaim, AnomalyRecord, Evidence). Returns how many.
  template <class Next>
  int do_work(Next&& next) {
    watch_data_plane();
    int taken = 0;
    for (uint32_t w = 0; w < segment_.workers(); ++w) {
      taken += static_cast<int>(
          rings_[w].pop(settings_.records_per_step,
                        [&](const uint8_t* bytes, uint32_t length) { take(bytes, length, next); }));
    }
    return taken + flows_.prune(latest_ns_ - flow_silence_ns_, 16);
  }
  // The data plane's settings have changed, or whose behaviour is learned.
  void use(NetworkSet internal) {
    inventory_.use(std::move(internal));
    take_timeouts();
  }
  // One record, wherever it comes from. false: not a record of this version (counted).
  template <class Next>
  bool take(const uint8_t* bytes, uint32_t length, Next&& next);

  const Inventory& inventory() const noexcept { return inventory_; }
  Inventory& inventory() noexcept { return inventory_; }
  const FlowBook& flows() const noexcept { return flows_; }
  FlowBook& flows() noexcept { return flows_; }
  uint64_t records() const noexcept { return records_; }
  uint64_t malformed() const noexcept;  // and times a ring was found corrupt

 private:
  void watch_data_plane();
  void take_timeouts();
  void note(const FlowStart& r);
  void note(const FlowUpdate& r);
  void note(const FlowEnd& r);
  void note(const AddressClaim& r) { inventory_.claimed(r); }
  template <class T>
  void note(const T&) {}
  template <class T, class Next>
  bool take_as(const uint8_t* bytes, uint32_t length, RecordType type, Next&& next);

  Segment& segment_;
  IntakeSettings settings_;
  std::vector<SpscByteRing> rings_;
  Inventory inventory_;
  FlowBook flows_;
  EvidenceParts evidence_;
  uint64_t records_ = 0, malformed_ = 0;
  uint64_t epoch_ = 0;           // of the data plane whose flows are in the book
  TimeNs latest_ns_ = 0;         // packet clock of the latest record
  TimeNs flow_silence_ns_ = 0;   // a live flow is reported at least this often
};

template <class T, class Next>
bool Intake::take_as(const uint8_t* bytes, uint32_t length, RecordType type, Next&& next) {
  const T* record = record_as<T>(bytes, length, type);
  if (record == nullptr) return false;
  latest_ns_ = std::max(latest_ns_, record->header.time_ns);
  note(*record);
  next.on(*record);
  return true;
}

template <class Next>
bool Intake::take(const uint8_t* bytes, uint32_t length, Next&& next) {
  ++records_;
  bool known = false;
  const RecordType type = reinterpret_cast<const RecordHeader*>(bytes)->type;
  switch (type) {
    case RecordType::kFlowStart:
      known = take_as<FlowStart>(bytes, length, type, next);
      break;
    case RecordType::kFlowUpdate:
      known = take_as<FlowUpdate>(bytes, length, type, next);
      break;
    case RecordType::kFlowEnd:
      known = take_as<FlowEnd>(bytes, length, type, next);
      break;
    case RecordType::kRuleHit:
      known = take_as<RuleHit>(bytes, length, type, next);
      break;
    case RecordType::kDrop:
      known = take_as<Drop>(bytes, length, type, next);
      break;
    case RecordType::kVerdictReport:
      known = take_as<VerdictReport>(bytes, length, type, next);
      break;
    case RecordType::kAddressClaim:
      known = take_as<AddressClaim>(bytes, length, type, next);
      break;
    case RecordType::kAnomaly:
      known = take_as<AnomalyRecord>(bytes, length, type, next);
      break;
    case RecordType::kEvidence: {
      const Evidence* whole = evidence_.take(bytes, length, known);
      if (whole != nullptr) next.on(*whole);
      break;
    }
    default:
      break;
  }
  if (!known) ++malformed_;
  return known;
}

}  // namespace weir
