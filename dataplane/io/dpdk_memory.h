// SPDX-License-Identifier: Apache-2.0
// How much memory the ports take: what a wire's frames need, and with it what DPDK is given at
// start, where memory.megabytes does not say. Asks the interfaces for their MTU.
#pragma once

#include "dataplane/base/result.h"
#include "dataplane/contract/settings.h"

namespace weir {

struct WireFrames {
  uint32_t count = 0;
  uint32_t room = 0;  // bytes of each, headroom included
};

// Fails where a port is not there, or carries longer frames than its driver can.
Result<WireFrames> frames_of(const Settings& settings, uint32_t wire);

enum class Pages : uint8_t { kOrdinary, kHuge };

// memory.megabytes, or for `auto` the sum of what all wires need. Ordinary memory takes more: DPDK
// lets no frame cross a page there.
Result<uint32_t> memory_mb_of(const Settings& settings, Pages pages);

}  // namespace weir
