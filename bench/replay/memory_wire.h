// SPDX-License-Identifier: Apache-2.0
// A wire whose frames come out of memory and go nowhere, for measuring what lies between.
#pragma once

#include "bench/replay/traffic.h"
#include "dataplane/io/io.h"

namespace weir::bench {

enum class Rounds : uint8_t { kOnce, kForever };

class MemoryWire final : public WireIo {
 public:
  MemoryWire(const Traffic& traffic, Rounds rounds) : traffic_(traffic), rounds_(rounds) {}

  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override;
  void transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) override;
  bool inject(Side, std::span<const uint8_t>, TimeNs) override { return true; }
  LinkType link() const override { return link_; }

  uint64_t received() const { return received_; }
  uint64_t sent() const { return sent_; }
  uint64_t freed() const { return freed_; }
  // The packet clock before the next burst of a capture; 0: synthetic, or nothing is left.
  TimeNs next_time() const;

 private:
  const Traffic& traffic_;
  const Rounds rounds_;
  size_t at_[2] = {};
  LinkType link_ = LinkType::kEthernet;
  uint32_t fresh_ = 0;
  uint64_t received_ = 0, sent_ = 0, freed_ = 0;
};

}  // namespace weir::bench
