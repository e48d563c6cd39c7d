// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dataplane/parse/digest.h"
#include "tests/support/parsing.h"
#include "tests/support/tls_messages.h"

namespace weir {
namespace {

using namespace tls_messages;
using std::literals::operator""s;

// RFC 9001 appendix A.1: the client's keys for this destination.
const std::string kId = from_hex("8394c8f03e515708");
const std::string kKey = from_hex("1f369613dd76d5467730efcbe3b1a22d");
const std::string kIv = from_hex("fa044b2f42a3fd3b46fb255c");
const std::string kHeaderKey = from_hex("9f50449e04a0e810283a1e9933adedd2");

std::string encrypted(const std::string& key, std::string block) {
  std::array<uint8_t, 16> k, in, out;
  std::copy(key.begin(), key.end(), k.begin());
  std::copy(block.begin(), block.end(), in.begin());
  parse::Aes128(k).encrypt(in, out);
  return {out.begin(), out.end()};
}

// An Initial packet of the client, number n, filled up to 1,200 bytes; its tag is not right.
std::string initial(std::string frames, uint8_t n, const std::string& version = "\0\0\0\x01"s) {
  std::string head = "\xc0"s + version + sized(kId, 1) + sized("", 1) + sized("", 1);
  frames.resize(1200 - head.size() - 2 - 1 - 16, '\0');
  const size_t length = frames.size() + 1 + 16;
  head += static_cast<char>(0x40 | length >> 8);
  head += static_cast<char>(length);
  std::string sealed;
  for (size_t at = 0; at < frames.size(); at += 16) {
    std::string counter = kIv + std::string(4, '\0');
    counter[11] = static_cast<char>(counter[11] ^ n);
    const size_t block = at / 16 + 2;
    counter[14] = static_cast<char>(block >> 8);
    counter[15] = static_cast<char>(block);
    const std::string stream = encrypted(kKey, counter);
    for (size_t i = 0; i < 16 && at + i < frames.size(); ++i) {
      sealed += static_cast<char>(frames[at + i] ^ stream[i]);
    }
  }
  sealed += std::string(16, 't');
  const std::string mask = encrypted(kHeaderKey, sealed.substr(3, 16));
  head[0] = static_cast<char>(head[0] ^ (mask[0] & 0x0f));
  return head + static_cast<char>(n ^ mask[1]) + sealed;
}

std::string crypto(size_t at, std::string_view bytes) {
  return "\x06"s + static_cast<char>(0x40 | at >> 8) + static_cast<char>(at) +
         static_cast<char>(0x40 | bytes.size() >> 8) + static_cast<char>(bytes.size()) +
         std::string(bytes);
}

// FIPS 197, appendix C.1.
TEST(Digest, Aes128IsWhatItIsByTheBook) {
  std::array<uint8_t, 16> key, block;
  for (unsigned i = 0; i < 16; ++i) {
    key[i] = static_cast<uint8_t>(i);
    block[i] = static_cast<uint8_t>(i * 0x11);
  }
  const std::array<uint8_t, 16> sealed = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                          0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
  parse::Aes128(key).encrypt(block, block);
  EXPECT_EQ(block, sealed);
}

TEST(Quic, TellsTheClientsHello) {
  Conversation c(Conversation::Over::kUdp);
  c.client(initial(crypto(0, client_hello()), 0));
  EXPECT_EQ(c.protocol(), "quic");
  ASSERT_EQ(c.events().size(), 1u);
  const auto& e = c.events()[0];
  EXPECT_EQ(e["version"], "1");
  EXPECT_EQ(e["sni"], "test.example");
  EXPECT_EQ(e["ja4"].get<std::string>().substr(0, 11), "q12d0205h2_");
  EXPECT_EQ(e["extensions"][1]["name"], "server_name");
  EXPECT_EQ(e["extensions"][2]["values"], nlohmann::json({"h2", "http/1.1"}));
}

TEST(Quic, AHelloInPiecesInAnyOrder) {
  const std::string hello = client_hello();
  Conversation whole(Conversation::Over::kUdp), pieces(Conversation::Over::kUdp);
  whole.client(initial(crypto(0, hello), 0));
  pieces.client(initial("\x01"s + crypto(50, hello.substr(50)) + "\x01\x00\x01"s, 0));
  EXPECT_TRUE(pieces.events().empty());
  pieces.client(initial(crypto(20, hello.substr(20, 30)) + crypto(0, hello.substr(0, 20)), 1));
  EXPECT_EQ(pieces.events(), whole.events());
}

// RFC 9287: who was told that the other side bears it, clears the bit that says QUIC.
TEST(Quic, LaterPacketsMayLackTheFixedBit) {
  const std::string hello = client_hello();
  Conversation c(Conversation::Over::kUdp);
  c.client(initial(crypto(50, hello.substr(50)), 0));
  std::string last = initial(crypto(0, hello.substr(0, 50)), 1);
  last[0] = static_cast<char>(last[0] & ~0x40);
  c.client(last);
  ASSERT_EQ(c.events().size(), 1u);
}

TEST(Quic, AHelloThatOnlyAsksForTheServersVersions) {
  Conversation c(Conversation::Over::kUdp);
  c.client(initial(crypto(0, client_hello()), 0, "\x1a\x2a\x3a\x4a"));
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["version"], "1a2a3a4a");
  EXPECT_EQ(c.events()[0]["sni"], "test.example");
}

TEST(Quic, WhatCannotBeOpenedSaysNothing) {
  Conversation c(Conversation::Over::kUdp);
  std::string packet = initial(crypto(0, client_hello()), 0);
  packet[7] = 'x';  // of the id
  c.client(packet);
  c.client(packet.substr(0, 100));
  EXPECT_TRUE(c.events().empty());
}

TEST(Quic, GooglesHello) {
  const std::string tags = "PAD\0\x04\0\0\0SNI\0\x0d\0\0\0UAID\x0f\0\0\0"s;
  Conversation c(Conversation::Over::kUdp);
  c.client("\xc3Q046\x50"s + kId + std::string(4 + 12 + 4, '\0') + "CHLO\x03\0\0\0"s + tags +
           "----a.exampleme");
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["version"], "Q046");
  EXPECT_EQ(c.events()[0]["sni"], "a.example");
  EXPECT_EQ(c.events()[0]["ua"], "me");
  EXPECT_EQ(c.events()[0]["cyu"][0]["string"], "46,PAD-SNI-UAID");
}

}  // namespace
}  // namespace weir
