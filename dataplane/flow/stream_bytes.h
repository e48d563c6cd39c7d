// SPDX-License-Identifier: Apache-2.0
// What one TCP packet adds to its direction's stream, in order and each byte once, as every
// receiver delivers it. A packet that fills a gap adds what came early too; one that comes early or
// says nothing new adds nothing (empty bytes). The spans are good until the next packet is added.
//
// Data with a SYN is told twice: as bytes of its packet, which a receiver may deliver at once (TCP
// Fast Open, RFC 7413), and again as `opening` when the connection goes on, so that who keeps state
// per conversation need not for a SYN that anyone can forge.
#pragma once

#include <cstdint>
#include <span>

namespace weir {

struct StreamBytes {
  std::span<const uint8_t> bytes;
  uint64_t at = 0;                   // offset of bytes[0] in the direction's stream, from 0
  bool gap = false;                  // bytes were missed right before
  bool end = false;                  // the FIN stands right behind, in order
  std::span<const uint8_t> before;   // up to 1 KiB that stand right before bytes
  std::span<const uint8_t> opening;  // what came with the SYN of opening_direction, from offset 0
  uint8_t opening_direction = 0;
};

}  // namespace weir
