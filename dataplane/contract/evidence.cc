// SPDX-License-Identifier: Apache-2.0
#include "dataplane/contract/evidence.h"

namespace weir {

namespace {

using enum EvidenceKind;
using enum FactType;

constexpr FactInfo kInfo[] = {
#define FACT(id, scope, type, path) {scope, type, path},
#include "dataplane/contract/facts.def"
#undef FACT
};
static_assert(std::size(kInfo) == kFacts);

constexpr std::string_view kNames[] = {
#define KIND(id, name, applications) name,
#include "dataplane/contract/evidence_kinds.def"
#undef KIND
};
static_assert(std::size(kNames) == kEvidenceKinds);

constexpr std::string_view kApplications[] = {
#define KIND(id, name, applications) applications,
#include "dataplane/contract/evidence_kinds.def"
#undef KIND
};

}  // namespace

const FactInfo& fact_info(Fact fact) noexcept {
  return kInfo[static_cast<unsigned>(fact)];
}

std::string_view evidence_name(EvidenceKind kind) noexcept {
  const auto i = static_cast<unsigned>(kind);
  return i < kEvidenceKinds ? kNames[i] : std::string_view("unknown");
}

std::string_view evidence_applications(EvidenceKind kind) noexcept {
  const auto i = static_cast<unsigned>(kind);
  return i < kEvidenceKinds ? kApplications[i] : std::string_view();
}

FactValue find_fact(std::span<const uint8_t> facts, Fact wanted) noexcept {
  FactValue found;
  each_fact(facts, [&](const FactValue& v) {
    if (v.fact == wanted && found.fact == Fact::kCount) found = v;
  });
  return found;
}

}  // namespace weir
