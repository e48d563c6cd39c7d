// SPDX-License-Identifier: Apache-2.0
// Private to io: how a configured port is named to DPDK, and what the kernel says of an interface.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/base/packet_view.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/settings.h"

namespace weir {

// MTU of a kernel interface; brings the interface up if it is down (a wire's ports are its own).
Result<uint32_t> prepare_interface(const std::string& name);

// Slot of an AF_PACKET ring that holds frames of this MTU; its driver also wants mbufs that long.
uint32_t af_packet_slot_bytes(uint32_t mtu) noexcept;

// Argument of --vdev for a port that is not on PCI.
std::string vdev_arguments(const PortSettings& port, uint32_t wire, Side side);
// The name by which DPDK then knows the port.
std::string device_name(const PortSettings& port, uint32_t wire, Side side);

}  // namespace weir
