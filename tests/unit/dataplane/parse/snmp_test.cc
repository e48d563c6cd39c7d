// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""s;

std::string tlv(uint8_t tag, const std::string& body) {
  std::string out(1, static_cast<char>(tag));
  if (body.size() >= 0x80) out += '\x82' + std::string(1, static_cast<char>(body.size() >> 8));
  return out + static_cast<char>(body.size()) + body;
}
std::string number(int v) {
  return tlv(2, std::string(1, static_cast<char>(v)));
}
std::string variable(const std::string& oid) {
  return tlv(0x30, tlv(6, oid) + tlv(5, ""));
}
const std::string kSysName = "\x2b\x06\x01\x02\x01\x01\x05\x00"s;
std::string pdu(uint8_t tag, int error = 0) {
  return tlv(tag, number(7) + number(error) + number(0) + tlv(0x30, variable(kSysName)));
}
std::string message(int version, const std::string& of) {
  return tlv(0x30, number(version) + tlv(4, "public") + of);
}
std::string version3(uint8_t flags, const std::string& data) {
  const std::string usm = tlv(0x30, tlv(4, "\x80\x01"s) + number(1) + number(2) + tlv(4, "alice") +
                                        tlv(4, "") + tlv(4, ""));
  const std::string global = tlv(
      0x30, number(9) + number(100) + tlv(4, std::string(1, static_cast<char>(flags))) + number(3));
  return tlv(0x30, number(3) + global + tlv(4, usm) + data);
}

TEST(Snmp, WhoAsksForWhatByWhichCommunity) {
  Conversation c(Conversation::Over::kUdp);
  c.client(message(1, pdu(0xa1)));
  c.server(message(1, pdu(0xa2, 2)));
  ASSERT_EQ(c.events().size(), 2u);
  EXPECT_EQ(c.protocol(), "snmp");
  EXPECT_EQ(c.events()[0]["version"], 2);
  EXPECT_EQ(c.events()[0]["pdu_type"], "get_next_request");
  EXPECT_EQ(c.events()[0]["community"], "public");
  EXPECT_EQ(c.events()[0]["vars"][0], "1.3.6.1.2.1.1.5.0");
  EXPECT_EQ(c.events()[1]["error"], "NoSuchName");
}

TEST(Snmp, ATrapOfVersion1) {
  Conversation c(Conversation::Over::kUdp);
  c.client(message(
      0, tlv(0xa4, tlv(6, "\x2b\x06\x01\x04\x01\x8f\x65"s) + tlv(0x40, "\x0a\0\0\x07"s) +
                       number(3) + number(0) + tlv(0x43, "\x05") + tlv(0x30, variable(kSysName)))));
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["pdu_type"], "trap_v1");
  EXPECT_EQ(c.events()[0]["trap_type"], "linkUp");
  EXPECT_EQ(c.events()[0]["trap_oid"], "1.3.6.1.4.1.2021");
  EXPECT_EQ(c.events()[0]["trap_address"], "10.0.0.7");
}

TEST(Snmp, TheUserOfVersion3) {
  Conversation c(Conversation::Over::kUdp);
  c.client(version3(4, tlv(0x30, tlv(4, "") + tlv(4, "ctx") + pdu(0xa5, 10))));
  c.client(version3(7, tlv(4, "sealed")));
  ASSERT_EQ(c.events().size(), 2u);
  EXPECT_EQ(c.events()[0]["usm"], "alice");
  EXPECT_EQ(c.events()[0]["pdu_type"], "get_bulk_request");
  EXPECT_EQ(c.events()[0]["context"], "ctx");
  EXPECT_FALSE(c.events()[0].contains("error"));
  EXPECT_EQ(c.events()[1]["pdu_type"], "encrypted");
  EXPECT_EQ(c.events()[1]["security_level"], "authPriv");
  EXPECT_EQ(c.events()[1]["engine_id"], "8001");
}

TEST(Snmp, WhatLiesAboutItsLengthIsSaid) {
  const std::string good = message(1, pdu(0xa0));
  for (size_t at = 1; at < good.size(); ++at) {
    for (const int wrong : {0x00, 0x7f, 0x80, 0x84, 0xff}) {
      Conversation c(Conversation::Over::kUdp);
      c.client(good);
      std::string bad = good;
      bad[at] = static_cast<char>(wrong);
      c.client(bad);
      EXPECT_EQ(c.events().size(), 2u) << at << ' ' << wrong;
    }
  }
  for (size_t n = 1; n < good.size(); ++n) {
    Conversation c(Conversation::Over::kUdp);
    c.client(good);
    c.client(good.substr(0, n));
    EXPECT_EQ(c.events("anomaly").size(), 1u) << n;
  }
}

TEST(Snmp, LdapAndKerberosAreNot) {
  for (const std::string& other : {tlv(0x30, number(1) + tlv(0x63, "abc")), tlv(0x6a, "abc"),
                                   message(2, pdu(0xa0)), message(0, pdu(0xa5))}) {
    Conversation c(Conversation::Over::kUdp);
    c.client(other);
    EXPECT_NE(c.protocol(), "snmp");
  }
}

}  // namespace
}  // namespace weir
