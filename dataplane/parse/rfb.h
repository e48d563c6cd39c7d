// SPDX-License-Identifier: Apache-2.0
// Private to parse: RFB (RFC 6143), the protocol of VNC: versions, security types, outcome, the
// screen that is shown; one event when the session begins or is refused. Logins: VNC's challenge,
// Apple's Diffie-Hellman (account encrypted), and none at all. Of TLS, VeNCrypt, RealVNC's and
// other types the choice is told, what follows is encrypted or unknown.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

class RfbParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kRfb;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept {
    return in.from_client ? client(in, out) : server(in, out);
  }
  void end(Output& out) noexcept { tell(out); }

 private:
  enum class Server : uint8_t { kVersion, kTypes, kChosen, kResult, kReason, kInit };
  enum class Client : uint8_t { kVersion, kChoice, kResponse, kInit, kDone };
  Step client(const Input& in, Output& out) noexcept;
  Step server(const Input& in, Output& out) noexcept;
  Step server_types(Bytes bytes, Output& out) noexcept;
  Step server_chosen(Bytes bytes, Output& out) noexcept;
  Step server_result(Bytes bytes, Output& out) noexcept;
  Step server_reason(Bytes bytes, Output& out) noexcept;
  Step server_init(Bytes bytes, Output& out) noexcept;
  bool choose(uint32_t type) noexcept;
  void login(LoginOutcome outcome, std::string_view code, Output& out) const noexcept;
  void tell(Output& out) noexcept;

  Server server_ = Server::kVersion;
  Client client_ = Client::kVersion;
  bool chosen_ = false, failed_ = false, told_ = false;
  uint16_t minor_ = 0;  // that the client settled on; 3.x
  uint32_t type_ = 0;
  uint32_t key_bytes_ = 0;  // of Apple's key
  FactList<3072> facts_;
};

}  // namespace weir::parse
