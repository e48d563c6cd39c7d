// SPDX-License-Identifier: Apache-2.0
// Private to io: how a configured port is named to DPDK.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/base/packet_view.h"
#include "dataplane/contract/settings.h"

namespace weir {

constexpr bool is_kernel_port(PortKind k) noexcept {
  return k == PortKind::kAfXdp || k == PortKind::kAfPacket;
}

// Slot of an AF_PACKET ring that holds frames of this MTU; its driver also wants mbufs that long.
uint32_t af_packet_slot_bytes(uint32_t mtu) noexcept;

// Argument of --vdev for a port that is not on PCI.
std::string vdev_arguments(const PortSettings& port, uint32_t wire, Side side);
// The name by which DPDK then knows the port.
std::string device_name(const PortSettings& port, uint32_t wire, Side side);

}  // namespace weir
