// SPDX-License-Identifier: Apache-2.0
// Private to pipeline: the one place where a packet is changed on its way.
#pragma once

#include "dataplane/base/bytes.h"
#include "dataplane/base/packet_view.h"
#include "dataplane/decode/decode.h"

namespace weir {

// Clears TCP's URG and its pointer. The checksum follows (RFC 1624), right or wrong as it was; the
// sum over the segment stays what it was, so that those of tunnels around it hold as well.
inline void clear_urgent(const PacketView& p, const Headers& h) noexcept {
  auto* tcp = const_cast<uint8_t*>(p.data) + h.l4_offset;  // io's buffers may be written to
  uint32_t sum = static_cast<uint16_t>(~load_be16(tcp + 16));
  const auto replace = [&](size_t at, uint16_t value) {
    sum += static_cast<uint16_t>(~load_be16(tcp + at)) + uint32_t{value};
    store_be16(tcp + at, value);
  };
  replace(12, static_cast<uint16_t>(load_be16(tcp + 12) & ~kTcpUrg));
  replace(18, 0);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  store_be16(tcp + 16, static_cast<uint16_t>(~sum));
}

}  // namespace weir
