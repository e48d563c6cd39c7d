// SPDX-License-Identifier: Apache-2.0
// Private to parse: the hello messages of TLS and what is made of them: JA3, JA3S, JA4. Shared by
// TLS, DTLS and QUIC.
#pragma once

#include "dataplane/parse/hello_memo.h"

namespace weir::parse {

namespace tls {

constexpr uint16_t kSsl2 = 0x0002, kSsl3 = 0x0300, kTls10 = 0x0301, kTls12 = 0x0303,
                   kTls13 = 0x0304;

enum class Framing : uint8_t { kTcp, kQuic, kDatagram };

// Views into a ClientHello or ServerHello. Lists are the bytes of their items.
struct Hello {
  uint16_t version = 0;       // as it stands in the message
  uint16_t chosen = 0;        // by the server: of the extension, else `version`
  uint16_t cipher = 0;        // chosen
  Bytes session;              // its id
  Bytes ciphers, extensions;  // the client's; extensions: of both
  Bytes sni, alpn;            // alpn: names, each behind its length
  Bytes versions, groups, formats, signatures;
  bool has_sni = false;    // the extension is there
  bool resumes = false;    // pre_shared_key is there
  bool retry = false;      // a HelloRetryRequest, RFC 8446 section 4.1.3
  bool malformed = false;  // it ends before it should
};

// The body of a handshake message, without its head. false: nothing of use in it.
bool read_client_hello(Bytes body, Framing framing, Hello& h) noexcept;
bool read_server_hello(Bytes body, Hello& h) noexcept;

// Calls each(type, body) for the extensions that are whole.
template <class Each>
void each_extension(Bytes extensions, Each&& each) noexcept {
  while (extensions.size() >= 4) {
    const size_t length = size_t{extensions[2]} << 8 | extensions[3];
    if (extensions.size() - 4 < length) return;
    each(static_cast<uint16_t>(extensions[0] << 8 | extensions[1]), extensions.subspan(4, length));
    extensions = extensions.subspan(4 + length);
  }
}

struct ClientFacts {
  Fact sni, ja3, ja3_text, ja4;
};
// The name asked for, JA3 and JA4.
void write_client_hello(FactWriter& facts, const Hello& h, Framing framing, const ClientFacts& ids,
                        HelloMemo& memo) noexcept;
void write_ja3s(FactWriter& facts, const Hello& h, Fact hash, Fact text) noexcept;
void write_alpns(FactWriter& facts, const Hello& h, Fact id) noexcept;

// As Suricata writes it: "TLS 1.2", "SSLv3". room: for what has no fixed text.
std::string_view version_text(uint16_t version, std::span<char, 24> room) noexcept;
std::string_view cipher_text(uint16_t cipher, std::span<char, 24> room) noexcept;
std::string_view extension_name(uint16_t type) noexcept;  // empty: unknown

}  // namespace tls

}  // namespace weir::parse
