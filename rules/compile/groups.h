// SPDX-License-Identifier: Apache-2.0
// Address and port expressions of rules, with the groups they name, -> plain sets.
#pragma once

#include <map>
#include <string>

#include "rules/compile/compile.h"
#include "rules/compile/range_set.h"

namespace weir {

// IPv6 and mapped IPv4 addresses as one number.
__extension__ using AddressNumber = unsigned __int128;

template <class Expr>
struct SetOf;
template <>
struct SetOf<AddressExpr> {
  using Number = AddressNumber;
};
template <>
struct SetOf<PortExpr> {
  using Number = uint32_t;
};

// What an expression comes to.
template <class Expr>
struct Resolved {
  RangeSet<typename SetOf<Expr>::Number> set;
  bool negates = false;  // a '!' stood in it or in a group it names
};

template <class Expr>
class GroupResolver {
 public:
  explicit GroupResolver(const std::map<std::string, std::string>& groups) : groups_(groups) {}

  // Fails with the reason alone; the place is the caller's (expr.place).
  Result<Resolved<Expr>> resolve(const Expr& expr);

 private:
  Result<Resolved<Expr>> plain(const Expr& expr);  // without expr's own '!'
  Result<Resolved<Expr>> group(const std::string& name);
  Result<Resolved<Expr>> list(const Expr& expr);

  const std::map<std::string, std::string>& groups_;
  std::map<std::string, Result<Resolved<Expr>>> known_;  // and, as an error, those being resolved
};

extern template class GroupResolver<AddressExpr>;
extern template class GroupResolver<PortExpr>;

AddressNumber number_of(const IpAddress& a) noexcept;
IpAddress address_of(AddressNumber n) noexcept;
RangeSet<AddressNumber> mapped_v4();  // where the IPv4 addresses lie

}  // namespace weir
