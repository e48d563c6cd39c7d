// SPDX-License-Identifier: Apache-2.0
// Private to parse: RDP (MS-RDPBCGR section 2.2.1) over TCP: cookie, what security is asked for and
// given, and where it is RDP's own: the client's and the server's settings, certificates, and a
// user name that is sent in the clear. Elsewhere TLS follows, which the flow becomes: the settings
// and NLA's outcome are inside. Logins: attempts, by cookie or name; nobody can tell how they end.
#pragma once

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/parser.h"
#include "dataplane/parse/short_text.h"

namespace weir::parse {

class RdpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kRdp;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  void connection_request(Bytes x224, Output& out) noexcept;
  // true: TLS follows.
  bool connection_confirm(Bytes x224, Output& out) noexcept;
  void connect_initial(Bytes mcs, Output& out) noexcept;
  // true: what follows is not encrypted.
  bool connect_response(Bytes mcs, Output& out) noexcept;
  bool client_info(Bytes mcs, Output& out) noexcept;
  FactWriter& begin(Output& out, std::string_view event) noexcept;

  uint32_t events_ = 0;
  bool refused_ = false;
  ShortText<127> cookie_;
};

}  // namespace weir::parse
