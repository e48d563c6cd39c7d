// SPDX-License-Identifier: Apache-2.0
// What holds for every parser: slots, buffers, gaps.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace weir
