// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ldap_text.h"

namespace weir::parse {

namespace {

constexpr unsigned kDepthMax = 24;
constexpr unsigned kTermsMax = 512;
constexpr unsigned kPartsMax = 32;

// RFC 4515 section 3.
void add_value(Bytes value, LdapText& to) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const uint8_t b : value) {
    if (b < ' ' || b >= 0x7f || b == '*' || b == '(' || b == ')' || b == '\\') {
      const uint8_t escaped[] = {'\\', static_cast<uint8_t>(kDigits[b >> 4]),
                                 static_cast<uint8_t>(kDigits[b & 15])};
      to.add(escaped);
    } else {
      to.add(Bytes(&b, 1));
    }
  }
}

bool add_assertion(Asn1 fields, std::string_view operation, LdapText& to) noexcept {
  Element type, value;
  if (!fields.take(kAsn1OctetString, type) || !fields.take(kAsn1OctetString, value)) return false;
  to.add(type.body);
  to.add(operation);
  add_value(value.body, to);
  return true;
}

bool add_substrings(Asn1 fields, LdapText& to) noexcept {
  constexpr uint16_t kInitial = 0x80, kFinal = 0x82;
  Element type, part;
  if (!fields.take(kAsn1OctetString, type)) return false;
  to.add(type.body);
  to.add("=");
  Asn1 parts = fields.inside(kAsn1Sequence);
  bool star = false;  // the text ends in one
  for (unsigned i = 0; i < kPartsMax && parts.next(part); ++i) {
    if (part.tag != kInitial && !star) to.add("*");
    add_value(part.body, to);
    star = part.tag != kFinal;
    if (star) to.add("*");
  }
  return parts.ok() && fields.ok();
}

bool add_extensible(Asn1 fields, LdapText& to) noexcept {
  Bytes rule, type, value;
  bool dn = false;
  Element e;
  while (fields.next(e)) {
    if (e.tag == 0x81) rule = e.body;
    if (e.tag == 0x82) type = e.body;
    if (e.tag == 0x83) value = e.body;
    if (e.tag == 0x84) dn = !e.body.empty() && e.body[0] != 0;
  }
  to.add(type);
  if (dn) to.add(":dn");
  if (!rule.empty()) to.add(":");
  to.add(rule);
  to.add(":=");
  add_value(value, to);
  return fields.ok();
}

// One that holds no others.
bool add_term(const Element& e, LdapText& to) noexcept {
  const Asn1 fields(e.body);
  switch (e.tag) {
    case 0xa3:
      return add_assertion(fields, "=", to);
    case 0xa4:
      return add_substrings(fields, to);
    case 0xa5:
      return add_assertion(fields, ">=", to);
    case 0xa6:
      return add_assertion(fields, "<=", to);
    case 0x87:
      to.add(e.body);
      to.add("=*");
      return true;
    case 0xa8:
      return add_assertion(fields, "~=", to);
    case 0xa9:
      return add_extensible(fields, to);
    default:
      return false;
  }
}

}  // namespace

bool write_filter(const Element& filter, LdapText& to) noexcept {
  Asn1 open[kDepthMax];
  open[0] = Asn1(filter.whole);
  unsigned depth = 0;
  for (unsigned terms = 0; terms < kTermsMax && !to.cut;) {
    Element e;
    if (!open[depth].next(e)) {
      if (!open[depth].ok()) return false;
      if (depth == 0) return true;
      --depth;
      to.add(")");
      continue;
    }
    ++terms;
    to.add("(");
    if (e.tag >= 0xa0 && e.tag <= 0xa2) {
      constexpr std::string_view kOperators[] = {"&", "|", "!"};
      to.add(kOperators[e.tag - 0xa0]);
      if (++depth == kDepthMax) return false;
      open[depth] = Asn1(e.body);
      continue;
    }
    if (!add_term(e, to)) return false;
    to.add(")");
  }
  return false;
}

std::string_view ldap_result_name(int64_t code) noexcept {
  constexpr struct {
    int64_t code;
    std::string_view name;
  } kNames[] = {{0, "success"},
                {1, "operations_error"},
                {2, "protocol_error"},
                {3, "time_limit_exceeded"},
                {4, "size_limit_exceeded"},
                {5, "compare_false"},
                {6, "compare_true"},
                {7, "auth_method_not_supported"},
                {8, "stronger_auth_required"},
                {10, "referral"},
                {11, "admin_limit_exceeded"},
                {12, "unavailable_critical_extension"},
                {13, "confidentiality_required"},
                {14, "sasl_bind_in_progress"},
                {16, "no_such_attribute"},
                {17, "undefined_attribute_type"},
                {18, "inappropriate_matching"},
                {19, "constraint_violation"},
                {20, "attribute_or_value_exists"},
                {21, "invalid_attribute_syntax"},
                {32, "no_such_object"},
                {33, "alias_problem"},
                {34, "invalid_dns_syntax"},
                {35, "is_leaf"},
                {36, "alias_dereferencing_problem"},
                {48, "inappropriate_authentication"},
                {49, "invalid_credentials"},
                {50, "insufficient_access_rights"},
                {51, "busy"},
                {52, "unavailable"},
                {53, "unwilling_to_perform"},
                {54, "loop_detect"},
                {60, "sort_control_missing"},
                {61, "offset_range_error"},
                {64, "naming_violation"},
                {65, "object_class_violation"},
                {66, "not_allowed_on_non_leaf"},
                {67, "not_allowed_on_rdn"},
                {68, "entry_already_exists"},
                {69, "object_class_mods_prohibited"},
                {70, "results_too_large"},
                {71, "affects_multiple_dsas"},
                {76, "control_error"},
                {80, "other"},
                {81, "server_down"},
                {118, "canceled"},
                {119, "no_such_operation"},
                {120, "too_late"},
                {121, "cannot_cancel"},
                {122, "assertion_failed"},
                {123, "authorization_denied"}};
  for (const auto& n : kNames) {
    if (n.code == code) return n.name;
  }
  return {};
}

}  // namespace weir::parse
