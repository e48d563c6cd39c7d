// SPDX-License-Identifier: Apache-2.0
// Frames of any bytes, one after the other, through decode and defragment: bounds hold, what is
// told as whole reads as whole, and nothing is left when all is old. Input: [length, frame]...
#include <cstdint>
#include <memory>

#include "dataplane/base/check.h"
#include "dataplane/flow/defragment.h"

using namespace weir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Defragmenter d({.datagrams_max = 16}, 1);
  TimeNs now = 0;
  unsigned in_burst = 0;
  while (size > 1) {
    const size_t bytes = std::min<size_t>(data[0], size - 1);
    const auto copy = std::make_unique<uint8_t[]>(bytes);  // as long: ASan sees one byte more
    std::copy_n(data + 1, bytes, copy.get());
    data += 1 + bytes;
    size -= 1 + bytes;
    const PacketView p{.data = copy.get(),
                       .bytes = static_cast<uint32_t>(bytes),
                       .wire_bytes = static_cast<uint32_t>(bytes),
                       .time_ns = now += kNsPerMs};
    Headers h;
    decode_packet(p, LinkType::kEthernet, h);
    PacketView whole = p;
    for (unsigned depth = 0; depth < kTunnelDepthMax && h.has(kFragment); ++depth) {
      const size_t row = in_burst % kBurstMax;
      if (d.add(PacketView(whole), 0, row, h, whole) != FragmentFate::kComplete) break;
      CHECK(h.l3_offset + h.l3_bytes <= whole.bytes);
      CHECK(h.payload_offset + h.payload_bytes <= whole.bytes);
      checksum_anomaly(whole, h);
    }
    if (++in_burst % kBurstMax == 0) d.release(static_cast<Rows>(in_burst * 0x9e3779b9u));
  }
  d.release(0);
  d.expire(now + 1000 * kNsPerSecond, 1000);
  CHECK(d.waiting() == 0);
  return 0;
}
