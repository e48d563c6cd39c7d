// SPDX-License-Identifier: Apache-2.0
// Event records as a worker would write them, for tests of the control plane.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/base/check.h"
#include "dataplane/contract/event_record.h"

namespace weir::test {

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmp6 = 58;
constexpr TimeNs kMinute = 60 * kNsPerSecond;
constexpr TimeNs kHour = 60 * kMinute;
constexpr TimeNs kDay = 24 * kHour;
constexpr TimeNs kBegin = TimeNs{1'700'000'000} * kNsPerSecond;

inline IpAddress ip(std::string_view text) {
  auto a = parse_ip_address(text);
  CHECK(a.has_value());
  return *a;
}
inline IpPrefix net(std::string_view text) {
  auto p = parse_ip_prefix(text);
  CHECK(p.has_value());
  return *p;
}
// The i-th address of 10.x.y.0/24 and so on: 10.net.host/256.host%256.
inline IpAddress host(uint8_t network, uint32_t number) {
  const uint8_t b[4] = {10, network, static_cast<uint8_t>(number >> 8),
                        static_cast<uint8_t>(number)};
  return IpAddress::from_v4(b);
}
// A MAC of its own for each address: its last bytes.
inline MacAddress mac_of(const IpAddress& a) {
  return {0x02, 0x10, a.bytes[12], a.bytes[13], a.bytes[14], a.bytes[15]};
}

inline Endpoints ends(const IpAddress& src, const IpAddress& dst, uint8_t proto,
                      uint16_t dst_port, uint16_t src_port = 40'000) {
  Endpoints e;
  e.src = src;
  e.dst = dst;
  e.proto = proto;
  const bool echo = proto == kIcmp || proto == kIcmp6;
  e.src_port = echo ? (proto == kIcmp ? uint16_t{8} : uint16_t{128}) : src_port;
  e.dst_port = echo ? (proto == kIcmp ? uint16_t{0} : uint16_t{129}) : dst_port;
  return e;
}

template <class T>
T record(RecordType type, TimeNs time_ns) {
  T r{};
  r.header.type = type;
  r.header.bytes = sizeof(T);
  r.header.time_ns = time_ns;
  return r;
}

inline FlowStart flow_start(FlowId id, const Endpoints& e, TimeNs now) {
  auto r = record<FlowStart>(RecordType::kFlowStart, now);
  r.flow = id;
  r.ends = e;
  r.src_mac = mac_of(e.src);
  r.dst_mac = mac_of(e.dst);
  r.tcp_flags = e.proto == kTcp ? 0x02 : 0;
  return r;
}

template <class T>
T flow_report(RecordType type, FlowId id, const Endpoints& e, TimeNs first, TimeNs now) {
  T r = record<T>(type, now);
  r.flow = id;
  r.ends = e;
  r.first_ns = first;
  r.last_ns = now;
  r.src_mac = mac_of(e.src);
  r.dst_mac = mac_of(e.dst);
  r.counters.packets[0] = 1;
  r.counters.bytes[0] = 60;
  r.tcp_flags[0] = e.proto == kTcp ? 0x02 : 0;
  return r;
}

inline FlowUpdate flow_update(FlowId id, const Endpoints& e, UpdateCause cause, TimeNs first,
                              TimeNs now) {
  auto r = flow_report<FlowUpdate>(RecordType::kFlowUpdate, id, e, first, now);
  r.cause = cause;
  if (cause != UpdateCause::kNoAnswer) {
    r.counters.packets[1] = 1;
    r.counters.bytes[1] = 60;
  }
  if (cause == UpdateCause::kEstablished) r.state = FlowState::kEstablished;
  if (cause == UpdateCause::kRefused) r.state = FlowState::kRefused;
  return r;
}

inline FlowEnd flow_end(FlowId id, const Endpoints& e, FlowState state, TimeNs first, TimeNs now) {
  auto r = flow_report<FlowEnd>(RecordType::kFlowEnd, id, e, first, now);
  r.state = state;
  if (state != FlowState::kNew) {
    r.counters.packets[0] = 5;
    r.counters.packets[1] = 4;
    r.counters.bytes[0] = 500;
    r.counters.bytes[1] = 4000;
  }
  return r;
}

}  // namespace weir::test
