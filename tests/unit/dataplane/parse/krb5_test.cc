// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;

std::string element(int tag, const std::string& body) {
  std::string head(1, static_cast<char>(tag));
  if (body.size() >= 0x80) {
    head += '\x82';
    head += static_cast<char>(body.size() >> 8);
  }
  return head + static_cast<char>(body.size()) + body;
}
std::string field(int n, const std::string& inner) {
  return element(0xa0 + n, inner);
}
std::string integer(int value) {
  return element(2, std::string(1, static_cast<char>(value)));
}
std::string text(const std::string& s) {
  return element(0x1b, s);
}
std::string name(const std::string& a, const std::string& b = "") {
  const std::string parts = text(a) + (b.empty() ? "" : text(b));
  return element(0x30, field(0, integer(1)) + field(1, element(0x30, parts)));
}
std::string cipher(int etype) {
  return element(0x30, field(0, integer(etype)) + field(2, element(4, std::string(40, 'x'))));
}
std::string ticket(int etype) {
  return element(
      0x61, element(0x30, field(0, integer(5)) + field(1, text("LAB.EXAMPLE")) +
                              field(2, name("krbtgt", "LAB.EXAMPLE")) + field(3, cipher(etype))));
}
std::string framed(const std::string& m) {
  return std::string("\0\0", 2) + static_cast<char>(m.size() >> 8) + static_cast<char>(m.size()) +
         m;
}
std::string as_req() {
  const std::string netbios =
      element(0x30, field(0, integer(20)) + field(1, element(4, "DESK7   ")));
  const std::string body = element(
      0x30, field(0, element(3, std::string("\0\x40\x80\0\x10", 5))) + field(1, name("alice")) +
                field(2, text("LAB.EXAMPLE")) + field(3, name("krbtgt", "LAB.EXAMPLE")) +
                field(5, element(0x18, "20370913024805Z")) + field(7, integer(7)) +
                field(8, element(0x30, integer(18) + integer(23))) +
                field(9, element(0x30, netbios)));
  const std::string timestamp =
      element(0x30, field(1, integer(2)) + field(2, element(4, cipher(18))));
  return element(0x6a, element(0x30, field(1, integer(5)) + field(2, integer(10)) +
                                         field(3, element(0x30, timestamp)) + field(4, body)));
}
std::string as_rep() {
  return element(0x6b, element(0x30, field(0, integer(5)) + field(1, integer(11)) +
                                         field(3, text("LAB.EXAMPLE")) + field(4, name("alice")) +
                                         field(5, ticket(23)) + field(6, cipher(18))));
}
std::string error(int code) {
  return element(0x7e, element(0x30, field(0, integer(5)) + field(1, integer(30)) +
                                         field(6, integer(code)) + field(9, text("LAB.EXAMPLE")) +
                                         field(10, name("krbtgt", "LAB.EXAMPLE"))));
}

TEST(Krb5, AnExchangeOverUdpIsALogin) {
  Conversation c(Conversation::Over::kUdp, 4000, 4001);
  c.client(as_req());
  c.server(as_rep());
  const auto events = c.events("krb5");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["msg_type"], "KRB_AS_REQ");
  EXPECT_EQ(events[0]["cname"], "alice");
  EXPECT_EQ(events[0]["sname"], "krbtgt/LAB.EXAMPLE");
  EXPECT_EQ(events[0]["encryption"], "<none>");
  EXPECT_EQ(events[0]["etypes"][1], "RC4_HMAC");
  EXPECT_EQ(events[0]["addresses"][0], "DESK7");
  EXPECT_EQ(events[0]["preauth"], "encrypted_timestamp");
  EXPECT_EQ(events[1]["msg_type"], "KRB_AS_REP");
  EXPECT_EQ(events[1]["encryption"], "AES256_CTS_HMAC_SHA1_96");
  EXPECT_EQ(events[1]["weak_encryption"], false);
  EXPECT_EQ(events[1]["ticket_encryption"], "RC4_HMAC");
  EXPECT_EQ(events[1]["ticket_weak_encryption"], true);
  EXPECT_EQ(events[1]["till"], "2037-09-13T02:48:05");
  EXPECT_EQ(events[1]["forwardable"], true);
  EXPECT_EQ(events[1]["renewable"], true);
  const auto logins = c.events("login");
  ASSERT_EQ(logins.size(), 1u);
  EXPECT_EQ(logins[0]["account"], "alice");
  EXPECT_EQ(logins[0]["domain"], "LAB.EXAMPLE");
  EXPECT_EQ(logins[0]["host"], "DESK7");
  EXPECT_EQ(logins[0]["outcome"], "success");
}

TEST(Krb5, ARefusalIsAFailedLoginAndAQuestionIsNone) {
  Conversation c(Conversation::Over::kTcp, 4000, 88);
  c.client(framed(as_req()));
  c.server(framed(error(25)));
  EXPECT_TRUE(c.events("login").empty());
  c.client(framed(as_req()));
  c.server(framed(error(24)));
  ASSERT_EQ(c.events("krb5").size(), 4u);
  EXPECT_EQ(c.events("krb5")[3]["error_code"], "KDC_ERR_PREAUTH_FAILED");
  EXPECT_EQ(c.events("krb5")[3]["failed_request"], "KRB_AS_REQ");
  EXPECT_EQ(c.events("krb5")[3]["cname"], "alice");
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["outcome"], "failure");
  EXPECT_EQ(c.events("login")[0]["code"], "KDC_ERR_PREAUTH_FAILED");
}

TEST(Krb5, TcpSaysTheSameHoweverItIsCut) {
  const std::string asked = framed(as_req()) + framed(as_req());
  Conversation whole(Conversation::Over::kTcp, 4000, 88);
  whole.client(asked);
  whole.server(framed(as_rep()));
  EXPECT_EQ(whole.events().size(), 4u);
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{50}}) {
    Conversation cut(Conversation::Over::kTcp, 4000, 88);
    cut.say(0, asked, piece);
    cut.say(1, framed(as_rep()), piece);
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
}

TEST(Krb5, LengthsThatLieAreViolations) {
  std::string bad = as_req();
  bad[40] = '\x7f';
  Conversation c(Conversation::Over::kUdp, 4000, 88);
  c.client(bad);
  c.client("\x6a\x84\xff\xff\xff\xff\x30"sv);
  Conversation tcp(Conversation::Over::kTcp, 4000, 88);
  tcp.client(framed(as_req()));
  tcp.client("\x7f\xff\xff\xff"sv);
  EXPECT_EQ(tcp.events("anomaly").size(), 1u);
  EXPECT_FALSE(tcp.wanted());
}

}  // namespace
}  // namespace weir
