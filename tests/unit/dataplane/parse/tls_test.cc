// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dataplane/parse/digest.h"
#include "dataplane/parse/parser.h"
#include "tests/support/parsing.h"
#include "tests/support/tls_messages.h"

namespace weir {
namespace {

using namespace tls_messages;
using std::literals::operator""sv;
using std::literals::operator""s;

std::string certificates(size_t more = 0) {
  const std::string one = sized(certificate(), 3);
  return message(11, sized(one + (more == 0 ? "" : sized(std::string(more, 'x'), 3)), 3));
}
const std::string kDone = message(14, "");
const std::string kChange = record(20, "\x01");

// In records of so many bytes.
std::string records(std::string_view handshake, size_t each) {
  std::string s;
  for (size_t i = 0; i < handshake.size(); i += each) s += record(22, handshake.substr(i, each));
  return s;
}

TEST(Tls, TellsOneEventPerSession) {
  Conversation c;
  c.client(record(22, client_hello()));
  c.server(record(22, server_hello(false) + certificates() + kDone));
  EXPECT_TRUE(c.events().empty());
  c.client(record(22, message(16, "key")) + kChange);
  EXPECT_FALSE(c.wanted());
  ASSERT_EQ(c.events().size(), 1u);
  const auto& e = c.events()[0];
  EXPECT_EQ(c.protocol(), "tls");
  EXPECT_EQ(e["sni"], "test.example");
  EXPECT_EQ(e["version"], "TLS 1.2");
  EXPECT_EQ(e["cipher_suite"], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
  EXPECT_EQ(e["subject"], "C=FR, O=Weir's, CN=test.example");
  EXPECT_EQ(e["issuerdn"], "C=FR, O=Weir's, CN=test.example");
  EXPECT_EQ(e["serial"], "00:9F:01");
  EXPECT_EQ(e["fingerprint"], "e4:93:4e:00:14:b0:92:3f:04:f5:2d:ab:c1:ac:7e:d1:36:d1:05:be");
  EXPECT_EQ(e["notbefore"], "2026-11-24T16:19:20");
  EXPECT_EQ(e["notafter"], "2126-10-31T16:19:20");
  EXPECT_EQ(e["subjectaltname"], nlohmann::json({"a.example", "10.0.0.1", "x@a.example"}));
  EXPECT_EQ(e["client_alpns"], nlohmann::json({"h2", "http/1.1"}));
  EXPECT_EQ(e["server_alpns"], nlohmann::json({"h2"}));
  EXPECT_EQ(e["ja3"]["string"], "771,49199-47,0-16-10-11-13,29-23,0");
  EXPECT_EQ(e["ja3s"]["string"], "771,49199,16");
  EXPECT_EQ(e["ja4"].get<std::string>().substr(0, 11), "t12d0205h2_");
  EXPECT_FALSE(e.contains("session_resumed"));
}

// Longer than a fact may be: the digest is of the whole text.
TEST(Tls, LongListsAreDigestedWhole) {
  for (unsigned ciphers = 160; ciphers < 230; ++ciphers) {
    std::string list, text, sorted;
    for (unsigned i = 0; i < ciphers; ++i) {
      const unsigned cipher = 10'000 + i;
      list += {static_cast<char>(cipher >> 8), static_cast<char>(cipher)};
      text += (i == 0 ? "" : "-") + std::to_string(cipher);
      char hex[8];
      std::snprintf(hex, sizeof hex, "%s%04x", i == 0 ? "" : ",", cipher);
      sorted += hex;
    }
    text = "771," + text + ",,,";
    Conversation c;
    c.client(record(22, message(1, "\x03\x03" + std::string(32, 'r') + sized("", 1) +
                                       sized(list, 2) + sized("\0"sv, 1))));
    c.client(record(21, "\x02\x28"));
    ASSERT_EQ(c.events().size(), 1u);
    const auto& e = c.events()[0];
    EXPECT_EQ(e["ja3"]["string"], text.substr(0, 1024));
    const auto hex_of = [](auto digest, size_t bytes) {
      std::string s;
      for (size_t i = 0; i < bytes; ++i) {
        s += "0123456789abcdef"[digest[i] >> 4];
        s += "0123456789abcdef"[digest[i] & 15];
      }
      return s;
    };
    EXPECT_EQ(e["ja3"]["hash"], hex_of(parse::md5_of(parse::as_bytes(text)), 16));
    parse::Sha256 sha;
    sha.add(parse::as_bytes(sorted));
    EXPECT_EQ(e["ja4"].get<std::string>().substr(11, 12), hex_of(sha.finish(), 6));
  }
}

TEST(Tls, AnySegmentsAndAnyRecordsSayTheSame) {
  const std::string client = client_hello(), server = server_hello(false) + certificates() + kDone;
  Conversation whole;
  whole.client(record(22, client));
  whole.server(record(22, server));
  whole.client(kChange);
  ASSERT_EQ(whole.events().size(), 1u);
  for (const size_t each : {size_t{1}, size_t{3}, size_t{100}, size_t{4000}}) {
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1460}}) {
      Conversation cut;
      cut.say(0, records(client, each), piece);
      cut.say(1, records(server.substr(0, 300), each) + records(server.substr(300), 100), piece);
      cut.say(0, kChange, piece);
      EXPECT_EQ(cut.events(), whole.events()) << each << " " << piece;
    }
  }
}

TEST(Tls, ThirteenIsThroughWithTheServersHello) {
  Conversation c;
  c.client(record(22, client_hello()));
  c.server(record(22, server_hello(true)));
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["version"], "TLS 1.3");
  EXPECT_FALSE(c.wanted());
}

TEST(Tls, ASessionIsResumed) {
  Conversation c;
  c.client(record(22, client_hello()));
  c.server(record(22, server_hello(false)) + kChange);
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["session_resumed"], true);
}

TEST(Tls, AChainOfMoreThanTheWindowIsCut) {
  const std::string server = server_hello(false) + certificates(100'000) + kDone;
  for (const size_t piece : {size_t{1}, size_t{1460}, size_t{60'000}}) {
    Conversation c;
    c.client(record(22, client_hello()));
    c.say(1, records(server, 16'384), piece);
    c.client(kChange);
    ASSERT_EQ(c.events().size(), 1u) << piece;
    EXPECT_EQ(c.events()[0]["subject"], "C=FR, O=Weir's, CN=test.example");
  }
}

TEST(Tls, TheClientsCertificateIsTold) {
  Conversation c;
  c.client(record(22, client_hello()));
  c.server(record(22, server_hello(false) + certificates() + kDone));
  c.client(record(22, certificates()) + kChange);
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["client"]["serial"], "00:9F:01");
}

TEST(Tls, ARefusedHandshakeIsToldToo) {
  Conversation refused, ended;
  refused.client(record(22, client_hello()));
  refused.server(record(21, "\x02\x28"));
  ASSERT_EQ(refused.events().size(), 1u);
  EXPECT_EQ(refused.events()[0]["sni"], "test.example");
  ended.client(record(22, client_hello()));
  ended.finish();
  EXPECT_EQ(ended.events().size(), 1u);
}

TEST(Tls, Ssl2IsRecognized) {
  Conversation c;
  c.client("\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80"s + std::string(16, 'c'));
  c.finish();
  EXPECT_EQ(c.protocol(), "tls");
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["version"], "SSLv2");
}

TEST(Tls, DatagramsToo) {
  Conversation c(Conversation::Over::kUdp);
  std::string hello = client_hello().substr(4);
  hello[0] = hello[1] = static_cast<char>(0xfe);
  hello[1] = static_cast<char>(0xfd);
  hello.insert(35, 1, '\0');  // no cookie
  const std::string head = sized(hello, 3);
  const std::string handshake = '\x01' + head.substr(0, 3) + std::string(5, '\0') + sized(hello, 3);
  c.client("\x16\xfe\xff"s + std::string(8, '\0') + sized(handshake, 2));
  c.finish();
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["version"], "DTLS 1.2");
  EXPECT_EQ(c.events()[0]["ja4"].get<std::string>().substr(0, 11), "dd2d0205h2_");
}

TEST(Tls, WhatIsNoRecordIsAViolation) {
  Conversation c;
  c.client(record(22, client_hello()));
  c.server("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(c.events("anomaly").size(), 1u);
  EXPECT_EQ(c.events("tls").size(), 1u);
  EXPECT_FALSE(c.wanted());
}

TEST(Tls, NobodyElsesBytesAreItsOwn) {
  for (const std::string_view said : {"GET / HTTP/1.1\r\n\r\n"sv, "\x16\x03\x01\x00\x10\x07\x00"sv,
                                      "\x80\x10\x01\x00\x02\x00\x04\x00\x00\x00\x10"sv}) {
    Conversation c;
    c.client(said);
    EXPECT_NE(c.protocol(), "tls");
  }
}

}  // namespace
}  // namespace weir
