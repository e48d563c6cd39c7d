// SPDX-License-Identifier: Apache-2.0
// Private to parse: what of LDAP is shown as text.
#pragma once

#include "dataplane/parse/asn1.h"

namespace weir::parse {

struct LdapText {
  uint8_t text[1024];
  size_t size = 0;
  bool cut = false;
  Bytes bytes() const noexcept { return {text, size}; }
  void add(Bytes more) noexcept {
    const size_t n = std::min(more.size(), sizeof text - size);
    std::copy_n(more.begin(), n, text + size);
    size += n;
    cut = cut || n < more.size();
  }
  void add(std::string_view more) noexcept {
    add(Bytes(reinterpret_cast<const uint8_t*>(more.data()), more.size()));
  }
};

// A search's filter (RFC 4511 section 4.5.1) as RFC 4515 writes it: "(&(cn=a*)(!(b=c)))". false: it
// is none; what was read until then is there.
bool write_filter(const Element& filter, LdapText& to) noexcept;

constexpr size_t kLdapNameMax = 512, kLdapAttributeNameMax = 64;
int64_t ldap_integer(Asn1& fields, uint16_t tag = kAsn1Integer) noexcept;  // 0: it is none

// What a request says (RFC 4511 sections 4.5 to 4.10), without values.
void write_ldap_search(Asn1 fields, FactWriter& facts) noexcept;
void write_ldap_modify(Asn1 fields, FactWriter& facts) noexcept;
void write_ldap_add(Asn1 fields, FactWriter& facts) noexcept;
void write_ldap_mod_dn(Asn1 fields, FactWriter& facts) noexcept;
void write_ldap_compare(Asn1 fields, FactWriter& facts) noexcept;

// "invalid_credentials"; empty: it has no name.
std::string_view ldap_result_name(int64_t code) noexcept;

}  // namespace weir::parse
