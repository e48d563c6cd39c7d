// SPDX-License-Identifier: Apache-2.0
// Private to parse: LDAP v3 (RFC 4511) over TCP and CLDAP over UDP. One event per request with its
// answers: names and filter (RFC 4515), not values; of a search's entries the first few, all are
// counted. Logins: each bind that ends (simple, SASL, NTLM in "sicily" or SPNEGO); passwords are
// never told. After a SASL bind messages may be wrapped: signed ones are read (Kerberos with its
// checksum in front or behind, NTLM, DIGEST-MD5), sealed ones end it with an event that says so; so
// does TLS, which StartTLS becomes. 24 requests wait at once, their facts in 5 KB: what is pushed
// out is told without its answer. Of a message over 32 KB the first 4 KB are read.
#pragma once

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/ntlmssp.h"
#include "dataplane/parse/parser.h"
#include "dataplane/parse/spnego.h"

namespace weir::parse {

class LdapParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kLdap;
  static constexpr uint8_t kTransports = kOverTcp | kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  struct Message {
    uint32_t id = 0;
    uint32_t bytes = 0;  // all of it
    Element operation;
    Asn1::Past past = Asn1::Past::kRefuse;
  };
  struct Waiting {
    uint32_t id = 0;
    uint16_t fact_bytes = 0;  // in arena_, one after the other
    uint8_t told = 0;         // answers that stand there
    bool asked = false;       // the request was seen
    bool starts_tls = false;
    uint32_t entries = 0, references = 0;
    uint64_t bytes = 0;
  };
  // What a direction's SASL layer has around the messages.
  struct Wrapping {
    uint64_t left = 0;  // of the messages inside
    uint32_t trailer = 0;
  };
  struct Bind {
    uint32_t id = 0;
    ShortText<31> mechanism;
    ShortText<255> account;
    ShortText<127> service;
    Ntlmssp ntlm;
    bool sasl = false;
  };

  Step unwrap(const Input& in, Output& out) noexcept;
  Step sealed(Output& out) noexcept;
  Step messages(const Input& in, Output& out) noexcept;
  bool skip_entry(Bytes start, uint64_t whole) noexcept;
  // true: TLS begins behind it.
  bool answer(const Message& m, Output& out) noexcept;
  void request(const Message& m, Output& out) noexcept;
  void bind_request(Asn1 fields, uint32_t id, FactWriter& facts, Output& out) noexcept;
  void credentials(Bytes token, Output& out) noexcept;
  void bind_answer(const Message& m, FactWriter& facts) noexcept;
  void bind_outcome(int64_t code, std::string_view name, Output& out) noexcept;
  void middle_answer(const Message& m, Waiting& w) noexcept;
  Waiting* find(uint32_t id) noexcept;
  Waiting* add(uint32_t id, const FactWriter& facts, Output& out) noexcept;
  bool append(Waiting& w, Bytes facts) noexcept;
  void write(const Waiting& w, FactWriter& facts) const noexcept;
  void remove(Waiting& w) noexcept;
  size_t offset_of(const Waiting& w) const noexcept;
  void tell_oldest(Output& out) noexcept;

  static constexpr unsigned kWaitingMax = 24;
  static constexpr size_t kArenaBytes = 4608;
  Waiting waiting_[kWaitingMax];  // oldest first
  uint8_t waiting_count_ = 0;
  bool may_wrap_ = false;  // a SASL bind succeeded
  uint16_t arena_used_ = 0;
  Wrapping wrapping_[2];  // of the server, of the client
  Bind bind_;
  uint8_t arena_[kArenaBytes];
};

}  // namespace weir::parse
