// SPDX-License-Identifier: Apache-2.0
// Private to parse: QUIC 1 and 2, drafts from 23 on, and Google's Q0nn, over UDP on any port.
//
// An event of the client's hello and one of the server's, as soon as each is there, then the flow
// is settled: version, SNI, JA3, JA3S, JA4, extensions with ALPN; of Google's hellos SNI, user
// agent and CYU. What comes after the Initial packets is encrypted: certificates are never seen.
//
// Hellos may come in any order over several packets, the client's up to 5 KiB, the server's up to
// 1.5 KiB. Packets are not authenticated: what makes no sense is left alone.
#pragma once

#include "dataplane/parse/parser.h"
#include "dataplane/parse/quic_packet.h"

namespace weir::parse {

class QuicParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kQuic;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  // The stream of CRYPTO frames of one side, from its first byte.
  template <size_t N>
  struct Crypto {
    uint8_t bytes[N];
    uint8_t there[(N + 7) / 8] = {};  // a bit per byte
    size_t front = 0;                 // so many from the first are there
    void put(uint64_t at, Bytes b) noexcept {
      for (size_t i = 0; i < b.size() && at + i < N; ++i) {
        bytes[at + i] = b[i];
        there[(at + i) / 8] |= static_cast<uint8_t>(1u << (at + i) % 8);
      }
      while (front < N && (there[front / 8] >> front % 8 & 1) != 0) ++front;
    }
    Bytes ready() const noexcept { return {bytes, front}; }
  };

  bool initial(Bytes datagram, const quic::LongHeader& h, bool from_client) noexcept;
  bool opens(Bytes datagram, quic::LongHeader h, const quic::ConnectionId& id,
             bool from_client) noexcept;
  bool frames(Bytes plain, bool from_client) noexcept;
  void client_hello(Output& out) noexcept;
  void server_hello(Output& out) noexcept;
  bool google_hello(Bytes b, uint32_t version, Output& out) noexcept;

  quic::ConnectionId first_;  // the destination of the client's first packet: makes the keys
  uint32_t version_ = 0;
  uint16_t datagrams_ = 0;
  bool client_told_ = false, server_told_ = false;
  Crypto<5120> client_;
  Crypto<1536> server_;
};

}  // namespace weir::parse
