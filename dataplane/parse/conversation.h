// SPDX-License-Identifier: Apache-2.0
// Private to parse: what is kept of the conversations under way, and who tells what their parsers
// say. Of one worker; made at start.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/base/huge_array.h"
#include "dataplane/flow/flow.h"
#include "dataplane/parse/parse.h"
#include "dataplane/parse/parser.h"

namespace weir {

namespace parse {

constexpr uint32_t kNoBuffer = 0xffffffff;
constexpr unsigned kWarmBuffers = 16;

// The port of who began the flow, or of the other side.
inline uint16_t port_of(const Flow& f, bool initiator) noexcept {
  const bool lo = ((f.flags & kInitiatorIsLo) != 0) == initiator;
  return lo ? f.key.lo_port : f.key.hi_port;
}

// Which events Suricata gives a number within their flow.
constexpr bool is_transaction(EvidenceKind kind) noexcept {
  switch (kind) {
    case EvidenceKind::kTls:
    case EvidenceKind::kFtpData:
    case EvidenceKind::kLogin:
    case EvidenceKind::kViolation:
      return false;
    default:
      return true;
  }
}

// The bytes of a direction that no parser has consumed yet.
struct Pending {
  uint32_t buffer = kNoBuffer;
  uint32_t begin = 0, held = 0;  // in the buffer
  uint32_t shown = 0;            // of held: the parser saw them and wants more
  uint64_t needs = 0;            // ... and said how many; 0: any
  uint64_t skip = 0;             // consumed before they came
  uint64_t next_at = 0;          // offset in the stream of what comes next
  bool begun = false;
};

}  // namespace parse

// What is looked at of a flow whatever its parser; the parser's state stands elsewhere, as a stride
// of 8 KiB would put all of these into the same few places of the cache.
struct alignas(64) ProtocolParsers::Slot {
  FlowId flow;  // 0: free
  uint32_t flow_index;
  uint8_t parser;  // in all_parsers()
  bool swapped;    // the flow's initiator is the protocol's server
  bool touched;    // since the eviction hand last passed
  uint8_t tries;
  uint8_t turns;          // how often it became another protocol
  uint8_t ended;          // a bit for each direction whose end has come
  uint32_t transactions;  // told
  uint64_t candidates;
  parse::Pending pending[2];
  uint8_t* state;  // kStateBytes
};

// Slots, states and message buffers, made once. Of the buffers, which few flows need at a time,
// only what the first ones take is touched before it is used.
struct ProtocolParsers::Pool {
  struct State {
    alignas(64) uint8_t bytes[parse::kStateBytes];
  };
  explicit Pool(const ParseSettings& s)
      : slots(s.flows_max),
        states(s.flows_max),
        buffers(std::make_unique_for_overwrite<uint8_t[]>(s.buffers * parse::kMessageBytesMax)) {
    free_slots.reserve(s.flows_max);
    for (uint32_t i = s.flows_max; i != 0; --i) {
      slots[i - 1].state = states[i - 1].bytes;
      free_slots.push_back(i - 1);
    }
    const auto warm = std::min<size_t>(s.buffers, parse::kWarmBuffers);
    std::memset(buffers.get(), 0, warm * parse::kMessageBytesMax);
    free_buffers.reserve(s.buffers);
    for (uint32_t i = s.buffers; i != 0; --i) free_buffers.push_back(i - 1);
  }
  Slot& slot(uint32_t i) noexcept { return slots[i]; }
  uint8_t* buffer(uint32_t i) noexcept { return buffers.get() + i * parse::kMessageBytesMax; }

  HugeArray<Slot> slots;
  HugeArray<State> states;
  std::unique_ptr<uint8_t[]> buffers;
  std::vector<uint32_t> free_slots, free_buffers;
  uint32_t evict_at = 0;
};

// What the running parser says goes to the sink, with the ends of its flow: looked up when it says
// something, as most packets say nothing.
class ProtocolParsers::Teller final : public parse::Output {
 public:
  Teller(EvidenceSink& sink, ParseStats& stats) noexcept : sink_(sink), stats_(stats) {}
  // transactions: how many were told of it; counted on.
  void about(const Flow& f, bool swapped, uint32_t& transactions, TimeNs now) noexcept {
    flow_ = &f;
    swapped_ = swapped;
    transactions_ = &transactions;
    now_ = now;
  }
  void about(const Flow& f, Slot& s, TimeNs now) noexcept {
    about(f, s.swapped, s.transactions, now);
  }
  uint16_t server_port() const noexcept { return parse::port_of(*flow_, swapped_); }
  void speaks(bool client) noexcept { client_speaks_ = client; }
  void ends(const parse::Pending (&pending)[2], bool swapped) noexcept {
    never_came_[1] = pending[swapped ? 1 : 0].skip;
    never_came_[0] = pending[swapped ? 0 : 1].skip;
  }
  void tell(EvidenceKind kind, const parse::FactWriter& facts, parse::Ends ends,
            uint16_t shown) noexcept override {
    const bool sender_first = ends == parse::Ends::kSenderFirst || ends == parse::Ends::kOfLast;
    const bool answered_first = ends == parse::Ends::kAnsweredFirst;
    const bool server_first = client_speaks_ ? answered_first : sender_first;
    Evidence e = describe(kind, facts, shown, server_first);
    e.one_message = ends != parse::Ends::kClientFirst && !answered_first;
    if (parse::is_transaction(kind)) e.transaction = *transactions_;
    if (ends == parse::Ends::kOfLast) e.transaction = *transactions_ - 1;
    if (parse::is_transaction(kind)) ++*transactions_;
    ++stats_.events;
    sink_.evidence(e);
  }
  void show(EvidenceKind kind, const parse::FactWriter& facts, uint16_t shown,
            uint32_t ahead) noexcept override {
    Evidence e = describe(kind, facts, shown, false);
    const bool numbered = parse::is_transaction(kind) && ahead != kSomeAhead;
    if (numbered) e.transaction = *transactions_ + ahead;
    sink_.under_way(e);
  }
  void judge_kinds(uint64_t kinds) noexcept { judged_kinds_ = kinds; }

 private:
  Evidence describe(EvidenceKind kind, const parse::FactWriter& facts, uint16_t shown,
                    bool reversed) const noexcept {
    Evidence e{.time_ns = now_,
               .flow = flow_->id,
               .ends = endpoints_of(*flow_),
               .kind = kind,
               .wire = flow_->key.wire,
               .overflow = facts.overflow(),
               .facts = facts.facts(),
               .shown = shown,
               .from_client = client_speaks_};
    if (reversed != swapped_) {
      std::swap(e.ends.src, e.ends.dst);
      std::swap(e.ends.src_port, e.ends.dst_port);
    }
    return e;
  }
  EvidenceSink& sink_;
  ParseStats& stats_;
  const Flow* flow_ = nullptr;
  bool swapped_ = false;
  uint32_t* transactions_ = nullptr;
  bool client_speaks_ = true;
};

}  // namespace weir
