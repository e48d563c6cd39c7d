// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""s;

std::string le(uint64_t v, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
  return out;
}
std::string pdu(uint8_t type, uint32_t call, const std::string& body, uint8_t flags = 3) {
  return "\x05\x00"s + le(type, 1) + le(flags, 1) + le(0x10, 4) + le(16 + body.size(), 2) +
         le(0, 2) + le(call, 4) + body;
}
// samr, version 1.0.
const std::string kSamr =
    "\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac\x01\x00\x00\x00"s;
const std::string kNdr =
    "\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"s;
const std::string kBind =
    pdu(11, 1, le(0x10b810b8, 4) + le(0, 4) + le(1, 4) + le(7, 2) + le(1, 2) + kSamr + kNdr);
const std::string kBindAck = pdu(12, 1,
                                 le(0x10b810b8, 4) + le(5, 4) + le(12, 2) + "\\PIPE\\samr\0\0"s +
                                     "\0\0"s + le(1, 4) + le(0, 4) + kNdr);
std::string request(uint32_t call, uint16_t opnum, uint8_t flags = 3) {
  return pdu(0, call, le(8, 4) + le(7, 2) + le(opnum, 2) + "stubstub"s, flags);
}
std::string response(uint32_t call) {
  return pdu(2, call, le(8, 4) + le(7, 4) + "stub"s);
}

TEST(Dcerpc, NamesWhatIsCalled) {
  Conversation c;
  c.client(kBind);
  c.server(kBindAck);
  c.client(request(2, 13));
  c.server(response(2));
  ASSERT_EQ(c.events().size(), 2u);
  const auto& bind = c.events()[0];
  EXPECT_EQ(c.protocol(), "dcerpc");
  EXPECT_EQ(bind["request"], "BIND");
  EXPECT_EQ(bind["response"], "BINDACK");
  EXPECT_EQ(bind["interfaces"][0]["uuid"], "12345778-1234-abcd-ef00-0123456789ac");
  EXPECT_EQ(bind["interfaces"][0]["ack_result"], 0);
  const auto& call = c.events()[1];
  EXPECT_EQ(call["endpoint"], "samr");
  EXPECT_EQ(call["operation"], "SamrEnumerateUsersInDomain");
  EXPECT_EQ(call["req"]["opnum"], 13);
  EXPECT_EQ(call["req"]["stub_data_size"], 8);
}

// An epmapper, NDR and NDR64; samr's tower with a port.
const std::string kEpm =
    "\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa\x03\x00\x00\x00"s;
const std::string kNdr64 =
    "\x33\x05\x71\x71\xba\xbe\x37\x49\x83\x19\xb5\xdb\xef\x9c\xcc\x36\x01\x00\x00\x00"s;
std::string tower(uint16_t port) {
  const std::string big{static_cast<char>(port >> 8), static_cast<char>(port)};
  return le(5, 2) + le(19, 2) + "\x0d" + kSamr.substr(0, 18) + le(2, 2) + le(0, 2) + le(19, 2) +
         "\x0d" + kNdr.substr(0, 18) + le(2, 2) + le(0, 2) + le(1, 2) + "\x0b" + le(2, 2) +
         le(0, 2) + le(1, 2) + "\x07" + le(2, 2) + big + le(1, 2) + "\x09" + le(4, 2) +
         "\x0a\0\0\x05"s;
}
std::string ept_map(unsigned word, const std::string& of) {
  std::string stub = le(1, word) + std::string(16, 'o') + le(2, word) + le(of.size(), word) +
                     le(of.size(), 4) + of;
  stub.resize((stub.size() + 3) / 4 * 4);
  return pdu(0, 2, le(8, 4) + le(7, 2) + le(3, 2) + stub + std::string(20, '\0') + le(4, 4));
}
std::string ept_mapped(unsigned word, const std::vector<std::string>& towers, uint32_t status) {
  std::string stub = std::string(20, '\0') + le(towers.size(), 4);
  for (const size_t n : {size_t{4}, size_t{0}, towers.size()}) stub += le(n, word);
  for (size_t i = 0; i < towers.size(); ++i) stub += le(i + 3, word);
  for (const std::string& t : towers) {
    stub.resize((stub.size() + word - 1) / word * word);
    stub += le(t.size(), word) + le(t.size(), 4) + t;
  }
  stub.resize((stub.size() + 3) / 4 * 4);
  return pdu(2, 2, le(8, 4) + le(7, 4) + stub + le(status, 4));
}
std::vector<nlohmann::json> mapped(unsigned word, const std::string& asked,
                                   const std::string& answered, size_t piece = SIZE_MAX) {
  const std::string& syntax = word == 8 ? kNdr64 : kNdr;
  Conversation c;
  c.say(0, pdu(11, 1, le(0, 4) + le(0, 4) + le(1, 4) + le(7, 2) + le(1, 2) + kEpm + syntax), piece);
  c.say(1, pdu(12, 1, le(0, 4) + le(5, 4) + le(4, 2) + "135\0\0\0"s + le(1, 4) + le(0, 4) + syntax),
        piece);
  c.say(0, asked, piece);
  c.say(1, answered, piece);
  c.finish();
  return c.events();
}

TEST(Dcerpc, SaysWhereTheEndpointMapperSendsPeople) {
  for (const unsigned word : {4, 8}) {
    const std::string asked = ept_map(word, tower(0));
    const std::string answered = ept_mapped(word, {tower(49668), tower(49669)}, 0);
    const auto events = mapped(word, asked, answered);
    ASSERT_EQ(events.size(), 2u);
    const auto& map = events[1]["endpoint_map"];
    EXPECT_EQ(events[1]["operation"], "ept_map");
    EXPECT_EQ(map["uuid"], "12345778-1234-abcd-ef00-0123456789ac");
    EXPECT_EQ(map["service"], "samr");
    EXPECT_EQ(map["protocol"], "ncacn_ip_tcp");
    ASSERT_EQ(map["towers"].size(), 2u) << word;
    EXPECT_EQ(map["towers"][0]["port"], 49668);
    EXPECT_EQ(map["towers"][1]["port"], 49669);
    EXPECT_EQ(map["towers"][1]["ip"], "10.0.0.5");
    EXPECT_EQ(mapped(word, asked, answered, 1), events);
  }
  const auto none = mapped(4, ept_map(4, tower(0)), ept_mapped(4, {}, 0x16c9a0d6));
  EXPECT_EQ(none[1]["endpoint_map"]["status"], "0x16c9a0d6");
}

TEST(Dcerpc, TowersThatLieAreLeftOut) {
  const std::string good = ept_mapped(4, {tower(49668)}, 0);
  for (size_t at = 24; at < good.size(); ++at) {
    for (const int wrong : {0x00, 0x7f, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(wrong);
      EXPECT_EQ(mapped(4, ept_map(4, tower(0)), bad).size(), 2u);
    }
  }
}

TEST(Dcerpc, SaysTheSameHoweverItIsCut) {
  const std::string asked = kBind + request(2, 13, 1) + request(2, 13, 2) + request(3, 5);
  const std::string said = kBindAck + response(2) + pdu(3, 3, le(0, 8) + le(5, 4) + le(0, 4));
  Conversation whole;
  whole.client(asked);
  whole.server(said);
  whole.finish();
  ASSERT_EQ(whole.events().size(), 3u);
  EXPECT_EQ(whole.events()[1]["req"]["frag_cnt"], 2);
  EXPECT_EQ(whole.events()[2]["response"], "FAULT");
  EXPECT_EQ(whole.events()[2]["fault"], "0x5");
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{17}, size_t{64}}) {
    Conversation cut;
    cut.say(0, asked, piece);
    cut.say(1, said, piece);
    cut.finish();
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
}

TEST(Dcerpc, WhoLogsInIsToldByTheFirstAnswer) {
  const std::string token = "NTLMSSP\0\x03\0\0\0"s + le(0, 16) + le(0, 4) + le(64, 4) + le(8, 4) +
                            le(64, 4) + le(0, 4) + le(72, 4) + le(0, 4) + le(72, 4) + le(1, 4) +
                            "b\0o\0b\0x\0"s;
  const std::string body = le(0, 4) + "\x0a\x06\0\0"s + le(1, 4) + token;
  const std::string auth3 = "\x05\x00\x10\x03"s + le(0x10, 4) + le(16 + body.size(), 2) +
                            le(token.size(), 2) + le(1, 4) + body;
  for (const bool good : {true, false}) {
    Conversation c;
    c.client(kBind + auth3 + request(2, 0));
    c.server(kBindAck + (good ? response(2) : pdu(3, 2, le(0, 8) + le(5, 4) + le(0, 4))));
    const auto logins = c.events("login");
    ASSERT_EQ(logins.size(), 1u);
    EXPECT_EQ(logins[0]["account"], "bobx");
    EXPECT_EQ(logins[0]["outcome"], good ? "success" : "failure");
  }
}

TEST(Dcerpc, ManyCallsWithoutAnswersAreToldOnce) {
  Conversation c;
  c.client(kBind);
  for (uint32_t i = 0; i < 40; ++i) c.client(request(i + 2, 0));
  c.finish();
  EXPECT_EQ(c.events("dcerpc").size(), 41u);
}

}  // namespace
}  // namespace weir
