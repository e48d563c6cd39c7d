// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/spnego.h"

#include <string_view>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/ntlmssp.h"

namespace weir::parse {

namespace {

using Mechanism = SecurityToken::Mechanism;

constexpr std::string_view kSpnegoOid{"\x2b\x06\x01\x05\x05\x02", 6};
constexpr std::string_view kNtlmOid{"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a", 10};
constexpr std::string_view kKerberosOid{"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02", 9};
constexpr std::string_view kMsKerberosOid{"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02", 9};
constexpr uint8_t kApReqTag = 0x6e, kApRepTag = 0x6f, kErrorTag = 0x7e;
constexpr unsigned kFieldsMax = 8;

bool is_kerberos(Bytes oid) noexcept {  // user-to-user has another number behind it
  return starts_with(oid, kKerberosOid) || starts_with(oid, kMsKerberosOid);
}

Mechanism mechanism_of(Bytes oid) noexcept {
  if (is_kerberos(oid)) return Mechanism::kKerberosOther;
  return starts_with(oid, kNtlmOid) ? Mechanism::kNtlmssp : Mechanism::kUnknown;
}

// What a mechanism sends, with or without GSS-API's frame around it.
bool bare_token(Bytes bytes, SecurityToken& found) noexcept {
  if (is_ntlmssp(bytes)) {
    found.mechanism = Mechanism::kNtlmssp;
    found.token = bytes;
    return true;
  }
  DerElement frame, oid;
  if (bytes.empty()) return false;
  if (bytes[0] == 0x60 && read_der(bytes, frame) && read_der(frame.content, oid) && oid.tag == 6 &&
      is_kerberos(oid.content) && oid.rest.size() > 2) {
    bytes = oid.rest.subspan(2);  // TOK_ID, RFC 4121 section 4.1
  }
  if (bytes[0] != kApReqTag && bytes[0] != kApRepTag && bytes[0] != kErrorTag) return false;
  found.mechanism = bytes[0] == kApReqTag ? Mechanism::kKerberosApReq : Mechanism::kKerberosOther;
  found.token = bytes;
  return true;
}

// NegTokenInit and NegTokenResp: the fields differ only in the first two.
void read_negotiation(Bytes content, bool response, SecurityToken& found) noexcept {
  DerElement sequence;
  if (!read_der(content, sequence) || sequence.tag != 0x30) return;
  Bytes fields = sequence.content;
  DerElement field, inner;
  for (unsigned i = 0; i < kFieldsMax && read_der(fields, field); ++i, fields = field.rest) {
    if (!read_der(field.content, inner)) continue;
    if (field.tag == 0xa2 && inner.tag == 4) {
      if (bare_token(inner.content, found)) return;
    } else if (response && field.tag == 0xa0 && inner.tag == 10 && inner.content.size() == 1) {
      if (inner.content[0] <= 3) found.state = static_cast<SecurityToken::State>(inner.content[0]);
    } else if (response && field.tag == 0xa1 && inner.tag == 6) {
      found.mechanism = mechanism_of(inner.content);
    } else if (!response && field.tag == 0xa0 && inner.tag == 0x30) {
      DerElement oid;  // the mechanism that the initiator likes best
      if (read_der(inner.content, oid) && oid.tag == 6) found.mechanism = mechanism_of(oid.content);
    }
  }
}

}  // namespace

bool read_der(Bytes bytes, DerElement& e) noexcept {
  Cursor c(bytes);
  e.tag = c.u8();
  size_t length = c.u8();
  if (!c.ok() || (e.tag & 0x1f) == 0x1f) return false;
  if (length >= 0x80) {
    const size_t digits = length & 0x7f;
    if (digits == 0 || digits > 4) return false;
    length = 0;
    for (size_t i = 0; i < digits; ++i) length = length << 8 | c.u8();
    if (!c.ok()) return false;
  }
  e.cut = length > c.left();
  e.content = c.bytes(std::min(length, c.left()));
  e.rest = c.rest();
  return true;
}

SecurityToken find_security_token(Bytes blob) noexcept {
  SecurityToken found;
  if (bare_token(blob, found)) return found;
  DerElement e;
  if (!read_der(blob, e)) return found;
  if (e.tag == 0x60) {
    DerElement oid;
    if (!read_der(e.content, oid) || oid.tag != 6 || !starts_with(oid.content, kSpnegoOid)) {
      return found;
    }
    if (!read_der(oid.rest, e)) return found;
  }
  if (e.tag == 0xa0 || e.tag == 0xa1) read_negotiation(e.content, e.tag == 0xa1, found);
  return found;
}

bool read_ap_req(Bytes ap_req, TicketNames& names) noexcept {
  DerElement e, field;
  if (!read_der(ap_req, e) || e.tag != kApReqTag) return false;
  if (!read_der(e.content, e) || e.tag != 0x30) return false;
  Bytes fields = e.content;
  for (unsigned i = 0; i < kFieldsMax && read_der(fields, field); ++i, fields = field.rest) {
    if (field.tag == 0xa3) break;
  }
  if (field.tag != 0xa3 || !read_der(field.content, e) || e.tag != 0x61) return false;
  if (!read_der(e.content, e) || e.tag != 0x30) return false;
  fields = e.content;
  for (unsigned i = 0; i < kFieldsMax && read_der(fields, field); ++i, fields = field.rest) {
    if (!read_der(field.content, e)) continue;
    if (field.tag == 0xa1) names.realm = e.content;
    if (field.tag != 0xa2) continue;
    Bytes parts = e.content;  // PrincipalName
    for (unsigned k = 0; k < 2 && read_der(parts, e); ++k, parts = e.rest) {
      DerElement list, name;
      if (e.tag != 0xa1 || !read_der(e.content, list)) continue;
      Bytes strings = list.content;
      while (names.name_count < TicketNames::kNamesMax && read_der(strings, name)) {
        names.names[names.name_count++] = name.content;
        strings = name.rest;
      }
    }
  }
  return !names.realm.empty();
}

}  // namespace weir::parse
