// SPDX-License-Identifier: Apache-2.0
// Private to parse: SNMP 1, 2c (RFC 1157, 3416) and 3 (RFC 3412, 3414) over UDP: an event a
// message: version, kind, community, names of the variables, error, trap; of version 3 the user,
// the engine, the level of security, the context. A community is no login: it has no outcome.
// Limits: 256 variables a message, their values are not told. Blind: version 3 with privacy.
#pragma once

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

class SnmpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSnmp;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

}  // namespace weir::parse
