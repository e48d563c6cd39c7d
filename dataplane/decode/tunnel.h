// SPDX-License-Identifier: Apache-2.0
// Private to decode: what an IP packet carries when it is a tunnel's: GRE (RFC 2784, 2890, 2637,
// 7637), ERSPAN, IP in IP, 6in4, and by UDP port GTP-U, CAPWAP, VXLAN, Geneve and Teredo. Only
// reads; whether what it points to is a packet at all is for the caller to find out.
#pragma once

#include <cstdint>

#include "dataplane/decode/decode.h"
#include "dataplane/decode/link.h"

namespace weir {

// The readable part of a frame, narrowed as headers tell their lengths.
struct Frame {
  const uint8_t* data;
  uint32_t end;  // last readable byte + 1
  bool cut;      // the capture holds less than the wire carried
  bool holds(uint32_t at, uint32_t bytes) const noexcept { return at <= end && bytes <= end - at; }
};

// h: of the packet itself, its transport read; at: after its IP headers. LinkNext::kNothing: it is
// no tunnel, or one that carries nothing for us. network: the virtual network of the inner packet,
// where the tunnel names one that is the same both ways (VNI, VSID); else 0.
LinkHeader tunnel_payload(const Frame& f, uint32_t at, const Headers& h,
                          uint32_t& network) noexcept;

}  // namespace weir
