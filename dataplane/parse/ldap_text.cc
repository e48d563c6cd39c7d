// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ldap_text.h"

namespace weir::parse {

namespace {

constexpr unsigned kDepthMax = 24;
constexpr unsigned kTermsMax = 512;
constexpr unsigned kPartsMax = 32;
constexpr unsigned kAttributesMax = 32, kChangesMax = 16;

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

int64_t ldap_integer(Asn1& fields, uint16_t tag) noexcept {
  int64_t value = 0;
  read_asn1_integer(fields.body(tag), value);
  return value;
}

void write_ldap_search(Asn1 fields, FactWriter& facts) noexcept {
  facts.text(Fact::kLdapSearchBase, fields.body(kAsn1OctetString), kLdapNameMax);
  const auto number = [&](Fact fact, uint16_t tag) {
    facts.number(fact, static_cast<uint64_t>(ldap_integer(fields, tag)));
  };
  number(Fact::kLdapSearchScope, kAsn1Enumerated);
  number(Fact::kLdapSearchDeref, kAsn1Enumerated);
  number(Fact::kLdapSearchSizeLimit, kAsn1Integer);
  number(Fact::kLdapSearchTimeLimit, kAsn1Integer);
  const Bytes types_only = fields.body(kAsn1Boolean);
  facts.flag(Fact::kLdapSearchTypesOnly, !types_only.empty() && types_only[0] != 0);
  Element filter;
  if (!fields.next(filter)) return;
  if (filter.tag == 0x87) {
    facts.text(Fact::kLdapSearchFilterType, std::string_view("present"));
    facts.text(Fact::kLdapSearchFilterValue, filter.body, kLdapNameMax);
  }
  LdapText text;
  write_filter(filter, text);
  facts.text(Fact::kLdapSearchFilterText, text.bytes());
  Asn1 attributes = fields.inside(kAsn1Sequence);
  Element name;
  for (unsigned i = 0; i < kAttributesMax && attributes.next(name); ++i) {
    facts.text(Fact::kLdapSearchAttributes, name.body, kLdapAttributeNameMax);
  }
}

void write_ldap_modify(Asn1 fields, FactWriter& facts) noexcept {
  constexpr std::string_view kNames[] = {"add", "delete", "replace", "increment"};
  facts.text(Fact::kLdapModifyObject, fields.body(kAsn1OctetString), kLdapNameMax);
  Asn1 changes = fields.inside(kAsn1Sequence);
  Element change;
  for (unsigned i = 0; i < kChangesMax && changes.next(change); ++i) {
    Asn1 parts(change.body, fields.past());
    const auto operation = static_cast<uint64_t>(ldap_integer(parts, kAsn1Enumerated));
    facts.item(Fact::kLdapModifyChange);
    facts.text(Fact::kLdapModifyOperation,
               operation < std::size(kNames) ? kNames[operation] : std::string_view("unknown"));
    facts.text(Fact::kLdapModifyType, parts.inside(kAsn1Sequence).body(kAsn1OctetString),
               kLdapAttributeNameMax);
  }
}

void write_ldap_add(Asn1 fields, FactWriter& facts) noexcept {
  facts.text(Fact::kLdapAddEntry, fields.body(kAsn1OctetString), kLdapNameMax);
  Asn1 attributes = fields.inside(kAsn1Sequence);
  Element attribute;
  for (unsigned i = 0; i < kAttributesMax && attributes.next(attribute); ++i) {
    facts.item(Fact::kLdapAddAttribute);
    facts.text(Fact::kLdapAddAttributeName,
               Asn1(attribute.body, fields.past()).body(kAsn1OctetString), kLdapAttributeNameMax);
  }
}

void write_ldap_mod_dn(Asn1 fields, FactWriter& facts) noexcept {
  facts.text(Fact::kLdapModDnEntry, fields.body(kAsn1OctetString), kLdapNameMax);
  facts.text(Fact::kLdapModDnNewRdn, fields.body(kAsn1OctetString), kLdapNameMax);
  const Bytes old = fields.body(kAsn1Boolean);
  facts.flag(Fact::kLdapModDnDeleteOld, !old.empty() && old[0] != 0);
  Element superior;
  if (fields.take(0x80, superior)) {
    facts.text(Fact::kLdapModDnNewSuperior, superior.body, kLdapNameMax);
  }
}

void write_ldap_compare(Asn1 fields, FactWriter& facts) noexcept {
  facts.text(Fact::kLdapCompareEntry, fields.body(kAsn1OctetString), kLdapNameMax);
  Asn1 assertion = fields.inside(kAsn1Sequence);
  const Bytes type = assertion.body(kAsn1OctetString);
  facts.text(Fact::kLdapCompareType, type, kLdapAttributeNameMax);
  if (!equal_ignoring_case(type, "userPassword")) {
    facts.text(Fact::kLdapCompareValue, assertion.body(kAsn1OctetString), kLdapNameMax);
  }
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
