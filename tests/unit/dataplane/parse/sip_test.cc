// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dataplane/parse/auth_parameters.h"
#include "dataplane/parse/parser.h"
#include "tests/support/parsing.h"

namespace weir {
namespace {

constexpr std::string_view kRight =
    R"(Digest username="alice", realm="lab.example", nonce="n", uri="sip:x", response="00ff")";

std::string request(std::string_view method, int sequence, std::string_view credentials = {},
                    std::string_view header = "Authorization") {
  std::string s = std::string(method) + " sip:lab.example SIP/2.0\r\nCall-ID: c1@client\r\n";
  s += "CSeq: " + std::to_string(sequence) + " " + std::string(method) + "\r\n";
  if (!credentials.empty()) {
    s += std::string(header) + ": " + std::string(credentials) + "\r\n";
  }
  return s + "Content-Length: 0\r\n\r\n";
}
std::string answer(std::string_view code, std::string_view method, int sequence,
                   std::string_view more = {}) {
  return "SIP/2.0 " + std::string(code) + " Whatever\r\ni: c1@client\r\nCSeq: " +
         std::to_string(sequence) + " " + std::string(method) + "\r\n" + std::string(more) +
         "l: 0\r\n\r\n";
}
constexpr std::string_view kChallenge =
    "WWW-Authenticate: Digest realm=\"lab.example\", nonce=\"n\"\r\n";

TEST(Sip, TheAnswerToCredentialsIsALogin) {
  for (const auto over : {Conversation::Over::kUdp, Conversation::Over::kTcp}) {
    Conversation c(over);
    c.client(request("REGISTER", 1));
    c.server(answer("401", "REGISTER", 1, kChallenge));
    EXPECT_EQ(c.events("login").size(), 0u) << "nobody has shown anything yet";
    c.client(request("REGISTER", 2, kRight));
    c.server(answer("100", "REGISTER", 2));
    EXPECT_EQ(c.events("login").size(), 0u);
    c.server(answer("401", "REGISTER", 2, kChallenge));
    c.client(request("REGISTER", 3, kRight));
    c.server(answer("200", "REGISTER", 3));
    const auto logins = c.events("login");
    ASSERT_EQ(logins.size(), 2u);
    EXPECT_EQ(logins[0]["protocol"], "sip");
    EXPECT_EQ(logins[0]["mechanism"], "digest");
    EXPECT_EQ(logins[0]["account"], "alice");
    EXPECT_EQ(logins[0]["domain"], "lab.example");
    EXPECT_EQ(logins[0]["outcome"], "failure");
    EXPECT_EQ(logins[0]["code"], "401");
    EXPECT_EQ(logins[1]["outcome"], "success");
    EXPECT_EQ(logins[1]["code"], "200");
  }
}

TEST(Sip, WhatIsSentAgainIsOneLogin) {
  Conversation c(Conversation::Over::kUdp);
  for (int i = 0; i < 3; ++i) c.client(request("INVITE", 2, kRight, "Proxy-Authorization"));
  for (int i = 0; i < 3; ++i) c.server(answer("407", "INVITE", 2));
  c.client(request("INVITE", 2, kRight, "Proxy-Authorization"));
  c.server(answer("407", "INVITE", 2));
  c.client(request("ACK", 2, kRight, "Proxy-Authorization"));
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["code"], "407");
}

TEST(Sip, WhatJudgesNobody) {
  struct {
    std::string_view credentials, header, code, more;
  } const cases[] = {
      {kRight, "Authorization", "407", ""},        // the proxy's first challenge
      {kRight, "Proxy-Authorization", "401", ""},  // the server's
      {kRight, "Authorization", "404", ""},
      {kRight, "Authorization", "486", ""},
      {kRight, "Authorization", "401", "WWW-Authenticate: Digest nonce=\"m\", stale=TRUE\r\n"},
      {R"(Digest username="a", realm="r", nonce="", response="")", "Authorization", "401", ""},
      {R"(Basic YTpi)", "Authorization", "401", ""},
      {R"(Digest)", "Authorization", "200", ""},
      {R"(Digest response="1")", "Authorization", "200", ""},
  };
  for (const auto& one : cases) {
    Conversation c(Conversation::Over::kUdp);
    c.client(request("REGISTER", 2, one.credentials, one.header));
    c.server(answer(one.code, "REGISTER", 2, one.more));
    c.server(answer("200", "REGISTER", 2));  // decided before
    c.client(answer("200", "REGISTER", 2));
    c.server(answer("200", "REGISTER", 3));
    EXPECT_EQ(c.events("login").size(), 0u) << one.credentials << one.code;
  }
}

TEST(Sip, WhoeverAsksIsWhoLogsIn) {
  Conversation c(Conversation::Over::kUdp);
  c.client(request("OPTIONS", 1));
  c.server(answer("200", "OPTIONS", 1));
  c.server(request("REGISTER", 2, kRight));
  c.server(answer("200", "REGISTER", 2));  // not by itself
  EXPECT_EQ(c.events("login").size(), 0u);
  c.client(answer("403", "REGISTER", 2));
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["outcome"], "failure");
  EXPECT_EQ(c.events("login")[0]["src_ip"], "10.0.0.2");
}

TEST(Sip, ParametersOfCredentials) {
  const auto of = [](std::string_view text, std::string_view name) {
    return std::string(parse::as_text(parse::auth_parameter(parse::as_bytes(text), name)));
  };
  EXPECT_EQ(of(R"(realm="x, username=\"eve\"", UserName = bob ,response=1)", "username"), "bob");
  EXPECT_EQ(of(R"(a="1",,b , c="2)", "c"), "2");
  EXPECT_EQ(of(R"(a="1",,b , c="2)", "b"), "");
  EXPECT_EQ(of(R"(a=")", "a"), "");
  EXPECT_EQ(of(R"(a="\)", "a"), R"(\)");
  EXPECT_EQ(of("a=", "a"), "");
  EXPECT_EQ(of("", "a"), "");
}

}  // namespace
}  // namespace weir
