// SPDX-License-Identifier: Apache-2.0
// Private to parse: SIP (RFC 3261) over UDP and TCP: request and status lines, From, To, User-Agent
// and Call-ID. Bodies are skipped by Content-Length. Blind under TLS.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

class SipParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSip;
  static constexpr uint8_t kTransports = kOverTcp | kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

}  // namespace weir::parse
