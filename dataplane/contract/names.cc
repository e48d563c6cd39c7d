// SPDX-License-Identifier: Apache-2.0
#include "dataplane/contract/event_record.h"
#include "dataplane/contract/verdict.h"

namespace weir {

namespace {
template <class Enum, size_t N>
std::string_view pick(const std::string_view (&names)[N], Enum e) noexcept {
  const auto i = static_cast<size_t>(e);
  return i < N ? names[i] : std::string_view("unknown");
}
}  // namespace

std::string_view mode_name(Mode m) noexcept {
  static constexpr std::string_view kNames[] = {"tap", "simulate", "enforce"};
  return pick(kNames, m);
}

std::string_view action_name(Action a) noexcept {
  static constexpr std::string_view kNames[] = {"pass",      "alert", "drop", "reject",
                                                "ratelimit", "keep",  "spare"};
  return pick(kNames, a);
}

std::string_view limit_per_name(RateLimit::Per p) noexcept {
  static constexpr std::string_view kNames[] = {"verdict", "flow", "source"};
  return pick(kNames, p);
}

std::string_view reason_name(Reason r) noexcept {
  static constexpr std::string_view kNames[] = {"none",
                                                "rule-drop",
                                                "rule-reject",
                                                "rule-ratelimit",
                                                "verdict-drop",
                                                "verdict-reject",
                                                "verdict-ratelimit",
                                                "tx-full",
                                                "tx-oversize",
                                                "port-down",
                                                "fragment-conflict",
                                                "stream-conflict",
                                                "fail-starting",
                                                "fail-overload",
                                                "fail-flow-table-full",
                                                "fail-stream-memory-full",
                                                "fail-parser-error",
                                                "fail-control-gone",
                                                "handover-full"};
  static_assert(sizeof kNames / sizeof kNames[0] == kReasonCount);
  return pick(kNames, r);
}

std::string_view fail_cause_name(FailCause c) noexcept {
  static constexpr std::string_view kNames[] = {
      "starting",           "stopping",     "reloading",    "overload",      "flow-table-full",
      "stream-memory-full", "parser-error", "control-gone", "worker-stalled"};
  static_assert(sizeof kNames / sizeof kNames[0] == kFailCauses);
  return pick(kNames, c);
}

std::string_view fail_policy_name(FailPolicy p) noexcept {
  return p == FailPolicy::kOpen ? "open" : "closed";
}

std::string_view end_reason_name(EndReason r) noexcept {
  static constexpr std::string_view kNames[] = {"timeout", "closed", "evicted", "shutdown"};
  return pick(kNames, r);
}

std::string_view flow_state_name(FlowState s) noexcept {
  static constexpr std::string_view kNames[] = {"new", "established", "refused", "closed"};
  return pick(kNames, s);
}

std::string_view update_cause_name(UpdateCause c) noexcept {
  static constexpr std::string_view kNames[] = {"established", "refused", "no-answer", "classified",
                                                "periodic"};
  return pick(kNames, c);
}

std::string_view anomaly_name(Anomaly a) noexcept {
  static constexpr std::string_view kNames[] = {"none",
                                                "ipv4-truncated",
                                                "ipv4-bad-header",
                                                "ipv6-truncated",
                                                "ipv6-ext-loop",
                                                "tcp-truncated",
                                                "tcp-bad-header",
                                                "udp-truncated",
                                                "udp-bad-length",
                                                "icmp-truncated",
                                                "vlan-too-deep",
                                                "tunnel-too-deep",
                                                "ip-bad-checksum",
                                                "tcp-bad-checksum",
                                                "udp-bad-checksum"};
  static_assert(sizeof kNames / sizeof kNames[0] == static_cast<size_t>(Anomaly::kCount));
  return pick(kNames, a);
}

}  // namespace weir
