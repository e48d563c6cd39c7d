// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ntlmssp.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/parse/krb5.h"
#include "dataplane/parse/parser.h"
#include "dataplane/parse/spnego.h"

namespace weir::parse {
namespace {

using std::literals::operator""s;
using std::literals::operator""sv;

std::string text_of(Bytes b) {
  return std::string(as_text(b));
}
std::string wide(std::string_view s) {
  std::string out;
  for (const char c : s) out += std::string{c, '\0'};
  return out;
}
std::string le(uint64_t v, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
  return out;
}
std::string field(std::string_view head, size_t head_bytes, std::string& body,
                  std::string_view value) {
  const std::string f = le(value.size(), 2) + le(value.size(), 2) + le(head_bytes + body.size(), 4);
  body += value;
  return std::string(head) + f;
}
std::string authenticate(std::string_view domain, std::string_view user, std::string_view host,
                         std::string_view response) {
  std::string body;
  std::string m = "NTLMSSP\0\x03\0\0\0"s + le(0, 8);
  m = field(m, 72, body, response);
  m = field(m, 72, body, wide(domain));
  m = field(m, 72, body, wide(user));
  m = field(m, 72, body, wide(host));
  m += le(0, 8) + le(0x02000001, 4) + "\x0a\x00"s + le(14393, 2) + "\0\0\0\x0f"s;
  return m + body;
}
std::string der(uint8_t tag, const std::string& content) {
  return std::string{static_cast<char>(tag), static_cast<char>(0x82),
                     static_cast<char>(content.size() >> 8), static_cast<char>(content.size())} +
         content;
}
const std::string kSpnego = der(6, "\x2b\x06\x01\x05\x05\x02");

TEST(Ntlmssp, ReadsWhoLogsIn) {
  Ntlmssp n;
  ASSERT_TRUE(n.read(as_bytes(authenticate("CORP", "j\xf6rg", "WS1", std::string(24, 'x')))));
  EXPECT_TRUE(n.is_login());
  EXPECT_EQ(text_of(n.domain.bytes()), "CORP");
  EXPECT_EQ(text_of(n.host.bytes()), "WS1");
  EXPECT_EQ(n.version.build, 14393);
  EXPECT_EQ(n.response_bytes, 24);
}

TEST(Ntlmssp, ReadsTheServersNames) {
  const std::string pairs =
      le(2, 2) + le(8, 2) + wide("CORP") + le(3, 2) + le(14, 2) + wide("dc.corp") + le(0, 4);
  const std::string m = "NTLMSSP\0\x02\0\0\0"s + le(0, 8) + le(1, 4) + le(0, 16) +
                        le(pairs.size(), 2) + le(pairs.size(), 2) + le(48, 4) + pairs;
  Ntlmssp n;
  ASSERT_TRUE(n.read(as_bytes(m)));
  EXPECT_EQ(text_of(n.nb_domain.bytes()), "CORP");
  EXPECT_EQ(text_of(n.dns_computer.bytes()), "dc.corp");
  EXPECT_FALSE(n.read(as_bytes(m.substr(0, m.size() - 5))));  // no end of the pairs
}

TEST(Ntlmssp, NoLengthIsTrusted) {
  std::string m = authenticate("CORP", "user", "WS1", "response");
  for (size_t i = 12; i < 64; ++i) {
    for (const char v : {'\x00', '\x7f', '\xff'}) {
      std::string bad = m;
      bad[i] = v;
      const std::vector<uint8_t> exact(bad.begin(), bad.end());
      Ntlmssp n;
      n.read(exact);
    }
  }
  for (size_t i = 0; i < m.size(); ++i) {
    const std::vector<uint8_t> exact(m.begin(), m.begin() + static_cast<long>(i));
    Ntlmssp n;
    n.read(exact);
  }
}

TEST(Spnego, FindsNtlmInInitAndResponse) {
  const std::string token = authenticate("D", "u", "h", "");
  const std::string mechs =
      der(0xa0, der(0x30, der(6, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a")));
  const std::string init =
      der(0x60, kSpnego + der(0xa0, der(0x30, mechs + der(0xa2, der(4, token)))));
  const std::string response =
      der(0xa1, der(0x30, der(0xa0, der(10, "\x01")) + der(0xa2, der(4, token))));
  for (const std::string& blob : {init, response, token}) {
    const SecurityToken t = find_security_token(as_bytes(blob));
    EXPECT_EQ(t.mechanism, SecurityToken::Mechanism::kNtlmssp);
    EXPECT_EQ(text_of(t.token), token);
  }
  EXPECT_EQ(find_security_token(as_bytes(response)).state, SecurityToken::State::kIncomplete);
}

TEST(Spnego, FindsTheServiceOfATicket) {
  const std::string names = der(0x30, der(0x1b, "cifs") + der(0x1b, "dc.corp"));
  const std::string ticket =
      der(0x61, der(0x30, der(0xa0, der(2, "\x05")) + der(0xa1, der(0x1b, "CORP")) +
                              der(0xa2, der(0x30, der(0xa0, der(2, "\x02")) + der(0xa1, names)))));
  const std::string ap_req = der(0x6e, der(0x30, der(0xa0, der(2, "\x05")) + der(0xa3, ticket)));
  const std::string gss =
      der(0x60, der(6, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02") + "\x01\x00"s + ap_req);
  const std::string blob = der(0x60, kSpnego + der(0xa0, der(0x30, der(0xa2, der(4, gss)))));
  const SecurityToken t = find_security_token(as_bytes(blob));
  ASSERT_EQ(t.mechanism, SecurityToken::Mechanism::kKerberosApReq);
  for (const Bytes whole : {t.token, t.token.first(t.token.size() - 2)}) {  // or cut off
    ApRequest ap;
    ASSERT_TRUE(read_ap_request(whole, ap));
    EXPECT_EQ(text_of(ap.realm), "CORP");
    EXPECT_TRUE(text_of(ap.service.bytes()).starts_with("cifs/dc.co"));
  }
}

TEST(ShortText, PairsBecomeOneCharacterAndHalvesNone) {
  ShortText<8> t;
  t.assign_utf16(as_bytes("\x3d\xd8\x00\xde\x41\x00\x00\xd8"sv));
  EXPECT_EQ(text_of(t.bytes()),
            "\xf0\x9f\x98\x80"
            "A\xef\xbf\xbd");
}

}  // namespace
}  // namespace weir::parse
