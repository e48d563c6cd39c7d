// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/hello_memo.h"

#include <gtest/gtest.h>

#include <string>

#include "dataplane/parse/parser.h"

namespace weir::parse {
namespace {

HelloKey key_with(std::initializer_list<uint16_t> ciphers,
                  std::initializer_list<uint16_t> groups = {}) {
  HelloKey key;
  for (const uint16_t c : ciphers) key.number(c);
  key.next_list();
  for (const uint16_t g : groups) key.number(g);
  return key;
}

std::string found(const HelloMemo& memo, const HelloKey& key) {
  return std::string(as_text(memo.find(key)));
}

TEST(HelloMemo, GivesBackWhatWasKeptForTheSameKeyAlone) {
  HelloMemo memo;
  EXPECT_EQ(found(memo, key_with({1, 2})), "");
  memo.keep(key_with({1, 2}), as_bytes("first"));
  EXPECT_EQ(found(memo, key_with({1, 2})), "first");
  EXPECT_EQ(found(memo, key_with({2, 1})), "");
  EXPECT_EQ(found(memo, key_with({1}, {2})), "");
  EXPECT_EQ(found(memo, key_with({})), "");
}

TEST(HelloMemo, OneThatSharesAPlaceTakesItAndOnlyThat) {
  HelloMemo memo;
  for (uint16_t i = 0; i < 1000; ++i) {
    memo.keep(key_with({i}), as_bytes(std::to_string(i)));
    ASSERT_EQ(found(memo, key_with({i})), std::to_string(i));
  }
  unsigned kept = 0;
  for (uint16_t i = 0; i < 1000; ++i) {
    const std::string facts = found(memo, key_with({i}));
    kept += facts.empty() ? 0 : 1;
    if (!facts.empty()) {
      EXPECT_EQ(facts, std::to_string(i));
    }
  }
  EXPECT_GT(kept, 32u);
}

TEST(HelloMemo, WhatIsTooLongIsNotKept) {
  HelloMemo memo;
  HelloKey longest;
  for (size_t i = 0; i < HelloKey::kBytesMax; ++i) longest.byte(1);
  memo.keep(longest, as_bytes("fits"));
  EXPECT_EQ(found(memo, longest), "fits");
  longest.byte(1);
  EXPECT_FALSE(longest.fits());
  memo.keep(longest, as_bytes("does not"));
  EXPECT_EQ(found(memo, longest), "");
  const std::string much(4000, 'x');
  memo.keep(key_with({7}), as_bytes(much));
  EXPECT_EQ(found(memo, key_with({7})), "");
}

}  // namespace
}  // namespace weir::parse
