// SPDX-License-Identifier: Apache-2.0
// One TCP flow before a Reassembler, told segment by segment, without frames around them.
#pragma once

#include <string>

#include "dataplane/flow/reassemble.h"

namespace weir::testing {

class Conversation {
 public:
  explicit Conversation(Reassembler& r, uint32_t index = 0) : r_(r), index_(index) {}
  ~Conversation() { r_.release(flow, index_); }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  // A segment of `direction`; of the responder it comes in by the other side, unless told else.
  SegmentFate add(uint8_t direction, uint32_t seq, const std::string& payload,
                  uint8_t flags = kTcpAck, uint32_t ack = 0) {
    const auto side = direction == 0 || one_sided ? Side::kA : Side::kB;
    return add_from(side, direction, seq, payload, flags, ack);
  }
  SegmentFate add_from(Side side, uint8_t direction, uint32_t seq, const std::string& payload,
                       uint8_t flags, uint32_t ack) {
    last_ = payload;  // what is told of it is looked at after the call
    const PacketView p{.data = reinterpret_cast<const uint8_t*>(last_.data()),
                       .bytes = static_cast<uint32_t>(last_.size()),
                       .time_ns = now,
                       .side = side};
    Headers h;
    h.flags = kHasIp | kHasL4;
    h.proto = kProtoTcp;
    h.payload_bytes = static_cast<uint16_t>(payload.size());
    h.tcp_flags = flags;
    h.tcp_seq = seq;
    h.tcp_ack = ack;
    const Tracked t{.flow = &flow, .index = index_, .direction = direction};
    accepts_reset = r_.accepts_reset(p, h, t);
    return r_.add(p, h, t, out);
  }
  std::string told() const { return {out.bytes.begin(), out.bytes.end()}; }
  std::string before() const { return {out.before.begin(), out.before.end()}; }

  Flow flow;
  StreamBytes out;
  TimeNs now = kNsPerSecond;
  bool accepts_reset = false, one_sided = false;

 private:
  Reassembler& r_;
  uint32_t index_;
  std::string last_;
};

}  // namespace weir::testing
