// SPDX-License-Identifier: Apache-2.0
// Evidence: what was said on the wire, as typed facts. A parser states facts, the worker sends them
// up as records of at most 512 bytes (an event of more goes in several, one right after the other),
// rules bind keywords to facts, EVE prints them. facts.def is the one table of all of them.
//
// A fact in an event's bytes: uint16 Fact, uint16 length (top bit: the text was cut), the value.
// kNumber 8 bytes, kSigned 8, kTime 8 (Unix seconds), kBool 1, kAddress 16 (IpAddress), kItem none,
// kText/kHex/kHexColon as many as there are. Host order: it never leaves the machine.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "dataplane/contract/event_record.h"

namespace weir {

enum class EvidenceKind : uint8_t {
#define KIND(id, name, applications) id,
#include "dataplane/contract/evidence_kinds.def"
#undef KIND
  kCount,
  kAny  // of facts that stand in several kinds
};
constexpr unsigned kEvidenceKinds = static_cast<unsigned>(EvidenceKind::kCount);

enum class Fact : uint16_t {
#define FACT(id, scope, type, path) id,
#include "dataplane/contract/facts.def"
#undef FACT
  kCount
};
constexpr unsigned kFacts = static_cast<unsigned>(Fact::kCount);

enum class FactType : uint8_t {
  kText,
  kHex,       // bytes, shown as "0a1b"
  kHexColon,  // bytes, shown as "0a:1b"
  kNumber,
  kSigned,
  kBool,
  kTime,     // shown as "2026-01-31T13:37:00"
  kAddress,  // shown as "10.0.0.1"
  kItem,     // the next object of a list begins
};

struct FactInfo {
  EvidenceKind scope;
  FactType type;
  std::string_view path;
};
const FactInfo& fact_info(Fact fact) noexcept;
std::string fact_name(Fact fact);                      // as rules call it: "dns.answers.rdata"
std::string_view fact_type_name(FactType t) noexcept;  // "text" "number" ...
std::string_view evidence_name(EvidenceKind kind) noexcept;  // "dns" "tls" ...
// nDPI's names for what a parser of that kind reads, with | between them.
std::string_view evidence_applications(EvidenceKind kind) noexcept;

constexpr uint16_t kFactCut = 0x8000;
constexpr uint32_t kFactHeadBytes = 4;   // in front of each value
constexpr uint32_t kFactBytesMax = 4096;  // of one event; what does not fit is left out and said so

constexpr uint32_t kNoTransaction = 0xffffffff;

// One record of an event. ends.src is the client, as far as is known.
struct EvidenceRecord {
  RecordHeader header;
  FlowId flow = 0;
  Endpoints ends;
  uint32_t serial = 0;   // of the worker's event: parts of one event have the same
  uint32_t repeats = 1;  // how many such events this one stands for
  EvidenceKind kind = EvidenceKind::kCount;
  uint8_t part = 0;         // from 0
  uint8_t last = 0;         // 1: no more parts
  uint8_t overflow = 0;     // 1: facts were left out
  uint16_t fact_bytes = 0;  // how many of facts[] count
  uint16_t reserved = 0;
  uint64_t packet_number = 0;  // 1-based position in the capture; live: of the worker
  uint32_t transaction = kNoTransaction;
  uint32_t reserved2 = 0;
  uint8_t facts[408];
};
static_assert(sizeof(EvidenceRecord) == kRecordBytesMax);
constexpr uint32_t kEvidencePartBytes = sizeof(EvidenceRecord::facts);
constexpr uint32_t kEvidenceHeadBytes = sizeof(EvidenceRecord) - kEvidencePartBytes;

// An event, its parts together again.
struct Evidence {
  TimeNs time_ns = 0;
  FlowId flow = 0;
  Endpoints ends;
  EvidenceKind kind = EvidenceKind::kCount;
  uint8_t wire = 0;
  bool overflow = false;
  uint32_t repeats = 1;
  uint32_t transaction = kNoTransaction;  // which of its flow, from 0, in the order of telling
  uint64_t packet_number = 0;
  std::span<const uint8_t> facts;
  // For rules alone, while it is told:
  uint16_t shown = 0;         // the first so many bytes of facts they have seen before
  bool from_client = true;    // who sent what the event was told upon
  bool one_message = false;  // it is of one message, not of what was asked and answered
};

struct FactValue {
  Fact fact = Fact::kCount;
  bool cut = false;
  std::span<const uint8_t> bytes;

  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  uint64_t number() const noexcept {  // kNumber, kSigned, kTime, kBool
    uint64_t v = 0;
    std::memcpy(&v, bytes.data(), bytes.size() < sizeof v ? bytes.size() : sizeof v);
    return v;
  }
};

// Calls each(FactValue) for every fact in `facts`, in order. Stops at what is malformed: false.
template <class Each>
bool each_fact(std::span<const uint8_t> facts, Each&& each) {
  while (!facts.empty()) {
    uint16_t head[2];
    static_assert(sizeof head == kFactHeadBytes);
    if (facts.size() < sizeof head) return false;
    std::memcpy(head, facts.data(), sizeof head);
    const size_t length = head[1] & ~kFactCut;
    if (head[0] >= kFacts || facts.size() - sizeof head < length) return false;
    each(FactValue{static_cast<Fact>(head[0]), (head[1] & kFactCut) != 0,
                   facts.subspan(sizeof head, length)});
    facts = facts.subspan(sizeof head + length);
  }
  return true;
}

// The first such fact of an event; fact kCount where it has none.
FactValue find_fact(std::span<const uint8_t> facts, Fact wanted) noexcept;

}  // namespace weir
