// SPDX-License-Identifier: Apache-2.0
#include "rules/compile/groups.h"

namespace weir {

AddressNumber number_of(const IpAddress& a) noexcept {
  AddressNumber n = 0;
  for (const uint8_t byte : a.bytes) n = n << 8 | byte;
  return n;
}

IpAddress address_of(AddressNumber n) noexcept {
  IpAddress a;
  for (size_t i = a.bytes.size(); i-- > 0; n >>= 8) a.bytes[i] = static_cast<uint8_t>(n);
  return a;
}

RangeSet<AddressNumber> mapped_v4() {
  const AddressNumber first = AddressNumber{0xffff} << 32;
  return RangeSet<AddressNumber>::of(first, first | 0xffffffff);
}

namespace {

constexpr AddressNumber top_of(const AddressExpr&) noexcept {
  return ~AddressNumber{0};
}
constexpr uint32_t top_of(const PortExpr&) noexcept {
  return 65535;
}

RangeSet<AddressNumber> range_of(const AddressExpr& expr) {
  const auto range = RangeSet<AddressNumber>::of(number_of(expr.first), number_of(expr.last));
  if (expr.first.is_v4() && expr.last.is_v4()) return range;
  // ::/0 means the IPv6 addresses, although the mapped IPv4 ones lie among them.
  return range.intersection(mapped_v4().complement(top_of(expr)));
}

RangeSet<uint32_t> range_of(const PortExpr& expr) {
  return RangeSet<uint32_t>::of(expr.first, expr.last);
}

Result<AddressExpr> parse(const std::string& text, const AddressExpr*) {
  return parse_address_group(text);
}
Result<PortExpr> parse(const std::string& text, const PortExpr*) {
  return parse_port_group(text);
}

constexpr const char* kind_of(const AddressExpr*) noexcept {
  return "address group $";
}
constexpr const char* kind_of(const PortExpr*) noexcept {
  return "port group $";
}

}  // namespace

template <class Expr>
Result<Resolved<Expr>> GroupResolver<Expr>::resolve(const Expr& expr) {
  auto value = plain(expr);
  if (!value) return value;
  if (expr.negated) {
    value->set = value->set.complement(top_of(expr));
    value->negates = true;
  }
  if (value->set.empty()) return fail("this holds nothing; expected at least one value to remain");
  return value;
}

template <class Expr>
Result<Resolved<Expr>> GroupResolver<Expr>::plain(const Expr& expr) {
  Resolved<Expr> value;
  switch (expr.kind) {
    case Expr::Kind::kAny:
      value.set = decltype(value.set)::of(0, top_of(expr));
      return value;
    case Expr::Kind::kRange:
      value.set = range_of(expr);
      return value;
    case Expr::Kind::kGroup:
      return group(expr.group);
    case Expr::Kind::kList:
      return list(expr);
  }
  return value;
}

template <class Expr>
Result<Resolved<Expr>> GroupResolver<Expr>::list(const Expr& expr) {
  Resolved<Expr> value;
  decltype(value.set) without;
  bool named = false;  // a member that is not negated
  for (const Expr& member : expr.members) {
    auto part = plain(member);
    if (!part) return part;
    (member.negated ? without : value.set).unite(part->set);
    value.negates = value.negates || part->negates || member.negated;
    named = named || !member.negated;
  }
  if (!named) value.set = decltype(value.set)::of(0, top_of(expr));
  if (!without.empty()) value.set = value.set.intersection(without.complement(top_of(expr)));
  return value;
}

template <class Expr>
Result<Resolved<Expr>> GroupResolver<Expr>::group(const std::string& name) {
  const std::string called = kind_of(static_cast<const Expr*>(nullptr)) + name;
  const auto known = known_.find(name);
  if (known != known_.end()) return known->second;
  const auto defined = groups_.find(name);
  if (defined == groups_.end()) {
    std::string all;
    for (const auto& [other, text] : groups_) all += (all.empty() ? "$" : ", $") + other;
    return fail(called + " is not defined; defined are: " + (all.empty() ? "none" : all));
  }
  known_.insert_or_assign(name, fail(called + " is defined by itself"));
  auto expr = parse(defined->second, static_cast<const Expr*>(nullptr));
  Result<Resolved<Expr>> value =
      expr ? resolve(*expr)
           : Result<Resolved<Expr>>(fail("column " + std::to_string(expr.error().column) + ": " +
                                         expr.error().message));
  if (!value && value.error().message.find(called) == std::string::npos) {
    value = fail(called + " (" + defined->second.substr(0, 80) + "): " + value.error().message);
  }
  known_.insert_or_assign(name, value);
  return value;
}

template class GroupResolver<AddressExpr>;
template class GroupResolver<PortExpr>;

}  // namespace weir
