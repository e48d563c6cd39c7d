// SPDX-License-Identifier: Apache-2.0
// What the data plane is told: the operator's weir.yaml, already read and checked, as plain data.
// Written into the segment before weir-dataplane starts; what a reload may change is replaced there
// by the data plane. The defaults here are the product's defaults (weir.yaml overrides them).
#pragma once

#include <cstdint>

#include "dataplane/base/clock.h"
#include "dataplane/contract/verdict.h"

namespace weir {

constexpr uint32_t kWiresMax = 16;
constexpr uint32_t kWorkersMax = 16;

enum class PortKind : uint8_t {
  kAfXdp = 0,     // kernel interface by AF_XDP
  kAfPacket = 1,  // kernel interface by AF_PACKET (loses IPv4 fragments, rewrites 802.1ad)
  kPci = 2,       // PCI address bound to a DPDK driver
  kVdev = 3,      // DPDK vdev string as it is
};

struct PortSettings {
  PortKind kind = PortKind::kAfXdp;
  uint8_t reserved[7] = {};
  char name[256] = {};  // interface name, PCI address or vdev string
};

struct WireSettings {
  char name[32] = {};
  PortSettings side[2] = {};
  Mode mode = Mode::kEnforce;
  FailPolicy fail[kFailCauses] = {};
  uint8_t link_propagation = 0;  // 1: a port without link takes its partner down
  uint8_t bypass_nic = 0;        // 1: its PCI ports have a bypass relay that Weir drives
  uint8_t uninspected = 0;       // 1: frames go from port to port and are counted, nothing more
  uint8_t reserved[3] = {};
  TimeNs link_debounce_ns = 100 * kNsPerMs;  // down, or up again, for so long before it counts

  FailPolicy on(FailCause cause) const noexcept { return fail[static_cast<unsigned>(cause)]; }
};

enum class HugepagesUse : uint8_t { kAuto = 0, kOff = 1, kRequired = 2 };
enum class IdlePolicy : uint8_t {
  kAuto = 0,
  kSleep = 1,
  kSpin = 2
};  // auto: spin on isolated cores

struct FlowSettings {
  uint64_t flows_max = 262'144;            // per worker
  TimeNs tcp_embryonic_ns = kNsPerSecond;  // SYN without an answer: told after this (the
                                           // initial RTO, RFC 6298 section 2.1)
  TimeNs tcp_new_ns = 60 * kNsPerSecond;   // and forgotten after this
  TimeNs tcp_established_ns = 3600 * kNsPerSecond;
  TimeNs tcp_closed_ns = 10 * kNsPerSecond;
  TimeNs udp_new_ns = 60 * kNsPerSecond;
  TimeNs udp_established_ns = 300 * kNsPerSecond;
  TimeNs other_ns = 60 * kNsPerSecond;
  TimeNs update_every_ns = 60 * kNsPerSecond;  // FlowUpdate kPeriodic of a live flow
};

constexpr uint32_t kAppDepthsMax = 16;
struct AppDepth {
  char app[24] = {};   // nDPI's name, letters of either case; empty: unused
  uint64_t bytes = 0;  // as InspectSettings::match_bytes
};

struct InspectSettings {
  uint32_t classify_tcp_packets = 80;  // nDPI sees at most this many packets of a TCP flow
  uint32_t classify_udp_packets = 24;
  uint32_t classify_flows_max = 32'768;  // nDPI states at a time, per worker
  uint32_t reserved = 0;
  uint64_t match_bytes = 1 << 20;           // payload per direction that rules see; 0: all of it
  uint64_t sample_bytes = 4096;             // after that, a window of this many bytes is seen again
  uint64_t sample_every_bytes = 256 << 10;  // at a random place in each so many
  TimeNs burst_budget_ns = kNsPerMs;        // for nDPI and rules per burst; 0: without end
  uint8_t verify_checksums = 1;             // 0: -k none, a bad checksum is not looked at
  uint8_t keep_urgent = 0;                  // 1: TCP's URG flag stays where the wire enforces
  uint8_t reserved2[6] = {};
  AppDepth app_depth[kAppDepthsMax] = {{"TLS", 64 << 10}, {"QUIC", 16 << 10}, {"SSH", 64 << 10}};
};

struct FragmentSettings {
  uint32_t datagrams_max = 1024;  // incomplete at a time, per worker; one source has an eighth
  uint32_t reserved = 0;
  TimeNs timeout_ns = 60 * kNsPerSecond;  // no receiver keeps them longer (RFC 1122 3.3.2)
};

// TCP streams that are looked into, per worker.
struct StreamSettings {
  uint32_t megabytes = 64;             // for bytes that are not acknowledged or came early
  uint32_t direction_kilobytes = 256;  // most of it that one direction of a flow takes
};

struct ParseSettings {
  uint32_t flows_max = 8192;  // protocol parsers at work at a time, per worker (8 KiB each); 0:
                              // nothing is parsed
  uint32_t buffers = 1024;  // messages being put together, per worker (32 KiB each)
};

struct Settings {
  uint32_t wires = 0;
  uint32_t workers = 1;
  int32_t main_cpu = -1;  // -1: chosen by the data plane
  int32_t worker_cpu[kWorkersMax] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                     -1, -1, -1, -1, -1, -1, -1, -1};
  HugepagesUse hugepages = HugepagesUse::kAuto;
  IdlePolicy idle = IdlePolicy::kAuto;
  uint8_t pace_suspects = 1;  // hold first contacts of a source that keeps failing
  uint8_t reserved = 0;
  uint32_t memory_mb = 0;              // DPDK's; 0: what the wires need
  uint32_t frames_per_wire = 0;        // in its hands at a time; 0: what its ports' rings need
  uint32_t verdicts_max = 65'536;      // per worker
  uint32_t reports_per_second = 1000;  // Drop and Anomaly records told per worker, each
  TimeNs stall_ns = 50 * kNsPerMs;     // a worker that is stuck for so long is replaced
  char instance[32] = "weir";          // file prefix of DPDK, names of runtime files
  FlowSettings flow;
  InspectSettings inspect;
  FragmentSettings fragments;
  StreamSettings streams;
  ParseSettings parse;
  uint32_t evidence_per_second = 1000;  // events told per client and kind before they are counted
  uint32_t reserved2 = 0;
  WireSettings wire[kWiresMax];
};

// `now` with all of `next` that may change while packets flow. What sizes a table, names a port or
// places a thread stays as it is now.
Settings with_live_part(const Settings& now, const Settings& next) noexcept;

}  // namespace weir
