// SPDX-License-Identifier: Apache-2.0
// A wire whose frames come out of memory and go nowhere, for measuring what lies between.
#pragma once

#include "bench/replay/traffic.h"
#include "dataplane/io/io.h"

namespace weir::bench {

enum class Rounds : uint8_t { kOnce, kForever };

class MemoryWire final : public WireIo {
 public:
  MemoryWire(const Traffic& traffic, Rounds rounds) : traffic_(&traffic), rounds_(rounds) {}

  // From now on, from its beginning.
  void play(const Traffic& traffic) {
    traffic_ = &traffic;
    at_[0] = at_[1] = 0;
    tells_settled_ = true;
  }

  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override;
  void transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) override;
  bool inject(Side, std::span<const uint8_t>, TimeNs) override { return true; }
  LinkType link() const override { return link_; }

  uint64_t received() const { return received_; }
  uint64_t sent() const { return sent_; }
  uint64_t freed() const { return freed_; }
  uint64_t fresh() const { return fresh_; }                  // received: each began a flow
  uint64_t settled_freed() const { return settled_freed_; }  // of flows that were there before
  // The packet clock before the next burst of a capture; 0: synthetic, or nothing is left.
  TimeNs next_time() const;

 private:
  const Traffic* traffic_;
  const Rounds rounds_;
  bool tells_settled_ = false;
  size_t at_[2] = {};
  LinkType link_ = LinkType::kEthernet;
  uint32_t fresh_ = 0;
  uint64_t received_ = 0, sent_ = 0, freed_ = 0, settled_freed_ = 0;
};

}  // namespace weir::bench
