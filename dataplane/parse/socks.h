// SPDX-License-Identifier: Apache-2.0
// Private to parse: SOCKS 4 and 4a, 5 (RFC 1928, 1929), on any port: one event a handshake: where
// to, who says to ask, which methods were offered and taken, the answer. Logins: user name and
// password of version 5 (RFC 1929) with outcome; the user of version 4 proves nothing. What
// follows a CONNECT that was granted is read as what it is. Blind: after GSSAPI; BIND and UDP
// ASSOCIATE are told, what they open is not joined to them; a client that is refused before it asks
// for anything is not told, its greeting says too little.
#pragma once

#include "dataplane/parse/parser.h"
#include "dataplane/parse/short_text.h"

namespace weir::parse {

class SocksParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSocks;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  enum class Client : uint8_t { kGreeting, kRequest, kTunnel };
  enum class Server : uint8_t { kMethod, kPassword, kReply, kOver };
  Step client(Bytes b) noexcept;
  Step client4(Bytes b) noexcept;
  Step server(Bytes b, Output& out) noexcept;
  Step answered(uint64_t used, bool granted, std::string_view reply, Output& out) noexcept;
  void tell(Output& out) noexcept;
  void login(LoginOutcome outcome, std::string_view code, Output& out) noexcept;

  FactList<1600> facts_;
  ShortText<255> user_;
  Client client_ = Client::kGreeting;
  Server server_ = Server::kMethod;
  uint8_t command_ = 0, method_ = 0xff;
  bool user_waits_ = false, told_ = false;
};

}  // namespace weir::parse
