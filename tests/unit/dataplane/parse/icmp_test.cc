// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/operate/fact_text.h"
#include "dataplane/features/evidence_limit.h"
#include "dataplane/parse/icmp.h"
#include "dataplane/parse/parser.h"

namespace weir {
namespace {

using std::literals::operator""s;

const std::string kMacs = "\x02\0\0\0\0\x02\x02\0\0\0\0\x01"s;

nlohmann::json facts_of(const std::string& frame) {
  const std::vector<uint8_t> exact(frame.begin(), frame.end());
  const PacketView p{.data = exact.data(),
                     .bytes = static_cast<uint32_t>(exact.size()),
                     .wire_bytes = static_cast<uint32_t>(exact.size())};
  Headers h;
  decode_packet(p, LinkType::kEthernet, h);
  parse::FactList<kFactBytesMax> facts;
  Endpoints ends;
  if (h.has(kArp)) {
    write_arp(facts, p, h, ends);
  } else if (h.has(kHasL4)) {
    write_icmp(facts, p, h);
  }
  Evidence e;
  e.facts = facts.facts();
  operate::FactText text;
  operate::JsonText json;
  json.open();
  text.write(json, e);
  json.close();
  return nlohmann::json::parse(json.text());
}

std::string v4(const std::string& icmp) {
  const auto total = static_cast<uint16_t>(20 + icmp.size());
  return kMacs + "\x08\x00\x45\x00"s + static_cast<char>(total >> 8) + static_cast<char>(total) +
         "\0\0\0\0\x40\x01\0\0\x0a\0\0\x01\x0a\0\0\x02"s + icmp;
}
std::string v6(const std::string& icmp) {
  const std::string address = "\xfe\x80"s + std::string(13, '\0');
  return kMacs + "\x86\xdd\x60\0\0\0\0"s + static_cast<char>(icmp.size()) + "\x3a\xff"s + address +
         "\x01" + address + "\x02" + icmp;
}
std::string echo(const std::string& payload) {
  return v4("\x08\x00\x00\x00\x12\x34\x00\x07"s + payload);
}
std::string counting(uint8_t from, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += static_cast<char>(from + i);
  return out;
}

TEST(Icmp, WhatAPingWritesIsKnown) {
  const auto ping = facts_of(echo(std::string(16, 'T') + counting(0x10, 40)));
  EXPECT_EQ(ping["message"], "echo_request");
  EXPECT_EQ(ping["id"], 0x1234);
  EXPECT_EQ(ping["seq"], 7);
  EXPECT_EQ(ping["payload"]["bytes"], 56);
  EXPECT_EQ(ping["payload"]["pattern"], "counting");
  EXPECT_FALSE(ping["payload"].contains("start"));
  EXPECT_EQ(facts_of(echo("abcdefghijklmnopqrstuvwabcdefghi"))["payload"]["pattern"], "alphabet");
  EXPECT_EQ(facts_of(echo("\xab\xcd\xab\xcd\xab\xcd"s))["payload"]["pattern"], "repeating");
  EXPECT_EQ(facts_of(echo(""))["payload"]["pattern"], "empty");
}

TEST(Icmp, WhatATunnelCarriesIsNot) {
  const auto text = facts_of(echo("GET /index.html HTTP/1.1\r\nHost: a.test\r\n\r\n"))["payload"];
  EXPECT_EQ(text["pattern"], "other");
  EXPECT_EQ(text["start"].get<std::string>().substr(0, 8), "47455420");
  std::string chance;
  for (uint32_t i = 0, x = 1; i < 1024; ++i, x = x * 1664525 + 1013904223) {
    chance += static_cast<char>(x >> 24);
  }
  const auto sealed = facts_of(echo(chance))["payload"];
  EXPECT_EQ(sealed["pattern"], "other");
  EXPECT_GT(sealed["entropy"], 7500);
  EXPECT_LE(sealed["entropy"], 8000);
  EXPECT_GT(sealed["distinct"], 200);
  EXPECT_LT(text["entropy"], 5000);
}

TEST(Icmp, AnErrorNamesItsPacket) {
  const std::string quoted =
      "\x45\x00\x00\x1c\0\0\0\0\x40\x11\0\0\x0a\0\0\x02\x0a\0\0\x01\x0f\xa0\x00\x35\0\x08\0\0"s;
  const auto error = facts_of(v4("\x03\x04\0\0\0\0\x05\x78"s + quoted));
  EXPECT_EQ(error["message"], "unreachable");
  EXPECT_EQ(error["code"], 4);
  EXPECT_EQ(error["mtu"], 1400);
  EXPECT_EQ(error["about"]["src_ip"], "10.0.0.2");
  EXPECT_EQ(error["about"]["src_port"], 4000);
  EXPECT_EQ(error["about"]["dest_port"], 53);
  EXPECT_EQ(error["about"]["proto"], 17);
}

TEST(Icmp, WhoHasWhichAddressAndWhatARouterAnnounces) {
  const std::string target = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x09";
  const auto claim = facts_of(v6("\x88\0\0\0\x60\0\0\0"s + target + "\x02\x01\x02\0\0\0\0\x09"s));
  EXPECT_EQ(claim["message"], "neighbour_advertisement");
  EXPECT_EQ(claim["nd"]["target"], "2001:db8::9");
  EXPECT_EQ(claim["nd"]["target_mac"], "02:00:00:00:00:09");
  EXPECT_EQ(claim["nd"]["router"], false);
  EXPECT_EQ(claim["nd"]["override"], true);
  const std::string prefix = "\x03\x04\x40\xc0"s + std::string(12, '\x01') + target;
  const auto router = facts_of(v6("\x86\0\0\0\x40\x80\x07\x08"s + std::string(8, '\0') + prefix +
                                  "\x19\x03\0\0\0\0\0\x3c"s + target));
  EXPECT_EQ(router["nd"]["managed"], true);
  EXPECT_EQ(router["nd"]["router_lifetime"], 1800);
  EXPECT_EQ(router["nd"]["prefixes"][0]["prefix"], "2001:db8::9");
  EXPECT_EQ(router["nd"]["prefixes"][0]["bits"], 64);
  EXPECT_EQ(router["nd"]["dns"][0], "2001:db8::9");
  for (size_t cut = 8; cut < 40; ++cut) {  // an option that lies, a message that ends early
    std::string lies = "\x86\0\0\0\x40\x80\x07\x08"s + std::string(8, '\0') + "\x03\xff"s;
    lies.resize(cut, '\x01');
    EXPECT_EQ(facts_of(v6(lies))["nd"].contains("prefixes"), false);
  }
}

std::string arp(uint8_t operation, uint8_t sender) {
  return kMacs + "\x08\x06\0\x01\x08\0\x06\x04\0"s + static_cast<char>(operation) +
         "\x02\0\0\0\0"s + static_cast<char>(sender) + "\x0a\0\0"s + static_cast<char>(sender) +
         std::string(6, '\0') + "\x0a\0\0\x09"s;
}

TEST(Arp, SaysWhoAsksForWhom) {
  const auto asked = facts_of(arp(1, 1));
  EXPECT_EQ(asked["hw_type"], "ethernet");
  EXPECT_EQ(asked["proto_type"], "ipv4");
  EXPECT_EQ(asked["opcode"], "request");
  EXPECT_EQ(asked["src_mac"], "02:00:00:00:00:01");
  EXPECT_EQ(asked["src_ip"], "10.0.0.1");
  EXPECT_EQ(asked["dest_mac"], "00:00:00:00:00:00");
  EXPECT_EQ(asked["dest_ip"], "10.0.0.9");
  EXPECT_EQ(facts_of(arp(2, 1))["opcode"], "reply");
  EXPECT_EQ(facts_of(arp(9, 1))["opcode"], "unknown");
  EXPECT_TRUE(facts_of(arp(1, 1).substr(0, 41)).empty());
}

TEST(Arp, WhatIsSaidAgainIsCounted) {
  EvidenceLimit limit(1000);
  parse::FactList<64> same, other;
  same.number(Fact::kIcmpType, 1);
  other.number(Fact::kIcmpType, 2);
  unsigned told = 0, counted = 0;
  const auto tell = [&](const Evidence& e) { counted += e.repeats; };
  for (unsigned second = 0; second < 50; ++second) {
    for (const auto* facts : {&same, &other}) {
      Evidence e;
      e.kind = EvidenceKind::kArp;
      e.time_ns = (second + 1) * kNsPerSecond;
      e.facts = facts->facts();
      if (limit.admit(e, tell)) ++told;
    }
    limit.sweep((second + 1) * kNsPerSecond, 2048, false, tell);
  }
  EXPECT_EQ(told, 2u);
  EXPECT_EQ(counted, 0u);
  limit.sweep(100 * kNsPerSecond, 2048, false, tell);
  EXPECT_EQ(counted, 98u);
}

}  // namespace
}  // namespace weir
