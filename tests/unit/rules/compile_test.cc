// SPDX-License-Identifier: Apache-2.0
#include "rules/compile/compile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/rules/packets.h"

namespace weir {
namespace {

using Sids = std::vector<uint32_t>;

CompileSettings with_groups(std::map<std::string, std::string> addresses,
                            std::map<std::string, std::string> ports = {}) {
  CompileSettings s;
  s.address_groups = std::move(addresses);
  s.port_groups = std::move(ports);
  return s;
}

TEST(RuleCompile, CatalogStandsInImageOrder) {
  const RuleBench bench(
      "alert tcp any any -> any any (msg:\"second class\"; classtype:misc-activity; sid:1;)\n"
      "alert tcp any any -> any any (msg:\"first class\"; classtype:trojan-activity; sid:9;)\n"
      "alert tcp any any -> any any (msg:\"own priority\"; classtype:misc-activity; priority:1; "
      "sid:5;)\n"
      "pass tcp any any -> any any (sid:8;)\n"
      "ratelimit tcp any any -> any any (rate:5 pps, per flow; sid:7;)\n"
      "reject tcp any any -> any any (sid:6;)\n"
      "drop tcp any any -> any any (sid:4; rev:3; reference:url,x; metadata:a b;)\n");
  ASSERT_EQ(bench.error, "");
  Sids order;
  for (const CatalogRule& r : bench.catalog.rules) order.push_back(r.sid);
  EXPECT_EQ(order, (Sids{8, 4, 6, 7, 5, 9, 1}));
  for (uint32_t i = 0; i < bench.loaded->count(); ++i) {
    EXPECT_EQ(bench.loaded->rule(i).sid, bench.catalog.rules[i].sid);
    EXPECT_EQ(bench.loaded->rule(i).action, bench.catalog.rules[i].action);
  }
  const CatalogRule& drop = bench.catalog.rules[1];
  EXPECT_EQ(drop.action, Action::kDrop);
  EXPECT_EQ(drop.rev, 3u);
  EXPECT_EQ(drop.severity, 3);
  EXPECT_EQ(drop.file, "test.rules");
  EXPECT_EQ(drop.line, 7u);
  EXPECT_NE(drop.text.find("metadata:a b"), std::string::npos);
  const CatalogRule& trojan = bench.catalog.rules[5];
  EXPECT_EQ(trojan.severity, 1);
  EXPECT_EQ(trojan.category, "A Network Trojan was detected");
  EXPECT_EQ(trojan.msg, "first class");
  const uint32_t limit = bench.loaded->rule(3).limit;
  ASSERT_LT(limit, bench.loaded->limits().size());
  EXPECT_EQ(bench.loaded->limits()[limit].packets_per_second, 5u);
  EXPECT_EQ(bench.loaded->limits()[limit].per, RateLimit::Per::kFlow);
}

TEST(RuleCompile, GenerationTravels) {
  CompileSettings settings;
  settings.generation = 42;
  const RuleBench bench("alert tcp any any -> any any (sid:1;)", settings);
  EXPECT_EQ(bench.loaded->generation(), 42u);
  EXPECT_EQ(bench.catalog.generation, 42u);
}

TEST(RuleCompile, NoRulesIsARuleSet) {
  const RuleBench bench("# nothing\n");
  ASSERT_EQ(bench.error, "");
  EXPECT_EQ(bench.loaded->count(), 0u);
  EXPECT_EQ(bench.sids({.payload = "x", .inspect = Inspect::kFirstOfDirection}), Sids{});
}

TEST(RuleCompile, GroupsNestAndNegate) {
  const RuleBench bench(
      "alert tcp $OUT any -> $HOME $WEB (sid:1;)\n"
      "alert tcp [$HOME,!10.1.0.0/16] any -> any any (sid:2; dsize:>0;)\n",
      with_groups({{"HOME", "[10.0.0.0/8,fd00::/8]"}, {"OUT", "!$HOME"}},
                  {{"WEB", "[$PLAIN,443]"}, {"PLAIN", "80"}}));
  ASSERT_EQ(bench.error, "");
  EXPECT_EQ(bench.sids({.src = "8.8.8.8", .dst = "10.0.0.1", .dst_port = 443}), Sids{1});
  EXPECT_EQ(bench.sids({.src = "8.8.8.8", .dst = "10.0.0.1", .dst_port = 81}), Sids{});
  EXPECT_EQ(bench.sids({.src = "10.2.0.1", .dst = "10.0.0.1", .dst_port = 80}), Sids{});
  EXPECT_EQ(bench.sids({.src = "2001:db8::1", .dst = "fd00::2", .dst_port = 80}), Sids{1});
  EXPECT_EQ(bench.sids({.payload = "x", .src = "10.2.0.1", .dst = "9.9.9.9"}), Sids{2});
  EXPECT_EQ(bench.sids({.payload = "x", .src = "10.1.0.1", .dst = "9.9.9.9"}), Sids{});
}

TEST(RuleCompile, Ipv6NetworksHoldNoIpv4) {
  const RuleBench bench(
      "alert ip ::/0 any -> any any (dsize:1; sid:1;)\n"
      "alert ip 0.0.0.0/0 any -> any any (dsize:1; sid:2;)\n"
      "alert ip any any -> any any (dsize:1; sid:3;)\n");
  EXPECT_EQ(bench.sids({.payload = "x", .src = "10.0.0.1"}), (Sids{2, 3}));
  EXPECT_EQ(bench.sids({.payload = "x", .src = "fe80::1", .dst = "fe80::2"}), (Sids{1, 3}));
}

TEST(RuleCompile, GroupMistakesHaveAPlace) {
  struct Case {
    const char* text;
    const char* message;
  } const cases[] = {
      {"$NONE", "address group $NONE is not defined; defined are: $BAD, $EMPTY, $LOOP, $LOOP2"},
      {"$BAD", "address group $BAD ([10.0.0.0/8,x]): column 13: 'x' is not an address"},
      {"$LOOP", "is defined by itself"},
      {"$EMPTY", "this holds nothing"},
      {"[10.0.0.1,!10.0.0.0/8]", "this holds nothing"},
      {"!0.0.0.0-255.255.255.255", nullptr},
  };
  for (const Case& c : cases) {
    const RuleBench bench("alert tcp any any -> " + std::string(c.text) + " any (sid:1;)",
                          with_groups({{"BAD", "[10.0.0.0/8,x]"},
                                       {"LOOP", "$LOOP2"},
                                       {"LOOP2", "[$LOOP]"},
                                       {"EMPTY", "[1.1.1.1,!1.1.1.1]"}}));
    if (c.message == nullptr) {
      EXPECT_EQ(bench.error, "") << c.text;
      continue;
    }
    EXPECT_EQ(bench.error.find("test.rules:1:22: "), 0u) << c.text << "\n" << bench.error;
    EXPECT_NE(bench.error.find(c.message), std::string::npos) << c.text << "\n" << bench.error;
  }
}

TEST(RuleCompile, BadRulesRefuseAllOrAreLeftOut) {
  const std::string text =
      "alert tcp any any -> any any (sid:1;)\n"
      "alert tcp any any -> any any (frob; sid:2;)\n"
      "alert tcp any any -> $NO any (sid:3;)\n";
  const RuleBench strict(text);
  EXPECT_EQ(strict.error.find("test.rules:2:31: keyword 'frob'"), 0u) << strict.error;
  EXPECT_NE(strict.error.find("(and 1 more errors)"), std::string::npos) << strict.error;
  CompileSettings settings;
  settings.bad_rules = BadRules::kLeaveOut;
  const RuleBench lenient(text, settings);
  ASSERT_EQ(lenient.error, "");
  EXPECT_EQ(lenient.loaded->count(), 1u);
  EXPECT_EQ(lenient.set.diagnostics.errors(), 2u);
}

TEST(RuleCompile, AnUnknownClassIsAWarning) {
  const RuleBench bench("alert tcp any any -> any any (classtype:nobody-knows; sid:1;)");
  ASSERT_EQ(bench.error, "");
  ASSERT_EQ(bench.set.diagnostics.warnings(), 1u);
  EXPECT_EQ(bench.set.diagnostics.kept()[0].column, 41u);
  EXPECT_EQ(bench.catalog.rules[0].severity, 3);
}

TEST(RuleCompile, ClassesAreKnownByName) {
  const auto all = classifications();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const Classification& c : all) {
    EXPECT_FALSE(c.description.empty());
    EXPECT_TRUE(c.severity >= 1 && c.severity <= 4);
  }
}

// 10,000 rules must not keep a reload waiting; equal sets and patterns are stored once.
TEST(RuleCompile, TenThousandRules) {
  std::string text;
  for (int i = 1; i <= 10'000; ++i) {
    const std::string n = std::to_string(i);
    text += "alert tcp $HOME any -> any [80,8000:8080] (msg:\"rule " + n + "\"; content:\"path-" +
            std::to_string(i * 7919 % 10'007) + "-" + n + "\"; " + (i % 2 == 0 ? "nocase; " : "") +
            "sid:" + n + ";)\n";
  }
  const RuleBench bench(text, with_groups({{"HOME", "[10.0.0.0/8,192.168.0.0/16]"}}));
  ASSERT_EQ(bench.error, "");
  EXPECT_EQ(bench.loaded->count(), 10'000u);
  EXPECT_EQ(bench.loaded->image().address_sets().size(), 1u);
  EXPECT_EQ(bench.loaded->image().port_sets().size(), 1u);
  const std::string hit = "GET /path-" + std::to_string(1234 * 7919 % 10'007) + "-1234 HTTP/1.1";
  const Sids found = bench.sids({.payload = hit});
  EXPECT_NE(std::find(found.begin(), found.end(), 1234u), found.end());
  EXPECT_EQ(bench.sids({.payload = hit, .dst_port = 81}), Sids{});
  EXPECT_EQ(bench.sids({.payload = "GET /index.html HTTP/1.1"}), Sids{});
}

}  // namespace
}  // namespace weir
