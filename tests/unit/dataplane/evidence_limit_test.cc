// SPDX-License-Identifier: Apache-2.0
#include "dataplane/features/evidence_limit.h"

#include <gtest/gtest.h>

#include <map>

#include "dataplane/parse/fact_list.h"

namespace weir {
namespace {

constexpr uint32_t kPerSecond = 3;

// Calls of one client in one second: told one by one, then sums by operation (-1: of several).
struct Calls {
  EvidenceLimit limit{kPerSecond};
  unsigned told = 0, sums = 0;
  std::map<int64_t, uint64_t> counted;
  void count(const Evidence& e) {
    const FactValue op = find_fact(e.facts, Fact::kRpcOpnum);
    int64_t number = -1;
    if (op.fact != Fact::kCount) std::memcpy(&number, op.bytes.data(), sizeof number);
    EXPECT_EQ(number == -1, e.overflow);
    counted[number] += e.repeats;
    ++sums;
  }
  void call(uint64_t operation, EvidenceKind kind = EvidenceKind::kDcerpc) {
    parse::FactList<256> facts;
    facts.number(Fact::kRpcOpnum, operation);
    facts.text(Fact::kRpcInterfaceUuid, std::string_view("12345778-1234-abcd-ef00-0123456789ac"));
    Evidence e;
    e.kind = kind;
    e.time_ns = kNsPerSecond;
    e.facts = facts.facts();
    if (limit.admit(e, [this](const Evidence& sum) { count(sum); })) ++told;
  }
  void end() {
    limit.sweep(3 * kNsPerSecond, 4096, true, [this](const Evidence& sum) { count(sum); });
  }
};

TEST(EvidenceLimit, TwoOperationsAreTwoSums) {
  unsigned apart = 0;
  for (uint64_t other = 1; other < 100; ++other) {
    Calls c;
    for (unsigned i = 0; i < 50; ++i) {
      c.call(0);
      c.call(other);
    }
    c.end();
    EXPECT_EQ(c.told, kPerSecond);
    if (c.counted.contains(-1)) {
      EXPECT_EQ(c.counted[-1], 97u);
      continue;
    }
    ++apart;
    EXPECT_EQ(c.counted[0], 48u);
    EXPECT_EQ(c.counted[other], 49u);
  }
  EXPECT_GT(apart, 75u);  // seven of eight
}

TEST(EvidenceLimit, WhoCallsEverythingIsBoundedAllTheSame) {
  Calls c;
  for (uint64_t i = 0; i < 100'000; ++i) c.call(i * 7919 % 65536);
  c.end();
  EXPECT_EQ(c.told, kPerSecond);
  EXPECT_LE(c.sums, 8u);
  EXPECT_EQ(c.counted[-1], 100'000u - kPerSecond);
}

TEST(EvidenceLimit, OtherKindsAreOneSum) {
  Calls c;
  for (uint64_t i = 0; i < 100; ++i) c.call(i, EvidenceKind::kDns);
  c.end();
  EXPECT_EQ(c.sums, 1u);
  EXPECT_EQ(c.counted[99], 97u);
}

}  // namespace
}  // namespace weir
