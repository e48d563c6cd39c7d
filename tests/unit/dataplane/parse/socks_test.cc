// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""s;

const std::string kGranted5 = "\x05\x00\x00\x01\x0a\x00\x00\x09\x1f\x90"s;
const std::string kTo5 = "\x05\x01\x00\x03\x0b"s + "example.com\x01\xbb"s;
const std::string kPasswordOf =
    "\x01\x05"
    "alice\x06secret"s;
const std::string kSsh = "SSH-2.0-OpenSSH_9.6\r\n"s;

struct Said {
  uint8_t direction;
  std::string bytes;
};
using Talk = std::vector<Said>;
const Talk kWithPassword = {
    {0, "\x05\x02\x00\x02"s}, {1, "\x05\x02"s}, {0, kPasswordOf}, {1, "\x01\x00"s}, {0, kTo5},
    {1, kGranted5},           {1, kSsh},        {0, kSsh}};
const Talk kWithoutMethod = {
    {0, "\x05\x01\x00"s}, {1, "\x05\x00"s}, {0, "\x05\x01\x00\x01\x08\x08\x08\x08\x00\x16"s},
    {1, kGranted5},       {1, kSsh},        {0, kSsh}};
const Talk kVersion4 = {{0, "\x04\x01\x01\xbb\x00\x00\x00\x01me\0example.com\0"s},
                        {1, "\x00\x5a\x99\xb4\x0a\x00\x00\x09"s},
                        {1, kSsh},
                        {0, kSsh}};

std::vector<nlohmann::json> events_of(const Talk& talk, size_t piece = SIZE_MAX) {
  Conversation c;
  for (const Said& s : talk) c.say(s.direction, s.bytes, piece);
  c.finish();
  return c.events();
}

TEST(Socks, NamesAPasswordsOwnerAndWhereTo) {
  const auto events = events_of(kWithPassword);
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events[0]["event_type"], "login");
  EXPECT_EQ(events[0]["account"], "alice");
  EXPECT_EQ(events[0]["outcome"], "success");
  EXPECT_EQ(events[1]["event_type"], "socks");
  EXPECT_EQ(events[1]["host"], "example.com");
  EXPECT_EQ(events[1]["port"], 443);
  EXPECT_EQ(events[1]["offered"], nlohmann::json({"none", "password"}));
  EXPECT_EQ(events[1]["method"], "password");
  EXPECT_EQ(events[1]["reply"], "succeeded");
  EXPECT_EQ(events[1]["bound"]["ip"], "10.0.0.9");
  EXPECT_EQ(events.back()["event_type"], "ssh");
}

TEST(Socks, WhatFollowsIsReadAsWhatItIs) {
  for (const Talk& talk : {kWithoutMethod, kVersion4}) {
    const auto events = events_of(talk);
    ASSERT_GE(events.size(), 2u);
    EXPECT_EQ(events[0]["event_type"], "socks");
    EXPECT_EQ(events.back()["event_type"], "ssh");
  }
  EXPECT_EQ(events_of(kVersion4)[0]["user"], "me");
  EXPECT_EQ(events_of(kVersion4)[0]["host"], "example.com");
  EXPECT_EQ(events_of(kWithoutMethod)[0]["ip"], "8.8.8.8");
}

TEST(Socks, SaysTheSameHoweverItIsCut) {
  for (const Talk& talk : {kWithPassword, kWithoutMethod, kVersion4}) {
    for (const size_t piece : {1, 2, 3, 7}) EXPECT_EQ(events_of(talk, piece), events_of(talk));
  }
}

TEST(Socks, TheClientMayNotWait) {
  EXPECT_EQ(events_of({{0, "\x05\x01\x00"s + kTo5 + kSsh}, {1, "\x05\x00"s + kGranted5}, {1, kSsh}})
                .back()["event_type"],
            "ssh");
}

TEST(Socks, EveryFailureIsTold) {
  const auto wrong =
      events_of({{0, "\x05\x02\x00\x02"s}, {1, "\x05\x02"s}, {0, kPasswordOf}, {1, "\x01\x01"s}});
  ASSERT_EQ(wrong.size(), 2u);
  EXPECT_EQ(wrong[0]["outcome"], "failure");
  EXPECT_EQ(wrong[1]["user"], "alice");
  const auto refused = events_of(
      {{0, "\x05\x01\x00"s}, {1, "\x05\x00"s}, {0, kTo5}, {1, "\x05\x02\x00\x01\0\0\0\0\0\0"s}});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0]["reply"], "not allowed");
  const auto silent = events_of({{0, "\x05\x02\x00\x02"s}, {1, "\x05\x02"s}, {0, kPasswordOf}});
  ASSERT_EQ(silent.size(), 2u);
  EXPECT_EQ(silent[0]["outcome"], "attempt");
}

TEST(Socks, WhatIsNot) {
  for (const std::string& other :
       {"\x05\x00\x0b\x03\x10\x00\x00\x00"s, "\x05\x01\x00\x03\x10\x00\x00\x00"s,
        "\x05\x01\x20\x05\x01\x00"s, "\x04\x01\x00\x00\x05\x00\x00\x00\x00"s,
        "\x04\x01\x00\x50\x08\x08\x08\x08\x01\x02\x03\x04"s}) {
    Conversation c;
    c.client(other);
    EXPECT_NE(c.protocol(), "socks");
  }
}

}  // namespace
}  // namespace weir
