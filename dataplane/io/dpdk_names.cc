// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk_names.h"

#include <algorithm>
#include <bit>

#include "dataplane/io/interface.h"

namespace weir {

namespace {

// The driver's default of 512 slots loses under bursts; jumbo slots are four times as long, so
// fewer.
std::string af_packet_ring(uint32_t mtu) {
  const uint32_t slot = af_packet_slot_bytes(mtu);
  return "framesz=" + std::to_string(slot) + ",framecnt=" + (slot <= 2048 ? "4096" : "1024") +
         ",blocksz=65536";
}

}  // namespace

uint32_t af_packet_slot_bytes(uint32_t mtu) noexcept {
  constexpr uint32_t kHeaders = 128;  // the kernel's slot header, link header and tags
  return std::max(2048u, std::bit_ceil(mtu + kHeaders));
}

std::string device_name(const PortSettings& port, uint32_t wire, Side side) {
  const std::string number = std::to_string(wire * 2 + index(side));
  switch (port.kind) {
    case PortKind::kAfXdp:
      return "net_af_xdp" + number;
    case PortKind::kAfPacket:
      return "net_af_packet" + number;
    case PortKind::kPci:
      return port.name;
    case PortKind::kVdev:
      break;
  }
  const std::string text = port.name;
  return text.substr(0, text.find(','));
}

std::string vdev_arguments(const PortSettings& port, uint32_t wire, Side side) {
  const std::string name = device_name(port, wire, side);
  if (port.kind == PortKind::kVdev) return port.name;
  if (port.kind == PortKind::kAfXdp) return name + ",iface=" + port.name;
  const Result<uint32_t> mtu = prepare_interface(port.name);
  return name + ",iface=" + port.name + ",qdisc_bypass=1," + af_packet_ring(mtu ? *mtu : 1500);
}

}  // namespace weir
