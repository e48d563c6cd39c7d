// SPDX-License-Identifier: Apache-2.0
// What the two planes mean by a verdict: what a worker does to the packets of the flows that match,
// for how long, and why. The control plane makes them, sends them through each worker's mailbox;
// the worker keeps them until they expire or are removed. Plain data, position-independent.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "dataplane/base/clock.h"
#include "dataplane/base/ip_address.h"
#include "dataplane/base/mac_address.h"
#include "dataplane/base/spsc_ring.h"

namespace weir {

// What a wire does with decisions: tap never drops, simulate counts what it would drop.
enum class Mode : uint8_t { kTap = 0, kSimulate = 1, kEnforce = 2 };

enum class Action : uint8_t {
  kPass = 0,       // leave this flow alone: no rule or verdict of lower standing drops it
  kAlert = 1,      // tell, and forward
  kDrop = 2,       // silently
  kReject = 3,     // drop, and answer with TCP RST or ICMP unreachable
  kRateLimit = 4,  // drop what is over the rate
  kKeep = 5,       // to what it has always done: drop the rest (what is not spared from it)
  kSpare = 6,      // a flow that the verdict `spared_from` does not concern
};

// Why a frame that came in did not leave. Names: reason_name(). New ones go before kCount.
enum class Reason : uint8_t {
  kNone = 0,       // it left
  kRuleDrop,       // a rule with action drop, or the rest of the flow it blocked
  kRuleReject,     // a rule with action reject, or the rest of the flow it blocked
  kRuleRateLimit,  // over the rate of a rule with action ratelimit
  kVerdictDrop,    // a verdict of the control plane or the operator
  kVerdictReject,
  kVerdictRateLimit,
  kTxFull,            // the outgoing port did not take it
  kTxOversize,        // longer than the outgoing port's MTU allows
  kPortDown,          // the outgoing port has no link
  kFragmentConflict,  // an IP fragment that contradicts one that came before it
  kStreamConflict,    // a TCP segment that contradicts one that came before it
  kFailStarting,      // this and the next: the wire's fail policy for that cause is `closed`
  kFailOverload,
  kFailFlowTableFull,
  kFailStreamMemoryFull,
  kFailParserError,
  kFailControlGone,
  kHandoverFull,  // the worker it belongs to, or the one that sends, was too far behind
  kCount
};
constexpr unsigned kReasonCount = static_cast<unsigned>(Reason::kCount);

// What can go wrong with the inspector, and what the wire then does with the packets it cannot
// inspect: open passes them on, closed drops them. Declared per wire and cause; default open.
enum class FailCause : uint8_t {
  kStarting = 0,      // no data plane yet
  kStopping,          // it ends, or is away
  kReloading,         // it is replaced by its successor
  kOverload,          // a burst is over its cycle budget
  kFlowTableFull,     // no slot for a new flow
  kStreamMemoryFull,  // no room to reassemble or defragment
  kParserError,       // a parser broke its own contract
  kControlGone,       // nobody decides: the control plane is away for longer than 3 s
  kWorkerStalled,     // a worker does not move
  kCount
};
constexpr unsigned kFailCauses = static_cast<unsigned>(FailCause::kCount);
enum class FailPolicy : uint8_t { kOpen = 0, kClosed = 1 };

std::string_view fail_cause_name(FailCause c) noexcept;    // "flow-table-full"
std::string_view fail_policy_name(FailPolicy p) noexcept;  // "open" "closed"
std::string_view mode_name(Mode m) noexcept;               // "tap" "simulate" "enforce"
std::string_view action_name(Action a) noexcept;  // "pass" "alert" "drop" "reject" "ratelimit"
std::string_view reason_name(Reason r) noexcept;  // "rule-drop", "tx-full", ...

// Which flows. Every field that is set must agree; all unset matches nothing (refused on install).
// src/dst are the flow's initiator and responder. With `either`, a flow also matches with the two
// exchanged (ports with them): that is "everything this device does".
struct VerdictMatch {
  IpPrefix src{};  // bits = 0: any
  IpPrefix dst{};
  uint16_t src_port = 0;  // 0: any; host order
  uint16_t dst_port = 0;
  uint16_t app = 0;   // nDPI application or master protocol id; 0: any
  MacAddress mac{};   // of the end that is `src`, as its frames came by; zero: any
  uint8_t proto = 0;  // IP protocol number; 0: any
  bool either = false;
  bool operator==(const VerdictMatch&) const noexcept = default;
};
static_assert(sizeof(VerdictMatch) == 48);

// Token bucket. Exactly one of the two rates is set for kRateLimit. per: what has a bucket of its
// own; all workers of a process together let no more pass. kSource: each address that stands at the
// verdict's src, what it sends and what it gets apart (else requests starve their answers); of a
// rule, each sender. Where no bucket is left for a source or flow, those share the verdict's or
// rule's own: stricter.
struct RateLimit {
  uint64_t packets_per_second = 0;
  uint64_t bits_per_second = 0;
  enum class Per : uint8_t { kVerdict = 0, kFlow = 1, kSource = 2 } per = Per::kVerdict;
  uint8_t reserved[7] = {};
};

std::string_view limit_per_name(RateLimit::Per p) noexcept;  // "verdict" "flow" "source"

using VerdictId = uint64_t;

// Who asked for it.
enum class Origin : uint8_t { kModel = 0, kOperator = 1, kRule = 2 };

struct Verdict {
  VerdictId id = 0;
  TimeNs packet_in_ns = 0;    // when the packet that decided came in; 0: no packet did
  TimeNs decided_ns = 0;      // when the control plane decided
  TimeNs expire_ns = 0;       // packet clock; it goes by itself
  VerdictId spared_from = 0;  // kSpare: it may come before that one, and goes by itself
  RateLimit limit{};
  VerdictMatch match{};
  Action action = Action::kDrop;
  Origin origin = Origin::kModel;
  char reason[94] = {};  // why, for people; NUL-terminated
};
static_assert(sizeof(Verdict) == 208 && std::is_trivially_copyable_v<Verdict>);

enum class CommandKind : uint32_t {
  kInstall = 1,   // add, or replace the one with the same id
  kRemove = 2,    // by verdict.id
  kList = 3,      // report every standing verdict (VerdictReport, kStanding), then kListEnd
  kListHits = 4,  // report only those whose counters moved since the last listing
};

struct VerdictCommand {
  CommandKind kind = CommandKind::kList;
  uint32_t reserved = 0;
  Verdict verdict{};
};
static_assert(sizeof(VerdictCommand) == 216);

constexpr uint32_t kMailboxSlots = 4096;
using VerdictMailbox = SpscMailbox<VerdictCommand, kMailboxSlots>;

}  // namespace weir
