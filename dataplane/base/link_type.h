// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace weir {

// What the frame begins with. Live: always Ethernet. Captures bring others (LINKTYPE_ values in
// brackets, https://www.tcpdump.org/linktypes.html).
enum class LinkType : uint8_t {
  kEthernet,   // 1
  kRawIp,      // 101, 12, 14, 228, 229: IPv4 or IPv6 by its version
  kNull,       // 0: 4 bytes address family in the writer's byte order
  kLoop,       // 108: the same, big-endian
  kLinuxSll,   // 113
  kLinuxSll2,  // 276
  kPpp,        // 9, 50
  kIeee80211,  // 105
  kRadiotap,   // 127
  kPpi,        // 192
  kUnknown,    // forwarded, nothing read
};

}  // namespace weir
