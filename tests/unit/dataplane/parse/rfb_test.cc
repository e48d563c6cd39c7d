// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;

constexpr std::string_view kInit =
    "\x04\x00\x03\x00\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\0\0\0\0\0\0\x04"
    "desk"sv;

std::vector<nlohmann::json> session(size_t piece, std::string_view result) {
  Conversation c;
  c.say(1, "RFB 003.008\n"sv, piece);
  c.say(0, "RFB 003.008\n"sv, piece);
  c.say(1, "\x02\x02\x10"sv, piece);
  c.say(0, "\x02"sv, piece);
  c.say(1, "0123456789abcdef"sv, piece);
  c.say(0, "fedcba9876543210"sv, piece);
  c.say(1, result, piece);
  c.say(0, "\x01"sv, piece);
  c.say(1, kInit, piece);
  c.finish();
  return c.events();
}

TEST(Rfb, ASessionIsOneEventAndALogin) {
  const auto events = session(SIZE_MAX, "\0\0\0\0"sv);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["event_type"], "login");
  EXPECT_EQ(events[0]["outcome"], "success");
  EXPECT_EQ(events[0]["mechanism"], "vnc");
  const auto& e = events[1];
  EXPECT_EQ(e["server_protocol_version"]["minor"], "008");
  EXPECT_EQ(e["authentication"]["security_type"], 2);
  EXPECT_EQ(e["authentication"]["security_types"][1], 16);
  EXPECT_EQ(e["authentication"]["security_result"], "OK");
  EXPECT_EQ(e["authentication"]["vnc"]["challenge"], "30313233343536373839616263646566");
  EXPECT_EQ(e["screen_shared"], true);
  EXPECT_EQ(e["framebuffer"]["width"], 1024);
  EXPECT_EQ(e["framebuffer"]["name"], "desk");
  EXPECT_EQ(e["framebuffer"]["pixel_format"]["red_max"], 255);
  EXPECT_EQ(e["framebuffer"]["pixel_format"]["true_color"], true);
  for (const size_t piece : {size_t{1}, size_t{3}}) {
    EXPECT_EQ(session(piece, "\0\0\0\0"sv), events);
  }
}

TEST(Rfb, ARefusalHasItsReason) {
  const auto events = session(SIZE_MAX, "\0\0\0\x01\0\0\0\x05wrong"sv);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["outcome"], "failure");
  EXPECT_EQ(events[1]["server_security_failure_reason"], "wrong");
  EXPECT_EQ(session(1, "\0\0\0\x01\0\0\0\x05wrong"sv), events);
}

TEST(Rfb, Version33HasTheServerChoose) {
  Conversation c;
  c.server("RFB 003.003\n"sv);
  c.client("RFB 003.003\n"sv);
  c.server("\0\0\0\x01"sv);
  c.client("\0"sv);
  c.server(kInit);
  EXPECT_FALSE(c.wanted());
  ASSERT_EQ(c.events("rfb").size(), 1u);
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["mechanism"], "none");
}

TEST(Rfb, WhatIsEncryptedEndsIt) {
  Conversation c;
  c.server("RFB 003.008\n"sv);
  c.client("RFB 003.008\n"sv);
  c.server("\x01\x13"sv);
  c.client("\x13"sv);
  EXPECT_FALSE(c.wanted());
  ASSERT_EQ(c.events("rfb").size(), 1u);
  EXPECT_EQ(c.events("rfb")[0]["authentication"]["security_type"], 19);
}

}  // namespace
}  // namespace weir
