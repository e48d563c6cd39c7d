// SPDX-License-Identifier: Apache-2.0
#include "dataplane/decode/decode.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include <algorithm>
#include <array>
#include <string>

#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;

TEST(Decode, TcpOverIpv4WithoutEthernetPadding) {
  Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kTcpSyn | kTcpAck, "hi");
  f.raw({0, 0, 0, 0});  // padding after the IP packet
  const Headers h = f.headers();
  EXPECT_TRUE(h.has(kHasIp) && h.has(kHasL4) && h.has(kHasMac));
  EXPECT_EQ(to_string(h.src), "10.0.0.1");
  EXPECT_EQ(h.src_port, 1000);
  EXPECT_EQ(h.dst_port, 80);
  EXPECT_EQ(h.payload_bytes, 2);
  EXPECT_EQ(h.tcp_flags, kTcpSyn | kTcpAck);
  EXPECT_EQ(h.anomaly, Anomaly::kNone);
  EXPECT_EQ(checksum_anomaly(f.view(), h), Anomaly::kNone);
}

// The short way that most frames take reads what the long one does: the same bytes behind a tag.
TEST(Decode, PlainTcpIsReadLikeAllElse) {
  std::mt19937 random(1);
  const auto kinds = {Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(5, 80, kTcpAck, "abc"),
                      Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(5, 80, kTcpSyn)};
  for (int n = 0; n < 20'000; ++n) {
    for (const Frame& f : kinds) {
      const PacketView v = f.view();
      std::vector<uint8_t> bytes(v.data, v.data + v.bytes);
      for (uint32_t changes = random() % 4; changes != 0; --changes) {
        static constexpr uint8_t kOdd[] = {14, 16, 17, 20, 21, 22, 23, 34, 46, 47};
        bytes[kOdd[random() % std::size(kOdd)]] = static_cast<uint8_t>(random());
      }
      bytes.resize(std::min<size_t>(bytes.size(), 14 + random() % 60) + random() % 8);
      std::vector<uint8_t> tagged(bytes);
      const uint8_t tag[] = {0x81, 0, 0, 0};
      tagged.insert(tagged.begin() + 12, std::begin(tag), std::end(tag));
      const bool cut = random() % 4 == 0;
      const auto read = [&](const std::vector<uint8_t>& frame) {
        const auto size = static_cast<uint32_t>(frame.size());
        Headers h;
        decode_packet({.data = frame.data(), .bytes = size, .wire_bytes = size + (cut ? 9 : 0)},
                      LinkType::kEthernet, h);
        return h;
      };
      const Headers shorter = read(bytes), longer = read(tagged);
      const auto same = [](uint16_t a, uint16_t b) { return a == b || a + 4 == b; };
      ASSERT_EQ(shorter.flags, longer.flags);
      ASSERT_EQ(shorter.anomaly, longer.anomaly);
      ASSERT_TRUE(shorter.src == longer.src && shorter.dst == longer.dst);
      ASSERT_EQ(std::tie(shorter.src_port, shorter.dst_port, shorter.tcp_seq, shorter.tcp_ack,
                         shorter.tcp_flags, shorter.ttl, shorter.proto, shorter.ip_version,
                         shorter.l3_bytes, shorter.payload_bytes, shorter.fragment_offset),
                std::tie(longer.src_port, longer.dst_port, longer.tcp_seq, longer.tcp_ack,
                         longer.tcp_flags, longer.ttl, longer.proto, longer.ip_version,
                         longer.l3_bytes, longer.payload_bytes, longer.fragment_offset));
      ASSERT_TRUE(same(shorter.l3_offset, longer.l3_offset));
      ASSERT_TRUE(same(shorter.l4_offset, longer.l4_offset));
      ASSERT_TRUE(same(shorter.payload_offset, longer.payload_offset));
    }
  }
}

TEST(Decode, EmptyUdpHasNoPayloadEvenWithPadding) {
  Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2", kProtoUdp).udp(1, 2);
  f.raw({9, 9, 9, 9, 9, 9});
  EXPECT_EQ(f.headers().payload_bytes, 0);
}

TEST(Decode, QinQTellsOuterThenInnerTag) {
  const Headers h = Frame()
                        .ethernet(0x88a8)
                        .vlan(100, 0x8100)
                        .vlan(7)
                        .ipv4("1.1.1.1", "2.2.2.2")
                        .tcp(1, 2, kTcpAck)
                        .headers();
  EXPECT_EQ(h.vlan_count, 2);
  EXPECT_EQ(h.vlan[0], 100);
  EXPECT_EQ(h.vlan[1], 7);
  EXPECT_EQ(h.dst_port, 2);
}

TEST(Decode, TagsBeyondTheLimitAreAnAnomalyNotALoop) {
  Frame f = Frame().ethernet(0x8100);
  for (int i = 0; i < 40; ++i) f.vlan(1, 0x8100);
  EXPECT_EQ(f.headers().anomaly, Anomaly::kVlanTooDeep);
}

TEST(Decode, Ipv6ExtensionHeadersUpToTheLimit) {
  Frame f = Frame().ethernet(0x86dd).ipv6("fd00::1", "fd00::2", 0);
  f.raw({60, 0, 0, 0, 0, 0, 0, 0}).raw({kProtoUdp, 0, 0, 0, 0, 0, 0, 0}).udp(53, 5353, "x");
  const Headers h = f.headers();
  EXPECT_EQ(h.proto, kProtoUdp);
  EXPECT_EQ(h.dst_port, 5353);
  EXPECT_EQ(h.payload_bytes, 1);
  Frame deep = Frame().ethernet(0x86dd).ipv6("fd00::1", "fd00::2", 60);
  for (int i = 0; i < 20; ++i) deep.raw({60, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(deep.seal().headers().anomaly, Anomaly::kIpv6ExtensionLoop);
}

TEST(Decode, LaterFragmentHasNoPorts) {
  Frame f = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", kProtoUdp, 185).text("12345678").seal();
  const Headers h = f.headers();
  EXPECT_TRUE(h.has(kFragment) && h.has(kLaterFragment));
  EXPECT_FALSE(h.has(kHasL4));
  EXPECT_EQ(h.fragment_offset, 185 * 8);
  EXPECT_EQ(h.src_port, 0);
}

TEST(Decode, InnerPacketOfIpInIpAndOf6in4) {
  Frame f = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", 4);
  f.ipv4("10.0.0.1", "10.0.0.2").tcp(5, 6, kTcpSyn);
  Headers h = f.headers();
  EXPECT_TRUE(h.has(kTunnelled));
  EXPECT_EQ(to_string(h.dst), "10.0.0.2");
  Frame g = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", 41);
  g.ipv6("fd00::1", "fd00::2").tcp(5, 6, kTcpSyn);
  EXPECT_EQ(to_string(g.headers().src), "fd00::1");
}

TEST(Decode, IcmpErrorTellsWhatItQuotes) {
  const Frame quoted = Frame().ipv4("10.0.0.9", "10.0.0.2", kProtoUdp).udp(4000, 161, "abc");
  const std::string rest(quoted.bytes().begin(), quoted.bytes().end());
  const Headers h =
      Frame().ethernet().ipv4("10.0.0.2", "10.0.0.9", kProtoIcmp).icmp(3, 3, rest).headers();
  EXPECT_TRUE(h.has(kIcmpError));
  EXPECT_EQ(to_string(h.quoted_dst), "10.0.0.2");
  EXPECT_EQ(h.quoted_dst_port, 161);
  EXPECT_EQ(h.quoted_proto, kProtoUdp);
}

TEST(Decode, IcmpEchoMapsToTheTypeOfItsAnswer) {
  Headers h = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", kProtoIcmp).icmp(8, 0).headers();
  EXPECT_EQ(h.src_port, 8);
  EXPECT_EQ(h.dst_port, 0);
  EXPECT_FALSE(h.has(kOneWayIcmp));
  h = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", kProtoIcmp).icmp(0, 0).headers();
  EXPECT_EQ(h.src_port, 0);
  EXPECT_EQ(h.dst_port, 8);
}

TEST(Decode, ArpSenderClaimsItsAddress) {
  const Headers h = Frame()
                        .ethernet(0x0806)
                        .raw({0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 1,
                              10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2})
                        .headers();
  EXPECT_TRUE(h.has(kAddressClaimed));
  EXPECT_EQ(to_string(h.claim_address), "10.0.0.1");
  EXPECT_EQ(h.claim_mac, (MacAddress{2, 0, 0, 0, 0, 1}));
}

TEST(Decode, WrongChecksumsAreNamed) {
  Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2, kTcpAck, "payload");
  EXPECT_EQ(checksum_anomaly(f.view(), f.headers()), Anomaly::kNone);
  f.at(f.bytes().size() - 1, 'X');
  EXPECT_EQ(checksum_anomaly(f.view(), f.headers()), Anomaly::kTcpBadChecksum);
  Frame u = Frame().ethernet(0x86dd).ipv6("fd00::1", "fd00::2", kProtoUdp).udp(1, 2, "abc");
  EXPECT_EQ(checksum_anomaly(u.view(), u.headers()), Anomaly::kNone);
  u.at(u.bytes().size() - 1, 'X');
  EXPECT_EQ(checksum_anomaly(u.view(), u.headers()), Anomaly::kUdpBadChecksum);
}

std::string text_of(const Frame& f) {
  return {f.bytes().begin(), f.bytes().end()};
}
const std::string kInnerIp4 =
    text_of(Frame().ipv4("10.0.0.1", "10.0.0.2").tcp(5, 6, kTcpSyn, "inside"));
const std::string kInnerIp6 = text_of(Frame().ipv6("fd00::1", "fd00::2").tcp(5, 6, kTcpSyn));
const std::string kInnerEthernet = text_of(Frame().ethernet()) + kInnerIp4;

std::string hex(std::initializer_list<int> values) {
  std::string out;
  for (const int v : values) out += static_cast<char>(v);
  return out;
}
Frame over(uint8_t proto, const std::string& payload) {
  return Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", proto).text(payload).seal();
}
Frame over_udp(uint16_t port, const std::string& payload) {
  return Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", kProtoUdp).udp(49'999, port, payload);
}

// RFC 1071 section 4.1, word for word.
uint16_t plain_checksum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(~sum);
}

TEST(Decode, ChecksumsOfAnyLengthAndContentAreWhatTheyAreByTheBook) {
  std::mt19937 random(7);
  for (size_t size = 0; size < 200; ++size) {
    for (const int content : {-1, 0, 0xff}) {  // -1: random
      std::string payload(size, static_cast<char>(content));
      for (char& c : payload) c = content == -1 ? static_cast<char>(random()) : c;
      Frame f = Frame().ethernet().ipv4("10.0.0.1", "255.255.0.2").tcp(9, 80, kTcpAck, payload);
      const PacketView v = f.view();
      const size_t l4 = 34, tcp_bytes = v.bytes - l4;
      std::vector<uint8_t> covered(v.data + 26, v.data + l4);  // the addresses
      const uint8_t rest[] = {0, kProtoTcp, static_cast<uint8_t>(tcp_bytes >> 8),
                              static_cast<uint8_t>(tcp_bytes)};
      covered.insert(covered.end(), std::begin(rest), std::end(rest));
      covered.insert(covered.end(), v.data + l4, v.data + v.bytes);
      covered.at(12 + 16) = covered.at(12 + 17) = 0;
      const uint16_t sum = plain_checksum(covered);
      f.at(l4 + 16, static_cast<uint8_t>(sum >> 8));
      f.at(l4 + 17, static_cast<uint8_t>(sum));
      EXPECT_EQ(checksum_anomaly(f.view(), f.headers()), Anomaly::kNone) << size;
      const size_t at = l4 + random() % tcp_bytes;
      const uint8_t was = f.bytes()[at];
      f.at(at, static_cast<uint8_t>(was + 1 + random() % 254));
      if ((was == 0 && f.bytes()[at] == 0xff) || (was == 0xff && f.bytes()[at] == 0)) continue;
      if (at - l4 == 12) continue;  // the header's length
      EXPECT_EQ(checksum_anomaly(f.view(), f.headers()), Anomaly::kTcpBadChecksum) << size;
    }
  }
}

struct Tunnel {
  const char* name;
  Frame frame;
  const char* dst;
  uint32_t network = 0;
};
std::vector<Tunnel> tunnels() {
  const char *v4 = "10.0.0.2", *v6 = "fd00::2";
  return {
      {"GRE", over(47, hex({0, 0, 8, 0}) + kInnerIp4), v4},
      {"GRE, checksum, key, sequence, IPv6",
       over(47, hex({0xb0, 0, 0x86, 0xdd, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}) + kInnerIp6), v6},
      {"NVGRE", over(47, hex({0x20, 0, 0x65, 0x58, 0, 1, 2, 9}) + kInnerEthernet), v4, 0x000102},
      {"GRE with MPLS", over(47, hex({0, 0, 0x88, 0x47, 0, 0, 0x11, 64}) + kInnerIp4), v4},
      {"PPTP",
       over(47,
            hex({0x30, 0x81, 0x88, 0x0b, 0, 99, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, 0x21}) +
                kInnerIp4),
       v4},
      {"PPTP, short protocol",
       over(47, hex({0x30, 1, 0x88, 0x0b, 0, 99, 0, 5, 0, 0, 0, 1, 0x21}) + kInnerIp4), v4},
      {"ERSPAN I", over(47, hex({0, 0, 0x88, 0xbe}) + kInnerEthernet), v4},
      {"ERSPAN II",
       over(47, hex({0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 0, 0, 0, 0, 0}) + kInnerEthernet),
       v4},
      {"ERSPAN III",
       over(47, hex({0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 0, 0, 0,
                     0,    0, 0,    0,    0, 1, 9, 9, 9,    9, 9, 9, 9, 9}) +
                    kInnerEthernet),
       v4},
      {"WCCP", over(47, hex({0, 0, 0x88, 0x3e, 0, 0, 0, 0}) + kInnerIp4), v4},
      {"VXLAN", over_udp(4789, hex({8, 0, 0, 0, 0, 0, 42, 0}) + kInnerEthernet), v4, 42},
      {"VXLAN-GPE", over_udp(4790, hex({0xc, 0, 0, 2, 0, 0, 43, 0}) + kInnerIp6), v6, 43},
      {"Geneve", over_udp(6081, hex({1, 0, 0x65, 0x58, 0, 0, 44, 0, 1, 1, 0, 0}) + kInnerEthernet),
       v4, 44},
      {"Geneve with IP", over_udp(6081, hex({0, 0, 8, 0, 0, 0, 45, 0}) + kInnerIp4), v4, 45},
      {"Teredo", over_udp(3544, kInnerIp6), v6},
      {"Teredo, authentication and origin",
       over_udp(3544, hex({0, 1, 1, 2, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0}) +
                          hex({0, 0, 1, 2, 3, 4, 5, 6}) + kInnerIp6),
       v6},
      {"authentication header",
       over(51, hex({4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}) +
                    kInnerIp4),
       v4},
      {"pseudowire",
       Frame().ethernet(0x8847).raw({0, 0, 0x11, 64, 0, 0, 0, 0}).text(kInnerEthernet), v4},
      {"VXLAN in GRE",
       over(
           47,
           hex({0, 0, 8, 0}) +
               text_of(over_udp(4789, hex({8, 0, 0, 0, 0, 0, 46, 0}) + kInnerEthernet)).substr(14)),
       v4, 46},
  };
}

TEST(Decode, LooksIntoEachTunnel) {
  for (const Tunnel& t : tunnels()) {
    const Headers h = t.frame.headers();
    EXPECT_EQ(to_string(h.dst), t.dst) << t.name;
    EXPECT_EQ(h.dst_port, 6) << t.name;
    EXPECT_EQ(h.network, t.network) << t.name;
    EXPECT_EQ(h.anomaly, Anomaly::kNone) << t.name;
  }
}

TEST(Decode, WhatOnlyLooksLikeATunnelIsItself) {
  for (const uint16_t port : std::initializer_list<uint16_t>{4789, 4790, 6081, 3544}) {
    const Headers h =
        over_udp(port, "\x08 is nothing that a tunnel would carry, I should think").headers();
    EXPECT_EQ(h.dst_port, port);
    EXPECT_FALSE(h.has(kTunnelled));
  }
  const Headers keepalive = over(47, hex({0, 0, 0, 0})).headers();
  EXPECT_EQ(keepalive.proto, 47);
  EXPECT_FALSE(keepalive.has(kTunnelled));
}

TEST(Decode, TunnelsInTunnelsEnd) {
  std::string inner = kInnerIp4;
  for (int i = 0; i < 8; ++i) {
    inner = text_of(Frame().ipv4("3.3.3.3", "4.4.4.4", 47).text(hex({0, 0, 8, 0}) + inner).seal());
  }
  const Headers h = Frame().ethernet().text(inner).headers();
  EXPECT_EQ(h.anomaly, Anomaly::kTunnelTooDeep);
  EXPECT_EQ(to_string(h.dst), "4.4.4.4");
}

// Every byte of every tunnel changed in turn, every length: never past the end.
TEST(Decode, BrokenTunnelsAreSafe) {
  for (const Tunnel& t : tunnels()) {
    const std::vector<uint8_t>& whole = t.frame.bytes();
    for (size_t n = 14; n <= whole.size(); ++n) {
      const auto copy = std::make_unique<uint8_t[]>(n);  // exactly as long: ASan sees one byte more
      for (const int change : {0, 1, 0x80, 0xff}) {
        std::copy_n(whole.begin(), n, copy.get());
        copy[n - 1] ^= static_cast<uint8_t>(change);
        const PacketView v{.data = copy.get(),
                           .bytes = static_cast<uint32_t>(n),
                           .wire_bytes = static_cast<uint32_t>(n)};
        Headers h;
        decode_packet(v, LinkType::kEthernet, h);
        ASSERT_LE(h.payload_offset + h.payload_bytes, n) << t.name;
        ASSERT_LE(h.l3_offset + h.l3_bytes, n) << t.name;
        checksum_anomaly(v, h);
      }
    }
  }
}

// Whatever the cut, nothing is read past it (ASan watches) and offsets stay inside.
TEST(Decode, EveryPrefixOfEveryFrameIsSafe) {
  const Frame frames[] = {Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2, kTcpSyn, "abc"),
                          Frame()
                              .ethernet(0x8100)
                              .vlan(3, 0x86dd)
                              .ipv6("fd00::1", "fd00::2", 0)
                              .raw({kProtoUdp, 0, 0, 0, 0, 0, 0, 0})
                              .udp(1, 2, "x"),
                          Frame()
                              .ethernet(0x8847)
                              .raw({0, 0, 0x10, 64, 0, 0, 0x21, 64})
                              .ipv4("1.1.1.1", "2.2.2.2")
                              .tcp(1, 2, kTcpSyn)};
  for (const Frame& f : frames) {
    for (size_t n = 0; n <= f.bytes().size(); ++n) {
      const std::vector<uint8_t> cut(f.bytes().begin(), f.bytes().begin() + static_cast<long>(n));
      for (int link = 0; link <= static_cast<int>(LinkType::kUnknown); ++link) {
        const PacketView v{.data = cut.data(),
                           .bytes = static_cast<uint32_t>(n),
                           .wire_bytes = static_cast<uint32_t>(f.bytes().size())};
        Headers h;
        decode_packet(v, static_cast<LinkType>(link), h);
        ASSERT_LE(h.payload_offset + h.payload_bytes, n);
        ASSERT_LE(h.l3_offset + h.l3_bytes, n);
        checksum_anomaly(v, h);
      }
    }
  }
}

uint32_t hash_of(const Headers& h) {
  uint32_t hash = 0;
  EXPECT_TRUE(pair_hash(h, hash));
  return hash;
}

TEST(PairHash, IsTheSameForBothDirectionsAndEveryPort) {
  uint32_t state = 1;
  std::array<unsigned, 2> share{};
  for (unsigned n = 0; n < 2000; ++n) {
    const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 16; };
    const std::string a =
        "10." + std::to_string(next() % 256) + ".7." + std::to_string(next() % 256);
    const std::string b = "172.16." + std::to_string(next() % 256) + ".9";
    const Headers there = Frame().ethernet().ipv4(a, b).tcp(1000, 80, kTcpSyn).headers();
    const Headers back = Frame().ethernet().ipv4(b, a).tcp(80, 1000, kTcpSyn).headers();
    const Headers more = Frame().ethernet().ipv4(b, a, kProtoUdp).udp(5, 6).headers();
    EXPECT_EQ(hash_of(there), hash_of(back));
    EXPECT_EQ(hash_of(there), hash_of(more));
    Headers error = back;  // told by a router in between
    error.flags |= kIcmpError;
    error.quoted_src = there.src;
    error.quoted_dst = there.dst;
    error.src = IpAddress::from_v4(reinterpret_cast<const uint8_t*>("\1\2\3\4"));
    EXPECT_EQ(hash_of(there), hash_of(error));
    ++share[hash_of(there) % 2];
  }
  EXPECT_GT(share[0], 700u);
  EXPECT_GT(share[1], 700u);
}

// Bit by bit over the bytes as they are on the wire: what a NIC does.
TEST(PairHash, AgreesWithToeplitzOfTheWholeInput) {
  const Headers h =
      Frame().ethernet().ipv4("66.9.149.187", "161.142.100.80").tcp(1, 2, 0).headers();
  uint8_t input[8];
  std::copy_n(h.src.bytes.begin() + 12, 4, input);
  std::copy_n(h.dst.bytes.begin() + 12, 4, input + 4);
  uint32_t expected = 0, window = 0x6d5a6d5a;
  for (const uint8_t byte : input) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((byte & (0x80u >> bit)) != 0) expected ^= window;
      window = window << 1 | window >> 31;  // the key repeats every 16 bits
    }
  }
  EXPECT_EQ(hash_of(h), expected);
}

}  // namespace
}  // namespace weir
