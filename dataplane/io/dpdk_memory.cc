// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/dpdk_memory.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>

#include "dataplane/contract/stats_page.h"
#include "dataplane/io/dpdk_names.h"
#include "dataplane/io/interface.h"

namespace weir {

namespace {

constexpr uint32_t kMbufsPerWire = 16'384;  // two receive rings, two send rings and what is between
constexpr uint32_t kJumboMbufsPerWire = 8'192;  // of more than a page each
// Each further worker: queues of its own, or what waits in the rings to and from it.
constexpr uint32_t kMbufsPerLane = 4 * kHandoverSlots;
constexpr uint32_t kMbufsMin = 64;                        // two bursts
constexpr uint32_t kLinkHeaderBytes = 14, kTagBytes = 8;  // two tags
// AF_XDP keeps a frame with DPDK's headers within one 4 KiB page.
constexpr uint32_t kAfXdpMtuMax = 3'400;
constexpr uint32_t kAfXdpRoomMax = 3'800;

constexpr uint64_t kMegabyte = 1 << 20;
constexpr uint64_t kLeastMb = 256;   // DPDK's own, drivers' rings and a wire
constexpr uint64_t kOwnMb = 96;      // of it without the wire
constexpr uint64_t kPerWireMb = 16;  // beside its frames: rings, descriptors, the pool's index

uint32_t data_room_for(uint32_t mtu, PortKind kind) {
  const uint32_t need = RTE_PKTMBUF_HEADROOM + mtu + kLinkHeaderBytes + kTagBytes + 64;
  const uint32_t room = std::max<uint32_t>(need, RTE_MBUF_DEFAULT_BUF_SIZE);
  if (mtu <= 1500) return room;
  if (kind == PortKind::kAfXdp) return kAfXdpRoomMax;
  if (kind != PortKind::kAfPacket) return room;
  return std::max(room, RTE_PKTMBUF_HEADROOM + af_packet_slot_bytes(mtu));
}

// As many whole ones as fit into a page, or as many pages as one needs.
uint64_t bytes_in_pages(uint64_t bytes) {
  constexpr uint64_t kPage = 4096;
  return bytes <= kPage ? kPage / (kPage / bytes) : (bytes + kPage - 1) / kPage * kPage;
}

}  // namespace

Result<WireFrames> frames_of(const Settings& s, uint32_t wire) {
  WireFrames frames{.room = RTE_MBUF_DEFAULT_BUF_SIZE};
  for (const PortSettings& p : s.wire[wire].side) {
    if (!is_kernel_port(p.kind)) continue;
    auto found = prepare_interface(p.name);
    if (!found) return tl::make_unexpected(found.error());
    frames.room = std::max(frames.room, data_room_for(*found, p.kind));
    if (p.kind == PortKind::kAfXdp && *found > kAfXdpMtuMax) {
      return fail("interface " + std::string(p.name) + " has MTU " + std::to_string(*found) +
                  ", AF_XDP carries at most " + std::to_string(kAfXdpMtuMax) +
                  ": lower it, or name the port af_packet:" + p.name);
    }
  }
  const uint32_t more = (s.workers - 1) * kMbufsPerLane;
  frames.count = frames.room > 4096 ? kJumboMbufsPerWire + more / 4 : kMbufsPerWire + more;
  if (s.frames_per_wire != 0) frames.count = std::max(s.frames_per_wire, kMbufsMin);
  return frames;
}

Result<uint32_t> memory_mb_of(const Settings& s, Pages pages) {
  if (s.memory_mb != 0) return s.memory_mb;
  uint64_t mb = kOwnMb;
  for (uint32_t w = 0; w < s.wires; ++w) {
    const auto frames = frames_of(s, w);
    if (!frames) return tl::make_unexpected(frames.error());
    const auto element = static_cast<uint32_t>(sizeof(rte_mbuf) + frames->room);
    const uint64_t bytes = rte_mempool_calc_obj_size(element, 0, nullptr);
    const uint64_t taken = pages == Pages::kHuge ? bytes : bytes_in_pages(bytes);
    mb += frames->count * taken / kMegabyte + 1 + kPerWireMb + s.workers;
  }
  return static_cast<uint32_t>(std::max(mb, kLeastMb));
}

}  // namespace weir
