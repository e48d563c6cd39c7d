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
std::string number(int value, int tag = 2) {
  return element(tag, std::string(1, static_cast<char>(value)));
}
std::string text(const std::string& s) {
  return element(4, s);
}
std::string message(int id, const std::string& operation) {
  return element(0x30, number(id) + operation);
}
std::string bind(int id, const std::string& name, const std::string& password) {
  return message(id, element(0x60, number(3) + text(name) + element(0x80, password)));
}
std::string result(int id, int tag, int code, const std::string& words = "") {
  return message(id, element(tag, number(code, 10) + text("") + text(words)));
}
std::string search(int id) {
  const std::string equal = element(0xa3, text("cn") + text("a*b"));
  const std::string parts =
      element(0xa4, text("sn") + element(0x30, element(0x80, "x") + element(0x81, "y")));
  const std::string filter = element(0xa0, equal + element(0xa2, parts) + element(0x87, "mail"));
  return message(id, element(0x63, text("dc=lab") + number(2, 10) + number(0, 10) + number(9) +
                                       number(0) + element(1, std::string(1, '\0')) + filter +
                                       element(0x30, text("cn") + text("memberOf"))));
}
std::string entry(int id, const std::string& name) {
  const std::string attribute = element(0x30, text("cn") + element(0x31, text("value")));
  return message(id, element(0x64, text(name) + element(0x30, attribute)));
}

TEST(Ldap, ABindIsALogin) {
  Conversation c;
  c.client(bind(1, "cn=admin,dc=lab", "secret"));
  c.server(result(1, 0x61, 49, "no"));
  c.client(bind(2, "cn=admin,dc=lab", "better"));
  c.server(result(2, 0x61, 0));
  const auto events = c.events("ldap");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(c.protocol(), "ldap");
  EXPECT_EQ(events[0]["request"]["operation"], "bind_request");
  EXPECT_EQ(events[0]["request"]["bind_request"]["version"], 3);
  EXPECT_EQ(events[0]["responses"][0]["bind_response"]["result_code"], "invalid_credentials");
  EXPECT_EQ(events[0]["responses"][0]["bind_response"]["message"], "no");
  EXPECT_EQ(nlohmann::json(events).dump().find("secret"), std::string::npos);
  const auto logins = c.events("login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[0]["mechanism"], "simple");
  EXPECT_EQ(logins[0]["account"], "cn=admin,dc=lab");
  EXPECT_EQ(logins[1]["outcome"], "success");
}

TEST(Ldap, ASearchHasItsFilterAndCountsItsEntries) {
  std::string answers;
  for (int i = 0; i < 9; ++i) answers += entry(5, "cn=" + std::string(100, 'x'));
  answers += result(5, 0x65, 0);
  Conversation whole;
  whole.client(search(5));
  whole.server(answers);
  ASSERT_EQ(whole.events("ldap").size(), 1u);
  const auto e = whole.events("ldap")[0];
  EXPECT_EQ(e["request"]["search_request"]["filter"]["text"], "(&(cn=a\\2ab)(!(sn=x*y*))(mail=*))");
  EXPECT_EQ(e["request"]["search_request"]["attributes"][1], "memberOf");
  EXPECT_EQ(e["request"]["search_request"]["size_limit"], 9);
  EXPECT_EQ(e["responses"].size(), 5u);
  EXPECT_EQ(e["responses"][0]["search_result_entry"]["attributes"][0]["type"], "cn");
  EXPECT_EQ(e["responses"][4]["search_result_done"]["result_code"], "success");
  EXPECT_EQ(e["response_count"], 9);
  EXPECT_EQ(e["response_bytes"], answers.size());
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{100}}) {
    Conversation cut;
    cut.say(0, search(5), piece);
    cut.say(1, answers, piece);
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
}

TEST(Ldap, WhatIsNeverAnsweredIsToldInTheEnd) {
  Conversation c;
  for (int i = 1; i <= 40; ++i) c.client(search(i));
  EXPECT_GE(c.events("ldap").size(), 16u);
  c.finish();
  EXPECT_EQ(c.events("ldap").size(), 40u);
}

TEST(Ldap, SignedMessagesAreReadAndSealedOnesEndIt) {
  const std::string sasl = element(0xa3, text("GSSAPI") + text("token"));
  const std::string start = message(1, element(0x60, number(3) + text("") + sasl));
  const std::string inner = search(2);
  const std::string token = std::string("\x05\x04\x04\xff\x00\x0c\x00\x0c", 8) +
                            std::string(8, '\0') + std::string(12, 'c') + inner;
  const std::string wrapped = std::string("\0\0", 2) + static_cast<char>(token.size() >> 8) +
                              static_cast<char>(token.size()) + token;
  Conversation c;
  c.client(start);
  c.server(result(1, 0x61, 0));
  c.client(wrapped);
  c.server(result(2, 0x65, 0));
  ASSERT_EQ(c.events("ldap").size(), 2u);
  EXPECT_EQ(c.events("ldap")[1]["request"]["search_request"]["base_object"], "dc=lab");
  std::string sealed = wrapped;
  sealed[6] = 6;
  c.client(sealed);
  EXPECT_EQ(c.events("ldap").back()["sealed"], true);
  EXPECT_FALSE(c.wanted());
}

TEST(Ldap, ADatagramIsCldap) {
  Conversation c(Conversation::Over::kUdp, 4000, 389);
  c.client(search(1));
  c.server(entry(1, "") + result(1, 0x65, 0));
  ASSERT_EQ(c.events("ldap").size(), 1u);
  EXPECT_EQ(c.events("ldap")[0]["response_count"], 1);
}

TEST(Ldap, HostileLengthsAreViolations) {
  Conversation c;
  c.client(search(1));
  c.client("\x30\x84\xff\xff\xff\xff\x02\x01\x01\x63"sv);
  EXPECT_EQ(c.events("anomaly").size(), 1u);
  EXPECT_FALSE(c.wanted());
  Conversation plain;
  for (int i = 0; i < 20; ++i) plain.client("0 is where this text begins, and it is none\r\n"sv);
  EXPECT_TRUE(plain.events().empty());
}

}  // namespace
}  // namespace weir
