// SPDX-License-Identifier: Apache-2.0
// HOME_NET as rules spell it -> the prefixes whose devices are learned.
#include "control/operate/config.h"

#include "rules/compile/compile.h"

namespace weir {

namespace {

constexpr unsigned kGroupDepthMax = 8;  // groups in lists in groups
constexpr size_t kPrefixesMax = 4096;

// The widest prefix that starts at `first` and does not reach beyond `last`.
uint8_t widest_from(const IpAddress& first, const IpAddress& last) {
  uint8_t bits = 128;
  while (bits > 0) {
    const auto wider = static_cast<uint8_t>(bits - 1);
    if (masked(first, wider) != first) break;
    IpAddress end = first;  // last address of the wider prefix
    for (unsigned b = wider; b < 128; ++b) end.bytes[b / 8] |= static_cast<uint8_t>(0x80 >> b % 8);
    if (end > last) break;
    bits = wider;
  }
  return bits;
}

// false: that was the last address there is.
bool step_over(IpAddress& a, uint8_t bits) {
  for (int b = bits - 1; b >= 0; --b) {
    const auto bit = static_cast<uint8_t>(0x80 >> b % 8);
    a.bytes[b / 8] ^= bit;
    if (a.bytes[b / 8] & bit) return true;
  }
  return false;
}

class Flattener {
 public:
  explicit Flattener(const RuleFiles& rules) : rules_(rules) {}

  Result<void> add(const AddressExpr& e, bool negated, unsigned depth) {
    if (depth > kGroupDepthMax) return fail("groups refer to each other too deep or in a circle");
    const bool inverse = negated != e.negated;
    switch (e.kind) {
      case AddressExpr::Kind::kAny:
        if (inverse) return fail("it holds nothing");
        every_ = true;
        return {};
      case AddressExpr::Kind::kRange:
        return add_range(e, inverse);
      case AddressExpr::Kind::kGroup:
        return add_group(e.group, inverse, depth);
      case AddressExpr::Kind::kList:
        for (const AddressExpr& member : e.members) {
          if (auto done = add(member, inverse, depth + 1); !done) return done;
        }
        return {};
    }
    return {};
  }

  Result<void> add_group(const std::string& name, bool negated, unsigned depth) {
    const auto found = rules_.address_groups.find(name);
    if (found == rules_.address_groups.end()) return fail("there is no address group " + name);
    const auto expr = parse_address_group(found->second);
    if (!expr) return fail(expr.error());
    return add(*expr, negated, depth + 1);
  }

  NetworkSet take() {
    if (every_) set_.inside.clear();  // empty: every address
    return std::move(set_);
  }

 private:
  Result<void> add_range(const AddressExpr& e, bool inverse) {
    std::vector<IpPrefix>& to = inverse ? set_.except : set_.inside;
    IpAddress at = e.first;
    while (at <= e.last) {
      if (to.size() >= kPrefixesMax) return fail("it has too many ranges");
      const uint8_t bits = widest_from(at, e.last);
      to.push_back({at, bits});
      if (!step_over(at, bits)) break;
    }
    return {};
  }

  const RuleFiles& rules_;
  NetworkSet set_;
  bool every_ = false;
};

}  // namespace

Result<NetworkSet> home_network(const RuleFiles& rules) {
  Flattener flat(rules);
  if (auto done = flat.add_group("HOME_NET", false, 0); !done) return fail(done.error());
  return flat.take();
}

}  // namespace weir
