// SPDX-License-Identifier: Apache-2.0
#include "rules/compile/image_writer.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace weir {

namespace {

bool is_any(const RangeSet<AddressNumber>& set) {
  return set.ranges().size() == 1 && set.ranges()[0].first == 0 &&
         set.ranges()[0].last == ~AddressNumber{0};
}
bool is_any(const RangeSet<uint32_t>& set) {
  return set.ranges().size() == 1 && set.ranges()[0].first == 0 && set.ranges()[0].last == 65535;
}

template <class Number>
std::vector<std::pair<Number, Number>> key_of(const RangeSet<Number>& set) {
  std::vector<std::pair<Number, Number>> key;
  for (const auto& r : set.ranges()) key.emplace_back(r.first, r.last);
  return key;
}

}  // namespace

Action action_of(RuleAction a) noexcept {
  switch (a) {
    case RuleAction::kPass:
      return Action::kPass;
    case RuleAction::kDrop:
      return Action::kDrop;
    case RuleAction::kReject:
      return Action::kReject;
    case RuleAction::kRateLimit:
      return Action::kRateLimit;
    case RuleAction::kAlert:
      break;
  }
  return Action::kAlert;
}

namespace {

constexpr uint16_t bit(PacketKind kind) noexcept {
  return static_cast<uint16_t>(1u << static_cast<unsigned>(kind));
}

// As ImageRule::kinds.
uint16_t kinds_of(RuleProtocol p) noexcept {
  constexpr uint16_t kAll = (1u << kPacketKinds) - 1;
  const auto both = [](unsigned kinds) { return static_cast<uint16_t>(kinds | kinds << 8); };
  switch (p) {
    case RuleProtocol::kTcp:
    case RuleProtocol::kTcpPacket:
      return both(bit(PacketKind::kTcp));
    case RuleProtocol::kUdp:
      return both(bit(PacketKind::kUdp));
    case RuleProtocol::kApplication:
      return both(bit(PacketKind::kTcp) | bit(PacketKind::kUdp));
    case RuleProtocol::kSctp:
      return both(bit(PacketKind::kSctp));
    case RuleProtocol::kIcmp:
      return both(bit(PacketKind::kIcmp4) | bit(PacketKind::kIcmp6));
    case RuleProtocol::kIcmp4:
      return both(bit(PacketKind::kIcmp4));
    case RuleProtocol::kIcmp6:
      return both(bit(PacketKind::kIcmp6));
    case RuleProtocol::kIp:
      return both(kAll);
    case RuleProtocol::kIp4:
      return kAll;
    case RuleProtocol::kIp6:
      return static_cast<uint16_t>(kAll << 8);
  }
  return 0;
}

RateLimit limit_of(const RuleRate& rate) noexcept {
  RateLimit limit;
  limit.packets_per_second = rate.packets_per_second;
  limit.bits_per_second = rate.bits_per_second;
  limit.per = rate.per == RuleRate::Per::kFlow     ? RateLimit::Per::kFlow
              : rate.per == RuleRate::Per::kSource ? RateLimit::Per::kSource
                                                   : RateLimit::Per::kVerdict;
  return limit;
}

ImageContent content_of(const Content& c) noexcept {
  ImageContent out;
  out.length = static_cast<uint16_t>(c.bytes.size());
  unsigned flags = 0;
  if (c.nocase && has_letters(c.bytes)) flags |= kContentNocase;
  if (c.negated) flags |= kContentNegated;
  if (c.endswith) flags |= kContentAtEnd;
  if (c.distance || c.within) {
    flags |= kContentRelative;
    out.from = c.distance.value_or(0);
    if (c.within) out.to = out.from + *c.within;
  } else {
    out.from = c.offset.value_or(0);
    if (c.depth) out.to = out.from + *c.depth;
    if (c.startswith) out.to = out.length;
  }
  out.flags = static_cast<uint16_t>(flags);
  return out;
}

bool is_relative(const Content& c) noexcept {
  return c.distance || c.within;
}

// Whether a later content counts from where content i ends.
bool is_followed(const std::vector<Content>& contents, size_t i) noexcept {
  if (contents[i].negated) return false;
  for (size_t j = i + 1; j < contents.size(); ++j) {
    if (is_relative(contents[j])) return true;
    if (!contents[j].negated) return false;
  }
  return false;
}

// Appends sections behind the header, each aligned to 8.
class Layout {
 public:
  Layout() : bytes_(sizeof(ImageHeader)) {}

  template <class T>
  ImageSection put(const std::vector<T>& items) {
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    const ImageSection section{bytes_.size(), items.size()};
    const auto* from = reinterpret_cast<const uint8_t*>(items.data());
    bytes_.insert(bytes_.end(), from, from + items.size() * sizeof(T));
    return section;
  }

  std::vector<uint8_t> finish(ImageHeader header) {
    header.header_bytes = sizeof header;
    header.total_bytes = bytes_.size();
    std::memcpy(bytes_.data(), &header, sizeof header);
    header.checksum = image_checksum(bytes_);
    std::memcpy(bytes_.data(), &header, sizeof header);
    return std::move(bytes_);
  }

 private:
  std::vector<uint8_t> bytes_;
};

// Lists of rules, one after the other, and where each lies.
template <class Lists>
std::vector<ImageSpan> concatenate(const Lists& lists, std::vector<uint32_t>& all) {
  std::vector<ImageSpan> spans;
  for (const std::vector<uint32_t>& list : lists) {
    spans.push_back({static_cast<uint32_t>(all.size()), static_cast<uint32_t>(list.size())});
    all.insert(all.end(), list.begin(), list.end());
  }
  return spans;
}

}  // namespace

uint32_t ImageWriter::address_set(const RangeSet<AddressNumber>& set) {
  if (is_any(set)) return kNoIndex;
  const auto [seen, fresh] =
      seen_addresses_.try_emplace(key_of(set), static_cast<uint32_t>(address_sets_.size()));
  if (!fresh) return seen->second;
  AddressSet out;
  out.v4.first = static_cast<uint32_t>(v4_ranges_.size());
  out.v6.first = static_cast<uint32_t>(v6_ranges_.size());
  const auto v4 = set.intersection(mapped_v4());
  for (const auto& r : v4.ranges()) {
    v4_ranges_.push_back({static_cast<uint32_t>(r.first), static_cast<uint32_t>(r.last)});
  }
  const auto v6 = set.intersection(mapped_v4().complement(~AddressNumber{0}));
  for (const auto& r : v6.ranges()) {
    v6_ranges_.push_back({address_of(r.first), address_of(r.last)});
  }
  out.v4.count = static_cast<uint32_t>(v4_ranges_.size()) - out.v4.first;
  out.v6.count = static_cast<uint32_t>(v6_ranges_.size()) - out.v6.first;
  address_sets_.push_back(out);
  return seen->second;
}

uint32_t ImageWriter::port_set(const RangeSet<uint32_t>& set, uint16_t& first, uint16_t& last) {
  first = static_cast<uint16_t>(set.ranges().front().first);
  last = static_cast<uint16_t>(set.ranges().back().last);
  if (set.ranges().size() == 1) return kNoIndex;
  const auto [seen, fresh] =
      seen_ports_.try_emplace(key_of(set), static_cast<uint32_t>(port_sets_.size()));
  if (!fresh) return seen->second;
  port_sets_.push_back(
      {static_cast<uint32_t>(port_ranges_.size()), static_cast<uint32_t>(set.ranges().size())});
  for (const auto& r : set.ranges()) {
    port_ranges_.push_back({static_cast<uint16_t>(r.first), static_cast<uint16_t>(r.last)});
  }
  return seen->second;
}

uint32_t ImageWriter::pattern_id(const Pattern& pattern) {
  const auto [seen, fresh] =
      seen_patterns_.try_emplace(pattern, static_cast<uint32_t>(patterns_.size()));
  if (fresh) {
    patterns_.push_back(pattern);
    rules_of_pattern_.emplace_back();
  }
  return seen->second;
}

uint32_t ImageWriter::fact_pattern_id(Fact fact, const Pattern& pattern) {
  const auto [seen, fresh] = seen_fact_patterns_.try_emplace(
      {fact, pattern}, static_cast<uint32_t>(fact_patterns_.size()));
  if (fresh) {
    fact_patterns_.push_back(pattern);
    facts_of_patterns_.push_back(fact);
    rules_of_fact_pattern_.emplace_back();
  }
  return seen->second;
}

ImageSpan ImageWriter::add_contents(const std::vector<Content>& contents,
                                    const PatternChoice* choice) {
  const ImageSpan span{static_cast<uint32_t>(contents_.size()),
                       static_cast<uint32_t>(contents.size())};
  for (size_t i = 0; i < contents.size(); ++i) {
    const Content& c = contents[i];
    ImageContent content = content_of(c);
    unsigned flags = content.flags;
    if (is_followed(contents, i)) flags |= kContentKeepEnds;
    if (choice != nullptr && choice->whole && choice->content == i) flags |= kContentProven;
    content.flags = static_cast<uint16_t>(flags);
    content.bytes = static_cast<uint32_t>(bytes_.size());
    const std::string text = (flags & kContentNocase) != 0 ? lower_case(c.bytes) : c.bytes;
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    contents_.push_back(content);
  }
  return span;
}

// The rule's buffers. One content of one of them leads to the rule, or else that the first of them
// is stated at all.
void ImageWriter::add_buffers(const ParsedRule& rule, uint32_t index, ImageRule& out) {
  out.buffers = static_cast<uint32_t>(buffers_.size());
  out.buffers_count = static_cast<uint16_t>(rule.buffers.size());
  PatternChoice best;
  const FactBuffer* leader = nullptr;
  for (const FactBuffer& b : rule.buffers) {
    ImageBuffer buffer;
    for (size_t i = 0; i < b.facts.size(); ++i) {
      buffer.fact[i] = static_cast<uint16_t>(b.facts[i]);
    }
    const ImageSpan contents = add_contents(b.contents, nullptr);
    buffer.contents = contents.first;
    buffer.contents_count = static_cast<uint16_t>(contents.count);
    if (b.size) {
      buffer.size_min = b.size->min;
      buffer.size_max = b.size->max;
    }
    buffer.sayer = b.sayer;
    buffer.flags = static_cast<uint8_t>((b.lower_case ? unsigned{kBufferLowerCase} : 0u) |
                                        (b.dot_prefix ? unsigned{kBufferDotPrefix} : 0u));
    buffers_.push_back(buffer);
    PatternChoice choice;
    if (!choose_pattern(b.contents, choice)) continue;
    if (b.lower_case) {  // what is searched is as it was stated
      choice.pattern.caseless = has_letters(choice.pattern.bytes);
      choice.pattern.bytes = lower_case(std::move(choice.pattern.bytes));
    }
    if (leader != nullptr && choice.strength <= best.strength) continue;
    leader = &b;
    best = std::move(choice);
  }
  if (leader == nullptr) return lead_to(rule.buffers[0], nullptr, index);
  lead_to(*leader, &best, index);
}

void ImageWriter::lead_to(const FactBuffer& buffer, const PatternChoice* choice, uint32_t index) {
  for (const Fact fact : buffer.facts) {
    if (choice != nullptr) {
      rules_of_fact_pattern_[fact_pattern_id(fact, choice->pattern)].push_back(index);
    } else {
      fact_lists_[static_cast<unsigned>(fact)].push_back(index);
    }
  }
}

void ImageWriter::list_by_header(const ParsedRule& rule, const Header& header, uint32_t index) {
  const ImageRule& image_rule = rules_[index];
  // What Suricata calls IP-only: one look at a flow's direction says all there is to say. A rate is
  // of packets, so each one counts.
  const bool once = (image_rule.flags & kRuleOfFlow) != 0 && !header.src.negates &&
                    !header.dst.negates && rule.action != RuleAction::kRateLimit;
  const auto list =
      static_cast<unsigned>(once ? HeaderList::kOncePerDirection : HeaderList::kEachPacket);
  for (unsigned kind = 0; kind < kPacketKinds; ++kind) {
    if ((image_rule.kinds & (0x101u << kind)) == 0) continue;
    header_lists_[list * kPacketKinds + kind].push_back(index);
  }
}

void ImageWriter::add(const ParsedRule& rule, const Header& header) {
  const auto index = static_cast<uint32_t>(rules_.size());
  ImageRule out;
  out.sid = rule.sid;
  out.gid = rule.gid;
  out.rev = rule.rev;
  out.action = action_of(rule.action);
  out.kinds = kinds_of(rule.protocol);
  out.src_ports = port_set(header.src_ports.set, out.src_port_first, out.src_port_last);
  out.dst_ports = port_set(header.dst_ports.set, out.dst_port_first, out.dst_port_last);
  out.src_set = address_set(header.src.set);
  out.dst_set = address_set(header.dst.set);
  unsigned flags = 0;
  if (rule.direction == RuleDirection::kBoth) flags |= kRuleBothWays;
  const bool ports = !is_any(header.src_ports.set) || !is_any(header.dst_ports.set);
  if (ports) flags |= kRuleNeedsPorts;
  if (!rule.contents.empty()) flags |= kRuleNeedsPayload;
  out.flow = rule.flow;
  out.applications = rule.applications;
  const bool of_flow_alone = rule.flow == 0 && rule.applications == 0 && rule.buffers.empty();
  if (!ports && rule.contents.empty() && !rule.dsize && of_flow_alone) flags |= kRuleOfFlow;
  out.flags = static_cast<uint8_t>(flags);
  if (rule.dsize) {
    out.payload_min = rule.dsize->min;
    out.payload_max = rule.dsize->max;
  }
  if (rule.rate) {
    out.limit = static_cast<uint32_t>(limits_.size());
    limits_.push_back(limit_of(*rule.rate));
  }
  if (!rule.buffers.empty()) {
    add_buffers(rule, index, out);
    rules_.push_back(out);
    return;
  }
  PatternChoice choice;
  const bool led = choose_pattern(rule.contents, choice);
  const ImageSpan contents = add_contents(rule.contents, led ? &choice : nullptr);
  out.contents = contents.first;
  out.contents_count = static_cast<uint16_t>(contents.count);
  rules_.push_back(out);
  if (led) {
    rules_of_pattern_[pattern_id(choice.pattern)].push_back(index);
  } else {
    list_by_header(rule, header, index);
  }
}

Result<std::vector<uint8_t>> ImageWriter::write(uint64_t generation) {
  auto database = compile_patterns(patterns_);
  if (!database) return database;
  auto fact_database = compile_patterns(fact_patterns_);
  if (!fact_database) return fact_database;
  std::vector<uint32_t> pattern_rules, header_rules;
  const auto patterns = concatenate(rules_of_pattern_, pattern_rules);
  auto header_lists = concatenate(header_lists_, header_rules);
  if (rules_.empty()) header_lists.clear();
  std::vector<uint32_t> fact_pattern_rules, fact_rules;
  std::vector<FactPattern> fact_patterns;
  for (const ImageSpan& span : concatenate(rules_of_fact_pattern_, fact_pattern_rules)) {
    const Fact fact = facts_of_patterns_[fact_patterns.size()];
    fact_patterns.push_back({static_cast<uint32_t>(fact), span});
  }
  auto fact_lists = concatenate(fact_lists_, fact_rules);
  if (buffers_.empty()) fact_lists.clear();
  Layout layout;
  ImageHeader header;
  header.generation = generation;
  header.rules = layout.put(rules_);
  header.limits = layout.put(limits_);
  header.address_sets = layout.put(address_sets_);
  header.v4_ranges = layout.put(v4_ranges_);
  header.v6_ranges = layout.put(v6_ranges_);
  header.port_sets = layout.put(port_sets_);
  header.port_ranges = layout.put(port_ranges_);
  header.contents = layout.put(contents_);
  header.bytes = layout.put(bytes_);
  header.patterns = layout.put(patterns);
  header.pattern_rules = layout.put(pattern_rules);
  header.header_lists = layout.put(header_lists);
  header.header_rules = layout.put(header_rules);
  header.database = layout.put(*database);
  header.buffers = layout.put(buffers_);
  header.fact_patterns = layout.put(fact_patterns);
  header.fact_pattern_rules = layout.put(fact_pattern_rules);
  header.fact_lists = layout.put(fact_lists);
  header.fact_rules = layout.put(fact_rules);
  header.fact_database = layout.put(*fact_database);
  auto image = layout.finish(header);
  if (image.size() > kRuleImageBytesMax) return fail("the compiled rules are larger than 1 GiB");
  return image;
}

}  // namespace weir
