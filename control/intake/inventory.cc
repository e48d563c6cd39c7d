// SPDX-License-Identifier: Apache-2.0
#include "control/intake/inventory.h"

#include <algorithm>
#include <cmath>

namespace weir {

namespace {

constexpr size_t kPeersExact = 32;
constexpr size_t kPeerRegisters = 256;  // standard error 1.04 / sqrt(256) = 6.5 %
constexpr size_t kClaimsMax = 16;  // addresses of one MAC; more is a router that answers for all
constexpr size_t kSeenMax = 8;
constexpr int kSeenV4Max = 2;           // unclaimed IPv4 sources of one MAC; more is a gateway
constexpr uint8_t kTcp = 6, kUdp = 17;
constexpr uint16_t kDnsPort = 53;
constexpr uint32_t kResolverClients = 3;

bool is_zero(const MacAddress& m) { return m == MacAddress{}; }
bool is_group(const MacAddress& m) { return (m[0] & 1) != 0; }

bool holds(const std::vector<IpAddress>& v, const IpAddress& a) {
  return std::find(v.begin(), v.end(), a) != v.end();
}

void insert_port(std::vector<ServicePort>& ports, ServicePort p) {
  const auto at = std::lower_bound(ports.begin(), ports.end(), p);
  if (at != ports.end() && *at == p) return;
  if (ports.size() < kDevicePortsMax) ports.insert(at, p);
}

bool can_be_device(const IpAddress& a) { return !a.is_unspecified() && !a.is_multicast(); }

uint16_t outer_vlan(const Endpoints& e) { return e.vlan_count > 0 ? e.vlan[0] : uint16_t{0}; }

}  // namespace

bool NetworkSet::contains(const IpAddress& a) const noexcept {
  const auto holds_a = [&a](const IpPrefix& p) { return p.contains(a); };
  if (!inside.empty() && std::none_of(inside.begin(), inside.end(), holds_a)) return false;
  return std::none_of(except.begin(), except.end(), holds_a);
}

std::string service_words(uint8_t proto, uint16_t port) {
  switch (proto) {
    case 1:
    case 58: return "ping";
    case kTcp: return "tcp port " + std::to_string(port);
    case kUdp: return "udp port " + std::to_string(port);
    case 132: return "sctp port " + std::to_string(port);
    default: return "protocol " + std::to_string(proto);
  }
}

// HyperLogLog (Flajolet and others, 2007); the first 32 peers also exactly.
void Device::add_peer(const IpAddress& peer) {
  const uint64_t h = AddressHash{}(peer);
  const auto low = static_cast<uint32_t>(h);
  if (peer_hashes.size() < kPeersExact) {
    if (std::find(peer_hashes.begin(), peer_hashes.end(), low) == peer_hashes.end()) {
      peer_hashes.push_back(low);
    }
    return;
  }
  if (peer_registers.empty()) {
    if (std::find(peer_hashes.begin(), peer_hashes.end(), low) != peer_hashes.end()) return;
    peer_registers.assign(kPeerRegisters, 0);
    for (const uint32_t known : peer_hashes) {  // their ranks from the 24 bits above the register's
      auto& reg = peer_registers[known % kPeerRegisters];
      reg = std::max(reg, static_cast<uint8_t>(std::countl_zero(known | 0xffu) + 1));
    }
  }
  auto& reg = peer_registers[low % kPeerRegisters];
  reg = std::max(reg, static_cast<uint8_t>(std::countl_zero(low | 0xffu) + 1));
}

uint32_t Device::peers() const noexcept {
  if (peer_registers.empty()) return static_cast<uint32_t>(peer_hashes.size());
  constexpr double kCount = kPeerRegisters;
  double sum = 0;
  int empty = 0;
  for (const uint8_t r : peer_registers) {
    sum += std::ldexp(1.0, -r);
    empty += r == 0;
  }
  double estimate = 0.7213 / (1 + 1.079 / kCount) * kCount * kCount / sum;
  if (estimate <= 2.5 * kCount && empty > 0) estimate = kCount * std::log(kCount / empty);
  const auto least = static_cast<double>(kPeersExact + 1);
  return static_cast<uint32_t>(std::lround(std::max(estimate, least)));
}

uint64_t Inventory::MacHash::operator()(const MacAddress& m) const noexcept {
  uint64_t w = 0;
  std::memcpy(&w, m.data(), m.size());
  return mix64(w ^ seed);
}

Inventory::Inventory(const IntakeSettings& settings)
    : internal_(settings.internal),
      devices_(settings.devices_max, AddressHash{settings.hash_seed}),
      macs_(settings.devices_max, MacHash{settings.hash_seed}) {}

const Device* Inventory::find(const IpAddress& a) const noexcept {
  const auto* e = devices_.find(a);
  return e == nullptr ? nullptr : &e->value;
}

std::vector<IpAddress> Inventory::addresses_of(const Device& d) const {
  std::vector<IpAddress> all{d.address};
  const auto* use = d.mac_claimed ? macs_.find(d.mac) : nullptr;
  if (use == nullptr || use->value.gateway) return all;
  for (const IpAddress& a : use->value.claimed) {
    if (a != d.address) all.push_back(a);
  }
  return all;
}

void Inventory::restore(const Device& d) {
  if (!can_be_device(d.address) || devices_.find(d.address) != nullptr) return;
  devices_.add(d.address).value = d;
  if (!d.mac_claimed) return;
  auto* use = macs_.find(d.mac);
  if (use == nullptr) use = &macs_.add(d.mac);
  if (use->value.claimed.size() < kClaimsMax) use->value.claimed.push_back(d.address);
  use->value.gateway = use->value.gateway || (d.roles & kRoleGateway) != 0;
}

Device* Inventory::admit(const IpAddress& a, TimeNs time_ns) {
  if (!can_be_device(a) || !is_internal(a)) return nullptr;
  auto* e = devices_.find(a);
  if (e == nullptr) {
    e = &devices_.add(a);
    e->value.address = a;
    e->value.first_seen_ns = time_ns;
  }
  devices_.touch(*e);
  e->value.last_seen_ns = std::max(e->value.last_seen_ns, time_ns);
  return &e->value;
}

// A MAC from which packets of several addresses come, none of which it claimed, is a router's: it
// stops being the MAC of any of them.
void Inventory::seen_with_mac(Device& d, const MacAddress& mac) {
  if (is_zero(mac) || is_group(mac)) return;
  auto* e = macs_.find(mac);
  if (e == nullptr) e = &macs_.add(mac);
  macs_.touch(*e);
  MacUse& use = e->value;
  const bool claimed = d.mac_claimed && d.mac == mac;
  if (claimed && use.gateway) d.roles |= kRoleGateway;
  if (claimed || d.mac_claimed || use.gateway || holds(use.seen, d.address)) return;
  use.seen.push_back(d.address);
  const auto v4 = std::count_if(use.seen.begin(), use.seen.end(),
                                [](const IpAddress& a) { return a.is_v4(); });
  if (v4 > kSeenV4Max || use.seen.size() >= kSeenMax) {
    became_gateway(use);
  } else {
    d.mac = mac;
  }
}

void Inventory::became_gateway(MacUse& use) {
  use.gateway = true;
  for (const IpAddress& a : use.seen) {
    auto* e = devices_.find(a);
    if (e != nullptr && !e->value.mac_claimed) e->value.mac = {};
  }
  use.seen.clear();
  for (const IpAddress& a : use.claimed) {
    auto* e = devices_.find(a);
    if (e != nullptr) e->value.roles |= kRoleGateway;
  }
}

void Inventory::started(const FlowStart& r) {
  // When room is short only who is answered comes in: a sender of invented addresses is not.
  const bool room = devices_.size() < devices_.capacity() / 8 * 7;
  const bool known = room || devices_.find(r.ends.src) != nullptr;
  if (Device* d = known ? admit(r.ends.src, r.header.time_ns) : nullptr; d != nullptr) {
    ++d->flows_out;
    d->wire = r.header.wire;
    d->side = r.side;
    d->vlan = outer_vlan(r.ends);
    if (r.tunnelled == 0) seen_with_mac(*d, r.src_mac);
  } else if (r.tunnelled == 0 && !is_internal(r.ends.src) && !is_zero(r.src_mac)) {
    auto* e = macs_.find(r.src_mac);  // carries what comes from outside: a gateway
    if (e != nullptr && !e->value.gateway && !e->value.claimed.empty()) became_gateway(e->value);
  }
  if (auto* e = devices_.find(r.ends.dst); e != nullptr) ++e->value.flows_in;
}

void Inventory::answered(const FlowReport& r) {
  const bool ported = r.ends.proto == kTcp || r.ends.proto == kUdp;
  const ServicePort port{r.ends.proto, r.ends.dst_port};
  if (Device* d = admit(r.ends.src, r.header.time_ns); d != nullptr) {
    d->add_peer(r.ends.dst);
    if (ported) insert_port(d->ports_used, port);
  }
  if (Device* d = admit(r.ends.dst, r.header.time_ns); d != nullptr) {
    d->wire = r.header.wire;
    d->side = r.side == 0 ? 1 : 0;
    d->add_peer(r.ends.src);
    if (ported) insert_port(d->ports_served, port);
    if (port.port == kDnsPort && ported && d->peers() >= kResolverClients) {
      d->roles |= kRoleResolver;
    }
  }
}

void Inventory::counted(const FlowReport& r, const FlowCounters& before) {
  uint64_t packets[2], bytes[2];
  for (int i = 0; i < 2; ++i) {  // a report that counts less than the one before adds nothing
    packets[i] = r.counters.packets[i] - std::min(before.packets[i], r.counters.packets[i]);
    bytes[i] = r.counters.bytes[i] - std::min(before.bytes[i], r.counters.bytes[i]);
  }
  if (auto* e = devices_.find(r.ends.src); e != nullptr) {
    Device& d = e->value;
    d.packets_out += packets[0], d.bytes_out += bytes[0];
    d.packets_in += packets[1], d.bytes_in += bytes[1];
    if (packets[0] != 0 && r.last_ns > d.last_seen_ns) {
      d.last_seen_ns = r.last_ns;
      devices_.touch(*e);
    }
  }
  if (auto* e = devices_.find(r.ends.dst); e != nullptr) {
    Device& d = e->value;
    d.packets_out += packets[1], d.bytes_out += bytes[1];
    d.packets_in += packets[0], d.bytes_in += bytes[0];
    if (packets[1] != 0 && r.last_ns > d.last_seen_ns) {
      d.last_seen_ns = r.last_ns;
      devices_.touch(*e);
    }
  }
}

void Inventory::claimed(const AddressClaim& r) {
  if (is_zero(r.mac) || is_group(r.mac)) return;
  Device* d = admit(r.address, r.header.time_ns);
  if (d == nullptr) return;
  d->wire = r.header.wire;
  d->side = r.side;
  d->vlan = r.vlan;
  if (d->mac_claimed && d->mac != r.mac) {  // the address moved to another machine
    if (auto* old = macs_.find(d->mac); old != nullptr) std::erase(old->value.claimed, d->address);
    d->roles &= static_cast<uint8_t>(~kRoleGateway);
  }
  auto* e = macs_.find(r.mac);
  if (e == nullptr) e = &macs_.add(r.mac);
  macs_.touch(*e);
  MacUse& use = e->value;
  d->mac = r.mac;
  d->mac_claimed = true;
  std::erase(use.seen, d->address);
  if (!holds(use.claimed, d->address)) {
    if (use.claimed.size() < kClaimsMax) use.claimed.push_back(d->address);
    if (use.claimed.size() >= kClaimsMax && !use.gateway) became_gateway(use);
  }
  if (use.gateway) d->roles |= kRoleGateway;
}

}  // namespace weir
