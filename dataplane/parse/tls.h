// SPDX-License-Identifier: Apache-2.0
// Private to parse: TLS 1.0 to 1.3 and SSL 3 over TCP on any port and after STARTTLS, SSL 2's
// hellos, DTLS 1.0 and 1.2.
//
// One event per session, when its handshake is through: with the ServerHello of TLS 1.3 (all after
// it is encrypted, certificates too), with the change of ciphers before; what is known by then if
// it fails or the flow ends. A second ClientHello after a HelloRetryRequest is an event of its own.
// Then the flow is settled. Facts: sni, ALPN of both, version, cipher suite, JA3, JA3S, JA4,
// whether a session is resumed, the first certificate of the server and of the client.
//
// Limits: handshake messages of over 32 KiB are read as far as that (certificates stand first); one
// may come in up to 512 records. Certificates of a DTLS handshake are seen if they are not in
// fragments. Handshakes after the first (renegotiation) are encrypted and not seen.
#pragma once

#include "dataplane/parse/parser.h"
#include "dataplane/parse/tls_hello.h"

namespace weir::parse {

class TlsParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kTls;
  static constexpr uint8_t kTransports = kOverTcp | kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  struct Lane {
    uint32_t record_left = 0;   // of the handshake record at hand
    uint32_t message_left = 0;  // of the message at hand, which nobody wants
    bool begun = false;         // its first record was seen
    bool encrypted = false;
    bool certificate = false;
  };
  Step record(Bytes b, Lane& lane, bool from_client, Output& out) noexcept;
  Step handshake(Bytes b, size_t at, Lane& lane, bool from_client, Output& out) noexcept;
  Step alert(Bytes b, uint32_t length, const Lane& lane, Output& out) noexcept;
  Step ssl2(Bytes b, bool from_client, Output& out) noexcept;
  Step datagram(Bytes b, bool from_client, Output& out) noexcept;
  bool message(uint8_t type, Bytes body, tls::Framing framing, bool from_client,
               Output& out) noexcept;
  void client_hello(const tls::Hello& h, tls::Framing framing, Output& out) noexcept;
  void server_hello(const tls::Hello& h) noexcept;
  void certificate(Bytes chain, bool from_client) noexcept;
  bool through() const noexcept;
  void show(Output& out) noexcept;
  void tell(Output& out) noexcept;

  Lane lanes_[2];  // client's, server's
  bool client_hello_ = false, server_hello_ = false, server_done_ = false, told_ = false;
  uint16_t version_ = 0;  // chosen; before that: offered
  uint16_t shown_ = 0;    // of facts_: rules have seen them
  FactList<kFactBytesMax> facts_;
};

}  // namespace weir::parse
