// SPDX-License-Identifier: Apache-2.0
// What holds for every parser: slots, buffers, gaps.
#include <gtest/gtest.h>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/parser.h"
#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;

TEST(Parsers, WhatNobodyKnowsIsLetGo) {
  Conversation c;
  c.client("\x00\x01\x02\x03 nobody speaks like this \xff\xfe"sv);
  for (int i = 0; i < 64 && c.wanted(); ++i) c.server(std::string(64, '\xfe'));
  EXPECT_FALSE(c.wanted());
  EXPECT_TRUE(c.events().empty());
}

TEST(Parsers, WhatWaitsIsToldWhenBothSidesHaveEnded) {
  Conversation c;
  c.client("GET /never-answered HTTP/1.1\r\nHost: a\r\n\r\n"sv);
  c.end(0);
  EXPECT_TRUE(c.wanted());
  EXPECT_TRUE(c.events().empty());
  c.end(1);
  EXPECT_FALSE(c.wanted());
  ASSERT_EQ(c.events("http").size(), 1U);
  EXPECT_EQ(c.events("http")[0]["url"], "/never-answered");
}

// Case is folded many bytes at a time: each byte against each, wherever in a text it stands.
TEST(Parsers, OnlyCaseOfLettersIsIgnored) {
  const auto low = [](unsigned c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
  for (const size_t size : {1u, 3u, 4u, 7u, 8u, 9u, 16u, 19u}) {
    for (const size_t at : {size_t{0}, size / 2, size - 1}) {
      for (unsigned a = 0; a < 256; ++a) {
        for (unsigned b = 0; b < 256; ++b) {
          std::string x(size, 'N'), y(size, 'n');
          x[at] = static_cast<char>(a);
          y[at] = static_cast<char>(b);
          ASSERT_EQ(parse::equal_ignoring_case(parse::as_bytes(x), y), low(a) == low(b))
              << size << ' ' << at << ' ' << a << ' ' << b;
        }
      }
    }
  }
  EXPECT_TRUE(parse::equal_ignoring_case({}, ""));
  EXPECT_FALSE(parse::equal_ignoring_case(parse::as_bytes("ab"), "a"));
}

// A body that comes in many segments is skipped, and what follows it read.
TEST(Parsers, WhatComesAfterABodyInPiecesIsRead) {
  Conversation c;
  c.client("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"sv);
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n"sv);
  for (int i = 0; i < 2; ++i) c.server(std::string(1000, 'x'));
  c.server(std::string(999, 'x'));
  EXPECT_TRUE(c.events("http").empty());
  c.server("yHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"sv);
  ASSERT_EQ(c.events("http").size(), 2U);
  EXPECT_EQ(c.events("http")[0]["length"], 3000);
  EXPECT_EQ(c.events("http")[1]["status"], 404);
}

}  // namespace
}  // namespace weir
