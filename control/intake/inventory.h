// SPDX-License-Identifier: Apache-2.0
// The inventory: which devices there are, since when, what they use and serve. Written by Intake
// from event records, read by every later step and by the operator's side, on the control thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/base/bounded_table.h"
#include "dataplane/contract/event_record.h"

namespace weir {

struct NetworkSet {
  std::vector<IpPrefix> inside;  // empty: every address
  std::vector<IpPrefix> except;  // of those, not these
  bool contains(const IpAddress& a) const noexcept;
};

struct IntakeSettings {
  NetworkSet internal;  // HOME_NET
  uint32_t devices_max = 65'536;
  uint32_t flows_live_max = 131'072;
  uint32_t flows_ended_max = 16'384;
  uint32_t records_per_step = 2048;  // per worker
  uint64_t hash_seed = 0;            // live: random; replay and tests: 0
};

struct AddressHash {
  uint64_t seed = 0;
  uint64_t operator()(const IpAddress& a) const noexcept {
    uint64_t w[2];
    std::memcpy(w, a.bytes.data(), sizeof w);
    return mix64(w[0] ^ mix64(w[1] ^ seed));
  }
};

struct ServicePort {
  uint8_t proto = 0;
  uint16_t port = 0;
  auto operator<=>(const ServicePort&) const noexcept = default;
};

// "tcp port 445", "udp port 53", "ping", "protocol 47": as titles and reasons say it.
std::string service_words(uint8_t proto, uint16_t port);

// Roles seen by behaviour, as bits.
constexpr uint8_t kRoleGateway = 1;   // its MAC carries the traffic of many other addresses
constexpr uint8_t kRoleResolver = 2;  // answers DNS to at least three addresses

constexpr size_t kDevicePortsMax = 64;  // listed per device, the rest is counted nowhere

struct Device {
  IpAddress address{};
  MacAddress mac{};          // zero: unknown, or not its own
  bool mac_claimed = false;  // by ARP or ND, not merely seen
  uint8_t roles = 0;
  uint8_t wire = 0;
  uint8_t side = 0;   // Side of that wire it was last seen on
  uint16_t vlan = 0;  // outermost; 0: none
  TimeNs first_seen_ns = 0, last_seen_ns = 0;
  uint64_t flows_out = 0, flows_in = 0;  // it opened, others opened to it
  uint64_t packets_out = 0, packets_in = 0;
  uint64_t bytes_out = 0, bytes_in = 0;   // frames without FCS
  std::vector<ServicePort> ports_served;  // answered on; sorted
  std::vector<ServicePort> ports_used;    // was answered by; sorted
  std::vector<uint32_t> peer_hashes;      // first 32 distinct peers
  std::vector<uint8_t> peer_registers;    // HyperLogLog beyond that; empty until needed
  void add_peer(const IpAddress& peer);
  uint32_t peers() const noexcept;        // exact up to 32, then within about 7 %
};

class Inventory {
 public:
  explicit Inventory(const IntakeSettings& settings);
  // For what is seen from now on.
  void use(NetworkSet internal) { internal_ = std::move(internal); }
  bool is_internal(const IpAddress& a) const noexcept { return internal_.contains(a); }
  const Device* find(const IpAddress& a) const noexcept;
  // Every address that claimed the same MAC, this one first; at most 16, only this one if the MAC
  // belongs to a gateway.
  std::vector<IpAddress> addresses_of(const Device& d) const;
  // Calls visit(const Device&) -> bool (go on?), last seen first. Stopping at a time gives what
  // changed since.
  template <class Visit>
  void each(Visit&& visit) const {
    for (auto* e = devices_.newest(); e && visit(e->value); e = devices_.older(*e)) {
    }
  }
  uint32_t size() const noexcept { return devices_.size(); }
  void restore(const Device& d);  // from the store, oldest last_seen_ns first

  void started(const FlowStart& r);
  void answered(const FlowReport& r);
  void counted(const FlowReport& r, const FlowCounters& before);
  void claimed(const AddressClaim& r);

 private:
  struct MacUse {                    // which addresses came with a MAC
    std::vector<IpAddress> claimed;  // at most 16
    std::vector<IpAddress> seen;     // as a source; at most 8, then it is a gateway
    bool gateway = false;
  };
  struct MacHash {
    uint64_t seed = 0;
    uint64_t operator()(const MacAddress& m) const noexcept;
  };
  Device* admit(const IpAddress& a, TimeNs time_ns);
  void seen_with_mac(Device& d, const MacAddress& mac);
  void became_gateway(MacUse& use);

  NetworkSet internal_;
  BoundedTable<IpAddress, Device, AddressHash> devices_;
  BoundedTable<MacAddress, MacUse, MacHash> macs_;
};

}  // namespace weir
