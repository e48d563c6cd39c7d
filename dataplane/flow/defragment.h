// SPDX-License-Identifier: Apache-2.0
// IP fragments, inline and without holding any: each goes on as it comes while its bytes are kept,
// and the one that would complete its datagram is judged by the whole of it. Without that one no
// receiver ever has the datagram, so nothing whole arrives that was not inspected. What overlaps
// must say the same bytes (first wins, the contradiction is refused), so that every receiver,
// whatever it prefers, puts together what was inspected (RFC 5722, RFC 8900 section 3.7).
//
// A receiver may still have parts of what was completed here: the rest was refused, or died on its
// way. So a datagram is remembered until its time is over. Of one that was refused no more
// fragments are taken; into one that passed what comes later is laid, for senders use their
// identifications again (RFC 4963), and each fragment is judged by all that is there then; in the
// burst that completed it, where nothing is judged yet, a contradiction is refused. One per worker,
// fixed memory.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "dataplane/contract/settings.h"
#include "dataplane/decode/decode.h"

namespace weir {

enum class FragmentFate : uint8_t {
  kWaits,     // kept; the rest is still to come
  kComplete,  // with this one the datagram is whole
  kConflict,  // contradicts what came before it, belongs to what was refused, or no receiver could
              // place it
  kNoRoom,    // too many datagrams under way, all together or of this source
};

class Defragmenter {
 public:
  Defragmenter(const FragmentSettings& settings, uint64_t seed);
  void use_timeout(TimeNs timeout_ns) noexcept { timeout_ns_ = timeout_ns; }
  static uint64_t bytes_for(const FragmentSettings& settings) noexcept;

  // h: of a fragment (kFragment) that is whole in p, `row` of its burst. On kComplete h and `whole`
  // become those of the datagram: its bytes are good until release(), its handle, time and
  // wire_bytes are p's.
  FragmentFate add(const PacketView& p, uint8_t wire, size_t row, Headers& h,
                   PacketView& whole) noexcept;

  // What was completed since the last call has been judged: refused are the rows that do not go on.
  void release(Rows refused) noexcept;
  // Forgets the oldest datagrams that have waited for too long, at most `most`.
  void expire(TimeNs now, uint32_t most) noexcept;

  // Datagrams of which more is to come, or nothing is to.
  uint32_t waiting() const noexcept { return waiting_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kPrefix = 512;  // link and IP headers before the data
  static constexpr uint32_t kDataMax = 65'535, kUnit = 8;
  static constexpr uint32_t kBuckets = 1024, kSources = 256;
  struct Key {
    IpAddress src{}, dst{};
    uint32_t id = 0, network = 0;
    uint16_t vlan[2] = {};
    uint8_t proto = 0, wire = 0, side = 0, version = 0;
    bool operator==(const Key&) const noexcept = default;
  };
  enum class State : uint8_t {
    kOpen,     // not whole yet: the first word stands
    kJudged,   // whole, in this burst
    kRefused,  // nothing of it is taken any more
    kPassed,   // was whole once: the last word stands. Given up when there is no room
  };
  struct Datagram {
    Key key;
    State state = State::kOpen;
    bool is_passed = false;  // in which list it is
    TimeNs since_ns = 0;
    uint32_t total = 0;         // bytes of data; 0: the last fragment has not come
    uint32_t highest = 0;       // end of the data that has come
    uint32_t units = 0;         // set in `has`
    uint32_t head_bytes = 0;    // headers before the data, of the first fragment; 0: not come
    uint16_t l3_offset = 0;     // in them
    uint16_t field_offset = 0;  // IPv6: fragment header in them
    uint32_t chain = kNone;                  // of its bucket
    uint32_t older = kNone, newer = kNone;   // in waiting_list_ or passed_list_
    std::array<uint64_t, 128> has{};  // bit per 8 bytes
  };
  struct Place {
    Key key;
    uint32_t begin, end;  // of its data, in the datagram
    uint32_t data_offset, field_offset;
    bool is_last;
  };
  bool read(const PacketView& p, const Headers& h, uint8_t wire, Place& at) const noexcept;
  bool agrees(uint32_t index, const PacketView& p, const Place& at) const noexcept;
  bool store(uint32_t index, const PacketView& p, const Headers& h, const Place& at) noexcept;
  bool is_whole(const Datagram& d) const noexcept;
  void lay_over(Datagram& d, const Place& at) noexcept;
  void finish(uint32_t index, const PacketView& p, size_t row, Headers& h,
              PacketView& whole) noexcept;
  uint32_t find(const Key& key) const noexcept;
  uint32_t start(const Key& key, TimeNs now) noexcept;
  void forget(uint32_t index) noexcept;
  uint32_t hash(const IpAddress& a, uint64_t more) const noexcept;
  uint8_t* data_of(uint32_t index) const noexcept {
    return bytes_.get() + uint64_t{index} * (kPrefix + kDataMax + 1) + kPrefix;
  }

  TimeNs timeout_ns_;
  const uint64_t seed_;
  const uint32_t of_source_max_;
  std::unique_ptr<Datagram[]> datagrams_;
  std::unique_ptr<uint8_t[]> bytes_;
  uint32_t bucket_[kBuckets];
  uint32_t of_source_[kSources] = {};
  struct List {  // by age
    uint32_t oldest = kNone, newest = kNone;
  };
  List& list_of(const Datagram& d) noexcept { return d.is_passed ? passed_list_ : waiting_list_; }
  void link(uint32_t index, bool is_passed, TimeNs now) noexcept;
  void unlink(uint32_t index) noexcept;

  struct Done {
    uint32_t index;
    uint8_t row;
    TimeNs time_ns;
  };
  List waiting_list_, passed_list_;
  uint32_t free_ = 0, waiting_ = 0;
  Done done_[kBurstMax];
  uint32_t done_count_ = 0;
};

}  // namespace weir
