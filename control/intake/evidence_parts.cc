// SPDX-License-Identifier: Apache-2.0
#include "control/intake/evidence_parts.h"

namespace weir {

const Evidence* EvidenceParts::take(const uint8_t* bytes, uint32_t length, bool& good) {
  EvidenceRecord r;
  good = length >= kEvidenceHeadBytes && length <= sizeof r;
  if (!good) return nullptr;
  std::memcpy(&r, bytes, length);
  good = r.header.worker < kWorkersMax && r.fact_bytes <= length - kEvidenceHeadBytes &&
         static_cast<unsigned>(r.kind) < kEvidenceKinds;
  if (!good) return nullptr;
  Open& o = open_[r.header.worker];
  const bool follows = r.part == 0 || (r.part == o.parts && r.serial == o.serial);
  if ((r.part == 0 && o.parts != 0) || !follows) ++broken_;
  if (r.part == 0) o.facts.clear();
  if (!follows || o.facts.size() + r.fact_bytes > kFactBytesMax) {
    o.parts = 0;
    return nullptr;
  }
  o.serial = r.serial;
  o.parts = static_cast<uint8_t>(r.part + 1);
  o.facts.insert(o.facts.end(), r.facts, r.facts + r.fact_bytes);
  if (r.last == 0) return nullptr;
  o.parts = 0;
  whole_ = {.time_ns = r.header.time_ns,
            .flow = r.flow,
            .ends = r.ends,
            .kind = r.kind,
            .wire = r.header.wire,
            .overflow = r.overflow != 0,
            .repeats = r.repeats,
            .transaction = r.transaction,
            .packet_number = r.packet_number,
            .facts = o.facts};
  return &whole_;
}

}  // namespace weir
