// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ntlmssp.h"

#include <charconv>

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr std::string_view kSignature{"NTLMSSP\0", 8};
constexpr uint32_t kUnicode = 0x1, kHasVersion = 0x02000000;
constexpr unsigned kPairsMax = 32;
constexpr size_t kBlobHead = 16 + 28;  // NTLMv2: proof, then the blob up to its pairs

struct Field {  // a payload field: where it lies in the message
  uint16_t size = 0;
  uint32_t at = 0;
};

Field read_field(Cursor& c) noexcept {
  Field f;
  f.size = c.le16();
  c.skip(2);  // room
  f.at = c.le32();
  return f;
}

// What of it is there.
Bytes payload(Bytes message, Field f) noexcept {
  if (f.at >= message.size()) return {};
  return message.subspan(f.at, std::min<size_t>(f.size, message.size() - f.at));
}

void take(Ntlmssp::Text& to, Bytes text, bool unicode) noexcept {
  if (unicode) {
    to.assign_utf16(text);
  } else {
    to.assign(text);
  }
}

Ntlmssp::Version read_version(Cursor& c) noexcept {
  Ntlmssp::Version v;
  v.major = c.u8();
  v.minor = c.u8();
  v.build = c.le16();
  c.skip(3);
  v.revision = c.u8();
  v.known = c.ok();
  return v;
}

// AV_PAIRs, section 2.2.2.1. anew: those that are known already are not replaced.
bool read_pairs(Bytes pairs, Ntlmssp& n, bool anew) noexcept {
  Cursor c(pairs);
  for (unsigned i = 0; i < kPairsMax; ++i) {
    const uint16_t id = c.le16();
    const Bytes value = c.bytes(c.le16());
    if (!c.ok()) return false;
    Ntlmssp::Text* const known[] = {nullptr,         &n.nb_computer, &n.nb_domain,
                                    &n.dns_computer, &n.dns_domain,  &n.dns_tree};
    if (id == 0) return true;
    if (id == 9) n.target.assign_utf16(value);
    if (id < std::size(known) && (anew || known[id]->empty())) known[id]->assign_utf16(value);
  }
  return true;
}

bool read_challenge(Bytes message, Cursor& c, Ntlmssp& n) noexcept {
  const Field name = read_field(c);
  const uint32_t flags = c.le32();
  c.skip(16);  // challenge, reserved
  if (!c.ok()) return false;
  if (c.at() == message.size()) return true;  // of old: no target info
  const Field info = read_field(c);
  if ((flags & kHasVersion) != 0) n.server_version = read_version(c);
  if (info.size != 0) return read_pairs(payload(message, info), n, true);
  take(n.nb_domain, payload(message, name), (flags & kUnicode) != 0);
  return true;
}

bool read_authenticate(Bytes message, Cursor& c, Ntlmssp& n) noexcept {
  c.skip(8);  // LM response
  const Field response = read_field(c);
  const Field domain = read_field(c), user = read_field(c), host = read_field(c);
  if (!c.ok()) return false;
  uint32_t flags = kUnicode;
  constexpr size_t kWithFlags = 64;
  const Field* const all[] = {&response, &domain, &user, &host};
  const bool short_head = std::any_of(std::begin(all), std::end(all), [](const Field* f) {
    return f->size != 0 && f->at < kWithFlags;
  });
  if (!short_head) {
    c.skip(8);  // session key
    flags = c.le32();
    if (!c.ok()) flags = kUnicode;
    if ((flags & kHasVersion) != 0) n.version = read_version(c);
  }
  const bool unicode = (flags & kUnicode) != 0;
  take(n.domain, payload(message, domain), unicode);
  take(n.user, payload(message, user), unicode);
  take(n.host, payload(message, host), unicode);
  n.response_bytes = response.size;
  const Bytes blob = payload(message, response);
  if (response.size > kBlobHead && blob.size() > kBlobHead) {
    read_pairs(blob.subspan(kBlobHead), n, false);
  }
  const auto is_there = [&message](Field f) {
    return f.size == 0 || (f.at <= message.size() && message.size() - f.at >= f.size);
  };
  return is_there(domain) && is_there(user) && is_there(host);
}

void write_version(FactWriter& facts, Fact fact, const Ntlmssp::Version& v) noexcept {
  if (!v.known) return;
  char text[48];
  char* at = text;
  const auto word = [&at](std::string_view w) { at = std::copy(w.begin(), w.end(), at); };
  const auto number = [&at](unsigned n) { at = std::to_chars(at, at + 8, n).ptr; };
  number(v.major);
  word(".");
  number(v.minor);
  word(" build ");
  number(v.build);
  word(" rev ");
  number(v.revision);
  facts.text(fact, std::string_view(text, static_cast<size_t>(at - text)));
}

}  // namespace

bool is_ntlmssp(Bytes token) noexcept {
  return starts_with(token, kSignature);
}

bool Ntlmssp::read(Bytes bytes) noexcept {
  if (!is_ntlmssp(bytes)) return false;
  Cursor c(bytes);
  c.skip(kSignature.size());
  const uint32_t type = c.le32();
  if (!c.ok() || type < 1 || type > 3) return false;
  if (type == 1) *this = Ntlmssp{};
  message = static_cast<Message>(type);
  switch (message) {
    case Message::kChallenge:
      return read_challenge(bytes, c, *this);
    case Message::kAuthenticate:
      return read_authenticate(bytes, c, *this);
    default: {  // what NEGOTIATE claims is empty by now; its version is the client's
      const uint32_t flags = c.le32();
      const Field claimed_domain = read_field(c), claimed_host = read_field(c);
      if (!c.ok()) return flags != 0;
      domain.assign(payload(bytes, claimed_domain));  // OEM, section 2.2.1.1
      host.assign(payload(bytes, claimed_host));
      if ((flags & kHasVersion) != 0) version = read_version(c);
      return true;
    }
  }
}

void Ntlmssp::write(FactWriter& facts) const noexcept {
  if (is_login()) {  // shown even when empty: an anonymous login
    facts.text(Fact::kNtlmDomain, domain.bytes());
    facts.text(Fact::kNtlmUser, user.bytes());
    facts.text(Fact::kNtlmHost, host.bytes());
    if (response_bytes != 0) {
      facts.text(Fact::kNtlmResponse, std::string_view(response_bytes > 24 ? "NTLMv2" : "NTLMv1"));
    }
  }
  write_version(facts, Fact::kNtlmVersion, version);
  const struct {
    Fact fact;
    const Text& text;
  } names[] = {{Fact::kNtlmTarget, target},
               {Fact::kNtlmServerNbComputer, nb_computer},
               {Fact::kNtlmServerNbDomain, nb_domain},
               {Fact::kNtlmServerDnsComputer, dns_computer},
               {Fact::kNtlmServerDnsDomain, dns_domain},
               {Fact::kNtlmServerDnsTree, dns_tree}};
  for (const auto& n : names) {
    if (!n.text.empty()) facts.text(n.fact, n.text.bytes());
  }
  write_version(facts, Fact::kNtlmServerVersion, server_version);
}

size_t utf8_of_utf16(Bytes utf16, std::span<uint8_t> to) noexcept {
  size_t n = 0;
  for (size_t i = 0; i + 1 < utf16.size(); i += 2) {
    uint32_t v = utf16[i] | uint32_t{utf16[i + 1]} << 8;
    if (v == 0) break;
    if (v >= 0xd800 && v < 0xe000) {
      const uint32_t low =
          i + 3 < utf16.size() ? utf16[i + 2] | uint32_t{utf16[i + 3]} << 8 : uint32_t{0};
      if (v < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
        i += 2;
      } else {
        v = 0xfffd;
      }
    }
    const size_t bytes = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
    if (n + bytes > to.size()) break;
    if (bytes == 1) {
      to[n++] = static_cast<uint8_t>(v);
      continue;
    }
    constexpr uint8_t kLead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    to[n++] = static_cast<uint8_t>(kLead[bytes] | v >> (6 * (bytes - 1)));
    for (size_t k = bytes - 1; k != 0; --k) {
      to[n++] = static_cast<uint8_t>(0x80 | (v >> (6 * (k - 1)) & 0x3f));
    }
  }
  return n;
}

}  // namespace weir::parse
