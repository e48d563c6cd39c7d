// SPDX-License-Identifier: Apache-2.0
// Ports that repeat one capture for ever, made to carry as many flows as wanted: each received
// frame gets the next source address of a shuffled round. The work is charged to our arm.
#pragma once

#include <cstring>

#include "dataplane/io/io.h"

namespace weir::bench {

class SpreadWire final : public WireIo {
 public:
  // flows: a power of two, at most 2^24. Frames: Ethernet, IPv4 without options.
  SpreadWire(WireIo& ports, uint32_t flows) : ports_(ports), mask_(flows - 1) {}

  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override {
    const uint16_t n = ports_.receive(side, now, packets);
    for (uint16_t i = 0; i < n; ++i) {
      at_ = at_ * 1664525 + 1013904223;  // every value once a round (Hull and Dobell)
      const uint32_t flow = __builtin_bswap32(10u << 24 | (at_ & mask_));
      std::memcpy(const_cast<uint8_t*>(packets[i].data) + 26, &flow, sizeof flow);
    }
    received_ += n;
    return n;
  }
  void transmit(Side from, std::span<const PacketView> packets,
                std::span<Reason> reasons) override {
    ports_.transmit(from, packets, reasons);
  }
  bool inject(Side side, std::span<const uint8_t> frame, TimeNs now) override {
    return ports_.inject(side, frame, now);
  }
  LinkType link() const override { return ports_.link(); }
  uint64_t received() const { return received_; }

 private:
  WireIo& ports_;
  const uint32_t mask_;
  uint32_t at_ = 0;
  uint64_t received_ = 0;
};

}  // namespace weir::bench
