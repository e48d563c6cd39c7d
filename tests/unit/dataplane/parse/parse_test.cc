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

}  // namespace
}  // namespace weir
