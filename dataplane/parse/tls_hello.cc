// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/tls_hello.h"

#include <charconv>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/digest.h"
#include "dataplane/parse/parser.h"

namespace weir::parse::tls {

namespace {

constexpr size_t kSortedMax = 1024;  // numbers of a list that JA4 sorts
constexpr uint16_t kServerName = 0, kGroups = 10, kFormats = 11, kSignatures = 13, kAlpn = 16,
                   kPreSharedKey = 41, kVersions = 43;

// RFC 8701: values that clients send so that servers learn to ignore them.
constexpr bool is_grease(uint16_t v) noexcept {
  return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

uint16_t at16(Bytes list, size_t i) noexcept {
  return load_be16(&list[i]);
}

// A text that is digested when it is whole: in its small pieces that takes ten times as long. What
// one fact may hold of it is kept; only a longer one is digested as it grows.
class PrintText {
 public:
  void add(char c) noexcept {
    if (used_ < sizeof text_) {
      text_[used_++] = c;
    } else {
      add_beyond({&c, 1});
    }
  }
  void number(uint16_t v) noexcept {
    constexpr size_t kDigitsMax = 5;
    if (sizeof text_ - used_ >= kDigitsMax) {
      used_ = static_cast<size_t>(std::to_chars(text_ + used_, std::end(text_), v).ptr - text_);
      return;
    }
    char digits[kDigitsMax];
    const auto end = std::to_chars(digits, std::end(digits), v).ptr;
    for (const char* c = digits; c != end; ++c) add(*c);
  }
  void list(Bytes numbers) noexcept {
    bool first = true;
    for (size_t i = 0; i + 1 < numbers.size(); i += 2) item(at16(numbers, i), first);
  }
  void types(Bytes extensions) noexcept {
    bool first = true;
    each_extension(extensions, [&](uint16_t type, Bytes) { item(type, first); });
  }
  void write(FactWriter& facts, Fact hash, Fact text) noexcept {
    if (!beyond_) digest_.add(as_bytes({text_, used_}));
    facts.bytes(hash, digest_.finish());
    facts.text(text, std::string_view(text_, used_));
  }

 private:
  void item(uint16_t v, bool& first) noexcept {
    if (is_grease(v)) return;
    if (!first) add('-');
    first = false;
    number(v);
  }
  void add_beyond(std::string_view s) noexcept {
    if (!beyond_) digest_.add(as_bytes({text_, used_}));
    beyond_ = true;
    digest_.add(as_bytes(s));
  }
  Md5 digest_;
  bool beyond_ = false;
  char text_[kTextMax + 1];
  size_t used_ = 0;
};

void write_ja3(FactWriter& facts, const Hello& h, const ClientFacts& ids) noexcept {
  PrintText t;
  t.number(h.version);
  t.add(',');
  t.list(h.ciphers);
  t.add(',');
  t.types(h.extensions);
  t.add(',');
  t.list(h.groups);
  t.add(',');
  bool first = true;
  for (const uint8_t format : h.formats) {
    if (!first) t.add('-');
    first = false;
    t.number(format);
  }
  t.write(facts, ids.ja3, ids.ja3_text);
}

struct Numbers {
  uint16_t value[kSortedMax];
  size_t count = 0;
  bool overflow = false;
  void add(uint16_t v) noexcept {
    if (is_grease(v)) return;
    if (count == kSortedMax) {
      overflow = true;
      return;
    }
    value[count++] = v;
  }
};

// Twelve digits of the digest of numbers in hex, with commas. The text goes to the digest in long
// pieces: in pieces of a number's size that takes several times as long.
class ShortDigest {
 public:
  void add(const Numbers& numbers, size_t n) noexcept {
    for (size_t i = 0; i < n; ++i) {
      constexpr char kDigits[] = "0123456789abcdef";
      constexpr size_t kItemBytes = 5;
      if (sizeof text_ - used_ < kItemBytes) flush();
      const uint16_t v = numbers.value[i];
      if (begun_) text_[used_++] = ',';
      for (const int shift : {12, 8, 4, 0}) text_[used_++] = kDigits[v >> shift & 15];
      begun_ = true;
    }
  }
  void underline() noexcept {
    if (used_ == sizeof text_) flush();
    text_[used_++] = '_';
    begun_ = false;
  }
  void write(char* to) noexcept {
    flush();
    const Sha256Digest d = digest_.finish();
    for (size_t i = 0; i < 6; ++i) {
      constexpr char kDigits[] = "0123456789abcdef";
      *to++ = kDigits[d[i] >> 4];
      *to++ = kDigits[d[i] & 15];
    }
  }

 private:
  void flush() noexcept {
    digest_.add(as_bytes({text_, used_}));
    used_ = 0;
  }
  Sha256 digest_;
  char text_[512];
  size_t used_ = 0;
  bool begun_ = false;
};

std::string_view ja4_version(const Hello& h) noexcept {
  uint16_t best = 0;
  for (size_t i = 0; i + 1 < h.versions.size(); i += 2) {
    const uint16_t v = at16(h.versions, i);
    if (is_grease(v)) continue;
    // DTLS counts down.
    if (best == 0 || (v >= 0xfe00 ? v < best : v > best)) best = v;
  }
  switch (best != 0 ? best : h.version) {
    case kTls13:
      return "13";
    case kTls12:
      return "12";
    case 0x0302:
      return "11";
    case kTls10:
      return "10";
    case kSsl3:
      return "s3";
    case kSsl2:
      return "s2";
    case 0xfeff:
      return "d1";
    case 0xfefd:
      return "d2";
    case 0xfefc:
      return "d3";
    default:
      return "00";
  }
}

bool is_alphanumeric(uint8_t c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void put_alpn(char* to, Bytes alpn) noexcept {
  to[0] = to[1] = '0';
  if (alpn.empty() || alpn[0] == 0 || alpn.size() < size_t{alpn[0]} + 1) return;
  const uint8_t first = alpn[1], last = alpn[alpn[0]];
  if (first > 127) {  // as JA4's authors' own program says; their text would have hex here, too
    to[0] = to[1] = '9';
  } else if (is_alphanumeric(first) && is_alphanumeric(last)) {
    to[0] = static_cast<char>(first);
    to[1] = static_cast<char>(last);
  } else {
    constexpr char kDigits[] = "0123456789abcdef";
    to[0] = kDigits[first >> 4];
    to[1] = kDigits[last & 15];
  }
}

void put_count(char* to, size_t n) noexcept {
  n = std::min<size_t>(n, 99);
  to[0] = static_cast<char>('0' + n / 10);
  to[1] = static_cast<char>('0' + n % 10);
}

// github.com/FoxIO-LLC/ja4, technical_details/JA4.md.
void write_ja4(FactWriter& facts, const Hello& h, Framing framing, Fact id) noexcept {
  Numbers ciphers, extensions, signatures;
  size_t types = 0;
  for (size_t i = 0; i + 1 < h.ciphers.size(); i += 2) ciphers.add(at16(h.ciphers, i));
  each_extension(h.extensions, [&](uint16_t type, Bytes) {
    types += is_grease(type) ? 0 : 1;
    if (type != kServerName && type != kAlpn) extensions.add(type);
  });
  for (size_t i = 0; i + 1 < h.signatures.size(); i += 2) signatures.add(at16(h.signatures, i));
  if (ciphers.overflow || extensions.overflow || signatures.overflow) return;
  std::sort(ciphers.value, ciphers.value + ciphers.count);
  std::sort(extensions.value, extensions.value + extensions.count);
  char text[36];
  text[0] = framing == Framing::kTcp ? 't' : framing == Framing::kQuic ? 'q' : 'd';
  const std::string_view version = ja4_version(h);
  text[1] = version[0];
  text[2] = version[1];
  text[3] = h.has_sni ? 'd' : 'i';
  put_count(text + 4, ciphers.count);
  put_count(text + 6, types);
  put_alpn(text + 8, h.alpn);
  text[10] = text[23] = '_';
  std::fill_n(text + 11, 12, '0');
  std::fill_n(text + 24, 12, '0');
  if (ciphers.count != 0) {
    ShortDigest d;
    d.add(ciphers, ciphers.count);
    d.write(text + 11);
  }
  if (extensions.count != 0 || signatures.count != 0) {
    ShortDigest d;
    d.add(extensions, extensions.count);
    if (signatures.count != 0) d.underline();
    d.add(signatures, signatures.count);
    d.write(text + 24);
  }
  facts.text(id, std::string_view(text, sizeof text));
}

// A list behind its length of `width` bytes; what is there of it.
Bytes listed(Bytes body, unsigned width) noexcept {
  Cursor c(body);
  const size_t n = width == 1 ? c.u8() : c.be16();
  return c.bytes(std::min(n, c.left()));
}

Bytes host_name(Bytes body) noexcept {  // RFC 6066 section 3
  Cursor c(listed(body, 2));
  while (c.left() >= 3) {
    const uint8_t type = c.u8();
    const Bytes name = c.bytes(c.be16());
    if (type == 0) return name;
  }
  return {};
}

void read_extension(uint16_t type, Bytes body, Hello& h) noexcept {
  switch (type) {
    case kServerName:
      if (h.sni.empty()) h.sni = host_name(body);
      h.has_sni = true;
      return;
    case kGroups:
      h.groups = listed(body, 2);
      return;
    case kFormats:
      h.formats = listed(body, 1);
      return;
    case kSignatures:
      h.signatures = listed(body, 2);
      return;
    case kAlpn:
      h.alpn = listed(body, 2);
      return;
    case kPreSharedKey:
      h.resumes = true;
      return;
    default:
      return;
  }
}

Bytes extensions_of(Cursor& c, Hello& h) noexcept {
  if (c.left() < 2) return {};
  const size_t n = c.be16();
  if (n > c.left()) h.malformed = true;
  return c.bytes(std::min(n, c.left()));
}

}  // namespace

bool read_client_hello(Bytes body, Framing framing, Hello& h) noexcept {
  h = {};
  Cursor c(body);
  h.version = c.be16();
  c.skip(32);
  h.session = c.bytes(c.u8());
  if (framing == Framing::kDatagram) c.skip(c.u8());  // cookie
  h.ciphers = c.bytes(c.be16());
  c.skip(c.u8());  // compression methods
  if (!c.ok()) return false;
  h.extensions = extensions_of(c, h);
  each_extension(h.extensions, [&](uint16_t type, Bytes b) {
    if (type == kVersions) h.versions = listed(b, 1);
    read_extension(type, b, h);
  });
  return true;
}

bool read_server_hello(Bytes body, Hello& h) noexcept {
  constexpr std::string_view kRetry =
      "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
      "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
  h = {};
  Cursor c(body);
  h.version = h.chosen = c.be16();
  h.retry = starts_with(c.bytes(32), kRetry);
  const bool old_draft = h.version >> 8 == 0x7f && (h.version & 0xff) < 22;  // another layout
  if (!old_draft) h.session = c.bytes(c.u8());
  h.cipher = c.be16();
  if (!old_draft) c.u8();  // compression method
  if (!c.ok()) return false;
  h.extensions = extensions_of(c, h);
  each_extension(h.extensions, [&](uint16_t type, Bytes b) {
    if (type == kVersions && b.size() == 2) h.chosen = at16(b, 0);
    read_extension(type, b, h);
  });
  return true;
}

namespace {

// h as its fingerprints see it.
HelloKey key_of(const Hello& h, Framing framing) noexcept {
  HelloKey key;
  key.byte(static_cast<uint8_t>(framing));
  key.byte(h.has_sni);
  key.number(h.version);
  for (const char c : ja4_version(h)) key.byte(static_cast<uint8_t>(c));
  char alpn[2];
  put_alpn(alpn, h.alpn);
  for (const char c : alpn) key.byte(static_cast<uint8_t>(c));
  const auto list = [&](Bytes numbers) {
    key.next_list();
    for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
      if (const uint16_t v = at16(numbers, i); !is_grease(v)) key.number(v);
    }
  };
  list(h.ciphers);
  list(h.groups);
  list(h.signatures);
  key.next_list();
  each_extension(h.extensions, [&](uint16_t type, Bytes) {
    if (!is_grease(type)) key.number(type);
  });
  key.next_list();
  for (const uint8_t format : h.formats) key.byte(format);
  return key;
}

}  // namespace

void write_client_hello(FactWriter& facts, const Hello& h, Framing framing, const ClientFacts& ids,
                        HelloMemo& memo) noexcept {
  if (!h.sni.empty()) facts.text(ids.sni, h.sni, 255);
  const HelloKey key = key_of(h, framing);
  if (const Bytes known = memo.find(key); !known.empty()) return facts.append(known);
  const uint16_t before = facts.used();
  write_ja3(facts, h, ids);
  write_ja4(facts, h, framing, ids.ja4);
  if (!facts.overflow()) memo.keep(key, facts.facts().subspan(before));
}

void write_ja3s(FactWriter& facts, const Hello& h, Fact hash, Fact text) noexcept {
  PrintText t;
  t.number(h.version);
  t.add(',');
  t.number(h.cipher);
  t.add(',');
  t.types(h.extensions);
  t.write(facts, hash, text);
}

void write_alpns(FactWriter& facts, const Hello& h, Fact id) noexcept {
  Cursor c(h.alpn);
  for (unsigned i = 0; i < 16 && c.left() != 0; ++i) {
    const Bytes name = c.bytes(c.u8());
    if (!c.ok()) return;
    facts.text(id, name);
  }
}

std::string_view version_text(uint16_t version, std::span<char, 24> room) noexcept {
  switch (version) {
    case kSsl2:
      return "SSLv2";
    case kSsl3:
      return "SSLv3";
    case kTls10:
      return "TLSv1";
    case 0x0302:
      return "TLS 1.1";
    case kTls12:
      return "TLS 1.2";
    case kTls13:
      return "TLS 1.3";
    case 0xfeff:
      return "DTLS 1.0";
    case 0xfefd:
      return "DTLS 1.2";
    case 0xfefc:
      return "DTLS 1.3";
    default:
      break;
  }
  const bool draft = version >> 8 == 0x7f;
  const std::string_view start = draft ? "TLS 1.3 draft-" : "0x";
  std::copy(start.begin(), start.end(), room.begin());
  char* at = room.data() + start.size();
  char* const end = room.data() + room.size();
  at = draft ? std::to_chars(at, end, version & 0xff).ptr : std::to_chars(at, end, version, 16).ptr;
  return {room.data(), static_cast<size_t>(at - room.data())};
}

namespace {

struct Named {
  uint16_t number;
  std::string_view name;
};
// IANA, TLS Cipher Suites: those that are met.
constexpr Named kCiphers[] = {
    {0x0004, "TLS_RSA_WITH_RC4_128_MD5"},
    {0x0005, "TLS_RSA_WITH_RC4_128_SHA"},
    {0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
    {0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"},
    {0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"},
    {0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"},
    {0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"},
    {0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA"},
    {0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"},
    {0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"},
    {0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"},
    {0x003a, "TLS_DH_anon_WITH_AES_256_CBC_SHA"},
    {0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"},
    {0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"},
    {0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"},
    {0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"},
    {0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"},
    {0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
    {0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"},
    {0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
    {0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"},
    {0x1301, "TLS_AES_128_GCM_SHA256"},
    {0x1302, "TLS_AES_256_GCM_SHA384"},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
    {0x1304, "TLS_AES_128_CCM_SHA256"},
    {0x1305, "TLS_AES_128_CCM_8_SHA256"},
    {0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"},
    {0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
    {0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
    {0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"},
    {0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
    {0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
    {0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
    {0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
    {0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
    {0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
    {0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
    {0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    {0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
    {0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
    {0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    {0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
};
// IANA, TLS ExtensionType Values.
constexpr Named kExtensionNames[] = {
    {0, "server_name"},
    {1, "max_fragment_length"},
    {5, "status_request"},
    {10, "supported_groups"},
    {11, "ec_point_formats"},
    {13, "signature_algorithms"},
    {14, "use_srtp"},
    {15, "heartbeat"},
    {16, "alpn"},
    {17, "status_request_v2"},
    {18, "signed_certificate_timestamp"},
    {19, "client_certificate_type"},
    {20, "server_certificate_type"},
    {21, "padding"},
    {22, "encrypt_then_mac"},
    {23, "extended_master_secret"},
    {24, "token_binding"},
    {27, "compress_certificate"},
    {28, "record_size_limit"},
    {34, "delegated_credentials"},
    {35, "session_ticket"},
    {41, "pre_shared_key"},
    {42, "early_data"},
    {43, "supported_versions"},
    {44, "cookie"},
    {45, "psk_key_exchange_modes"},
    {47, "certificate_authorities"},
    {48, "oid_filters"},
    {49, "post_handshake_auth"},
    {50, "signature_algorithms_cert"},
    {51, "key_share"},
    {57, "quic_transport_parameters"},
    {17513, "application_settings"},
    {65037, "encrypted_client_hello"},
    {65281, "renegotiation_info"},
};

template <size_t N>
std::string_view find(const Named (&names)[N], uint16_t number) noexcept {
  for (const Named& n : names) {
    if (n.number == number) return n.name;
  }
  return {};
}

}  // namespace

std::string_view cipher_text(uint16_t cipher, std::span<char, 24> room) noexcept {
  const std::string_view known = find(kCiphers, cipher);
  if (!known.empty()) return known;
  constexpr char kDigits[] = "0123456789abcdef";
  room[0] = '0';
  room[1] = 'x';
  for (unsigned i = 0; i < 4; ++i) room[2 + i] = kDigits[cipher >> (12 - 4 * i) & 15];
  return {room.data(), 6};
}

std::string_view extension_name(uint16_t type) noexcept {
  return find(kExtensionNames, type);
}

}  // namespace weir::parse::tls
