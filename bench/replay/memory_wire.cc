// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/memory_wire.h"

#include <algorithm>

namespace weir::bench {

namespace {

constexpr uint32_t kSourceAt = 26, kPortAt = 34;  // Ethernet, IPv4 without options
constexpr uint8_t kFreshSource = 11;              // apart from the settled flows

// 24 bits of address and 16 of port: another flow each time, for 2^40 of them.
void renumber(uint8_t* frame, uint32_t n) {
  frame[kSourceAt] = kFreshSource;
  frame[kSourceAt + 1] = static_cast<uint8_t>(n >> 16);
  frame[kSourceAt + 2] = static_cast<uint8_t>(n >> 8);
  frame[kSourceAt + 3] = static_cast<uint8_t>(n);
  frame[kPortAt] = static_cast<uint8_t>(0x40 | n >> 24);
}

// Of those that do not leave, how many belong to flows that were there before.
uint64_t settled_of(std::span<const PacketView> packets, std::span<const Reason> reasons) {
  uint64_t n = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    n += reasons[i] != Reason::kNone && packets[i].data[kSourceAt] != kFreshSource;
  }
  return n;
}

}  // namespace

TimeNs MemoryWire::next_time() const {
  const auto frames = traffic_->side(Side::kA);
  return at_[0] < frames.size() ? frames[at_[0]].time_ns : 0;
}

uint16_t MemoryWire::receive(Side side, TimeNs now, std::span<PacketView> packets) {
  const auto frames = traffic_->side(side);
  size_t& at = at_[index(side)];
  if (at == frames.size() && rounds_ == Rounds::kForever) at = 0;
  const size_t n = std::min({packets.size(), frames.size() - at, size_t{kBurstMax}});
  if (n == 0) return 0;
  link_ = frames[at].link;
  uint16_t count = 0;
  for (; count < n && frames[at].link == link_; ++count, ++at) {
    const PreparedFrame& f = frames[at];
    if (f.fresh) renumber(f.data, fresh_++);
    packets[count] = {.data = f.data,
                      .bytes = f.bytes,
                      .wire_bytes = f.wire_bytes,
                      .time_ns = f.time_ns != 0 ? f.time_ns : now,
                      .handle = nullptr,
                      .side = side};
    __builtin_prefetch(f.data);
  }
  received_ += count;
  return count;
}

void MemoryWire::transmit(Side, std::span<const PacketView> packets, std::span<Reason> reasons) {
  uint64_t sent = 0;
  for (const Reason r : reasons) sent += r == Reason::kNone;
  if (tells_settled_ && sent != packets.size()) settled_freed_ += settled_of(packets, reasons);
  sent_ += sent;
  freed_ += packets.size() - sent;
}

}  // namespace weir::bench
