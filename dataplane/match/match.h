// SPDX-License-Identifier: Apache-2.0
// The match stage: payload and headers of a burst -> which rules hit (Hits). LoadedRules is made
// off the packet path from a rule image (it allocates, it can fail) and then only read, by all
// workers; each uses its own Matcher in it, so that what a rule set needs comes and goes with it
// and the packet path never allocates. It decides nothing: verdict does.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/base/cycle_budget.h"
#include "dataplane/base/packet_view.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/evidence.h"
#include "dataplane/contract/rule_image.h"
#include "dataplane/decode/decode.h"

struct hs_database;
struct hs_scratch;

namespace weir {

constexpr unsigned kHitsMax = 15;  // the best ones are kept; Suricata's packet-alert-max

// Indexes of the rules that a packet hits, in the order in which they count. If the first one is a
// pass rule it is the only one.
struct Hits {
  uint8_t count = 0;
  bool truncated = false;  // more rules hit than fit
  uint16_t reserved = 0;
  uint32_t rule[kHitsMax];  // the first `count` are set
};
static_assert(sizeof(Hits) == 64);

// What the flow asks for this packet.
enum class Inspect : uint8_t {
  kNo = 0,  // the flow is settled: no rule sees this packet
  kYes = 1,
  kFirstOfDirection = 2,  // first packet of its flow in its direction, or it has no flow: rules
                          // that name only protocol and addresses are asked too
};

// What is known of a packet's flow.
struct FlowSide {
  uint64_t applications = 0;  // a bit per EvidenceKind that it speaks; 0: not known
  bool known = false;         // it has one
  bool to_server = true;      // the packet, of its flow
  bool established = false;
};

// Room for contents to work in.
struct ContentRoom {
  std::vector<uint8_t> lower;     // a text in lower case, when a rule needs it
  std::vector<uint16_t> ends[2];  // where matches end: of the last content, of the next
};

// A fact that some rule binds to, written out in Matcher::text_, behind a '.'.
struct StatedFact {
  Fact fact;
  uint16_t bytes;
  uint32_t at;
};

// One worker's own: libhs scratch and work space for the rules of one LoadedRules.
class Matcher {
 public:
  Matcher() noexcept = default;
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;
  ~Matcher();

 private:
  friend class LoadedRules;
  friend class PacketMatch;
  friend class StatedMatch;
  hs_scratch* scratch_ = nullptr;
  std::vector<uint8_t> window_;  // what came before in the stream, then the payload
  ContentRoom room_;
  std::vector<StatedFact> stated_;  // of the event at hand
  std::vector<uint8_t> text_;       // of these
  std::vector<uint32_t> asked_;     // by rule: the last event that it was asked about
  uint32_t event_ = 0;
};

class LoadedRules {
 public:
  // Copies, checks, and makes ready for `workers` workers. Fails with a sentence: what is wrong
  // with the image, or that its patterns were compiled for another processor or libhs.
  static Result<std::unique_ptr<LoadedRules>> load(std::span<const uint8_t> image,
                                                   unsigned workers);
  struct Key {};  // load() alone makes one
  explicit LoadedRules(Key) noexcept {}
  LoadedRules(const LoadedRules&) = delete;
  LoadedRules& operator=(const LoadedRules&) = delete;
  ~LoadedRules();

  uint64_t generation() const noexcept { return image_.generation(); }
  uint32_t count() const noexcept { return static_cast<uint32_t>(image_.rules().size()); }
  const ImageRule& rule(uint32_t index) const noexcept { return image_.rules()[index]; }
  // Rates of the ratelimit rules; ImageRule::limit is an index into it.
  std::span<const RateLimit> limits() const noexcept { return image_.limits(); }
  const RuleImage& image() const noexcept { return image_; }
  const hs_database* database() const noexcept { return database_; }
  const hs_database* fact_database() const noexcept { return fact_database_; }
  // Kinds of events, a bit each, of which rules ask something, and the facts that they ask for.
  uint64_t wanted_kinds() const noexcept { return wanted_kinds_; }
  // Whether some could hit a packet of that kind that carries nothing.
  bool asks_without_payload(PacketKind kind) const noexcept {
    return !image_.header_list(HeaderList::kOncePerDirection, kind).empty() ||
           !image_.header_list(HeaderList::kEachPacket, kind).empty();
  }
  bool wants(Fact fact) const noexcept { return wanted_facts_[static_cast<unsigned>(fact)]; }
  Matcher& matcher(unsigned worker) const noexcept { return matchers_[worker]; }

 private:
  std::vector<uint64_t> bytes_;  // the image; words for its alignment
  RuleImage image_;
  Result<void> make_ready(Matcher& m) const;
  void note_wanted() noexcept;

  hs_database* database_ = nullptr;
  hs_database* fact_database_ = nullptr;
  uint64_t wanted_kinds_ = 0;
  std::bitset<kFacts> wanted_facts_;
  std::unique_ptr<Matcher[]> matchers_;
};

struct MatchCounts {
  uint32_t unscanned = 0;  // packets that wanted it when the budget was spent; their inspect[i] is
                           // kNo now
  uint32_t packets = 0;    // whose payload was scanned
  uint32_t bytes = 0;      // of it
};

// before: what stands in the stream right before the payload of the one packet (empty: nothing);
// rules without absolute positions, sizes and negations may begin their match there.
// flow: of that one packet.
// packets[i], headers[i], inspect[i] -> hits[i]. Without rules it only clears the counts.
MatchCounts match(std::span<const PacketView> packets, std::span<const Headers> headers,
                  std::span<Inspect> inspect, const LoadedRules& rules, Matcher& matcher,
                  CycleBudget& budget, std::span<Hits> hits,
                  std::span<const uint8_t> before = {}, const FlowSide& flow = {}) noexcept;

// More of the stream than the packet itself says becomes readable by it: `bytes`, behind `before`.
// Adds to its hits the rules for streams that agree with both together and not with `before` alone.
MatchCounts match_more(const Headers& headers, std::span<const uint8_t> bytes,
                       std::span<const uint8_t> before, const LoadedRules& rules, Matcher& matcher,
                       CycleBudget& budget, Hits& hits, const FlowSide& flow = {}) noexcept;

// An event of the packet's flow, which the packet made known, as far as it is known: adds to hits
// the rules that hold of all its facts and did not of those that they were shown before.
MatchCounts match_stated(const Evidence& event, const Headers& headers, const FlowSide& flow,
                         const LoadedRules& rules, Matcher& matcher, CycleBudget& budget,
                         Hits& hits) noexcept;

// Adds the hits of `more`; a pass rule among all of them stays alone.
void add_hits(Hits& hits, const Hits& more, const LoadedRules& rules) noexcept;

}  // namespace weir
