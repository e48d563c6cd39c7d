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

std::string said(uint8_t id, uint8_t flags, const std::string& user, const std::string& data) {
  const std::string usm = tlv(0x30, tlv(4, "\x80\x01"s) + number(1) + number(2) + tlv(4, user) +
                                        tlv(4, std::string(12, 'h')) + tlv(4, ""));
  const std::string global = tlv(0x30, number(id) + number(100) +
                                           tlv(4, std::string(1, static_cast<char>(flags))) +
                                           number(3));
  return tlv(0x30, number(3) + global + tlv(4, usm) + data);
}
std::string scoped(const std::string& of) {
  return tlv(0x30, tlv(4, "") + tlv(4, "") + of);
}
std::string report(uint8_t statistic) {
  const std::string oid = "\x2b\x06\x01\x06\x03\x0f\x01\x01"s +
                          std::string(1, static_cast<char>(statistic)) + "\x00"s;
  return scoped(tlv(0xa8, number(0) + number(0) + number(0) + tlv(0x30, variable(oid))));
}
const std::string kGet = scoped(pdu(0xa0)), kAnswer = scoped(pdu(0xa2));

TEST(Snmp, AReportRefusesAUser) {
  struct {
    uint8_t statistic;
    const char* code;
  } const cases[] = {{1, "usmStatsUnsupportedSecLevels"}, {2, nullptr},
                     {3, "usmStatsUnknownUserNames"},     {4, nullptr},
                     {5, "usmStatsWrongDigests"},         {6, "usmStatsDecryptionErrors"},
                     {7, nullptr},                        {0, nullptr}};
  for (const auto& one : cases) {
    Conversation c(Conversation::Over::kUdp);
    c.client(said(9, 5, "alice", kGet));
    c.server(said(9, 0, "alice", report(one.statistic)));
    c.server(said(9, 0, "alice", report(one.statistic)));  // nobody asked for this one
    const auto logins = c.events("login");
    ASSERT_EQ(logins.size(), one.code == nullptr ? 0u : 1u) << int{one.statistic};
    if (one.code == nullptr) continue;
    EXPECT_EQ(logins[0]["protocol"], "snmp");
    EXPECT_EQ(logins[0]["mechanism"], "usm");
    EXPECT_EQ(logins[0]["account"], "alice");
    EXPECT_EQ(logins[0]["outcome"], "failure");
    EXPECT_EQ(logins[0]["code"], one.code);
  }
}

TEST(Snmp, AnswersToOneUserAreOneLoginUntilOneIsRefused) {
  Conversation c(Conversation::Over::kUdp);
  c.client(said(1, 4, "", kGet));  // asks for the engine's name
  c.server(said(1, 0, "", report(4)));
  for (uint8_t id = 2; id < 5; ++id) {
    c.client(said(id, 7, "alice", tlv(4, "sealed")));
    c.server(said(id, 3, "alice", tlv(4, "sealed")));
  }
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["outcome"], "success");
  c.client(said(5, 5, "alice", kGet));
  c.server(said(5, 1, "alice", report(5)));
  c.client(said(6, 5, "alice", kGet));
  c.server(said(6, 1, "alice", kAnswer));
  c.client(said(7, 5, "bob", kGet));
  c.server(said(7, 1, "bob", kAnswer));
  const auto logins = c.events("login");
  ASSERT_EQ(logins.size(), 4u);
  EXPECT_EQ(logins[1]["outcome"], "failure");
  EXPECT_EQ(logins[2]["outcome"], "success");
  EXPECT_EQ(logins[3]["account"], "bob");
}

TEST(Snmp, WhoProvesNothingLogsInNowhere) {
  Conversation c(Conversation::Over::kUdp);
  c.client(said(1, 4, "alice", kGet));  // without authentication
  c.server(said(1, 0, "alice", kAnswer));
  c.client(said(2, 5, "alice", kGet));
  c.server(said(3, 1, "alice", kAnswer));  // to another question
  c.client(said(2, 1, "alice", kAnswer));  // from whoever asked
  c.server(said(2, 0, "alice", kAnswer));  // that proves nothing
  EXPECT_EQ(c.events("login").size(), 0u);
  for (uint8_t id = 10; id < 60; ++id) c.client(said(id, 5, "alice", kGet));
  c.server(said(10, 1, "alice", kAnswer));  // forgotten
  EXPECT_EQ(c.events("login").size(), 0u);
  c.server(said(59, 1, "alice", kAnswer));
  EXPECT_EQ(c.events("login").size(), 1u);
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
