// SPDX-License-Identifier: Apache-2.0
// Private to parse: DNS (RFC 1035 section 4) over UDP and TCP, mDNS (RFC 6762), LLMNR (RFC 4795).
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

class DnsParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kDns;
  static constexpr uint8_t kTransports = kOverTcp | kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  uint32_t messages_ = 0;
};

}  // namespace weir::parse
