// SPDX-License-Identifier: Apache-2.0
// The bytes that each protocol is said to begin by, against its probe: it says no to all others.
#include "dataplane/parse/first_bytes.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "dataplane/contract/evidence.h"
#include "dataplane/parse/parsers.h"

namespace weir::parse {
namespace {

using std::literals::operator""s;

// Beginnings of many protocols, of which the first byte is replaced by every other.
std::vector<std::string> beginnings() {
  std::vector<std::string> all = {
      "\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03"s + std::string(60, 'r'),
      "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"s + std::string(40, 'c'),
      "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x01"s + std::string(16, '\0'),
      "\xc3\x00\x00\x00\x01\x08"s + std::string(60, '\x01'),
      "\x00\x00\x00\x44\xffSMB\x72"s + std::string(64, '\0'),
      "\x81\x00\x00\x44\x20"s + std::string(64, 'A'),
      "\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00"s + std::string(56, '\0'),
      "\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27"s,
      "login: ",
      "SSH-2.0-OpenSSH\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x00\x00\x0c\x04\x00\x00\x00\x00\x00"s + std::string(12, '\0'),
      "INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n",
      "SIP/2.0 200 OK\r\n\r\n",
      "\x00\x00\x00\x30\x6a\x2e\x30\x2c\xa1\x03\x02\x01\x05"s + std::string(35, '\0'),
      "\x6a\x2e\x30\x2c\xa1\x03\x02\x01\x05"s + std::string(39, '\0'),
      "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"s,
      "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"s,
      "RFB 003.008\n",
      "220 ready FTP\r\n",
      "120 later\r\n",
      "554 no\r\n",
      "USER anonymous\r\n",
      "EHLO me\r\n",
      "MAIL FROM:<a@b>\r\n",
      "* OK IMAP4rev1\r\n",
      "a001 LOGIN x y\r\n",
      "+OK POP3\r\n",
      "CAPA\r\n",
      "\x4a\x00\x00\x00\x0a"
      "8.0.33\x00"s +
          std::string(60, 'x'),
      "\x00\x00\x00\x08\x04\xd2\x16\x2f"s,
      "\x00\x00\x00\x29\x00\x03\x00\x00user\x00"s + std::string(28, 'x'),
      "\x12\x01\x00\x2f\x00\x00\x00\x00\x00\x00\x1a\x00\x06"s + std::string(40, '\0'),
      "\x10\x01\x00\x2f\x00\x00\x00\x00\x27\x00\x00\x00\x04\x00\x00\x74"s + std::string(40, '\0'),
      "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"s,
      "\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a"s,
      "\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21"s,
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
      "a\x00\x00\x01\x00\x01"s,
      "\x01\x05\x00\x15"s + std::string(17, 'r'),
      "\x00\x01"
      "file\x00octet\x00"s,
  };
  std::string dhcp(300, '\0');
  dhcp.replace(236, 4, "\x63\x82\x53\x63");
  all.push_back(dhcp);
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string any(1 + random() % 80, '\0');
    for (char& c : any) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 8);
    all.push_back(any);
  }
  return all;
}

TEST(FirstBytes, WhoCannotBeginSoSaysNo) {
  const std::vector<std::string> all = beginnings();
  constexpr uint16_t kPorts[] = {9999, 21,   22,   23,   25,   53,   67,   69,   80,   88,
                                 110,  123,  137,  139,  143,  389,  443,  445,  502,  1433,
                                 1812, 1883, 3306, 3389, 5060, 5353, 5432, 5900, 20000};
  for (const Parser& p : all_parsers()) {
    for (const uint8_t transport : {kOverTcp, kOverUdp}) {
      if ((p.transports & transport) == 0) continue;
      const FirstBytes first = first_bytes_of(p.kind, transport);
      for (unsigned c = 0; c < 256; ++c) {
        if (first.has(c)) continue;
        for (std::string bytes : all) {
          bytes[0] = static_cast<char>(c);
          for (const size_t n : {size_t{1}, size_t{2}, size_t{5}, bytes.size()}) {
            for (const bool whole : {false, true}) {
              for (const uint16_t port : kPorts) {
                ProbeInput in{.bytes = as_bytes(std::string_view(bytes).substr(0, n)),
                              .from_initiator = (port & 1) != 0,
                              .whole = whole,
                              .initiator_port = 40000,
                              .responder_port = port,
                              .transport = transport};
                if (p.probe(in).likelihood == Likelihood::kNo) continue;
                FAIL() << evidence_name(p.kind) << " may begin with " << c << ": " << bytes;
              }
            }
          }
        }
      }
    }
  }
}

TEST(FirstBytes, AByteMeetsFewProbes) {
  size_t most = 0;
  for (unsigned c = 0; c < 256; ++c) {
    const uint64_t tcp = parsers_beginning_with(static_cast<uint8_t>(c), kOverTcp);
    most = std::max<size_t>(most, static_cast<size_t>(std::popcount(tcp)));
  }
  EXPECT_LE(most, all_parsers().size() / 2);
}

}  // namespace
}  // namespace weir::parse
