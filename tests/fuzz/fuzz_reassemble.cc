// SPDX-License-Identifier: Apache-2.0
// One TCP flow of any segments: what is told is told once and in order, no two receivers can have
// delivered anything else, memory stays bounded and comes back. Input: records of eight bytes
// [kind, flags, seq, seq, length, content, ack, ack], numbers near each other.
#include <cstring>
#include <string>

#include "dataplane/base/check.h"
#include "tests/support/segments.h"

using namespace weir;
using testing::Conversation;

namespace {

constexpr uint32_t kOrigin = 0xffffff00;  // numbers wrap
constexpr size_t kSpan = 1 << 19;

// Bytes of one direction by sequence number from kOrigin: what a receiver may have of each.
struct Wire {
  std::string sent = std::string(kSpan, '\0');  // 0: not yet; what went on first
  size_t begin = kSpan;                         // in it, of the first segment
  bool is_plain = true;  // no acknowledgement, SYN, FIN or reset came: all that is sent counts
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Reassembler r({.megabytes = 1, .direction_kilobytes = 128}, 2);
  {
    Conversation c(r);
    Conversation other(r, 1);
    Wire wire;
    uint64_t next = 0;
    for (; size >= 8; data += 8, size -= 8) {
      const auto direction = static_cast<uint8_t>(data[0] & 1);
      const auto side = static_cast<Side>(data[0] >> 1 & 1);
      const uint32_t scale = (data[0] & 4) != 0 ? 64 : 1;
      const uint32_t at = (uint32_t{data[2]} << 8 | data[3]) * scale % (kSpan / 2);
      const std::string bytes(data[4] * size_t{scale}, static_cast<char>('a' + data[5] % 2));
      const uint32_t ack = kOrigin + (uint32_t{data[6]} << 8 | data[7]) * scale;
      Conversation& here = (data[0] & 8) != 0 ? other : c;
      here.now += TimeNs{data[0] >> 4} * kNsPerSecond;
      const SegmentFate fate =
          here.add_from(side, direction, kOrigin + at, bytes, data[1] & 0x3f, ack);
      const StreamBytes& out = here.out;
      CHECK(out.before.size() <= Reassembler::kBeforeBytes);
      CHECK(fate != SegmentFate::kConflict || (out.bytes.empty() && !out.end));
      uint32_t sum = 0;  // every byte can be read
      for (const uint8_t b : out.before) sum += b;
      for (const uint8_t b : out.bytes) sum += b;
      CHECK(sum != 1);
      CHECK(r.bytes_held() <= 1u << 20);
      if (&here != &c) continue;
      if (direction != 0 || (data[1] & (kTcpSyn | kTcpRst | kTcpFin)) != 0) wire.is_plain = false;
      if (!wire.is_plain) continue;
      if (wire.begin == kSpan) wire.begin = at;
      // No receiver has been given two answers to one question, and none that was not told.
      for (size_t i = 0; fate == SegmentFate::kTaken && i < bytes.size(); ++i) {
        char& first = wire.sent[at + i];
        CHECK(first == '\0' || first == bytes[i] || at + i < wire.begin);
        if (first == '\0') first = bytes[i];
      }
      if (out.bytes.empty()) continue;
      CHECK(out.at == next || (out.gap && out.at > next));
      CHECK(std::memcmp(out.bytes.data(), &wire.sent[wire.begin + out.at], out.bytes.size()) == 0);
      next = out.at + out.bytes.size();
    }
  }
  CHECK(r.bytes_held() == 0);
  CHECK(r.streams_held() == 0);
  return 0;
}
