// SPDX-License-Identifier: Apache-2.0
// The stage that reads what applications say: bytes of streams and datagrams -> evidence. It finds
// out by itself, on any port, which protocol a flow speaks, parses it until nothing more can be
// learnt, and clears kWantsParse. One per worker, called by it alone; nothing is allocated after
// construction. When its states are all in use the one that was idle longest is given up.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/contract/evidence.h"
#include "dataplane/contract/settings.h"
#include "dataplane/flow/flow.h"
#include "dataplane/flow/stream_bytes.h"

namespace weir {

namespace parse {
struct Input;
}

// Takes what parsers state. Evidence::facts is valid during the call only.
class EvidenceSink {
 public:
  virtual void evidence(const Evidence& e) noexcept = 0;
  // The beginning of an event that is still under way, for rules; evidence() has it again.
  virtual void under_way(const Evidence&) noexcept {}

 protected:
  ~EvidenceSink() = default;
};

struct ParseStats {
  uint64_t flows = 0;      // that a parser took
  uint64_t events = 0;     // stated
  uint64_t malformed = 0;  // flows given up because they violate their protocol
  uint64_t evicted = 0;    // states given up for others
  uint64_t no_buffer = 0;  // flows given up: a message to put together, and no room
  uint64_t gaps = 0;       // flows given up because bytes were missed
};

class ProtocolParsers {
 public:
  ProtocolParsers(const ParseSettings& settings, EvidenceSink& sink);
  ~ProtocolParsers();
  static uint64_t bytes_for(const ParseSettings& settings) noexcept;

  // The payload of a UDP packet, or what a TCP packet added to its stream; t.flow wants it.
  // false: it violates its protocol.
  bool datagram(const PacketView& packet, const Headers& h, const Tracked& t, FlowTable& flows);
  // An ICMP or ICMPv6 message, header whole; an ARP packet (kArp), which has no flow.
  void icmp(const PacketView& packet, const Headers& h, const Tracked& t);
  void arp(const PacketView& packet, const Headers& h, uint8_t wire);
  bool stream(const StreamBytes& bytes, TimeNs now, const Tracked& t, FlowTable& flows);
  // That parse_slot of a flow will be needed soon.
  void fetch(uint32_t slot) const noexcept;
  // The flow ends, or nobody wants to know more: tells what waits and frees its state.
  void finish(Flow& flow, TimeNs now) noexcept;

  // Kinds of events, a bit each, that rules want to hear of while they are under way.
  void judge_kinds(uint64_t kinds) noexcept;

  const ParseStats& stats() const noexcept { return stats_; }

 private:
  struct Slot;
  struct Answers;
  struct Pool;
  class Teller;
  struct Arrived {
    std::span<const uint8_t> bytes;
    bool whole = false;  // no byte will follow them
    bool datagram = false;
  };
  static Answers ask(uint64_t candidates, unsigned direction, const Arrived& a,
                     std::span<const uint8_t> bytes, const Flow& flow);
  Slot* slot_of(const Tracked& t, const Arrived& a, FlowTable& flows, TimeNs now, Answers& answers);
  Slot* new_slot(const Tracked& t, uint64_t candidates, FlowTable& flows, TimeNs now);
  void release(Flow& flow) noexcept;
  void settle(Flow& flow) noexcept;
  bool feed(Slot& slot, unsigned direction, Arrived& a, Flow& flow, Answers& answers);
  bool find_out(Slot& slot, unsigned direction, const Arrived& a, Flow& flow, Answers& answers);
  bool next_input(Slot& slot, unsigned direction, Arrived& a, parse::Input& in, Flow& flow);
  bool run(Slot& slot, unsigned direction, Arrived& a, Flow& flow);
  bool await_more(Slot& slot, unsigned direction, Arrived& a, const parse::Input& in,
                  uint64_t needs, Flow& flow);
  void consume(Slot& slot, unsigned direction, Arrived& a, const parse::Input& in,
               uint64_t bytes) noexcept;
  bool become(Slot& slot, unsigned direction, Arrived& a, EvidenceKind kind, Flow& flow);
  bool keep(Slot& slot, unsigned direction, std::span<const uint8_t> bytes) noexcept;
  void adopt(Slot& slot, unsigned parser, Flow& flow) noexcept;

  const ParseSettings settings_;
  EvidenceSink& sink_;
  ParseStats stats_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Teller> teller_;
};

}  // namespace weir
