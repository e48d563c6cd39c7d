// SPDX-License-Identifier: Apache-2.0
// Private to pipeline: the last bytes of each direction of a TCP flow that went in sequence, so
// that a content split over segments is found when its last byte comes. Fixed memory: when all
// tails are in use the oldest one is taken over, and that flow is matched per packet until its next
// segment.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "dataplane/flow/flow.h"
#include "dataplane/flow/stream_bytes.h"

namespace weir {

class StreamTails {
 public:
  static constexpr uint32_t kTails = 8192;
  static constexpr uint16_t kTailBytes = 1024;
  static uint64_t bytes() noexcept { return uint64_t{kTails} * sizeof(Tail); }

  // Both below in one: what h adds, and what stands before it.
  StreamBytes add(const Flow& f, FlowCold& c, uint8_t direction, const Headers& h,
                  std::span<const uint8_t> payload) noexcept {
    StreamBytes s;
    const Tail& t = tail_[c.stream_tail[direction]];
    const bool known = is_of(t, f, direction);
    const uint32_t again = known ? t.next_seq - h.tcp_seq : 0;
    s.before = before(f, c, direction, h);
    s.bytes = payload.subspan(again < payload.size() ? again
                              : again > 1u << 31     ? 0
                                                     : payload.size());
    s.at = h.tcp_seq + again;
    s.gap = known && again > 1u << 31;
    if (s.gap) s.at = h.tcp_seq;
    s.end = (h.tcp_flags & kTcpFin) != 0;
    append(f, c, direction, h, payload);
    return s;
  }

  // What stands right before h's payload in the stream. Bytes that h sends again are cut off, so
  // that what follows is seen as this segment has it. Empty: nothing known, or a gap.
  std::span<const uint8_t> before(const Flow& f, const FlowCold& c, uint8_t direction,
                                  const Headers& h) const noexcept {
    const Tail& t = tail_[c.stream_tail[direction]];
    if (!is_of(t, f, direction)) return {};
    const uint32_t again = t.next_seq - h.tcp_seq;  // modulo 2^32, RFC 9293 section 3.4
    if (again > t.bytes) return {};
    return {t.data, t.bytes - again};
  }

  // h's payload has been seen. A segment that ends before the known end changes nothing.
  void append(const Flow& f, FlowCold& c, uint8_t direction, const Headers& h,
              std::span<const uint8_t> payload) noexcept {
    if (payload.empty()) return;
    const uint32_t end = h.tcp_seq + static_cast<uint32_t>(payload.size());
    if (!is_of(tail_[c.stream_tail[direction]], f, direction)) {
      c.stream_tail[direction] = next_;
      next_ = static_cast<uint16_t>((next_ + 1) % kTails);
      Tail& fresh = tail_[c.stream_tail[direction]];
      fresh.flow = f.id;
      fresh.direction = direction;
      fresh.next_seq = h.tcp_seq;
      fresh.bytes = 0;
    }
    Tail& t = tail_[c.stream_tail[direction]];
    if (static_cast<int32_t>(end - t.next_seq) <= 0) return;
    const uint32_t again = t.next_seq - h.tcp_seq;
    const bool gap = again > t.bytes;
    size_t kept = gap ? 0 : t.bytes - again;
    const size_t fresh = std::min<size_t>(payload.size(), kTailBytes);
    const size_t old = std::min(kept, kTailBytes - fresh);
    std::memmove(t.data, t.data + (kept - old), old);
    std::memcpy(t.data + old, payload.data() + (payload.size() - fresh), fresh);
    t.bytes = static_cast<uint16_t>(old + fresh);
    t.next_seq = end;
  }

 private:
  struct Tail {
    FlowId flow = 0;
    uint32_t next_seq = 0;
    uint16_t bytes = 0;
    uint8_t direction = 0;
    uint8_t data[kTailBytes];
  };
  static bool is_of(const Tail& t, const Flow& f, uint8_t direction) noexcept {
    return t.flow == f.id && t.direction == direction;
  }
  std::unique_ptr<Tail[]> tail_ = std::make_unique<Tail[]>(kTails);
  uint16_t next_ = 0;
};

}  // namespace weir
