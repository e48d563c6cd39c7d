// SPDX-License-Identifier: Apache-2.0
// Collects what rules consist of, each distinct set and pattern once, and writes the image.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "dataplane/contract/rule_image.h"
#include "rules/compile/groups.h"
#include "rules/compile/patterns.h"

namespace weir {

Action action_of(RuleAction a) noexcept;

class ImageWriter {
 public:
  // The two ends of a rule, resolved.
  struct Header {
    Resolved<AddressExpr> src, dst;
    Resolved<PortExpr> src_ports, dst_ports;
  };

  // Rules in the order in which they count.
  void add(const ParsedRule& rule, const Header& header);
  Result<std::vector<uint8_t>> write(uint64_t generation);

 private:
  uint32_t address_set(const RangeSet<AddressNumber>& set);
  uint32_t port_set(const RangeSet<uint32_t>& set, uint16_t& first, uint16_t& last);
  ImageSpan add_contents(const std::vector<Content>& contents, const PatternChoice* choice);
  void add_buffers(const ParsedRule& rule, uint32_t index, ImageRule& out);
  void lead_to(const FactBuffer& buffer, const PatternChoice* choice, uint32_t index);
  void list_by_header(const ParsedRule& rule, const Header& header, uint32_t index);
  uint32_t pattern_id(const Pattern& pattern);
  uint32_t fact_pattern_id(Fact fact, const Pattern& pattern);

  std::vector<ImageRule> rules_;
  std::vector<RateLimit> limits_;
  std::vector<AddressSet> address_sets_;
  std::vector<Ipv4Range> v4_ranges_;
  std::vector<Ipv6Range> v6_ranges_;
  std::vector<ImageSpan> port_sets_;
  std::vector<PortRange> port_ranges_;
  std::vector<ImageContent> contents_;
  std::vector<uint8_t> bytes_;
  std::vector<Pattern> patterns_;
  std::vector<std::vector<uint32_t>> rules_of_pattern_;
  std::vector<ImageBuffer> buffers_;
  std::vector<Pattern> fact_patterns_;
  std::vector<Fact> facts_of_patterns_;
  std::vector<std::vector<uint32_t>> rules_of_fact_pattern_;
  std::vector<uint32_t> fact_lists_[kFacts];
  std::vector<uint32_t> header_lists_[kHeaderLists];
  std::map<std::vector<std::pair<AddressNumber, AddressNumber>>, uint32_t> seen_addresses_;
  std::map<std::vector<std::pair<uint32_t, uint32_t>>, uint32_t> seen_ports_;
  std::map<Pattern, uint32_t> seen_patterns_;
  std::map<std::pair<Fact, Pattern>, uint32_t> seen_fact_patterns_;
};

}  // namespace weir
