// SPDX-License-Identifier: Apache-2.0
// Event records: what a worker tells the control plane, by value, through its ring. Plain data of a
// length that is a multiple of 8; the first 4 bytes are type and length (SpscByteRing relies on
// it). The worker fills every byte: records go into logs that are compared.
//
// Per flow the order is: FlowStart, any number of FlowUpdate/RuleHit/Drop, FlowEnd. A record that
// did not fit is counted in StatsPage::events_lost and never repeated, so a reader must accept an
// update or end whose start it has not seen.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "dataplane/base/clock.h"
#include "dataplane/base/ip_address.h"
#include "dataplane/contract/verdict.h"

namespace weir {

enum class RecordType : uint16_t {
  kPad = 0,  // reserved by the ring
  kFlowStart = 1,
  kFlowUpdate = 2,
  kFlowEnd = 3,
  kRuleHit = 4,
  kDrop = 5,
  kVerdictReport = 6,
  kAddressClaim = 7,
  kAnomaly = 8,
  kEvidence = 9,
};

struct RecordHeader {
  RecordType type = RecordType::kPad;
  uint16_t bytes = 0;  // whole record
  uint8_t wire = 0;
  uint8_t worker = 0;
  uint16_t reserved = 0;
  TimeNs time_ns = 0;  // packet clock
};
static_assert(sizeof(RecordHeader) == 16);

using FlowId = uint64_t;  // unique: worker in the top 8 bits, then 8 of the epoch

// A flow's or a packet's two ends. In flow records src is the initiator; in packet records (rule
// hit, drop) the packet's sender. Ports: host order; for ICMP and ICMPv6 src_port is the type and
// dst_port the type of its answer where it has one, else the code (as Community ID v1 maps them).
struct Endpoints {
  IpAddress src{}, dst{};
  uint16_t src_port = 0, dst_port = 0;
  uint8_t proto = 0;  // IP protocol number
  uint8_t vlan_count = 0;
  uint16_t vlan[2] = {};  // outer first, without priority bits
  uint8_t mapped = 0, reserved[5] = {};  // mapped: 1: an IPv6 header had IPv4-mapped addresses
  bool operator==(const Endpoints&) const noexcept = default;
};
static_assert(sizeof(Endpoints) == 48);

enum class FlowState : uint8_t { kNew = 0, kEstablished = 1, kRefused = 2, kClosed = 3 };
enum class EndReason : uint8_t { kTimeout = 0, kClosed = 1, kEvicted = 2, kShutdown = 3 };
enum class UpdateCause : uint8_t {
  kEstablished = 0,  // the responder answered (TCP: SYN+ACK; else: a first packet back)
  kRefused = 1,      // RST to a SYN, or an ICMP unreachable for the flow
  kNoAnswer = 2,     // nothing came back within the embryonic timeout
  kClassified = 3,   // the application is now known
  kPeriodic = 4,
};

// Per direction: [0] from the initiator, [1] from the responder. Bytes are frames without FCS.
struct FlowCounters {
  uint64_t packets[2] = {};
  uint64_t bytes[2] = {};
  uint64_t dropped_packets = 0;
  uint64_t dropped_bytes = 0;
};

struct FlowStart {
  RecordHeader header;
  FlowId flow = 0;
  Endpoints ends;
  MacAddress src_mac{}, dst_mac{};  // zero where the link has none
  uint8_t side = 0;                 // Side the initiator is on
  uint8_t tcp_flags = 0;            // of the first packet
  uint8_t midstream = 0;            // 1: TCP and the first packet was not a SYN
  uint8_t tunnelled = 0;            // 1: the ends were read inside a tunnel
};
static_assert(sizeof(FlowStart) == 88);

// What FlowUpdate and FlowEnd share. app: nDPI protocol ids, 0 unknown; names in AppNames.
struct FlowReport {
  RecordHeader header;
  FlowId flow = 0;
  Endpoints ends;
  FlowCounters counters;
  TimeNs first_ns = 0;
  TimeNs last_ns = 0;
  VerdictId verdict = 0;      // verdict that last dropped a packet of it; 0: none
  uint32_t rule_sid = 0;      // rule that blocks it; 0: none
  uint16_t app_master = 0;    // e.g. TLS
  uint16_t app = 0;           // e.g. Facebook; 0 if there is nothing more exact than master
  uint8_t tcp_flags[2] = {};  // all flags seen, per direction
  FlowState state = FlowState::kNew;
  UpdateCause cause = UpdateCause::kPeriodic;  // FlowUpdate
  EndReason end = EndReason::kTimeout;         // FlowEnd
  uint8_t alerted = 0;                         // 1: a rule hit it
  uint8_t side = 0;                            // Side the initiator is on
  uint8_t app_guessed = 0;                     // 1: from port or address, not from what was said
  MacAddress src_mac{}, dst_mac{};
  uint8_t protocol = 0;  // EvidenceKind + 1 of what our own parser reads in it; 0: none does
  uint8_t reserved[3] = {};
};
static_assert(sizeof(FlowReport) == 176);
struct FlowUpdate : FlowReport {};
struct FlowEnd : FlowReport {};

struct RuleHit {
  RecordHeader header;    // time_ns: the packet's
  FlowId flow = 0;        // 0: packet without a flow
  Endpoints ends;         // the packet's
  FlowCounters counters;  // of the flow so far, this packet included
  TimeNs flow_first_ns = 0;
  uint64_t image_generation = 0;  // rule image the index below belongs to
  uint32_t rule_index = 0;        // in that image
  uint32_t sid = 0, gid = 1, rev = 0;
  uint32_t packet_bytes = 0;
  uint16_t app_master = 0, app = 0;
  Action action = Action::kAlert;  // what the rule asks for
  uint8_t enforced = 0;            // 1: the packet was dropped; 0: let go (alert, or the mode)
  uint8_t to_server = 0;           // 1: from the flow's initiator
  uint8_t side = 0;                // Side the packet came in by
  MacAddress src_mac{}, dst_mac{};
  uint64_t packet_number = 0;  // 1-based position in the capture; live: of the worker
  uint32_t transaction = 0xffffffff;  // of the event that hit; all bits: of none, or not known
  uint8_t protocol = 0, reserved[3] = {};  // as FlowReport has it
};
static_assert(sizeof(RuleHit) == 192);

// Sampled (at most a bounded number per second and worker; all are counted in the stats).
struct Drop {
  RecordHeader header;
  FlowId flow = 0;
  Endpoints ends;
  VerdictId verdict = 0;
  uint32_t rule_sid = 0;
  uint32_t packet_bytes = 0;
  uint64_t since_last = 0;  // drops of this worker not told since the last record
  Reason reason = Reason::kNone;
  uint8_t would = 0;  // 1: simulate mode, it was sent
  uint8_t tcp_flags = 0;
  uint8_t side = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(Drop) == 104);

enum class ReportKind : uint8_t {
  kInstalled = 1,  // in force from this moment on this worker
  kRefused = 2,    // table full, or a match of nothing
  kRemoved = 3,
  kExpired = 4,
  kStanding = 5,  // answer to kList and kListHits
  kFirstHit = 6,  // the first packet it dropped
  kListEnd = 7,   // a listing is complete; verdict is empty
};

struct VerdictReport {
  RecordHeader header;
  Verdict verdict;
  TimeNs installed_ns = 0;
  TimeNs first_hit_ns = 0;  // 0: none yet
  TimeNs last_hit_ns = 0;
  uint64_t packets = 0;  // dropped because of it (simulate: would have been)
  uint64_t bytes = 0;
  uint64_t leaked_packets = 0;  // that matched, between packet_in_ns and installed_ns
  ReportKind kind = ReportKind::kInstalled;
  uint8_t leaked_saturated = 0;  // 1: at least that many (the worker's memory ends there)
  uint8_t reserved[6] = {};
};
static_assert(sizeof(VerdictReport) == 280);

// A device says which address it has: ARP sender, IPv6 neighbour advertisement. Rate-bounded.
struct AddressClaim {
  RecordHeader header;
  IpAddress address{};
  MacAddress mac{};
  uint16_t vlan = 0;
  uint8_t side = 0;
  uint8_t reserved[7] = {};
};
static_assert(sizeof(AddressClaim) == 48);

enum class Anomaly : uint8_t {
  kNone = 0,
  kIpv4Truncated,
  kIpv4BadHeader,
  kIpv6Truncated,
  kIpv6ExtensionLoop,
  kTcpTruncated,
  kTcpBadHeader,
  kUdpTruncated,
  kUdpBadLength,
  kIcmpTruncated,
  kVlanTooDeep,
  kTunnelTooDeep,
  kIpBadChecksum,
  kTcpBadChecksum,
  kUdpBadChecksum,
  kCount
};

// A packet that violates its protocol. Sampled like Drop; all are counted.
struct AnomalyRecord {
  RecordHeader header;
  Endpoints ends;  // as far as they could be read
  uint64_t packet_number = 0;
  Anomaly anomaly = Anomaly::kNone;
  uint8_t side = 0;
  uint8_t reserved[6] = {};
};
static_assert(sizeof(AnomalyRecord) == 80);

constexpr uint32_t kRecordBytesMax = 512;

std::string_view end_reason_name(EndReason r) noexcept;      // "timeout" "closed" ...
std::string_view flow_state_name(FlowState s) noexcept;      // "new" "established" ...
std::string_view update_cause_name(UpdateCause c) noexcept;  // "no-answer" ...
std::string_view anomaly_name(Anomaly a) noexcept;           // "ipv4-truncated" ...

// The record at `bytes` as a T, or null where type or length do not fit. For readers of a ring.
template <class T>
const T* record_as(const uint8_t* bytes, uint32_t length, RecordType type) noexcept {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kRecordBytesMax);
  const auto* header = reinterpret_cast<const RecordHeader*>(bytes);
  if (length != sizeof(T) || header->bytes != sizeof(T) || header->type != type) return nullptr;
  return reinterpret_cast<const T*>(bytes);
}

}  // namespace weir
