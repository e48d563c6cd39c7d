// SPDX-License-Identifier: Apache-2.0
// Private to parse: SNMP 1, 2c (RFC 1157, 3416) and 3 (RFC 3412, 3414) over UDP: an event a
// message: version, kind, community, names of the variables, error, trap; of version 3 the user,
// the engine, the level of security, the context. A community is no login: who has a wrong one gets
// no answer. A user of version 3 is: by the report that refuses the request, or the answer. As each
// request shows who it is from, the answers to one user are one login until one is refused.
// Limits: 256 variables a message, their values are not told; of requests of users that wait for
// their answer the last 16. Blind: version 3 with privacy.
#pragma once

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/parser.h"
#include "dataplane/parse/short_text.h"

namespace weir::parse {

// What of a message of version 3 makes a login.
struct SnmpUserMessage {
  int64_t id = -1;
  bool authenticated = false, asks = false;  // asks: wants at least a report
  Bytes user;
  bool sealed = false;
  uint16_t pdu_tag = 0;
  Bytes first_variable;  // its OID
};

class SnmpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSnmp;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  static constexpr unsigned kAsksMax = 16, kUserMax = 32;  // RFC 3414 section 2.1
  struct Ask {
    int64_t id = -1;  // -1: free
    bool from_client = false, authenticated = false;
    ShortText<kUserMax> user;
  };
  void remember(const SnmpUserMessage& m, bool from_client) noexcept;
  void judge(const SnmpUserMessage& m, bool from_client, Output& out) noexcept;

  Ask asks_[kAsksMax];
  uint8_t next_ = 0;
  ShortText<kUserMax> let_in_;  // whose login was told last
};

}  // namespace weir::parse
