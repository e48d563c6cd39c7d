// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/tls.h"

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/x509.h"

namespace weir::parse {

using namespace tls;

namespace {

constexpr uint8_t kChangeCipher = 20, kAlert = 21, kHandshake = 22, kApplication = 23,
                  kHeartbeat = 24;
constexpr uint8_t kClientHello = 1, kServerHello = 2, kHelloVerify = 3, kCertificate = 11,
                  kServerDone = 14;
constexpr size_t kRecordHead = 5, kMessageHead = 4;
constexpr uint32_t kRecordMax = 16'384 + 2048;  // RFC 5246 section 6.2.3
constexpr unsigned kRecordsMax = 512;           // that one message comes in

constexpr ClientFacts kClientFacts{Fact::kTlsSni, Fact::kTlsJa3, Fact::kTlsJa3Text, Fact::kTlsJa4};
constexpr CertificateFacts kServerCertificate{
    Fact::kTlsSubject,   Fact::kTlsIssuer,   Fact::kTlsSerial,         Fact::kTlsFingerprint,
    Fact::kTlsNotBefore, Fact::kTlsNotAfter, Fact::kTlsAlternativeName};
constexpr CertificateFacts kClientCertificate{Fact::kTlsClientSubject,
                                              Fact::kTlsClientIssuer,
                                              Fact::kTlsClientSerial,
                                              Fact::kTlsClientFingerprint,
                                              Fact::kTlsClientNotBefore,
                                              Fact::kTlsClientNotAfter,
                                              Fact::kCount};

bool is_version(uint8_t major, uint8_t minor) noexcept {
  return major == 3 && minor <= 4;
}

// Types of handshake messages that come before encryption. RFC 8446 section B.3.
bool is_message_type(uint8_t type) noexcept {
  constexpr uint32_t kKnown = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 |
                              1u << 8 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15 |
                              1u << 16 | 1u << 20 | 1u << 21 | 1u << 22 | 1u << 23 | 1u << 24;
  return type == 67 || (type < 32 && (kKnown >> type & 1) != 0);
}

bool is_wanted(uint8_t type) noexcept {
  return type == kClientHello || type == kServerHello || type == kCertificate;
}

// SSL 2's ClientHello, in which SSL 3 and TLS may be offered (RFC 5246 section E.2).
struct Ssl2Hello {
  size_t bytes = 0;
  uint16_t version = 0;
};

Likelihood read_ssl2_hello(Bytes b, Ssl2Hello& h) noexcept {
  if (b.empty()) return Likelihood::kUnsure;
  if ((b[0] & 0x80) == 0) return Likelihood::kNo;
  if (b.size() >= 3 && b[2] != kClientHello) return Likelihood::kNo;
  if (b.size() >= 5 && load_be16(&b[3]) != kSsl2 && !is_version(b[3], b[4])) return Likelihood::kNo;
  if (b.size() < 11) return Likelihood::kUnsure;
  const size_t length = load_be16(&b[0]) & 0x7fffu;
  const size_t ciphers = load_be16(&b[5]), session = load_be16(&b[7]), challenge = load_be16(&b[9]);
  if (ciphers == 0 || ciphers % 3 != 0 || (session != 0 && session != 16 && session != 32) ||
      challenge < 16 || challenge > 32 || 9 + ciphers + session + challenge != length) {
    return Likelihood::kNo;
  }
  h.bytes = length + 2;
  h.version = load_be16(&b[3]);
  return Likelihood::kCertain;
}

// Where in `b` a handshake message lies that may be in pieces, one per record.
struct Walk {
  size_t at;      // its next byte
  uint32_t left;  // of the record
  unsigned records = 0;
  size_t needs = 0;  // bytes of b; 0: all there
  bool bad = false;

  // Goes over n bytes of handshake, copied to `to` unless that is null. Stops where b ends.
  size_t go(Bytes b, size_t n, uint8_t* to) noexcept {
    size_t got = 0;
    while (got < n) {
      if (left == 0 && !next_record(b)) return got;
      const size_t some = std::min<size_t>(left, n - got);
      const size_t here = std::min(some, b.size() - at);
      if (to != nullptr) std::memcpy(to + got, &b[0] + at, here);
      got += here;
      at += here;
      left -= static_cast<uint32_t>(here);
      if (here < some) {
        needs = at + some - here;
        return got;
      }
    }
    return got;
  }
  bool next_record(Bytes b) noexcept {
    if (b.size() < at + kRecordHead) {
      needs = at + kRecordHead;
      return false;
    }
    left = load_be16(&b[at + 3]);
    bad = b[at] != kHandshake || b[at + 1] != 3 || left > kRecordMax || ++records > kRecordsMax;
    if (bad) left = 0;
    if (!bad) at += kRecordHead;
    return !bad;
  }
};

Probe probe_datagram(Bytes b) noexcept {  // RFC 6347 section 4.1
  if (b.size() < 25 || b[0] != kHandshake || b[1] != 0xfe || (b[2] != 0xff && b[2] != 0xfd) ||
      load_be16(&b[3]) != 0 || load_be16(&b[11]) + size_t{13} > b.size()) {
    return kNotMine;
  }
  if (b[13] == kClientHello) return kMineFromClient;
  return b[13] == kServerHello || b[13] == kHelloVerify ? kMineFromServer : kNotMine;
}

}  // namespace

Probe TlsParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (in.transport == kOverUdp) return probe_datagram(b);
  if (b.empty()) return kPerhaps;
  if (b[0] != kHandshake) {
    Ssl2Hello h;
    const Likelihood likely = read_ssl2_hello(b, h);
    return likely == Likelihood::kCertain ? kMineFromClient : Probe{likely};
  }
  if (b.size() >= 2 && b[1] != 3) return kNotMine;
  if (b.size() >= 3 && b[2] > 4) return kNotMine;
  if (b.size() >= 5 && (load_be16(&b[3]) == 0 || load_be16(&b[3]) > kRecordMax)) return kNotMine;
  if (b.size() < 6) return kPerhaps;
  if (b[5] != kClientHello && b[5] != kServerHello) return kNotMine;
  if (load_be16(&b[3]) >= 6) {  // the version of the hello itself is in this record
    if (b.size() < 11) return kPerhaps;
    const bool draft = b[9] == 0x7f;
    if (b[6] != 0 || (!is_version(b[9], b[10]) && !draft)) return kNotMine;
  }
  return b[5] == kClientHello ? kMineFromClient : kMineFromServer;
}

Step TlsParser::parse(const Input& in, Output& out) noexcept {
  if (in.datagram) return datagram(in.bytes, in.from_client, out);
  const Bytes b = in.bytes.first(std::min(in.bytes.size(), kMessageBytesMax));
  Lane& lane = lanes_[in.from_client ? 0 : 1];
  const Step step = lane.record_left != 0 ? handshake(b, 0, lane, in.from_client, out)
                                          : record(b, lane, in.from_client, out);
  if (step.what == Step::Do::kConsume && through()) {
    tell(out);
    return Step::finished();
  }
  return step;
}

Step TlsParser::record(Bytes b, Lane& lane, bool from_client, Output& out) noexcept {
  if (!lane.begun && (b[0] & 0x80) != 0) return ssl2(b, from_client, out);
  if (b.size() < kRecordHead) return Step::need(kRecordHead);
  if (b[0] < kChangeCipher || b[0] > kHeartbeat) return Step::malformed("INVALID_RECORD_TYPE");
  if (b[1] != 3) return Step::malformed("INVALID_RECORD_VERSION");
  const uint32_t length = load_be16(&b[3]);
  if (length > kRecordMax) return Step::malformed("INVALID_RECORD_LENGTH");
  lane.begun = true;
  const size_t whole = kRecordHead + length;
  switch (b[0]) {
    case kChangeCipher:
      lane.encrypted = version_ != kTls13;  // there it says nothing: RFC 8446 appendix D.4
      break;
    case kAlert:
      return alert(b, length, lane, out);
    case kApplication:
      if (server_hello_) lane.encrypted = true;  // else early data
      break;
    case kHandshake:
      if (lane.encrypted && from_client && !server_hello_ && length > 40) {
        // A second hello, where the server is not seen to ask for it?
        if (b.size() < 11) return Step::need(11);
        lane.encrypted = b[5] != kClientHello || b[6] != 0 || !is_version(b[9], b[10]);
      }
      if (lane.encrypted || length == 0) break;
      lane.record_left = length;
      return handshake(b, kRecordHead, lane, from_client, out);
    default:
      break;
  }
  return Step::consumed(whole);
}

// One that ends a handshake, if it is not encrypted. RFC 5246 section 7.2.
Step TlsParser::alert(Bytes b, uint32_t length, const Lane& lane, Output& out) noexcept {
  const size_t whole = kRecordHead + length;
  if (lane.encrypted || length != 2) return Step::consumed(whole);
  if (b.size() < whole) return Step::need(whole);
  if (b[kRecordHead] != 2) return Step::consumed(whole);
  tell(out);
  return Step::finished();
}

// At b[at] a message begins or goes on, in a record of which lane.record_left are not consumed.
Step TlsParser::handshake(Bytes b, size_t at, Lane& lane, bool from_client, Output& out) noexcept {
  if (lane.message_left != 0) {
    const uint32_t n = std::min(lane.message_left, lane.record_left);
    lane.message_left -= n;
    lane.record_left -= n;
    return Step::consumed(at + n);
  }
  const uint32_t before = lane.record_left;
  Walk walk{at, lane.record_left};
  lane.record_left = at == 0 ? before : 0;  // until it is consumed
  uint8_t head[kMessageHead];
  walk.go(b, sizeof head, head);
  if (walk.bad) return Step::malformed("INVALID_HANDSHAKE_MESSAGE");
  if (walk.needs != 0) return Step::need(walk.needs);
  if (!is_message_type(head[0])) {  // encrypted, though nobody said so
    lane.encrypted = true;
    lane.record_left = 0;
    return Step::consumed(walk.at + walk.left);
  }
  const uint32_t length = uint32_t{head[1]} << 16 | load_be16(&head[2]);
  if (!is_wanted(head[0])) {
    if (head[0] == kServerDone) server_done_ = true;
    lane.message_left = length;
    lane.record_left = walk.left;
    return Step::consumed(walk.at);
  }
  Walk ahead = walk;
  size_t got = ahead.go(b, length, nullptr);
  if (ahead.bad) return Step::malformed("INVALID_HANDSHAKE_MESSAGE");
  if (ahead.needs != 0 && b.size() < kMessageBytesMax) {
    return Step::need(std::min(ahead.needs, kMessageBytesMax));
  }
  bool good = true;
  if (ahead.records == walk.records) {  // all in one record
    good = message(head[0], b.subspan(walk.at, got), Framing::kTcp, from_client, out);
  } else {
    uint8_t gathered[kMessageBytesMax];
    got = walk.go(b, got, gathered);
    good = message(head[0], Bytes(gathered, got), Framing::kTcp, from_client, out);
  }
  if (!good) return Step::malformed("INVALID_HANDSHAKE_MESSAGE");
  lane.record_left = ahead.left;
  lane.message_left = static_cast<uint32_t>(length - got);
  return Step::consumed(ahead.at);
}

Step TlsParser::ssl2(Bytes b, bool from_client, Output& out) noexcept {
  if (from_client) {
    Ssl2Hello h;
    const Likelihood likely = read_ssl2_hello(b, h);
    if (likely == Likelihood::kUnsure) return Step::need(b.size() + 1);
    if (likely == Likelihood::kNo) return Step::malformed("INVALID_SSLV2_HEADER");
    client_hello_ = true;
    version_ = h.version;
    lanes_[0].begun = h.version != kSsl2;
    if (h.version == kSsl2 && server_hello_) {
      tell(out);
      return Step::finished();
    }
    return Step::consumed(h.bytes);
  }
  Cursor c(b);
  const size_t whole = size_t{2} + (c.be16() & 0x7fff);
  if (b.size() < 13) return Step::need(13);
  if (whole < 13 || c.u8() != 4) return Step::malformed("INVALID_SSLV2_HEADER");
  if (b.size() < whole && whole <= kMessageBytesMax) return Step::need(whole);
  c.skip(2);  // whether the session id is known, what certificate
  version_ = c.be16();
  const uint16_t length = c.be16();
  c.skip(4);
  server_hello_ = true;
  Certificate certificate;
  if (read_certificate(c.bytes(std::min<size_t>(length, c.left())), certificate)) {
    write_certificate(facts_, certificate, kServerCertificate);
  }
  if (!client_hello_) return Step::consumed(whole);
  tell(out);
  return Step::finished();
}

Step TlsParser::datagram(Bytes b, bool from_client, Output& out) noexcept {
  Lane& lane = lanes_[from_client ? 0 : 1];
  for (size_t at = 0; b.size() - at >= 13;) {
    const uint8_t type = b[at];
    const size_t length = load_be16(&b[at + 11]);
    if (b[at + 1] != 0xfe || length > b.size() - at - 13) break;
    const bool plain = load_be16(&b[at + 3]) == 0;  // epoch
    Cursor c(b.subspan(at + 13, length));
    at += 13 + length;
    if (type == kChangeCipher || !plain) lane.encrypted = true;
    if (type == kAlert && plain && length == 2 && c.u8() == 2) {
      tell(out);
      return Step::finished();
    }
    while (type == kHandshake && plain && c.left() >= 12) {
      const uint8_t message_type = c.u8();
      const uint32_t whole = c.be24();
      c.skip(2);  // number of the message
      const uint32_t from = c.be24(), n = c.be24();
      const Bytes body = c.bytes(n);
      if (!c.ok()) break;
      if (message_type == kServerDone) server_done_ = true;
      if (from == 0 && n == whole && is_wanted(message_type)) {
        message(message_type, body, Framing::kDatagram, from_client, out);
      }
    }
  }
  if (!through()) return Step::consumed(b.size());
  tell(out);
  return Step::finished();
}

// false: it is not what it says.
bool TlsParser::message(uint8_t type, Bytes body, Framing framing, bool from_client,
                        Output& out) noexcept {
  Hello h;
  if (type == kCertificate) {
    certificate(body, from_client);
    show(out);
    return true;
  }
  if ((type == kClientHello) != from_client) return false;
  if (type == kClientHello) {
    if (!read_client_hello(body, framing, h)) return false;
    client_hello(h, framing, out);
  } else {
    if (!read_server_hello(body, h)) return false;
    server_hello(h);
  }
  show(out);
  if (h.malformed) out.violation(kKind, "INVALID_HANDSHAKE_MESSAGE");
  return true;
}

void TlsParser::client_hello(const Hello& h, Framing framing, Output& out) noexcept {
  if (client_hello_) {
    if (framing == Framing::kDatagram) return;  // with the cookie, or again
    tell(out);
    told_ = server_hello_ = false;
    facts_.clear();
    shown_ = 0;
  }
  client_hello_ = true;
  version_ = h.version;
  write_client_hello(facts_, h, framing, kClientFacts, out.hellos());
  write_alpns(facts_, h, Fact::kTlsClientAlpn);
}

void TlsParser::server_hello(const Hello& h) noexcept {
  if (server_hello_) return;
  version_ = h.chosen;
  server_hello_ = !h.retry;
  if (h.retry) lanes_[0].encrypted = false;  // early data is refused, a hello comes again
  write_ja3s(facts_, h, Fact::kTlsJa3s, Fact::kTlsJa3sText);
  write_alpns(facts_, h, Fact::kTlsServerAlpn);
  char room[24];
  facts_.text(Fact::kTlsCipher, cipher_text(h.cipher, room));
  if (h.resumes) facts_.flag(Fact::kTlsResumed, true);
}

void TlsParser::certificate(Bytes chain, bool from_client) noexcept {
  Lane& lane = lanes_[from_client ? 0 : 1];
  if (lane.certificate) return;
  Cursor c(chain);
  c.be24();
  const size_t length = c.be24();
  if (!c.ok() || length == 0) return;
  lane.certificate = true;
  Certificate first;
  if (!read_certificate(c.bytes(std::min(length, c.left())), first)) return;
  write_certificate(facts_, first, from_client ? kClientCertificate : kServerCertificate);
}

// Whether what comes now says no more.
bool TlsParser::through() const noexcept {
  if (!server_hello_) return false;
  if (version_ == kTls13 || version_ >> 8 == 0x7f || version_ == 0xfefc) return true;
  return lanes_[1].encrypted || (lanes_[0].encrypted && server_done_);
}

// What a message has added, for rules.
void TlsParser::show(Output& out) noexcept {
  if (!out.is_judged(kKind) || facts_.used() == shown_) return;
  out.show(kKind, facts_, shown_);
  shown_ = facts_.used();
}

void TlsParser::tell(Output& out) noexcept {
  if (told_ || version_ == 0) return;
  told_ = true;
  char room[24];
  facts_.text(Fact::kTlsVersion, version_text(version_, room));
  const bool certificates = lanes_[1].certificate || server_done_;
  if (server_hello_ && version_ <= kTls12 && lanes_[1].encrypted && !certificates) {
    facts_.flag(Fact::kTlsResumed, true);
  }
  out.tell(kKind, facts_, Ends::kClientFirst, shown_);
}

void TlsParser::end(Output& out) noexcept {
  if (client_hello_ || server_hello_) tell(out);
}

}  // namespace weir::parse
