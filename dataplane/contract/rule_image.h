// SPDX-License-Identifier: Apache-2.0
// The rule image: every rule in force as one flat block of bytes without pointers. The control
// plane compiles it (rules/compile), the data plane copies, checks and matches from it (match).
// RuleImage::open() believes nothing: afterwards every index and range in the image is known to lie
// inside it, and the matcher follows them unchecked. Rules stand in the order in which they count
// (pass, drop, reject, ratelimit, alert; then priority; then sid), so a lower index always wins.
// What only people need (msg, class, source line) stays with control, under the same indexes.
//
// The pattern database is libhs's own serialised form: this checker cannot look inside it; libhs
// checks its version, its platform and its checksum. Who may write images is therefore trusted.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/base/ip_address.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/rule_buffers.h"
#include "dataplane/contract/verdict.h"

namespace weir {

constexpr uint64_t kRuleImageMagic = 0x31454c5552570a57;
constexpr uint32_t kRuleImageVersion = 2;
constexpr uint64_t kRuleImageBytesMax = 1u << 30;
constexpr uint32_t kNoIndex = 0xffffffff;

// What a packet is to a rule header: bit = kind of transport, + 8 where it is IPv6.
enum class PacketKind : uint8_t { kTcp = 0, kUdp, kSctp, kIcmp4, kIcmp6, kOther, kCount };
constexpr unsigned kPacketKinds = static_cast<unsigned>(PacketKind::kCount);

enum ImageRuleFlag : uint8_t {
  kRuleBothWays = 1u << 0,      // <>: also with source and destination exchanged
  kRuleNeedsPorts = 1u << 1,    // a port is named: packets without ports do not match
  kRuleNeedsPayload = 1u << 2,  // has a content: packets without payload do not match
  kRuleOfFlow = 1u << 3,        // names protocol and addresses alone: what holds for one packet
                                // holds for the flow. A pass rule passes all of it
};

// What a rule wants of the packet's flow; nothing set: it need not even have one.
enum ImageFlowFlag : uint8_t {
  kFlowToServer = 1u << 0,
  kFlowToClient = 1u << 1,
  kFlowIsEstablished = 1u << 2,
  kFlowNotEstablished = 1u << 3,
  kFlowPacketsAlone = 1u << 4,  // contents do not reach over several packets
};

struct ImageRule {
  uint32_t sid = 0, gid = 1, rev = 0;
  Action action = Action::kAlert;
  uint8_t flags = 0;                             // ImageRuleFlag
  uint16_t kinds = 0;                            // 1 << PacketKind: IPv4; << 8 more: IPv6
  uint16_t src_port_first = 0, src_port_last = 65535;  // hull of the port set
  uint16_t dst_port_first = 0, dst_port_last = 65535;
  uint32_t src_ports = kNoIndex, dst_ports = kNoIndex;  // port set; kNoIndex: the hull is all of it
  uint32_t src_set = kNoIndex, dst_set = kNoIndex;      // address set; kNoIndex: any
  uint16_t payload_min = 0, payload_max = 65535;        // dsize, bytes, inclusive
  uint32_t contents = 0;                                // first
  uint16_t contents_count = 0;
  uint8_t flow = 0;  // ImageFlowFlag
  uint8_t reserved = 0;
  uint32_t limit = kNoIndex;   // of kRateLimit: in limits()
  uint32_t buffers = 0;        // first. A rule has buffers or contents, never both
  uint64_t applications = 0;   // a bit per EvidenceKind that its flow may speak; 0: any, or none
  uint16_t buffers_count = 0;  // not 0: asked when something is stated, not packet by packet
  uint16_t reserved2[3] = {};
};
static_assert(sizeof(ImageRule) == 80);
static_assert(kEvidenceKinds <= 64);

enum ImageContentFlag : uint16_t {
  kContentNocase = 1u << 0,    // ASCII letters; the bytes are stored in lower case
  kContentNegated = 1u << 1,
  kContentRelative = 1u << 2,  // from and to count from the end of the match before it
  kContentAtEnd = 1u << 3,     // must end where the payload ends
  kContentKeepEnds = 1u << 4,  // a later content is relative to this one
  kContentProven = 1u << 5,    // the pattern that named the rule is exactly this content
};

// The match must begin at `from` or later and end at `to` or earlier (offset of the byte after it).
struct ImageContent {
  uint32_t bytes = 0;          // first, in bytes()
  uint16_t length = 0;         // at least 1
  uint16_t flags = 0;          // ImageContentFlag
  int32_t from = 0;
  int32_t to = INT32_MAX;      // INT32_MAX: no limit
};
static_assert(sizeof(ImageContent) == 16);

// Sorted, disjoint, inclusive. IPv4 ranges in host order; IPv6 ranges hold no mapped IPv4.
struct Ipv4Range { uint32_t first = 0, last = 0; };
struct Ipv6Range { IpAddress first{}, last{}; };
struct PortRange { uint16_t first = 0, last = 0; };
struct AddressSet { ImageSpan v4, v6; };

// Rules that no pattern leads to, by what the packet is. Order of the spans in header_lists:
// [HeaderList][PacketKind].
enum class HeaderList : uint8_t { kEachPacket = 0, kOncePerDirection = 1, kCount };
constexpr unsigned kHeaderLists = static_cast<unsigned>(HeaderList::kCount) * kPacketKinds;

struct ImageSection { uint64_t offset = 0, count = 0; };  // offset in the image, multiple of 8

struct ImageHeader {
  uint64_t magic = kRuleImageMagic;
  uint32_t version = kRuleImageVersion;
  uint32_t header_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t checksum = 0;         // image_checksum() of the whole with this field 0
  uint64_t generation = 0;
  ImageSection rules;            // ImageRule
  ImageSection limits;           // RateLimit
  ImageSection address_sets;     // AddressSet
  ImageSection v4_ranges;        // Ipv4Range
  ImageSection v6_ranges;        // Ipv6Range
  ImageSection port_sets;        // ImageSpan into port_ranges
  ImageSection port_ranges;      // PortRange
  ImageSection contents;         // ImageContent
  ImageSection bytes;            // uint8_t
  ImageSection patterns;         // by pattern id: ImageSpan into pattern_rules
  ImageSection pattern_rules;    // uint32_t rule
  ImageSection header_lists;     // kHeaderLists ImageSpan into header_rules
  ImageSection header_rules;     // uint32_t rule, ascending in each list
  ImageSection database;         // uint8_t: serialised libhs database; empty if there is no pattern
  ImageSection buffers;          // ImageBuffer
  ImageSection fact_patterns;    // by pattern id: FactPattern into fact_pattern_rules
  ImageSection fact_pattern_rules;  // uint32_t rule
  ImageSection fact_lists;       // kFacts ImageSpan into fact_rules; empty if there is no buffer
  ImageSection fact_rules;       // uint32_t rule: asked whenever that fact is stated
  ImageSection fact_database;    // as database, for what facts say
};
static_assert(sizeof(ImageHeader) == 360);

// Over words of 8 bytes (the last padded with zero); the checksum field counts as 0.
uint64_t image_checksum(std::span<const uint8_t> image) noexcept;

// A checked image. Borrows the bytes, which must stay and stay unchanged (so never a mapping that
// somebody else may still write).
class RuleImage {
 public:
  RuleImage() noexcept = default;  // no rules
  // Fails with a sentence that says which check the image did not stand. bytes.data() must be
  // aligned to 8.
  static Result<RuleImage> open(std::span<const uint8_t> bytes);

  uint64_t generation() const noexcept { return generation_; }
  std::span<const ImageRule> rules() const noexcept { return rules_; }
  std::span<const RateLimit> limits() const noexcept { return limits_; }
  std::span<const AddressSet> address_sets() const noexcept { return address_sets_; }
  std::span<const Ipv4Range> v4_ranges() const noexcept { return v4_ranges_; }
  std::span<const Ipv6Range> v6_ranges() const noexcept { return v6_ranges_; }
  std::span<const ImageSpan> port_sets() const noexcept { return port_sets_; }
  std::span<const PortRange> port_ranges() const noexcept { return port_ranges_; }
  std::span<const ImageContent> contents() const noexcept { return contents_; }
  std::span<const uint8_t> bytes() const noexcept { return bytes_; }
  std::span<const ImageSpan> patterns() const noexcept { return patterns_; }
  std::span<const uint32_t> pattern_rules() const noexcept { return pattern_rules_; }
  std::span<const uint8_t> database() const noexcept { return database_; }
  std::span<const ImageBuffer> buffers() const noexcept { return buffers_; }
  std::span<const FactPattern> fact_patterns() const noexcept { return fact_patterns_; }
  std::span<const uint32_t> fact_pattern_rules() const noexcept { return fact_pattern_rules_; }
  std::span<const uint8_t> fact_database() const noexcept { return fact_database_; }
  std::span<const uint32_t> fact_list(Fact fact) const noexcept {
    const ImageSpan s = fact_lists_[static_cast<unsigned>(fact)];
    return fact_rules_.subspan(s.first, s.count);
  }
  std::span<const uint32_t> header_list(HeaderList list, PacketKind kind) const noexcept {
    const ImageSpan s = header_lists_[static_cast<unsigned>(list) * kPacketKinds +
                                      static_cast<unsigned>(kind)];
    return header_rules_.subspan(s.first, s.count);
  }

 private:
  friend class ImageChecker;
  uint64_t generation_ = 0;
  std::span<const ImageRule> rules_;
  std::span<const RateLimit> limits_;
  std::span<const AddressSet> address_sets_;
  std::span<const Ipv4Range> v4_ranges_;
  std::span<const Ipv6Range> v6_ranges_;
  std::span<const ImageSpan> port_sets_;
  std::span<const PortRange> port_ranges_;
  std::span<const ImageContent> contents_;
  std::span<const uint8_t> bytes_;
  std::span<const ImageSpan> patterns_;
  std::span<const uint32_t> pattern_rules_;
  std::span<const ImageSpan> header_lists_;
  std::span<const uint32_t> header_rules_;
  std::span<const uint8_t> database_;
  std::span<const ImageBuffer> buffers_;
  std::span<const FactPattern> fact_patterns_;
  std::span<const uint32_t> fact_pattern_rules_;
  std::span<const ImageSpan> fact_lists_;
  std::span<const uint32_t> fact_rules_;
  std::span<const uint8_t> fact_database_;
};

}  // namespace weir
