// SPDX-License-Identifier: Apache-2.0
#include "dataplane/contract/rule_image.h"

#include <bit>
#include <cstring>
#include <string>

namespace weir {

uint64_t image_checksum(std::span<const uint8_t> image) noexcept {
  constexpr size_t kField = offsetof(ImageHeader, checksum);
  static_assert(kField % 8 == 0);
  // Each step is a bijection of h for a given word, so no single changed word goes unseen.
  uint64_t h = image.size();
  for (size_t at = 0; at < image.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, image.data() + at, std::min<size_t>(8, image.size() - at));
    if (at == kField) word = 0;
    h = (h ^ word) * 0x9e3779b97f4a7c15;
    h ^= h >> 29;
  }
  return h;
}

bool is_searchable(FactType type) noexcept {
  return type == FactType::kText || type == FactType::kHex || type == FactType::kHexColon ||
         type == FactType::kNumber || type == FactType::kSigned;
}

// Opens an image step by step; the first check that fails leaves its sentence in error_.
class ImageChecker {
 public:
  explicit ImageChecker(std::span<const uint8_t> bytes) noexcept : bytes_(bytes) {}

  Result<RuleImage> open() {
    if (!(header() && sections() && references() && facts() && rules())) {
      return fail("rule image: " + error_);
    }
    image_.generation_ = header_.generation;
    return image_;
  }

 private:
  bool wrong(std::string what) {
    error_ = std::move(what);
    return false;
  }

  bool header() {
    if (reinterpret_cast<uintptr_t>(bytes_.data()) % 8 != 0) return wrong("not aligned in memory");
    if (bytes_.size() < sizeof header_) return wrong("shorter than its header");
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    if (header_.magic != kRuleImageMagic) return wrong("not a rule image");
    if (header_.version != kRuleImageVersion || header_.header_bytes != sizeof header_) {
      return wrong("version " + std::to_string(header_.version) + " where " +
                   std::to_string(kRuleImageVersion) + " is understood");
    }
    if (header_.total_bytes != bytes_.size() || bytes_.size() > kRuleImageBytesMax) {
      return wrong("is " + std::to_string(bytes_.size()) + " bytes long where it says " +
                   std::to_string(header_.total_bytes));
    }
    if (header_.checksum != image_checksum(bytes_)) return wrong("its checksum does not agree");
    return true;
  }

  template <class T>
  bool section(const ImageSection& s, const char* name, std::span<const T>& out) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);
    const uint64_t size = bytes_.size();
    if (s.offset % 8 != 0 || s.offset < sizeof header_ || s.offset > size ||
        s.count > (size - s.offset) / sizeof(T)) {
      return wrong(std::string("its ") + name + " lie outside of it");
    }
    out = {reinterpret_cast<const T*>(bytes_.data() + s.offset), static_cast<size_t>(s.count)};
    return true;
  }

  bool sections() {
    const ImageHeader& h = header_;
    return section(h.rules, "rules", image_.rules_) &&
           section(h.limits, "limits", image_.limits_) &&
           section(h.address_sets, "address sets", image_.address_sets_) &&
           section(h.v4_ranges, "IPv4 ranges", image_.v4_ranges_) &&
           section(h.v6_ranges, "IPv6 ranges", image_.v6_ranges_) &&
           section(h.port_sets, "port sets", image_.port_sets_) &&
           section(h.port_ranges, "port ranges", image_.port_ranges_) &&
           section(h.contents, "contents", image_.contents_) &&
           section(h.bytes, "bytes", image_.bytes_) &&
           section(h.patterns, "patterns", image_.patterns_) &&
           section(h.pattern_rules, "rules by pattern", image_.pattern_rules_) &&
           section(h.header_lists, "header lists", image_.header_lists_) &&
           section(h.header_rules, "rules by header", image_.header_rules_) &&
           section(h.database, "database", image_.database_) &&
           section(h.buffers, "buffers", image_.buffers_) &&
           section(h.fact_patterns, "patterns of facts", image_.fact_patterns_) &&
           section(h.fact_pattern_rules, "rules by fact pattern", image_.fact_pattern_rules_) &&
           section(h.fact_lists, "lists by fact", image_.fact_lists_) &&
           section(h.fact_rules, "rules by fact", image_.fact_rules_) &&
           section(h.fact_database, "database of facts", image_.fact_database_);
  }

  static bool inside(const ImageSpan& s, size_t count) noexcept {
    return s.first <= count && s.count <= count - s.first;
  }

  // Sorted and disjoint, or the binary search would miss what is there.
  template <class Range>
  static bool sorted(std::span<const Range> ranges) noexcept {
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].last < ranges[i].first) return false;
      if (i > 0 && !(ranges[i - 1].last < ranges[i].first)) return false;
    }
    return true;
  }

  bool references() {
    for (const AddressSet& set : image_.address_sets_) {
      if (!inside(set.v4, image_.v4_ranges_.size()) || !inside(set.v6, image_.v6_ranges_.size()) ||
          !sorted(image_.v4_ranges_.subspan(set.v4.first, set.v4.count)) ||
          !sorted(image_.v6_ranges_.subspan(set.v6.first, set.v6.count))) {
        return wrong("an address set is not whole");
      }
    }
    for (const ImageSpan& set : image_.port_sets_) {
      if (!inside(set, image_.port_ranges_.size()) ||
          !sorted(image_.port_ranges_.subspan(set.first, set.count))) {
        return wrong("a port set is not whole");
      }
    }
    for (const ImageContent& c : image_.contents_) {
      if (c.length == 0 || !inside({c.bytes, c.length}, image_.bytes_.size())) {
        return wrong("a content lies outside of its bytes");
      }
    }
    if (!lists(image_.patterns_, image_.pattern_rules_)) return wrong("a pattern names no rule");
    if (image_.header_lists_.size() != (image_.rules_.empty() ? 0 : kHeaderLists) ||
        !lists(image_.header_lists_, image_.header_rules_)) {
      return wrong("a header list names no rule");
    }
    if (image_.patterns_.empty() != image_.database_.empty()) {
      return wrong("patterns and database do not belong together");
    }
    return true;
  }

  static bool searchable(uint32_t fact) noexcept {
    return fact < kFacts && is_searchable(fact_info(static_cast<Fact>(fact)).type);
  }

  bool buffer(const ImageBuffer& b) const noexcept {
    if (!searchable(b.fact[0]) || b.size_min > b.size_max ||
        std::bit_cast<uint8_t>(b.sayer) > static_cast<uint8_t>(Sayer::kServer)) {
      return false;
    }
    for (const uint16_t fact : b.fact) {
      if (fact != kNoFact && !searchable(fact)) return false;
    }
    return inside({b.contents, b.contents_count}, image_.contents_.size());
  }

  bool facts() {
    for (const ImageBuffer& b : image_.buffers_) {
      if (!buffer(b)) return wrong("a buffer is not whole");
    }
    for (const FactPattern& p : image_.fact_patterns_) {
      if (!searchable(p.fact) || !inside(p.rules, image_.fact_pattern_rules_.size())) {
        return wrong("a pattern of a fact is not whole");
      }
    }
    if (!with_buffers(image_.fact_pattern_rules_)) return wrong("a fact's pattern names no rule");
    if (image_.fact_lists_.size() != (image_.buffers_.empty() ? 0 : kFacts) ||
        !lists(image_.fact_lists_, image_.fact_rules_) || !with_buffers(image_.fact_rules_)) {
      return wrong("a list by fact names no rule");
    }
    if (image_.fact_patterns_.empty() != image_.fact_database_.empty()) {
      return wrong("patterns and database of facts do not belong together");
    }
    return true;
  }

  // A rule without buffers would hold of every event.
  bool with_buffers(std::span<const uint32_t> named) const noexcept {
    for (const uint32_t rule : named) {
      if (rule >= image_.rules_.size() || image_.rules_[rule].buffers_count == 0) return false;
    }
    return true;
  }

  bool lists(std::span<const ImageSpan> spans, std::span<const uint32_t> named) const noexcept {
    for (const ImageSpan& s : spans) {
      if (!inside(s, named.size())) return false;
    }
    for (const uint32_t rule : named) {
      if (rule >= image_.rules_.size()) return false;
    }
    return true;
  }

  static bool index_or_none(uint32_t index, size_t count) noexcept {
    return index == kNoIndex || index < count;
  }

  bool rules() {
    uint32_t number = 0;
    for (const ImageRule& r : image_.rules_) {
      if (!rule(r)) return wrong("rule " + std::to_string(number) + " is not whole");
      ++number;
    }
    return true;
  }

  bool rule(const ImageRule& r) const noexcept {
    // Compared as a number: a byte outside of the enumeration is no Action to compare with.
    const auto action = std::bit_cast<uint8_t>(r.action);
    if (action > static_cast<uint8_t>(Action::kRateLimit)) return false;
    const bool limited = action == static_cast<uint8_t>(Action::kRateLimit);
    if (limited != (r.limit != kNoIndex) || !index_or_none(r.limit, image_.limits_.size()) ||
        (limited && !limit(image_.limits_[r.limit]))) {
      return false;
    }
    return index_or_none(r.src_set, image_.address_sets_.size()) &&
           index_or_none(r.dst_set, image_.address_sets_.size()) &&
           index_or_none(r.src_ports, image_.port_sets_.size()) &&
           index_or_none(r.dst_ports, image_.port_sets_.size()) &&
           inside({r.contents, r.contents_count}, image_.contents_.size()) &&
           inside({r.buffers, r.buffers_count}, image_.buffers_.size()) &&
           (r.contents_count == 0 || r.buffers_count == 0);
  }

  static bool limit(const RateLimit& l) noexcept {
    return (l.packets_per_second == 0) != (l.bits_per_second == 0) &&
           std::bit_cast<uint8_t>(l.per) <= static_cast<uint8_t>(RateLimit::Per::kSource);
  }

  std::span<const uint8_t> bytes_;
  ImageHeader header_;
  RuleImage image_;
  std::string error_;
};

Result<RuleImage> RuleImage::open(std::span<const uint8_t> bytes) {
  return ImageChecker(bytes).open();
}

}  // namespace weir
