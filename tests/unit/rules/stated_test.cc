// SPDX-License-Identifier: Apache-2.0
// Rules over facts: what a parser has stated, event by event.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/rules/packets.h"

namespace weir {
namespace {

// The facts of an event, written as parsers write them.
struct Facts {
  std::vector<uint8_t> bytes;

  Facts& raw(Fact fact, std::string_view value) {
    const uint16_t head[] = {static_cast<uint16_t>(fact), static_cast<uint16_t>(value.size())};
    const auto* at = reinterpret_cast<const uint8_t*>(head);
    bytes.insert(bytes.end(), at, at + sizeof head);
    bytes.insert(bytes.end(), value.begin(), value.end());
    return *this;
  }
  Facts& number(Fact fact, uint64_t value) {
    return raw(fact, {reinterpret_cast<const char*>(&value), sizeof value});
  }
};

struct Told {
  EvidenceKind kind = EvidenceKind::kHttp;
  size_t shown = 0;
  bool from_client = true, one_message = false;
  bool to_server = true;  // the packet
};

std::vector<uint32_t> sids(const RuleBench& bench, const Facts& facts, const Told& told = {}) {
  EXPECT_EQ(bench.error, "");
  if (bench.loaded == nullptr) return {};
  Evidence e;
  e.kind = told.kind;
  e.facts = facts.bytes;
  e.shown = static_cast<uint16_t>(told.shown);
  e.from_client = told.from_client;
  e.one_message = told.one_message;
  Spec spec{.payload = "x"};
  if (!told.to_server) {
    std::swap(spec.src, spec.dst);
    std::swap(spec.src_port, spec.dst_port);
  }
  const Packet packet(spec);
  const FlowSide side{.applications = uint64_t{1} << static_cast<unsigned>(told.kind),
                      .known = true,
                      .to_server = told.to_server,
                      .established = true};
  Hits hits;
  CycleBudget budget(0, 1);
  match_stated(e, packet.headers, side, *bench.loaded, bench.loaded->matcher(0), budget, hits);
  std::vector<uint32_t> out;
  for (unsigned i = 0; i < hits.count; ++i) out.push_back(bench.loaded->rule(hits.rule[i]).sid);
  return out;
}

using Sids = std::vector<uint32_t>;

Facts request(std::string_view method, std::string_view uri, std::string_view host) {
  return Facts()
      .raw(Fact::kHttpUrl, uri)
      .raw(Fact::kHttpMethod, method)
      .raw(Fact::kHttpHostname, host)
      .raw(Fact::kHttpUrlNormalized, uri);
}

TEST(Stated, ContentsMindTheirBuffer) {
  const RuleBench bench(
      "alert http any any -> any any (http.host; content:\"evil\"; sid:1;)\n"
      "alert http any any -> any any (http.uri; content:\"evil\"; sid:2;)\n"
      "alert http any any -> any any (fact:http.hostname; content:\"evil\"; sid:3;)\n"
      "alert http any any -> any any (content:\"evil\"; http_uri; sid:4;)\n");
  EXPECT_EQ(sids(bench, request("GET", "/", "evil.test")), (Sids{1, 3}));
  EXPECT_EQ(sids(bench, request("GET", "/evil", "good.test")), (Sids{2, 4}));
  EXPECT_EQ(sids(bench, request("GET", "/", "good.test")), Sids{});
}

TEST(Stated, AllBuffersOfARuleHoldWithinOneEvent) {
  const RuleBench bench(
      "alert http any any -> any any (http.method; content:\"POST\"; http.uri; "
      "content:\"/login\"; startswith; http.host; content:\".test\"; endswith; sid:1;)");
  EXPECT_EQ(sids(bench, request("POST", "/login?x", "a.test")), Sids{1});
  EXPECT_EQ(sids(bench, request("GET", "/login?x", "a.test")), Sids{});
  EXPECT_EQ(sids(bench, request("POST", "/x/login", "a.test")), Sids{});
  EXPECT_EQ(sids(bench, request("POST", "/login", "a.test.org")), Sids{});
}

TEST(Stated, ModifiersAndSizes) {
  const RuleBench bench(
      "alert dns any any -> any any (dns.query; content:\"one\"; nocase; content:\"two\"; "
      "distance:1; within:4; sid:1;)\n"
      "alert dns any any -> any any (dns.query; bsize:>20; sid:2;)\n"
      "alert dns any any -> any any (dns.query; content:!\"good\"; sid:3;)\n"
      "alert dns any any -> any any (dns.query; dotprefix; content:\".evil.test\"; endswith; "
      "sid:4;)\n"
      "alert dns any any -> any any (dns.query; to_lowercase; content:\"mixed\"; sid:5;)\n");
  const Told told{.kind = EvidenceKind::kDns, .one_message = true};
  const auto query = [&](std::string_view name) {
    return sids(bench, Facts().raw(Fact::kDnsQueryName, name), told);
  };
  EXPECT_EQ(query("ONE.two.good"), Sids{1});
  EXPECT_EQ(query("one.x.two.good"), Sids{});
  EXPECT_EQ(query("a-good-and-very-long-name"), Sids{2});
  EXPECT_EQ(query("x"), Sids{3});
  EXPECT_EQ(query("evil.test"), (Sids{3, 4}));
  EXPECT_EQ(query("a.evil.test"), (Sids{3, 4}));
  EXPECT_EQ(query("notevil.test"), Sids{3});
  EXPECT_EQ(query("MiXeD.good"), Sids{5});
}

TEST(Stated, EachOfSeveralIsLookedAtByItself) {
  const RuleBench bench(
      "alert dns any any -> any any (dns.answers.rrname; content:\"a\"; content:\"b\"; sid:1;)");
  const Told told{.kind = EvidenceKind::kDns, .from_client = false, .one_message = true};
  const auto answers = [&](std::string_view one, std::string_view two) {
    return sids(bench, Facts().raw(Fact::kDnsAnswerName, one).raw(Fact::kDnsAnswerName, two), told);
  };
  EXPECT_EQ(answers("a.x", "b.x"), Sids{});
  EXPECT_EQ(answers("x", "a.b"), Sids{1});
  EXPECT_EQ(answers("a.b", "b.a"), Sids{1});
}

TEST(Stated, AQuestionThatAnAnswerRepeatsIsNoQuestion) {
  const RuleBench bench(
      "alert dns any any -> any any (dns.query; content:\"evil\"; sid:1;)\n"
      "alert dns any any -> any any (dns.queries.rrname; content:\"evil\"; sid:2;)\n");
  const Facts facts = Facts().raw(Fact::kDnsQueryName, "evil.test");
  EXPECT_EQ(sids(bench, facts, {.kind = EvidenceKind::kDns, .one_message = true}), (Sids{1, 2}));
  EXPECT_EQ(sids(bench, facts,
                 {.kind = EvidenceKind::kDns, .from_client = false, .one_message = true}),
            Sids{2});
}

TEST(Stated, ARuleHitsWithThePartThatMakesItHold) {
  const RuleBench bench(
      "alert http any any -> any any (http.host; content:\"evil\"; sid:1;)\n"
      "alert http any any -> any any (http.host; content:\"evil\"; http.stat_code; "
      "content:\"404\"; sid:2;)\n"
      "alert http any any -> any any (http.stat_code; content:\"404\"; sid:3;)\n");
  Facts facts = request("GET", "/", "evil.test");
  EXPECT_EQ(sids(bench, facts), Sids{1});
  const size_t shown = facts.bytes.size();
  facts.number(Fact::kHttpStatus, 404);
  EXPECT_EQ(sids(bench, facts, {.shown = shown, .to_server = false}), (Sids{2, 3}));
  EXPECT_EQ(sids(bench, facts, {.shown = facts.bytes.size(), .to_server = false}), Sids{});
}

TEST(Stated, HeadersSpeakOfThePacketThatSaidIt) {
  const RuleBench bench(
      "alert http any any -> any any (flow:to_server; http.host; content:\"evil\"; sid:1;)\n"
      "alert http any any -> any any (flow:to_client; http.host; content:\"evil\"; sid:2;)\n"
      "alert http any any -> any 80 (http.host; content:\"evil\"; http.stat_code; "
      "content:\"404\"; sid:3;)\n"
      "alert http any any -> any 80 (http.stat_code; content:\"404\"; sid:4;)\n"
      "alert http any 80 -> any any (http.stat_code; content:\"404\"; sid:5;)\n");
  Facts facts = request("GET", "/", "evil.test");
  EXPECT_EQ(sids(bench, facts), Sids{1});
  const size_t shown = facts.bytes.size();
  facts.number(Fact::kHttpStatus, 404);
  // Of what both say the header may mean either; of the answer alone it means the answer's.
  EXPECT_EQ(sids(bench, facts, {.shown = shown, .to_server = false}), (Sids{3, 5}));
}

TEST(Stated, HexAndNumbersAreSearchedAsTheyAreShown) {
  const RuleBench bench(
      "alert tls any any -> any any (ja3.hash; content:\"00ff\"; startswith; sid:1;)\n"
      "alert tls any any -> any any (tls.cert_fingerprint; content:\"00:ff:10\"; bsize:8; sid:2;)\n"
      "alert http any any -> any any (http.stat_code; content:\"404\"; bsize:3; sid:3;)\n");
  const std::string bytes("\x00\xff\x10", 3);
  const Told tls{.kind = EvidenceKind::kTls};
  EXPECT_EQ(sids(bench, Facts().raw(Fact::kTlsJa3, bytes), tls), Sids{1});
  EXPECT_EQ(sids(bench, Facts().raw(Fact::kTlsFingerprint, bytes), tls), Sids{2});
  EXPECT_EQ(sids(bench, Facts().number(Fact::kHttpStatus, 404)), Sids{3});
  EXPECT_EQ(sids(bench, Facts().number(Fact::kHttpStatus, 4040)), Sids{});
}

TEST(Stated, PassWins) {
  const RuleBench bench(
      "drop http any any -> any any (http.uri; content:\"/x\"; sid:1;)\n"
      "pass http any any -> any any (http.host; content:\"good.test\"; sid:2;)\n");
  EXPECT_EQ(sids(bench, request("GET", "/x", "good.test")), Sids{2});
  EXPECT_EQ(sids(bench, request("GET", "/x", "evil.test")), Sids{1});
}

TEST(Stated, WhatNoRuleAsksForIsNotLookedAt) {
  const RuleBench bench("alert tls any any -> any any (tls.sni; content:\"evil\"; sid:1;)");
  EXPECT_EQ(bench.loaded->wanted_kinds(),
            uint64_t{1} << static_cast<unsigned>(EvidenceKind::kTls));
  EXPECT_TRUE(bench.loaded->wants(Fact::kTlsSni));
  EXPECT_FALSE(bench.loaded->wants(Fact::kTlsVersion));
  const RuleBench plain("alert tcp any any -> any any (content:\"evil\"; sid:1;)");
  EXPECT_EQ(plain.loaded->wanted_kinds(), 0u);
}

// Every event that a parser can state has room, whatever rules ask of it.
TEST(Stated, TheLongestEventOfAllHasRoom) {
  std::string rules;
  for (int sid = 1; sid <= 40; ++sid) {
    rules += "alert tls any any -> any any (fact:tls.fingerprint; content:\"ff:" +
             std::to_string(10 + sid) + "\"; sid:" + std::to_string(sid) + ";)\n";
  }
  rules += "alert tls any any -> any any (fact:tls.fingerprint; bsize:<3; sid:99;)\n";
  const RuleBench bench(rules);
  Facts many, long_one;
  while (many.bytes.size() + 5 <= kFactBytesMax) many.raw(Fact::kTlsFingerprint, "\xff");
  long_one.raw(Fact::kTlsFingerprint, std::string(kFactBytesMax - 4, '\xff'));
  EXPECT_EQ(sids(bench, many, {.kind = EvidenceKind::kTls}), Sids{99});
  EXPECT_EQ(sids(bench, long_one, {.kind = EvidenceKind::kTls}), Sids{});
}

TEST(Match, ApplicationsAndFlowsAreAskedFor) {
  const RuleBench bench(
      "alert http any any -> any any (content:\"x\"; sid:1;)\n"
      "alert tcp any any -> any any (flow:established,to_server; content:\"x\"; sid:2;)\n"
      "alert tcp any any -> any any (flow:not_established; content:\"x\"; sid:3;)\n"
      "alert tcp any any -> any any (flow:from_server; content:\"x\"; sid:4;)\n");
  const Packet packet({.payload = "x"});
  const auto found = [&](const FlowSide& side) {
    Hits hits;
    Inspect inspect = Inspect::kYes;
    CycleBudget budget(0, 1);
    match({&packet.view, 1}, {&packet.headers, 1}, {&inspect, 1}, *bench.loaded,
          bench.loaded->matcher(0), budget, {&hits, 1}, {}, side);
    Sids out;
    for (unsigned i = 0; i < hits.count; ++i) out.push_back(bench.loaded->rule(hits.rule[i]).sid);
    return out;
  };
  const auto http = uint64_t{1} << static_cast<unsigned>(EvidenceKind::kHttp);
  EXPECT_EQ(found({}), Sids{});
  EXPECT_EQ(found({.applications = http, .known = true, .established = true}), (Sids{1, 2}));
  EXPECT_EQ(found({.known = true, .established = false}), Sids{3});
  EXPECT_EQ(found({.known = true, .to_server = false, .established = true}), Sids{4});
}

}  // namespace
}  // namespace weir
