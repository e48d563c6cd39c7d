// SPDX-License-Identifier: Apache-2.0
#include "dataplane/match/match.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/rules/packets.h"

namespace weir {
namespace {

using Sids = std::vector<uint32_t>;

std::string rule(const std::string& options, uint32_t sid = 1) {
  return "alert tcp any any -> any any (" + options + " sid:" + std::to_string(sid) + ";)\n";
}

bool hits(const std::string& options, const std::string& payload) {
  const RuleBench bench(rule(options));
  EXPECT_EQ(bench.error, "") << options;
  return !bench.sids({.payload = payload}).empty();
}

TEST(Match, Contents) {
  EXPECT_TRUE(hits("content:\"evil\";", "an evil thing"));
  EXPECT_FALSE(hits("content:\"evil\";", "an EVIL thing"));
  EXPECT_TRUE(hits("content:\"eViL\"; nocase;", "an EvIl thing"));
  EXPECT_FALSE(hits("content:\"evil\"; content:!\"thing\";", "an evil thing"));
  EXPECT_TRUE(hits("content:\"evil\"; content:!\"THING\";", "an evil thing"));
  EXPECT_FALSE(hits("content:\"evil\"; content:!\"THING\"; nocase;", "an evil thing"));
  EXPECT_TRUE(hits("content:\"|00 ff|\";", std::string("a\0\xff", 3)));
  EXPECT_TRUE(hits("content:!\"evil\";", "good"));
  EXPECT_FALSE(hits("content:!\"evil\";", "")) << "a rule with contents wants payload";
}

TEST(Match, Places) {
  EXPECT_TRUE(hits("content:\"b\"; offset:1; depth:2;", "abc"));
  EXPECT_TRUE(hits("content:\"c\"; offset:1; depth:2;", "abc"));
  EXPECT_FALSE(hits("content:\"d\"; offset:1; depth:2;", "abcd"));
  EXPECT_FALSE(hits("content:\"a\"; offset:1;", "abc"));
  EXPECT_TRUE(hits("content:\"abc\"; startswith;", "abcabc"));
  EXPECT_FALSE(hits("content:\"bc\"; startswith;", "abcabc"));
  EXPECT_TRUE(hits("content:\"bc\"; endswith;", "abcabc"));
  EXPECT_FALSE(hits("content:\"ab\"; endswith;", "abcabc"));
  EXPECT_TRUE(hits("content:\"a\"; content:!\"bc\"; endswith;", "abca"));
  EXPECT_TRUE(hits("content:\"abc\"; startswith; endswith;", "abc"));
  EXPECT_FALSE(hits("content:\"abc\"; startswith; endswith;", "abcabc"));
  EXPECT_TRUE(hits("content:\"y\"; distance:2; within:4; endswith;", "aaay"));
}

TEST(Match, Chains) {
  EXPECT_TRUE(hits("content:\"a\"; content:\"b\"; distance:0;", "ab"));
  EXPECT_FALSE(hits("content:\"a\"; content:\"b\"; distance:0;", "ba"));
  EXPECT_TRUE(hits("content:\"a\"; content:\"b\"; distance:-2; within:3;", "ba"));
  EXPECT_TRUE(hits("content:\"a\"; content:\"b\"; within:1;", "a ab"))
      << "the first a leads nowhere, the second does";
  EXPECT_FALSE(hits("content:\"a\"; content:!\"b\"; within:1;", "ab"));
  EXPECT_TRUE(hits("content:\"a\"; content:!\"b\"; within:1;", "abac"));
  EXPECT_TRUE(hits("content:\"a\"; content:!\"b\"; within:1; content:\"c\"; within:2;", "ab a c"));
  EXPECT_FALSE(hits("content:\"a\"; content:!\"b\"; within:1; content:\"c\"; within:2;", "ab c"));
  EXPECT_TRUE(
      hits("content:\"x\"; content:\"a\"; content:\"B\"; nocase; distance:1; within:1;", "a-b x"));
}

TEST(Match, PayloadSize) {
  EXPECT_TRUE(hits("dsize:3;", "abc"));
  EXPECT_FALSE(hits("dsize:3;", "abcd"));
  EXPECT_TRUE(hits("dsize:0;", ""));
  EXPECT_FALSE(hits("content:\"a\"; dsize:>3;", "abc"));
}

TEST(Match, Transports) {
  const RuleBench bench(
      "alert tcp any any -> any any (dsize:1; sid:1;)\n"
      "alert udp any any -> any any (dsize:1; sid:2;)\n"
      "alert icmp any any -> any any (dsize:1; sid:3;)\n"
      "alert ip any any -> any any (dsize:1; sid:4;)\n"
      "alert ip6 any any -> any any (dsize:1; sid:5;)\n"
      "alert ip any any -> any 80 (dsize:1; sid:6;)\n");
  EXPECT_EQ(bench.sids({.payload = "x"}), (Sids{1, 4, 6}));
  EXPECT_EQ(bench.sids({.payload = "x", .proto = kProtoUdp}), (Sids{2, 4, 6}));
  EXPECT_EQ(bench.sids({.payload = "x", .proto = kProtoIcmp}), (Sids{3, 4}))
      << "type and code are no ports";
  EXPECT_EQ(bench.sids({.payload = "x", .proto = kProtoIcmp6, .src = "::1", .dst = "::2"}),
            (Sids{3, 4, 5}));
  EXPECT_EQ(bench.sids({.payload = "x", .proto = 47}), Sids{4});
  EXPECT_EQ(bench.sids({.payload = "x", .has_l4 = false}), (Sids{1, 4}))
      << "a later fragment has no ports";
}

TEST(Match, BothWays) {
  const RuleBench bench("alert tcp 10.0.0.1 any <> 10.0.0.2 80 (dsize:1; sid:1;)\n");
  EXPECT_EQ(bench.sids({.payload = "x"}), Sids{1});
  EXPECT_EQ(
      bench.sids(
          {.payload = "x", .src = "10.0.0.2", .dst = "10.0.0.1", .src_port = 80, .dst_port = 5}),
      Sids{1});
  EXPECT_EQ(bench.sids({.payload = "x", .src = "10.0.0.2", .dst = "10.0.0.1"}), Sids{});
}

TEST(Match, OncePerDirection) {
  const RuleBench bench(
      "alert tcp 10.0.0.0/8 any -> any any (sid:1;)\n"
      "alert tcp any any -> any 80 (sid:2;)\n"
      "alert tcp any any -> !10.9.0.0/16 any (sid:3;)\n"
      "ratelimit tcp any any -> any any (rate:9 pps; sid:4;)\n");
  Sids of_flow;  // a negated address changes when a rule is asked, not what it is about
  for (uint32_t i = 0; i < bench.loaded->count(); ++i) {
    const ImageRule& r = bench.loaded->rule(i);
    if ((r.flags & kRuleOfFlow) != 0) of_flow.push_back(r.sid);
  }
  EXPECT_EQ(of_flow, (Sids{4, 1, 3}));
  EXPECT_EQ(bench.sids({.inspect = Inspect::kFirstOfDirection}), (Sids{4, 1, 2, 3}));
  EXPECT_EQ(bench.sids({.inspect = Inspect::kYes}), (Sids{4, 2, 3}));
  EXPECT_EQ(bench.sids({.inspect = Inspect::kNo}), Sids{});
}

TEST(Match, PassWinsAndOrderIsBestFirst) {
  const std::string others =
      "alert tcp any any -> any any (content:\"a\"; priority:2; sid:1;)\n"
      "alert tcp any any -> any any (content:\"a\"; priority:1; sid:2;)\n"
      "drop tcp any any -> any any (content:\"a\"; sid:3;)\n"
      "alert tcp any any -> any any (dsize:1; priority:1; sid:4;)\n";
  EXPECT_EQ(RuleBench(others).sids({.payload = "a"}), (Sids{3, 2, 4, 1}));
  const RuleBench passing(others + "pass tcp any any -> any any (content:\"a\"; sid:9;)\n");
  EXPECT_EQ(passing.sids({.payload = "a"}), Sids{9});
}

TEST(Match, KeepsTheBestOnesOfMany) {
  std::string text;
  for (unsigned sid = 40; sid > 0; --sid) {
    text += rule(sid % 2 == 0 ? "content:\"a\";" : "content:\"b\";", sid);
  }
  const RuleBench bench(text);
  const Packet packet({.payload = "ba"});
  const Hits found = bench.hits(packet);
  EXPECT_TRUE(found.truncated);
  ASSERT_EQ(found.count, kHitsMax);
  for (unsigned i = 0; i < kHitsMax; ++i) EXPECT_EQ(bench.loaded->rule(found.rule[i]).sid, i + 1);
}

TEST(Match, ABurstIsAnsweredRowByRow) {
  const RuleBench bench(rule("content:\"A\"; nocase;", 1) +
                        rule("content:\"b\"; content:\"A\"; nocase;", 2));
  const Packet packets[] = {Packet({.payload = "xa"}), Packet({.payload = ""}),
                            Packet({.payload = "bA"}), Packet({.payload = "b"})};
  PacketView views[4];
  Headers headers[4];
  Inspect inspect[4];
  for (unsigned i = 0; i < 4; ++i) {
    views[i] = packets[i].view;
    headers[i] = packets[i].headers;
    inspect[i] = packets[i].inspect;
  }
  headers[3].flags = 0;  // not IP
  Hits found[4];
  CycleBudget budget(0, 1);
  const MatchCounts counts =
      match(views, headers, inspect, *bench.loaded, bench.loaded->matcher(0), budget, found);
  EXPECT_EQ(found[0].count, 1);
  EXPECT_EQ(found[1].count, 0);
  EXPECT_EQ(found[2].count, 2);
  EXPECT_EQ(found[3].count, 0);
  EXPECT_EQ(counts.packets, 2u);
  EXPECT_EQ(counts.bytes, 4u);
}

TEST(Match, LongestPayload) {
  std::string payload(65535, 'a');
  payload.back() = 'z';
  const RuleBench bench(
      rule("content:\"A\"; nocase; content:\"Z\"; nocase; distance:65533; endswith;") +
      rule("content:\"a\"; content:\"a\"; distance:1; content:\"b\"; distance:1;", 2));
  EXPECT_EQ(bench.sids({.payload = payload}), Sids{1});
}

// A chain that a backtracking matcher pays for with payload^contents.
TEST(Match, AChainCannotBeMadeToBacktrack) {
  std::string options;
  for (int i = 0; i < 40; ++i)
    options += "content:\"a\"; " + std::string(i == 0 ? "" : "distance:0; ");
  const RuleBench bench(rule(options + "content:\"b\"; distance:0;"));
  const std::string payload(9000, 'a');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(bench.sids({.payload = payload + "b"}), Sids{1});
  EXPECT_EQ(bench.sids({.payload = "b" + payload}), Sids{});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace weir
