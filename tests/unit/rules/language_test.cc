// SPDX-License-Identifier: Apache-2.0
#include "rules/language/language.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

RuleSet parse(std::string_view text) {
  RuleSet set;
  parse_rules(text, "a.rules", set);
  return set;
}

ParsedRule only_rule(std::string_view text) {
  RuleSet set = parse(text);
  EXPECT_EQ(set.rules.size(), 1u) << text;
  EXPECT_EQ(set.diagnostics.errors(), 0u)
      << text << "\n"
      << (set.diagnostics.kept().empty() ? "" : set.diagnostics.kept()[0].text());
  return set.rules.empty() ? ParsedRule{} : set.rules[0];
}

// The rule with these options and everything else in order.
ParsedRule with_options(const std::string& options) {
  return only_rule("alert tcp any any -> any any (" + options + " sid:1;)");
}

struct Wrong {
  const char* text;
  uint32_t line, column;
  const char* message;  // part of it
};

TEST(RuleLanguage, ReadsAWholeRule) {
  const ParsedRule r = only_rule(
      "drop tcp $HOME_NET [1024:,!8080] <> [10.0.0.0/8, !10.1.0.0/255.255.0.0,2001:db8::1] any "
      "(msg:\"A \\\"quoted\\\" \\; thing\"; content:\"GET \"; offset:2; depth:9; nocase; "
      "content:!\"|0d 0A|x\"; within:9; distance:-3; reference:url,example.com; metadata:a b, c d; "
      "classtype:misc-attack; priority:2; gid:3; sid:77; rev:5;)");
  EXPECT_EQ(r.action, RuleAction::kDrop);
  EXPECT_EQ(r.protocol, RuleProtocol::kTcp);
  EXPECT_EQ(r.direction, RuleDirection::kBoth);
  EXPECT_EQ(r.src.group, "HOME_NET");
  ASSERT_EQ(r.src_ports.members.size(), 2u);
  EXPECT_EQ(r.src_ports.members[0].first, 1024);
  EXPECT_EQ(r.src_ports.members[0].last, 65535);
  EXPECT_TRUE(r.src_ports.members[1].negated);
  ASSERT_EQ(r.dst.members.size(), 3u);
  EXPECT_EQ(to_string(r.dst.members[0].last), "10.255.255.255");
  EXPECT_TRUE(r.dst.members[1].negated);
  EXPECT_EQ(to_string(r.dst.members[1].first), "10.1.0.0");
  EXPECT_EQ(to_string(r.dst.members[1].last), "10.1.255.255");
  EXPECT_EQ(to_string(r.dst.members[2].last), "2001:db8::1");
  EXPECT_EQ(r.msg, "A \"quoted\" ; thing");
  ASSERT_EQ(r.contents.size(), 2u);
  EXPECT_EQ(r.contents[0].bytes, "GET ");
  EXPECT_TRUE(r.contents[0].nocase);
  EXPECT_EQ(r.contents[0].offset, 2);
  EXPECT_EQ(r.contents[0].depth, 9);
  EXPECT_FALSE(r.contents[0].negated);
  EXPECT_EQ(r.contents[1].bytes, "\r\nx");
  EXPECT_TRUE(r.contents[1].negated);
  EXPECT_FALSE(r.contents[1].nocase);
  EXPECT_EQ(r.contents[1].distance, -3);
  EXPECT_EQ(r.contents[1].within, 9);
  EXPECT_EQ(r.classtype, "misc-attack");
  EXPECT_EQ(r.priority, 2);
  EXPECT_EQ(r.gid, 3u);
  EXPECT_EQ(r.sid, 77u);
  EXPECT_EQ(r.rev, 5u);
  EXPECT_EQ(r.references, std::vector<std::string>{"url,example.com"});
  EXPECT_EQ(r.metadata, std::vector<std::string>{"a b, c d"});
}

TEST(RuleLanguage, ReadsBytesAndText) {
  using std::string_literals::operator""s;
  EXPECT_EQ(with_options("content:\"a\\\\b\\\"c\\;d\\:e:f\";").contents[0].bytes, "a\\b\"c;d:e:f");
  EXPECT_EQ(with_options("content:\"|00|a|FFfe|b|20|\";").contents[0].bytes, "\0a\xff\xfe"s + "b ");
  EXPECT_EQ(with_options("content: \"x\" ;").contents[0].bytes, "x");
  EXPECT_EQ(with_options("content:\"caf\xc3\xa9\";").contents[0].bytes, "caf\xc3\xa9");
}

TEST(RuleLanguage, ReadsActionsAndProtocols) {
  for (const char* action : {"alert", "drop", "reject", "pass", "ALERT"}) {
    only_rule(std::string(action) + " ip any any -> any any (sid:1;)");
  }
  for (const char* protocol : {"tcp", "tcp-pkt", "udp", "sctp", "icmp", "icmpv4", "icmpv6", "ip",
                               "ipv4", "ip4", "ipv6", "ip6", "TCP"}) {
    only_rule("alert " + std::string(protocol) + " any any -> any any (sid:1;)");
  }
}

TEST(RuleLanguage, ReadsSizes) {
  const auto range = [](const char* text) {
    const SizeRange r = *with_options("dsize:" + std::string(text) + ";").dsize;
    return std::pair<int, int>(r.min, r.max);
  };
  EXPECT_EQ(range("10"), std::pair(10, 10));
  EXPECT_EQ(range(">10"), std::pair(11, 65535));
  EXPECT_EQ(range("<10"), std::pair(0, 9));
  EXPECT_EQ(range(">=10"), std::pair(10, 65535));
  EXPECT_EQ(range("<= 10"), std::pair(0, 10));
  EXPECT_EQ(range("10<>20"), std::pair(11, 19));
}

TEST(RuleLanguage, ReadsRates) {
  const auto rate = [](const char* text) {
    return *only_rule("ratelimit ip any any -> any any (rate:" + std::string(text) + "; sid:1;)")
                .rate;
  };
  EXPECT_EQ(rate("100 pps").packets_per_second, 100u);
  EXPECT_EQ(rate("100 pps").bits_per_second, 0u);
  EXPECT_EQ(rate("64 kbps").bits_per_second, 64'000u);
  EXPECT_EQ(rate("10mbps , per flow").bits_per_second, 10'000'000u);
  EXPECT_EQ(rate("10mbps , per flow").per, RuleRate::Per::kFlow);
  EXPECT_EQ(rate("10mbps,per source").per, RuleRate::Per::kSource);
  EXPECT_EQ(rate("2 gbps, per rule").bits_per_second, 2'000'000'000u);
  EXPECT_EQ(rate("2 gbps, per rule").per, RuleRate::Per::kRule);
}

TEST(RuleLanguage, ReadsPorts) {
  const auto port = [](const char* text) {
    const ParsedRule r = only_rule("alert tcp any any -> any " + std::string(text) + " (sid:1;)");
    return std::pair<int, int>(r.dst_ports.first, r.dst_ports.last);
  };
  EXPECT_EQ(port("80"), std::pair(80, 80));
  EXPECT_EQ(port("80:90"), std::pair(80, 90));
  EXPECT_EQ(port(":90"), std::pair(0, 90));
  EXPECT_EQ(port("80:"), std::pair(80, 65535));
}

TEST(RuleLanguage, ReadsBuffersOfFacts) {
  const ParsedRule r = only_rule(
      "drop http any any -> any any (flow:established,to_server; http.method; content:\"POST\"; "
      "http.uri; content:\"/a\"; startswith; content:\"b\"; distance:1; bsize:>5; "
      "fact:http.username; to_lowercase; content:\"root\"; sid:1;)");
  EXPECT_EQ(r.protocol, RuleProtocol::kApplication);
  EXPECT_EQ(r.applications, uint64_t{1} << static_cast<unsigned>(EvidenceKind::kHttp));
  EXPECT_EQ(r.flow, kFlowIsEstablished | kFlowToServer);
  EXPECT_TRUE(r.contents.empty());
  ASSERT_EQ(r.buffers.size(), 3u);
  EXPECT_EQ(r.buffers[0].facts, std::vector<Fact>{Fact::kHttpMethod});
  EXPECT_EQ(r.buffers[1].facts, std::vector<Fact>{Fact::kHttpUrlNormalized});
  ASSERT_EQ(r.buffers[1].contents.size(), 2u);
  EXPECT_TRUE(r.buffers[1].contents[0].startswith);
  EXPECT_EQ(r.buffers[1].contents[1].distance, 1);
  EXPECT_EQ(r.buffers[1].size->min, 6);
  EXPECT_EQ(r.buffers[2].facts, std::vector<Fact>{Fact::kHttpUser});
  EXPECT_TRUE(r.buffers[2].lower_case);
}

TEST(RuleLanguage, AWordMayMeanSeveralFacts) {
  const ParsedRule r = with_options("ja3.hash; content:\"aa\"; ");
  EXPECT_EQ(r.buffers[0].facts, (std::vector<Fact>{Fact::kTlsJa3, Fact::kQuicJa3}));
  EXPECT_EQ(with_options("dns.query; bsize:4; ").buffers[0].sayer, Sayer::kClient);
}

TEST(RuleLanguage, EarlierModifiersMoveTheContentBeforeThem) {
  const ParsedRule r = with_options(
      "content:\"one\"; http_uri; content:\"GET\"; http_method; content:\"two\"; distance:0; "
      "http_uri; ");
  EXPECT_TRUE(r.contents.empty());
  ASSERT_EQ(r.buffers.size(), 2u);
  ASSERT_EQ(r.buffers[0].contents.size(), 2u);
  EXPECT_EQ(r.buffers[0].contents[1].bytes, "two");
  EXPECT_EQ(r.buffers[1].contents[0].bytes, "GET");
}

TEST(RuleLanguage, JoinsLinesSkipsCommentsAndTakesAnyLineEnd) {
  const RuleSet set = parse(
      "\xef\xbb\xbf# comment \\\r\n"
      "\r\n"
      "alert tcp any any -> \\\r\n"
      "  any any (msg:\"x\"; \\\n"
      "  sid:1;)\r\n"
      "  # indented comment\n"
      " alert udp any any -> any any (sid:2;)");
  EXPECT_EQ(set.diagnostics.errors(), 0u);
  ASSERT_EQ(set.rules.size(), 2u);
  EXPECT_EQ(set.rules[0].place.line, 3u);
  EXPECT_EQ(set.rules[1].place.line, 7u);
  EXPECT_EQ(set.rules[1].place.column, 2u);
}

TEST(RuleLanguage, PlacesSurviveJoining) {
  const RuleSet set =
      parse("alert tcp any any -> any any \\\n   (msg:\"x\"; \\\n frob:1; sid:1;)\n");
  ASSERT_EQ(set.diagnostics.errors(), 1u);
  EXPECT_EQ(set.diagnostics.kept()[0].text(),
            "a.rules:3:2: error: keyword 'frob' is not supported; expected a keyword known here or "
            "')'");
}

constexpr Wrong kWrong[] = {
    {"alrt tcp any any -> any any (sid:1;)", 1, 1, "expected alert, drop, reject, pass or rate"},
    {"alert nfs any any -> any any (sid:1;)", 1, 7, "'nfs' is not a protocol"},
    {"alert ftp_data any any -> any any (sid:1;)", 1, 7, "'ftp_data' is not a protocol"},
    {"alert tcp 10.0.0.300 any -> any any (sid:1;)", 1, 11, "'10.0.0.300' is not an address"},
    {"alert tcp 10.0.0.0/33 any -> any any (sid:1;)", 1, 11, "is not an address"},
    {"alert tcp 10.0.0.0/255.0.255.0 any -> any any (sid:1;)", 1, 11, "is not an address"},
    {"alert tcp 10.0.0.9-10.0.0.1 any -> any any (sid:1;)", 1, 11, "is not an address range"},
    {"alert tcp [10.0.0.1,,10.0.0.2] any -> any any (sid:1;)", 1, 21, "expected any, an addr"},
    {"alert tcp [10.0.0.1 any -> any any (sid:1;)", 1, 21, "expected ',' or ']'"},
    {"alert tcp [10.0.0.1", 1, 11, "list is not closed"},
    {"alert tcp [[[[[[[[[1.1.1.1]]]]]]]]] any -> any any (sid:1;)", 1, 19, "nested 8 deep"},
    {"alert tcp !any any -> any any (sid:1;)", 1, 12, "'!any' matches nothing"},
    {"alert tcp $ any -> any any (sid:1;)", 1, 11, "is not a group"},
    {"alert tcp any 70000 -> any any (sid:1;)", 1, 15, "'70000' is not a port"},
    {"alert tcp any 90:80 -> any any (sid:1;)", 1, 15, "is not a port"},
    {"alert tcp any : -> any any (sid:1;)", 1, 15, "is not a port"},
    {"alert tcp any any <- any any (sid:1;)", 1, 19, "expected -> or <>"},
    {"alert tcp any any", 1, 18, "the rule ends too early; expected -> or <>"},
    {"alert tcp any any -> any any", 1, 29, "expected '('"},
    {"alert tcp any any -> any any sid:1;)", 1, 30, "expected '('"},
    {"alert tcp any any -> any any (sid:1;", 1, 37, "the rule ends here; expected ')'"},
    {"alert tcp any any -> any any (sid:1)", 1, 37, "the rule ends within the value of 'sid'"},
    {"alert tcp any any -> any any (sid:1;) x", 1, 39, "expected the end of the rule"},
    {"alert tcp any any -> any any (sid 1;)", 1, 35, "expected ':' or ';' after 'sid'"},
    {"alert tcp any any -> any any (=;sid:1;)", 1, 31, "expected a keyword or ')' where '='"},
    {"alert tcp any any -> any any (flow:only_stream; sid:1;)", 1, 36, "no value for flow"},
    {"alert tcp any any -> any any (flow:to_client, to_server; sid:1;)", 1, 36, "both"},
    {"alert dns any any -> any any (dns.query; sid:1;)", 1, 31, "stands alone"},
    {"alert dns any any -> any any (dns.query:x; sid:1;)", 1, 41, "takes no value"},
    {"alert dns any any -> any any (dns.query; nocase; sid:1;)", 1, 42, "nocase needs a content"},
    {"alert dns any any -> any any (content:\"a\"; dns.query; content:\"b\"; sid:1;)", 1, 31,
     "in rules of their own"},
    {"alert dns any any -> any any (dns.query; bsize:4; dsize:4; sid:1;)", 1, 31, "bsize"},
    {"alert dns any any -> any any (dns.query; bsize:4; bsize:5; sid:1;)", 1, 51, "already has"},
    {"alert tcp any any -> any any (bsize:4; sid:1;)", 1, 31, "'bsize' needs a buffer before"},
    {"alert tcp any any -> any any (fact:dns.nonsense; sid:1;)", 1, 36, "as weir fields lists"},
    {"alert tcp any any -> any any (fact:dns.aa; content:\"x\"; sid:1;)", 1, 36, "is a bool"},
    {"alert tcp any any -> any any (http_uri; sid:1;)", 1, 31, "needs a content of the payload"},
    {"alert tcp any any -> any any (http.host; content:\"a\"; tls.sni; content:\"b\"; sid:1;)", 1,
     55, "'tls.sni' is stated in an event of tls"},
    {"alert tls any any -> any any (http.host; content:\"a\"; sid:1;)", 1, 31,
     "is never stated in tls; expected http"},
    {"alert llmnr any any -> any any (content:\"a\"; sid:1;)", 1, 1, "expected a buffer"},
    {"alert tcp any any -> any any (msg:\"x\";)", 1, 39, "has no sid; expected sid:<number>;"},
    {"alert tcp any any -> any any (sid:0;)", 1, 35, "'0' is no value for sid; expected a num"},
    {"alert tcp any any -> any any (sid:4294967296;)", 1, 35, "is no value for sid"},
    {"alert tcp any any -> any any (sid:;)", 1, 35, "sid needs a value"},
    {"alert tcp any any -> any any (sid;)", 1, 31, "sid needs a value"},
    {"alert tcp any any -> any any (sid:1; sid:2;)", 1, 38, "sid stands twice"},
    {"alert tcp any any -> any any (msg:x; sid:1;)", 1, 35, "expected a text in double quotes"},
    {"alert tcp any any -> any any (msg:\"a;b\"; sid:1;)", 1, 37, "is written \\;"},
    {"alert tcp any any -> any any (content:\"a\"b\"; sid:1;)", 1, 42, "expected ';' after the"},
    {"alert tcp any any -> any any (content:\"a\\nb\"; sid:1;)", 1, 41, "after a backslash"},
    {"alert tcp any any -> any any (content:\"|4|\"; sid:1;)", 1, 42, "two hexadecimal digits"},
    {"alert tcp any any -> any any (content:\"|4g|\"; sid:1;)", 1, 42, "two hexadecimal digits"},
    {"alert tcp any any -> any any (content:\"|41\"; sid:1;)", 1, 43, "hexadecimal digits"},
    {"alert tcp any any -> any any (content:\"||\"; sid:1;)", 1, 40, "expected hexadecimal byt"},
    {"alert tcp any any -> any any (content:\"\"; sid:1;)", 1, 39, "this content is empty"},
    {"alert tcp any any -> any any (content:!x; sid:1;)", 1, 39, "is no value for content"},
    {"alert tcp any any -> any any (nocase; sid:1;)", 1, 31, "nocase needs a content before"},
    {"alert tcp any any -> any any (content:\"a\"; nocase:1; sid:1;)", 1, 51, "takes no value"},
    {"alert tcp any any -> any any (content:\"a\"; offset:x; sid:1;)", 1, 51, "for offset"},
    {"alert tcp any any -> any any (content:\"a\"; depth:1; depth:2; sid:1;)", 1, 53, "already"},
    {"alert tcp any any -> any any (content:\"abc\"; depth:2; sid:1;)", 1, 31, "at least 3"},
    {"alert tcp any any -> any any (content:\"abc\"; within:2; sid:1;)", 1, 31, "at least 3"},
    {"alert tcp any any -> any any (content:\"a\"; offset:1; within:2; sid:1;)", 1, 31, "one"},
    {"alert tcp any any -> any any (content:\"a\"; startswith; depth:2; sid:1;)", 1, 31, "start"},
    {"alert tcp any any -> any any (content:\"abc\"; fast_pattern:2,2; sid:1;)", 1, 59, "3 byte"},
    {"alert tcp any any -> any any (dsize:9<>10; sid:1;)", 1, 37, "is no value for dsize"},
    {"alert tcp any any -> any any (priority:0; sid:1;)", 1, 40, "is no value for priority"},
    {"alert tcp any any -> any any (reference:url; sid:1;)", 1, 41, "expected <system>,<id>"},
    {"alert tcp any any -> any any (rate:1 pps; sid:1;)", 1, 49, "belongs to the action rat"},
    {"ratelimit tcp any any -> any any (sid:1;)", 1, 41, "a ratelimit rule needs a rate"},
    {"ratelimit tcp any any -> any any (rate:1 bps; sid:1;)", 1, 40, "is no value for rate"},
    {"ratelimit tcp any any -> any any (rate:0 pps; sid:1;)", 1, 40, "is no value for rate"},
    {"ratelimit tcp any any -> any any (rate:1 pps, per host; sid:1;)", 1, 40, "per flow"},
};

TEST(RuleLanguage, SaysWhatIsWrongAndWhere) {
  for (const Wrong& c : kWrong) {
    const RuleSet set = parse(c.text);
    EXPECT_TRUE(set.rules.empty()) << c.text;
    EXPECT_EQ(set.refused, 1u) << c.text;
    ASSERT_GE(set.diagnostics.errors(), 1u) << c.text;
    const Diagnostic& d = set.diagnostics.kept()[0];
    EXPECT_EQ(d.line, c.line) << c.text << "\n" << d.text();
    EXPECT_EQ(d.column, c.column) << c.text << "\n" << d.text();
    EXPECT_NE(d.message.find(c.message), std::string::npos) << c.text << "\n" << d.text();
    EXPECT_EQ(d.file, "a.rules");
  }
}

TEST(RuleLanguage, TellsEveryUnknownKeywordOfARule) {
  const RuleSet set =
      parse("alert nfs any any -> any any (isdataat:9; pcre:\"/a\\;b/\"; sid:1;)");
  ASSERT_EQ(set.diagnostics.errors(), 3u);
  EXPECT_EQ(set.diagnostics.kept()[1].column, 31u);
  EXPECT_EQ(set.diagnostics.kept()[2].column, 43u);
}

TEST(RuleLanguage, ABadRuleDoesNotTouchTheOthers) {
  const RuleSet set = parse(
      "alert tcp any any -> any any (sid:1;)\n"
      "alert tcp any any -> any (sid:2;)\n"
      "alert tcp any any -> any any (sid:3;)\n");
  EXPECT_EQ(set.rules.size(), 2u);
  EXPECT_EQ(set.refused, 1u);
  EXPECT_EQ(set.diagnostics.errors(), 1u);
  EXPECT_EQ(set.diagnostics.kept()[0].line, 2u);
}

TEST(RuleLanguage, ASidTwiceNamesTheFirstPlaceAcrossFiles) {
  RuleSet set;
  parse_rules("alert tcp any any -> any any (sid:7;)\n", "one.rules", set);
  parse_rules(
      "# x\nalert udp any any -> any any (sid:7; gid:2;)\n"
      "alert udp any any -> any any (sid:7;)\n",
      "two.rules", set);
  EXPECT_EQ(set.rules.size(), 2u) << "another gid is another rule";
  ASSERT_EQ(set.diagnostics.errors(), 1u);
  EXPECT_EQ(
      set.diagnostics.kept()[0].text(),
      "two.rules:3:31: error: sid 7 is taken since one.rules:1:31; expected one that is free");
}

TEST(RuleLanguage, IcmpPortsAreAWarning) {
  const RuleSet set = parse("alert icmp any any -> any 80 (sid:1;)\n");
  EXPECT_EQ(set.rules.size(), 1u);
  EXPECT_EQ(set.diagnostics.errors(), 0u);
  ASSERT_EQ(set.diagnostics.warnings(), 1u);
  EXPECT_EQ(set.diagnostics.kept()[0].column, 27u);
  EXPECT_EQ(set.diagnostics.kept()[0].severity, Severity::kWarning);
}

TEST(RuleLanguage, DiagnosticsAreBounded) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "nonsense\n";
  const RuleSet set = parse(text);
  EXPECT_EQ(set.refused, 3000u);
  EXPECT_EQ(set.diagnostics.errors(), 3000u);
  EXPECT_EQ(set.diagnostics.kept().size(), kDiagnosticsMax);

  std::string one = "alert tcp any any -> any any (";
  for (int i = 0; i < 500; ++i) one += "frob;";
  EXPECT_EQ(parse(one + "sid:1;)").diagnostics.errors(), kRuleErrorsMax);
}

TEST(RuleLanguage, ARuleIsBounded) {
  std::string text = "alert tcp any any -> any any (msg:\"";
  text.append(kRuleBytesMax, 'x');
  const RuleSet set = parse(text + "\"; sid:1;)\nalert tcp any any -> any any (sid:2;)");
  EXPECT_EQ(set.refused, 1u);
  EXPECT_EQ(set.rules.size(), 1u);
  EXPECT_NE(set.diagnostics.kept()[0].message.find("longer than"), std::string::npos);
}

TEST(RuleLanguage, GroupsTellTheColumn) {
  EXPECT_TRUE(parse_address_group(" [10.0.0.0/8, $X]").has_value());
  EXPECT_TRUE(parse_port_group("!80").has_value());
  const auto bad = parse_address_group("[10.0.0.0/8,10.0.0]");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().column, 13u);
  const auto more = parse_port_group("80 81");
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().column, 4u);
}

TEST(RuleLanguage, AFileThatCannotBeReadIsAnError) {
  RuleSet set;
  const auto missing = read_rules("/nonexistent/x.rules", set);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().file, "/nonexistent/x.rules");
  EXPECT_FALSE(read_rules("/", set).has_value()) << "a folder";
}

}  // namespace
}  // namespace weir
