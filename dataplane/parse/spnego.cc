// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/spnego.h"

#include <string_view>

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/ntlmssp.h"

namespace weir::parse {

namespace {

using Mechanism = SecurityToken::Mechanism;

constexpr std::string_view kSpnegoOid{"\x2b\x06\x01\x05\x05\x02", 6};
constexpr std::string_view kNtlmOid{"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a", 10};
constexpr std::string_view kKerberosOid{"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02", 9};
constexpr std::string_view kMsKerberosOid{"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02", 9};
constexpr uint8_t kGssTag = 0x60, kApReqTag = 0x6e, kApRepTag = 0x6f, kErrorTag = 0x7e;
constexpr unsigned kFieldsMax = 8;

bool is_kerberos(Bytes oid) noexcept {  // user-to-user has another number behind it
  return starts_with(oid, kKerberosOid) || starts_with(oid, kMsKerberosOid);
}

Mechanism mechanism_of(Bytes oid) noexcept {
  if (is_kerberos(oid)) return Mechanism::kKerberosOther;
  return starts_with(oid, kNtlmOid) ? Mechanism::kNtlmssp : Mechanism::kUnknown;
}

// The element in front, as much of it as is there: blobs may be cut off.
bool first_element(Bytes bytes, Element& e) noexcept {
  return Asn1(bytes, Asn1::Past::kClip).next(e);
}

// What a mechanism sends, with or without GSS-API's frame around it.
bool bare_token(Bytes bytes, SecurityToken& found) noexcept {
  if (is_ntlmssp(bytes)) {
    found.mechanism = Mechanism::kNtlmssp;
    found.token = bytes;
    return true;
  }
  Element frame, oid;
  if (bytes.empty()) return false;
  if (bytes[0] == kGssTag && first_element(bytes, frame)) {
    Asn1 inside(frame.body, Asn1::Past::kClip);
    if (inside.take(kAsn1Oid, oid) && is_kerberos(oid.body) && inside.rest().size() > 2) {
      bytes = inside.rest().subspan(2);  // TOK_ID, RFC 4121 section 4.1
    }
  }
  if (bytes[0] != kApReqTag && bytes[0] != kApRepTag && bytes[0] != kErrorTag) return false;
  found.mechanism = bytes[0] == kApReqTag ? Mechanism::kKerberosApReq : Mechanism::kKerberosOther;
  found.token = bytes;
  return true;
}

// NegTokenInit and NegTokenResp: the fields differ only in the first two.
void read_negotiation(Bytes content, bool response, SecurityToken& found) noexcept {
  Asn1 fields = Asn1(content, Asn1::Past::kClip).inside(kAsn1Sequence);
  Element field, inner;
  for (unsigned i = 0; i < kFieldsMax && fields.next(field); ++i) {
    if (!first_element(field.body, inner)) continue;
    if (field.tag == 0xa2 && inner.tag == kAsn1OctetString) {
      if (bare_token(inner.body, found)) return;
    } else if (response && field.tag == 0xa0 && inner.tag == kAsn1Enumerated &&
               inner.body.size() == 1) {
      if (inner.body[0] <= 3) found.state = static_cast<SecurityToken::State>(inner.body[0]);
    } else if (response && field.tag == 0xa1 && inner.tag == kAsn1Oid) {
      found.mechanism = mechanism_of(inner.body);
    } else if (!response && field.tag == 0xa0 && inner.tag == kAsn1Sequence) {
      Element oid;  // the mechanism that the initiator likes best
      if (first_element(inner.body, oid) && oid.tag == kAsn1Oid) {
        found.mechanism = mechanism_of(oid.body);
      }
    }
  }
}

}  // namespace

SecurityToken find_security_token(Bytes blob) noexcept {
  SecurityToken found;
  if (bare_token(blob, found)) return found;
  Element e, oid;
  if (!first_element(blob, e)) return found;
  if (e.tag == kGssTag) {
    Asn1 inside(e.body, Asn1::Past::kClip);
    if (!inside.take(kAsn1Oid, oid) || !starts_with(oid.body, kSpnegoOid)) return found;
    if (!inside.next(e)) return found;
  }
  if (e.tag == 0xa0 || e.tag == 0xa1) read_negotiation(e.body, e.tag == 0xa1, found);
  return found;
}

}  // namespace weir::parse
