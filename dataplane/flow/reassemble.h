// SPDX-License-Identifier: Apache-2.0
// TCP streams, inline and without holding any packet: each segment goes on as it comes while its
// bytes are kept, and the one that fills a gap is judged with all that becomes readable by it.
// Until then no receiver delivers what lies behind the gap. The first data wins: a segment that
// says something else where bytes are kept is refused, and bytes are kept until their receiver has
// acknowledged them, so every receiver, whatever it prefers, delivers what was inspected (RFC 9293
// section 3.10.7.4 leaves the choice to it). One per worker, fixed memory, touched as it is used.
// Only for flows that are still looked into; the others have no state here.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/base/prefetch.h"
#include "dataplane/contract/settings.h"
#include "dataplane/flow/flow.h"
#include "dataplane/flow/stream_bytes.h"

namespace weir {

enum class SegmentFate : uint8_t {
  kTaken,     // what it adds, if anything, is told
  kConflict,  // contradicts what came before it
  kNoRoom,    // it is not looked at behind what came before it: too far ahead, no memory, or sent
              // again after its bytes were given up
};

class Reassembler {
 public:
  static constexpr uint32_t kBeforeBytes = 1024;
  struct Stats {
    uint64_t gaps = 0, conflicts = 0, refused_full = 0;
  };

  Reassembler(const StreamSettings& settings, uint64_t flows_max);
  static uint64_t bytes_for(const StreamSettings& settings, uint64_t flows_max) noexcept;

  // p, h: a TCP packet of t's flow whose checksum was not found wrong.
  SegmentFate add(const PacketView& p, const Headers& h, const Tracked& t,
                  StreamBytes& out) noexcept;

  // A flow without state here whose initiator began with this SYN, which carried nothing.
  void open(Flow& f, uint32_t index, uint32_t isn) noexcept;

  // h: of an RST of t's flow. Whether its receiver acts on it: its sequence number is one that may
  // be expected next (RFC 5961 section 3.2), and it comes from the side of who it says it is.
  bool accepts_reset(const PacketView& p, const Headers& h, const Tracked& t) const noexcept;

  // The state of the flow at index, which has some, will be needed soon.
  void fetch(uint32_t index) const noexcept {
    const auto* s = reinterpret_cast<const uint8_t*>(&streams_[index]);
    prefetch_to_write(s);
    prefetch_to_write(s + 64);
  }

  // Nobody looks at this direction any more, or not for now: its next segment begins anew.
  void forget(const Flow& f, uint32_t index, uint8_t direction) noexcept;
  // The flow that was at index has ended.
  void release(const Flow& f, uint32_t index) noexcept;

  uint32_t streams_held() const noexcept { return listed_; }
  uint64_t bytes_held() const noexcept { return uint64_t{used_} * kBlockBytes; }
  const Stats& stats() const noexcept { return stats_; }

 private:
  static constexpr uint32_t kBlockBytes = 2048, kWords = kBlockBytes / 64;
  static constexpr uint32_t kNone = 0;
  enum HalfFlag : uint8_t {
    kKnown = 1u << 0,    // where it stands
    kFromSyn = 1u << 1,  // and that from its beginning
    kAcked = 1u << 2,    // the peer was heard
    kFin = 1u << 3,
    kEnded = 1u << 4,    // the end was told
    kGap = 1u << 5,      // bytes were missed, not told yet
    kOpening = 1u << 6,  // data came with the SYN, and nothing after it yet
  };
  // One direction. Positions count from its beginning; position p has sequence number base + p
  // modulo 2^32. [kept, edge) is held; of [edge, highest) what the blocks' bits say.
  struct Half {
    uint64_t edge, kept, highest, acked, fin;
    uint32_t base, head, tail;  // head, tail: blocks, by position
    uint8_t flags;
    bool has(unsigned f) const noexcept { return (flags & f) != 0; }
  };
  struct alignas(64) Stream {  // no initializers: it is touched when its flow is first added
    Half half[2];
    uint32_t older, newer;  // flow index + 1, of those that hold blocks
    uint32_t touched;       // seconds
    bool is_listed, is_two_sided;
  };
  static_assert(sizeof(Stream) == 128);
  struct Block {
    uint64_t number;  // of its first position / kBlockBytes
    uint32_t next;
    bool has_bits;  // bits are set up
  };

  struct Piece {  // what a segment says
    const uint8_t* data;
    int64_t begin, end;
    bool fin;
    bool is_held;  // with all that its receiver may still take of it
  };

  static int64_t position(const Half& d, uint32_t seq) noexcept;
  bool believes(Stream& s, const Flow& f, uint8_t direction, Side side) noexcept;
  void acknowledge(Half& d, uint32_t ack) noexcept;
  bool begin(Half& d, const Headers& h) noexcept;
  void start_at(Half& d, uint32_t seq) noexcept;
  SegmentFate take(Stream& s, Half& d, uint32_t self, Piece& piece) noexcept;
  bool agrees(const Half& d, uint64_t from, uint64_t to, const uint8_t* data) const noexcept;
  void store(Half& d, uint64_t from, uint64_t to, const uint8_t* data, bool early) noexcept;
  void skip_gap(Half& d) noexcept;
  void tell(Half& d, const Piece& piece, StreamBytes& out) noexcept;
  void tell_opening(Stream& s, const Headers& h, uint8_t direction, bool believed,
                    StreamBytes& out) noexcept;
  std::span<const uint8_t> before(const Half& d) noexcept;
  uint64_t run_end(const Half& d) const noexcept;
  bool holds(const Half& d, uint64_t at) const noexcept;
  void copy_out(const Half& d, uint64_t from, uint64_t to, uint8_t* out) const noexcept;
  uint32_t seek(const Half& d, uint64_t number) const noexcept;
  uint32_t block_for(Half& d, uint64_t number) noexcept;
  bool reserve(Half& d, uint64_t from, uint64_t to, uint32_t self, uint32_t now) noexcept;
  void drop_head(Half& d) noexcept;
  void drop_all(Half& d) noexcept;
  void trim(Half& d) noexcept;
  void make_room(uint32_t blocks, uint32_t self, uint32_t now) noexcept;
  void list(Stream& s, uint32_t index) noexcept;
  void unlist(Stream& s) noexcept;
  uint32_t free_blocks() const noexcept { return blocks_max_ - used_; }
  uint8_t* data_of(uint32_t block) const noexcept {
    return bytes_.get() + uint64_t{block} * kBlockBytes;
  }
  uint64_t* bits_of(uint32_t block) const noexcept {
    return bits_.get() + uint64_t{block} * kWords;
  }

  const uint32_t blocks_max_;
  const uint64_t reach_;  // bytes behind and before the edge, per direction
  std::unique_ptr<Stream[]> streams_;
  std::unique_ptr<Block[]> blocks_;  // 0 is none
  std::unique_ptr<uint8_t[]> bytes_;
  std::unique_ptr<uint64_t[]> bits_;
  std::unique_ptr<uint8_t[]> scratch_, opening_;
  uint32_t free_ = kNone, fresh_ = 1, used_ = 0;
  uint32_t oldest_ = 0, newest_ = 0, listed_ = 0;
  Stats stats_;
};

}  // namespace weir
