// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""s;
using std::literals::operator""sv;

// example.com A?, and its answer by a compressed name.
constexpr std::string_view kQuery =
    "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
    "example\x03"
    "com\x00\x00\x01\x00\x01"sv;
constexpr std::string_view kAnswer =
    "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07"
    "example\x03"
    "com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\x5d\xb8\xd8\x22"sv;

std::string framed(std::string_view message) {
  return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} +
         std::string(message);
}

TEST(Dns, TellsQueryAndAnswerOnAnyPort) {
  Conversation c(Conversation::Over::kUdp, 4000, 4001);
  c.client(kQuery);
  c.server(kAnswer);
  ASSERT_EQ(c.events().size(), 2u);
  EXPECT_EQ(c.protocol(), "dns");
  EXPECT_EQ(c.events()[0]["type"], "request");
  EXPECT_EQ(c.events()[0]["queries"][0]["rrname"], "example.com");
  EXPECT_EQ(c.events()[1]["answers"][0]["rdata"], "93.184.216.34");
  EXPECT_EQ(c.events()[1]["answers"][0]["ttl"], 3600);
  EXPECT_EQ(c.events()[1]["grouped"]["A"][0], "93.184.216.34");
  EXPECT_EQ(c.events()[1]["rcode"], "NOERROR");
}

TEST(Dns, TcpSaysTheSameHoweverItIsCut) {
  Conversation whole(Conversation::Over::kTcp, 4000, 53);
  whole.client(framed(kQuery) + framed(kQuery));
  whole.server(framed(kAnswer));
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{40}}) {
    Conversation cut(Conversation::Over::kTcp, 4000, 53);
    cut.say(0, framed(kQuery) + framed(kQuery), piece);
    cut.say(1, framed(kAnswer), piece);
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
  EXPECT_EQ(whole.events().size(), 3u);
}

TEST(Dns, OfAWholeZoneItSaysHowManyRecordsThereAre) {
  std::string zone =
      "\x12\x34\x84\x00\x00\x01\x01\x90\x00\x00\x00\x00\x07"
      "example\x03"
      "com\x00\x00\xfc\x00\x01"s;
  constexpr int kRecords = 0x190;
  for (int i = 0; i < kRecords; ++i) {
    zone += "\x04"s + std::to_string(1000 + i) +
            "\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\x0a\x00\x00\x01"s;
  }
  Conversation c(Conversation::Over::kTcp, 4000, 53);
  c.server(framed(zone));
  ASSERT_EQ(c.events("dns").size(), 1U);
  const auto e = c.events("dns")[0];
  EXPECT_EQ(e["queries"][0]["rrtype"], "AXFR");
  EXPECT_EQ(e["answer_count"], kRecords);
  EXPECT_GT(e["answers"].size(), 70U);
  EXPECT_FALSE(e.contains("grouped"));
  c.client(framed(kAnswer));
  EXPECT_FALSE(c.events("dns")[1].contains("answer_count"));
}

TEST(Dns, ALoopOfPointersEnds) {
  Conversation c(Conversation::Over::kUdp, 4000, 53);
  c.client("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"sv);
  EXPECT_EQ(c.events("anomaly").size(), 1u);
}

TEST(Dns, NobodyElsesBytesAreItsOwn) {
  Conversation c(Conversation::Over::kUdp, 4000, 4001);
  for (int i = 0; i < 5; ++i) c.client("hello, this is plain text and no query at all"sv);
  EXPECT_TRUE(c.events().empty());
  EXPECT_FALSE(c.wanted());
}

}  // namespace
}  // namespace weir
