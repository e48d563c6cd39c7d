// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/quic.h"

#include <charconv>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/digest.h"
#include "dataplane/parse/quic_varint.h"
#include "dataplane/parse/tls_hello.h"

namespace weir::parse {

using namespace quic;

namespace {

constexpr unsigned kDatagramsMax = 40;  // of both sides: by then the hellos are through
constexpr unsigned kPacketsMax = 8;     // in one datagram
constexpr unsigned kFramesMax = 512;    // in one packet
constexpr uint8_t kClientHello = 1, kServerHello = 2;
constexpr tls::ClientFacts kClientFacts{Fact::kQuicSni, Fact::kQuicJa3, Fact::kQuicJa3Text,
                                        Fact::kQuicJa4};

void write_version(FactWriter& facts, uint32_t version) noexcept {
  char text[8];
  size_t n = 4;
  if (is_google(version)) {
    for (unsigned i = 0; i < 4; ++i) text[i] = static_cast<char>(version >> (24 - 8 * i));
  } else {
    n = static_cast<size_t>(std::to_chars(text, text + sizeof text, version, 16).ptr - text);
  }
  facts.text(Fact::kQuicVersion, std::string_view(text, n));
}

void write_extensions(FactWriter& facts, const tls::Hello& h) noexcept {
  unsigned count = 0;
  tls::each_extension(h.extensions, [&](uint16_t type, Bytes) {
    if (++count > 48) return;
    facts.item(Fact::kQuicExtension);
    const std::string_view name = tls::extension_name(type);
    if (!name.empty()) facts.text(Fact::kQuicExtensionName, name);
    facts.number(Fact::kQuicExtensionType, type);
    if (type == 0 && !h.sni.empty()) facts.text(Fact::kQuicExtensionValue, h.sni, 255);
    if (type == 16) tls::write_alpns(facts, h, Fact::kQuicExtensionValue);
  });
}

// The handshake message at the front of `ready` if all of it is there; else nothing.
Bytes message_of(Bytes ready, uint8_t type) noexcept {
  Cursor c(ready);
  if (c.u8() != type) return {};
  const uint32_t length = c.be24();
  return c.ok() && c.left() >= length ? c.bytes(length) : Bytes{};
}

Bytes find(Bytes in, std::string_view text) noexcept {
  const auto at = std::search(in.begin(), in.end(), text.begin(), text.end(),
                              [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  return in.subspan(static_cast<size_t>(at - in.begin()));
}

// The version in the head of a packet of Google's up to Q043; 0: it is none.
uint32_t public_header_version(Bytes b) noexcept {
  if (b.size() < 14 || (b[0] & 0xc9) != 0x09) return 0;  // the version and eight bytes of id
  const uint32_t version = load_be32(&b[9]);
  return is_google(version) ? version : 0;
}

uint32_t google_version(Bytes b) noexcept {
  if (b.size() < 14) return 0;
  if ((b[0] & 0x80) != 0 && is_google(load_be32(&b[1]))) return load_be32(&b[1]);
  return public_header_version(b);
}

}  // namespace

Probe QuicParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < 14) return kNotMine;
  LongHeader h;
  const bool fixed_bit = (b[0] & 0x40) != 0;  // later packets may lack it (RFC 9287)
  if (fixed_bit && read_long_header(b, h)) return kMine;
  return google_version(b) != 0 ? kMine : kNotMine;
}

Step QuicParser::parse(const Input& in, Output& out) noexcept {
  if (++datagrams_ > kDatagramsMax) return Step::finished();
  Bytes b = in.bytes;
  if (const uint32_t google = google_version(b); google != 0 && !is_known(google)) {
    if (in.from_client) google_hello(b, google, out);
    return Step::consumed(b.size());
  }
  for (unsigned i = 0; i < kPacketsMax && b.size() > 6; ++i) {
    LongHeader h;
    if (!read_long_header(b, h)) break;
    version_ = h.version;
    if (h.initial) initial(b.first(h.end), h, in.from_client);
    b = b.subspan(h.end);
  }
  if (is_google(version_)) {
    if (!client_told_ && client_.front != 0) google_hello(client_.ready(), version_, out);
    return client_told_ ? Step::finished() : Step::consumed(in.bytes.size());
  }
  client_hello(out);
  server_hello(out);
  return client_told_ && server_told_ ? Step::finished() : Step::consumed(in.bytes.size());
}

// false: it could not be opened.
bool QuicParser::initial(Bytes datagram, const LongHeader& h, bool from_client) noexcept {
  if (first_.size != 0 && opens(datagram, h, first_, from_client)) return true;
  // The first one, or the first after a Retry or in another version: the client goes by another id.
  if (!from_client || server_told_) return false;
  if (!opens(datagram, h, h.destination, true)) return false;
  first_ = h.destination;
  server_ = {};
  return true;
}

bool QuicParser::opens(Bytes datagram, LongHeader h, const ConnectionId& id,
                       bool from_client) noexcept {
  const bool reserved = is_reserved(h.version);
  for (const uint32_t version : {reserved ? kVersion1 : h.version, kDraft29}) {
    Plain plain;
    h.version = version;
    if (open_initial(datagram, h, id, from_client, plain) &&
        frames({plain.bytes, plain.size}, from_client)) {
      return true;
    }
    if (!reserved) break;
  }
  return false;
}

// RFC 9000 section 12.4: what may stand in an Initial packet. false: something else does; then
// nothing of it is taken.
bool QuicParser::frames(Bytes plain, bool from_client) noexcept {
  for (const bool take : {false, true}) {
    Cursor c(plain);
    bool any = false;
    for (unsigned i = 0; c.left() != 0; ++i) {
      const uint64_t type = read_varint(c);
      if (type == 0) {  // padding
        const Bytes rest = c.rest();
        const auto next = std::find_if(rest.begin(), rest.end(), [](uint8_t x) { return x != 0; });
        c.skip(static_cast<size_t>(next - rest.begin()));
        continue;
      }
      any = true;
      if (i >= kFramesMax) break;
      if (type == 1) continue;  // ping
      if (type == 2 || type == 3) {
        for (unsigned n = 0; n < 2; ++n) read_varint(c);
        const uint64_t ranges = read_varint(c);
        read_varint(c);
        for (uint64_t n = 0; n < ranges * 2 && c.ok(); ++n) read_varint(c);
        for (unsigned n = 0; type == 3 && n < 3; ++n) read_varint(c);
      } else if (type == 6 || (type == 8 && is_google(version_))) {
        if (type == 8) c.u8();  // of the encryption's level
        const uint64_t at = read_varint(c);
        const Bytes b = c.bytes(static_cast<size_t>(std::min<uint64_t>(read_varint(c), 65'536)));
        if (take && from_client) client_.put(at, b);
        if (take && !from_client) server_.put(at, b);
      } else if (type == 0x1c || type == 0x1d) {
        break;  // it closes
      } else {
        return false;
      }
      if (!c.ok()) return false;
    }
    if (!any) return false;
  }
  return true;
}

void QuicParser::client_hello(Output& out) noexcept {
  const Bytes body = client_told_ ? Bytes{} : message_of(client_.ready(), kClientHello);
  tls::Hello h;
  if (body.empty() || !tls::read_client_hello(body, tls::Framing::kQuic, h)) return;
  client_told_ = true;
  FactWriter& facts = out.fresh();
  write_version(facts, version_);
  tls::write_client_hello(facts, h, tls::Framing::kQuic, kClientFacts, out.hellos());
  write_extensions(facts, h);
  out.tell(kKind, facts);
}

void QuicParser::server_hello(Output& out) noexcept {
  const Bytes body = server_told_ ? Bytes{} : message_of(server_.ready(), kServerHello);
  tls::Hello h;
  if (body.empty() || !tls::read_server_hello(body, h)) return;
  server_told_ = true;
  FactWriter& facts = out.fresh();
  write_version(facts, version_);
  tls::write_ja3s(facts, h, Fact::kQuicJa3s, Fact::kQuicJa3sText);
  write_extensions(facts, h);
  out.tell(kKind, facts, Ends::kSenderFirst);
}

// Google's own handshake: a message is a list of tags of four bytes, each with where its value
// ends. false: there is none in `b`.
bool QuicParser::google_hello(Bytes b, uint32_t version, Output& out) noexcept {
  Cursor c(find(b, "CHLO"));
  c.skip(4);
  const uint16_t tags = c.le16();
  c.skip(2);
  const Bytes index = c.bytes(size_t{tags} * 8);
  const Bytes values = c.rest();
  if (!c.ok() || tags > 128 || tags == 0) return false;
  FactWriter& facts = out.fresh();
  write_version(facts, version);
  char text[1024];
  size_t n = 0;
  text[n++] = static_cast<char>(version >> 8);
  text[n++] = static_cast<char>(version);
  text[n++] = ',';
  size_t from = 0;
  for (unsigned i = 0; i < tags; ++i) {
    Cursor entry(index.subspan(size_t{i} * 8, 8));
    const Bytes tag = entry.bytes(4);
    const size_t to = entry.le32();
    if (to < from || to > values.size()) break;
    const Bytes value = values.subspan(from, to - from);
    from = to;
    if (i != 0) text[n++] = '-';
    for (const uint8_t ch : tag) {
      if (ch != 0) text[n++] = static_cast<char>(ch);
    }
    if (starts_with(tag, "SNI")) facts.text(Fact::kQuicSni, value, 255);
    if (starts_with(tag, "UAID")) facts.text(Fact::kQuicUserAgent, value, 255);
  }
  Md5 digest;
  digest.add(as_bytes(std::string_view(text, n)));
  facts.item(Fact::kQuicCyu);
  facts.bytes(Fact::kQuicCyuHash, digest.finish());
  facts.text(Fact::kQuicCyuText, std::string_view(text, n));
  out.tell(kKind, facts);
  client_told_ = true;
  return true;
}

}  // namespace weir::parse
