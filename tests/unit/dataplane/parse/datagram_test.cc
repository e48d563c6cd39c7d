// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;
using std::literals::operator""s;

std::string dhcp(uint8_t op, std::string_view options) {
  std::string m(236, '\0');
  m[0] = static_cast<char>(op);
  m[1] = 1;
  m[2] = 6;
  m.replace(4, 4, "\x01\x02\x03\x04"sv);
  m.replace(28, 6, "\xaa\xbb\xcc\x00\x11\x22"sv);
  return m + std::string("\x63\x82\x53\x63"sv) + std::string(options) + "\xff";
}

TEST(Dhcp, TellsNameAndFingerprint) {
  Conversation c(Conversation::Over::kUdp, 68, 67);
  c.client(dhcp(1,
                "\x35\x01\x03\x0c\x04"
                "ws01\x37\x03\x01\x03\x06\x32\x04\x0a\x00\x00\x07"sv));
  c.server(dhcp(2, "\x35\x01\x05\x33\x04\x00\x00\x0e\x10"sv));
  ASSERT_EQ(c.events().size(), 2u);
  EXPECT_EQ(c.events()[0]["dhcp_type"], "request");
  EXPECT_EQ(c.events()[0]["hostname"], "ws01");
  EXPECT_EQ(c.events()[0]["fingerprint"], "1,3,6");
  EXPECT_EQ(c.events()[0]["requested_ip"], "10.0.0.7");
  EXPECT_EQ(c.events()[0]["client_mac"], "aa:bb:cc:00:11:22");
  EXPECT_EQ(c.events()[1]["lease_time"], 3600);
}

TEST(Dhcp, AnOptionThatLiesIsSaid) {
  Conversation c(Conversation::Over::kUdp, 68, 67);
  c.client(dhcp(1, "\x35\x01\x01\x0c\xf0x"sv));
  EXPECT_EQ(c.events("dhcp").size(), 1u);
  EXPECT_EQ(c.events("anomaly").size(), 1u);
}

std::string radius(uint8_t code, uint8_t id, std::string_view attributes) {
  std::string m{static_cast<char>(code), static_cast<char>(id), 0,
                static_cast<char>(20 + attributes.size())};
  return m + std::string(16, 'x') + std::string(attributes);
}

TEST(Radius, TheAnswerDecidesWhoseLogin) {
  Conversation c(Conversation::Over::kUdp, 5000, 1812);
  c.client(radius(1, 7,
                  "\x01\x07"
                  "alice"sv));
  c.client(radius(1, 8,
                  "\x01\x05"
                  "bob"sv));
  c.server(radius(3, 8, ""));
  c.server(radius(2, 7, ""));
  const auto logins = c.events("login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["account"], "bob");
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[1]["account"], "alice");
  EXPECT_EQ(logins[1]["outcome"], "success");
}

TEST(Tftp, NamesTheFile) {
  Conversation c(Conversation::Over::kUdp, 5000, 69);
  c.client("\x00\x02startup-config\x00octet\x00"sv);
  ASSERT_EQ(c.events("tftp").size(), 1u);
  EXPECT_EQ(c.events()[0]["packet"], "write");
  EXPECT_EQ(c.events()[0]["file"], "startup-config");
}

TEST(Sql, PostgresLoginThatFails) {
  for (const size_t piece : {size_t{1000}, size_t{1}, size_t{5}}) {
    Conversation c;
    c.say(0, "\x00\x00\x00\x16\x00\x03\x00\x00user\x00mallory\x00\x00\x00"sv, piece);
    c.say(1,
          "E\x00\x00\x00\x13SFATAL\x00"
          "C28P01\x00\x00"sv,
          piece);
    c.finish();
    ASSERT_EQ(c.events("login").size(), 1u) << piece;
    EXPECT_EQ(c.events("login")[0]["account"], "mallory");
    EXPECT_EQ(c.events("login")[0]["outcome"], "failure");
    EXPECT_EQ(c.events("login")[0]["code"], "28P01");
    ASSERT_EQ(c.events("pgsql").size(), 1u);
  }
}

TEST(Sql, MysqlGreetingIsTakenOnAnyPort) {
  Conversation c;
  std::string hello =
      "\x0a"
      "8.0.36-debian\x00"s;
  hello += std::string(40, 'x');
  std::string packet{static_cast<char>(hello.size()), 0, 0, 0};
  c.server(packet + hello);
  EXPECT_EQ(c.protocol(), "mysql");
  EXPECT_EQ(c.events()[0]["version"], "8.0.36-debian");
  std::string login("\x85\xa2\x0b\x00\x00\x00\x00\x01\x21"sv);
  login += std::string(23, '\0') + "eve" + std::string("\x00\x00"sv);
  c.client(std::string{static_cast<char>(login.size()), 0, 0, 1} + login);
  c.server("\x0f\x00\x00\x02\xff\x15\x04#28000Denied"sv.substr(0, 19));
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["account"], "eve");
  EXPECT_EQ(c.events("login")[0]["code"], "ER_ACCESS_DENIED_ERROR");
}

}  // namespace
}  // namespace weir
