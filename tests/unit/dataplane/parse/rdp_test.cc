// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;

std::string le(uint32_t value, int bytes) {
  std::string s;
  for (int i = 0; i < bytes; ++i) s += static_cast<char>(value >> (8 * i));
  return s;
}
std::string tpkt(const std::string& x224) {
  const size_t n = x224.size() + 4;
  return std::string("\x03\0", 2) + static_cast<char>(n >> 8) + static_cast<char>(n) + x224;
}
std::string connection(int code, const std::string& rest) {
  return tpkt(static_cast<char>(6 + rest.size()) + std::string(1, static_cast<char>(code)) +
              std::string(5, '\0') + rest);
}
std::string negotiation(int type, int flags, uint32_t value) {
  return le(static_cast<uint32_t>(type), 1) + le(static_cast<uint32_t>(flags), 1) + le(8, 2) +
         le(value, 4);
}
std::string block(uint32_t type, const std::string& body) {
  return le(type, 2) + le(static_cast<uint32_t>(body.size() + 4), 2) + body;
}
std::string data(const std::string& mcs) {
  return tpkt("\x02\xf0\x80" + mcs);
}
std::string utf16(const std::string& s, size_t bytes) {
  std::string wide;
  for (const char ch : s) wide += std::string(1, ch) + '\0';
  wide.resize(bytes, '\0');
  return wide;
}
std::string asked(uint32_t protocols) {
  return connection(0xe0, "Cookie: mstshash=alice\r\n" + negotiation(1, 0, protocols));
}

// Its events have an event_type of their own.
std::vector<nlohmann::json> told(const Conversation& c) {
  std::vector<nlohmann::json> some;
  for (const auto& e : c.events()) {
    if (e.contains("tx_id")) some.push_back(e);
  }
  return some;
}

TEST(Rdp, NegotiatesAndBecomesTls) {
  for (const size_t piece : {size_t{1}, size_t{5}, SIZE_MAX}) {
    Conversation c;
    c.say(0, asked(3), piece);
    c.say(1, connection(0xd0, negotiation(2, 9, 2)), piece);
    const auto events = told(c);
    ASSERT_EQ(events.size(), 2u) << piece;
    EXPECT_EQ(events[0]["tx_id"], 0);
    EXPECT_EQ(events[0]["event_type"], "initial_request");
    EXPECT_EQ(events[0]["cookie"], "alice");
    EXPECT_EQ(events[0]["requested_protocols"][1], "hybrid");
    EXPECT_EQ(events[1]["protocol"], "hybrid");
    EXPECT_EQ(events[1]["nla"], true);
    EXPECT_EQ(events[1]["server_supports"][0], "extended_client_data");
    ASSERT_EQ(c.events("login").size(), 1u);
    EXPECT_EQ(c.events("login")[0]["outcome"], "attempt");
    EXPECT_EQ(c.events("login")[0]["account"], "alice");
  }
}

TEST(Rdp, ARefusalHasItsReason) {
  Conversation c;
  c.client(asked(1));
  c.server(connection(0xd0, negotiation(3, 0, 2)));
  EXPECT_EQ(told(c)[1]["reason"], "ssl not allowed by server");
  EXPECT_EQ(told(c)[1]["error_code"], 2);
  EXPECT_FALSE(c.wanted());
}

TEST(Rdp, SettingsInTheClear) {
  const std::string core = le(0x80004, 4) + le(1152, 2) + le(864, 2) + le(0xca01, 2) +
                           le(0xaa03, 2) + le(0x409, 4) + le(2600, 4) + utf16("DESK", 32) +
                           le(4, 4) + le(0, 4) + le(12, 4) + std::string(64, '\0') + le(0xca01, 2) +
                           le(1, 2) + le(0, 4) + le(16, 2) + le(7, 2) + le(3, 2);
  const std::string net = le(1, 4) + "rdpdr" + std::string(3, '\0') + le(0, 4);
  const std::string settings = block(0xc001, core) + block(0xc003, net);
  Conversation c;
  c.client(asked(0));
  c.server(connection(0xd0, negotiation(2, 0, 0)));
  c.client(data("\x7f\x65\x82\x01\x94zzDuca\x81" + std::string(1, '\x10') + settings));
  c.server(data("\x7f\x66\x82\x01\x94zzMcDn\x10" + block(0x0c02, le(0, 4) + le(0, 4))));
  const std::string info = le(0x40, 4) + le(0, 4) + le(0x10, 4) + le(6, 2) + le(10, 2) + le(0, 6) +
                           utf16("LAB", 8) + utf16("alice", 12);
  c.client(data("\x64" + std::string("\0\x06\x03\xeb\x70\x40", 6) + info));
  const auto events = told(c);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[2]["event_type"], "connect_request");
  EXPECT_EQ(events[2]["client"]["version"], "v5");
  EXPECT_EQ(events[2]["client"]["client_name"], "DESK");
  EXPECT_EQ(events[2]["client"]["keyboard_layout"], "en-US");
  EXPECT_EQ(events[2]["client"]["build"], "Windows XP");
  EXPECT_EQ(events[2]["client"]["color_depth"], 32);
  EXPECT_EQ(events[2]["channels"][0], "rdpdr");
  EXPECT_EQ(events[3]["event_type"], "connect_response");
  EXPECT_EQ(events[3]["encryption"]["method"], "none");
  ASSERT_EQ(c.events("login").size(), 2u);
  EXPECT_EQ(c.events("login")[1]["account"], "alice");
  EXPECT_EQ(c.events("login")[1]["domain"], "LAB");
  EXPECT_FALSE(c.wanted());
}

TEST(Rdp, OtherTransportsAreNotIt) {
  Conversation c(Conversation::Over::kTcp, 4000, 102);
  c.client(connection(0xe0, std::string("\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02", 11)));
  EXPECT_TRUE(c.protocol().empty());
  Conversation bad;
  bad.client(asked(0));
  bad.client("\x03\x00\x00\x05\x00"sv);
  EXPECT_EQ(bad.events("anomaly").size(), 1u);
}

}  // namespace
}  // namespace weir
