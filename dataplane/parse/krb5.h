// SPDX-License-Identifier: Apache-2.0
// Private to parse: Kerberos 5 (RFC 4120) over UDP and TCP: AS-REQ, AS-REP, TGS-REQ, TGS-REP,
// AP-REQ, KRB-ERROR, each an event; a reply or error has beside its own what its request said
// (times, flags, ciphers, addresses). Logins: an AS exchange that ends in a reply (success) or in
// an error about the client. What is in tickets and authenticators is encrypted; so is the client
// of a TGS-REQ, until its reply; and everything inside FAST (RFC 6113). One request per flow waits
// for its answer. Of a message over 32 KB the first 8 KB are read.
#pragma once

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

// Parts of a principal's name joined by "/", or another text; what does not fit is cut.
struct KerberosName {
  uint8_t text[256];
  uint16_t size = 0;
  Bytes bytes() const noexcept { return {text, size}; }
  bool empty() const noexcept { return size == 0; }
  void clear() noexcept { size = 0; }
  void add(Bytes more) noexcept {
    const size_t n = std::min(more.size(), sizeof text - size);
    std::copy_n(more.begin(), n, text + size);
    size = static_cast<uint16_t>(size + n);
  }
};

class Krb5Parser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kKrb5;
  static constexpr uint8_t kTransports = kOverTcp | kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  enum class Preauth : uint8_t { kNone, kTimestamp, kChallenge, kPkinit, kFast };
  // true: it was an answer.
  bool message(Bytes bytes, Asn1::Past past, Output& out) noexcept;
  void request(Asn1 fields, unsigned type, Output& out) noexcept;
  void read_request_body(Asn1 fields) noexcept;
  void read_preauth(Asn1 items) noexcept;
  void reply(Asn1 fields, unsigned type, Output& out) noexcept;
  void error(Asn1 fields, Output& out) noexcept;
  void login(LoginOutcome outcome, std::string_view code, Output& out) const noexcept;

  // Of the request that waits.
  uint8_t asked_type_ = 0;
  Preauth preauth_ = Preauth::kNone;
  KerberosName client_, realm_, service_, host_;
  FactList<1024> asked_;
};

// The AP-REQ (RFC 4120 section 5.5.1) in a token of SPNEGO or GSS-API, or bare: who asks is
// encrypted, for which service is not.
struct ApRequest {
  Bytes realm;           // of the ticket
  KerberosName service;  // "ldap/server.example"
  int32_t ticket_encryption = 0;
};
bool read_ap_request(Bytes token, ApRequest& request) noexcept;
// States it as krb5 evidence.
void tell_ap_request(const ApRequest& request, Output& out) noexcept;

}  // namespace weir::parse
