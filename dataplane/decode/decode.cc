// SPDX-License-Identifier: Apache-2.0
// The chain link -> network -> transport. Each step takes the offset it begins at and gives the
// next one, or stops; every read is preceded by a check against `end`, the last readable byte + 1.
#include "dataplane/decode/decode.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/decode/link.h"
#include "dataplane/decode/tunnel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weir {

namespace {

constexpr uint16_t kEtherIpv4 = 0x0800, kEtherIpv6 = 0x86dd, kEtherArp = 0x0806;
constexpr uint16_t kEtherVlan = 0x8100, kEtherQinq = 0x88a8, kEtherQinqOld = 0x9100;
constexpr uint16_t kEtherMpls = 0x8847, kEtherMplsMulticast = 0x8848, kEtherPppoe = 0x8864;
constexpr uint8_t kProtoHopByHop = 0, kProtoRouting = 43, kProtoFragment = 44, kProtoAh = 51,
                  kProtoDestination = 60, kProtoMobility = 135;
constexpr unsigned kMplsLabelsMax = 8;
constexpr uint32_t kReadableMax = 65'535;  // offsets are 16 bits; no link carries longer frames

void read_ethertype(const Frame& f, uint16_t type, uint32_t at, Headers& h,
                    unsigned depth) noexcept;

// All but what flags say is set; and all of that is zero.
void clear(Headers& h) noexcept {
  static_assert(Anomaly::kNone == Anomaly{} && offsetof(Headers, quoted_src_port) == 74);
  std::memset(static_cast<void*>(&h), 0, offsetof(Headers, quoted_src_port));
}

void note(Headers& h, Anomaly a) noexcept {
  if (h.anomaly == Anomaly::kNone) h.anomaly = a;
}

// ICMP types that come in pairs: a query and its answer (the table of Community ID v1).
struct IcmpPair {
  uint8_t query, answer;
};
constexpr IcmpPair kIcmpPairs[] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}};
constexpr IcmpPair kIcmp6Pairs[] = {{128, 129}, {133, 134}, {135, 136},
                                    {130, 131}, {139, 140}, {144, 145}};

template <size_t N>
void map_icmp(const IcmpPair (&pairs)[N], uint8_t type, uint8_t code, Headers& h) noexcept {
  h.src_port = type;
  h.dst_port = code;
  h.flags |= kOneWayIcmp;
  for (const IcmpPair& p : pairs) {
    if (type != p.query && type != p.answer) continue;
    h.dst_port = type == p.query ? p.answer : p.query;
    h.flags &= ~uint32_t{kOneWayIcmp};
  }
}

// The packet an ICMP error complains of; at: its IP header. Bounded: one header, no recursion.
void read_quoted(const Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 20)) return;
  const uint8_t* ip = f.data + at;
  uint32_t l4 = 0;
  if (ip[0] >> 4 == 4) {
    h.quoted_src = IpAddress::from_v4(ip + 12);
    h.quoted_dst = IpAddress::from_v4(ip + 16);
    h.quoted_proto = ip[9];
    l4 = at + (ip[0] & 0x0fu) * 4;
  } else if (ip[0] >> 4 == 6 && f.holds(at, 40)) {
    h.quoted_src = IpAddress::from_v6(ip + 8);
    h.quoted_dst = IpAddress::from_v6(ip + 24);
    h.quoted_proto = ip[6];
    l4 = at + 40;
  } else {
    return;
  }
  h.flags |= kIcmpError;
  h.quoted_src_port = h.quoted_dst_port = 0;
  const bool ports = h.quoted_proto == kProtoTcp || h.quoted_proto == kProtoUdp;
  if (ports && f.holds(l4, 4)) {
    h.quoted_src_port = load_be16(f.data + l4);
    h.quoted_dst_port = load_be16(f.data + l4 + 2);
  }
}

void read_icmp(const Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 8)) return note(h, Anomaly::kIcmpTruncated);
  const uint8_t type = f.data[at], code = f.data[at + 1];
  h.flags |= kHasL4;
  h.payload_offset = static_cast<uint16_t>(at + 8);
  if (h.proto == kProtoIcmp) {
    map_icmp(kIcmpPairs, type, code, h);
    if (type == 3 || type == 4 || type == 5 || type == 11 || type == 12) {
      read_quoted(f, at + 8, h);
    }
    return;
  }
  map_icmp(kIcmp6Pairs, type, code, h);
  if (type >= 1 && type <= 4) read_quoted(f, at + 8, h);
  // Neighbour advertisement (RFC 4861 section 4.4) with a target link-layer address option.
  if (type == 136 && f.holds(at, 32) && f.data[at + 24] == 2 && f.data[at + 25] == 1) {
    h.claim_address = IpAddress::from_v6(f.data + at + 8);
    std::copy_n(f.data + at + 26, 6, h.claim_mac.begin());
    h.flags |= kAddressClaimed;
  }
}

void read_tcp(const Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 20)) return note(h, Anomaly::kTcpTruncated);
  const uint8_t* tcp = f.data + at;
  const uint32_t header_bytes = (tcp[12] >> 4) * 4u;
  h.src_port = load_be16(tcp);
  h.dst_port = load_be16(tcp + 2);
  h.tcp_seq = load_be32(tcp + 4);
  h.tcp_ack = load_be32(tcp + 8);
  h.tcp_flags = tcp[13];
  h.flags |= kHasL4;
  if (header_bytes < 20 || !f.holds(at, header_bytes)) {
    h.payload_offset = static_cast<uint16_t>(f.end);
    return note(h, Anomaly::kTcpBadHeader);
  }
  h.payload_offset = static_cast<uint16_t>(at + header_bytes);
}

void read_udp(const Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 8)) return note(h, Anomaly::kUdpTruncated);
  h.src_port = load_be16(f.data + at);
  h.dst_port = load_be16(f.data + at + 2);
  const uint32_t length = load_be16(f.data + at + 4);
  h.flags |= kHasL4;
  h.payload_offset = static_cast<uint16_t>(at + 8);
  const uint32_t rest = f.end - at;
  const bool wrong = length < 8 || (length > rest && !f.cut && !h.has(kFragment));
  if (wrong && length != 0) note(h, Anomaly::kUdpBadLength);  // 0: jumbogram (RFC 2675)
  if (length >= 8 && length < rest) h.payload_bytes = static_cast<uint16_t>(length - 8);
}

void read_transport(const Frame& f, uint32_t at, Headers& h) noexcept {
  h.l4_offset = static_cast<uint16_t>(at);
  h.payload_offset = static_cast<uint16_t>(at);
  h.payload_bytes = 0;
  if (h.has(kLaterFragment)) {
    h.payload_bytes = static_cast<uint16_t>(f.end - at);
    return;
  }
  switch (h.proto) {
    case kProtoTcp:
      read_tcp(f, at, h);
      break;
    case kProtoUdp:
      read_udp(f, at, h);
      break;
    case kProtoIcmp:
      if (h.ip_version == 4) read_icmp(f, at, h);
      break;
    case kProtoIcmp6:
      if (h.ip_version == 6) read_icmp(f, at, h);
      break;
    case kProtoSctp:
      if (f.holds(at, 12)) {
        h.src_port = load_be16(f.data + at);
        h.dst_port = load_be16(f.data + at + 2);
        h.flags |= kHasL4;
        h.payload_offset = static_cast<uint16_t>(at + 12);
      }
      break;
    default:
      break;
  }
  if (h.payload_bytes == 0 &&
      !(h.proto == kProtoUdp && h.has(kHasL4) && load_be16(f.data + at + 4) == 8)) {
    h.payload_bytes = static_cast<uint16_t>(f.end - h.payload_offset);
  }
}

// Both IP readers narrow f to the packet's own length (so that Ethernet padding is not payload) and
// return the offset after the header, or 0 if there is nothing to go on with.
uint32_t read_ipv4(Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 20)) {
    note(h, Anomaly::kIpv4Truncated);
    return 0;
  }
  const uint8_t* ip = f.data + at;
  const uint32_t header_bytes = (ip[0] & 0x0fu) * 4;
  const uint32_t total = load_be16(ip + 2);
  if (header_bytes < 20 || !f.holds(at, header_bytes) || (total != 0 && total < header_bytes)) {
    note(h, Anomaly::kIpv4BadHeader);
    return 0;
  }
  if (total > f.end - at && !f.cut) {  // no receiver takes it
    note(h, Anomaly::kIpv4Truncated);
    return 0;
  }
  if (total != 0) f.end = std::min(f.end, at + total);  // 0: left to segmentation offload
  h.ip_version = 4;
  h.ttl = ip[8];
  h.proto = ip[9];
  h.src = IpAddress::from_v4(ip + 12);
  h.dst = IpAddress::from_v4(ip + 16);
  h.l3_offset = static_cast<uint16_t>(at);
  h.l3_bytes = static_cast<uint16_t>(f.end - at);
  h.flags |= kHasIp;
  const uint16_t fragment = load_be16(ip + 6);
  if ((fragment & 0x3fff) != 0) {  // MF or an offset
    h.flags |= kFragment;
    h.fragment_offset = static_cast<uint16_t>((fragment & 0x1fff) * 8);
    if (h.fragment_offset != 0) h.flags |= kLaterFragment;
  }
  return at + header_bytes;
}

uint32_t read_ipv6(Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 40)) {
    note(h, Anomaly::kIpv6Truncated);
    return 0;
  }
  const uint8_t* ip = f.data + at;
  const uint32_t payload = load_be16(ip + 4);
  if (payload > f.end - at - 40 && !f.cut) {
    note(h, Anomaly::kIpv6Truncated);
    return 0;
  }
  if (payload != 0) f.end = std::min(f.end, at + 40 + payload);  // 0: jumbogram or offload
  h.ip_version = 6;
  h.ttl = ip[7];
  h.src = IpAddress::from_v6(ip + 8);
  h.dst = IpAddress::from_v6(ip + 24);
  h.l3_offset = static_cast<uint16_t>(at);
  h.l3_bytes = static_cast<uint16_t>(f.end - at);
  h.flags |= kHasIp;
  if (h.src.is_v4() || h.dst.is_v4()) h.flags |= kMappedIpv4;
  uint8_t next = ip[6];
  uint32_t here = at + 40;
  for (unsigned n = 0;; ++n) {  // RFC 8200 section 4
    const bool extension = next == kProtoHopByHop || next == kProtoRouting ||
                           next == kProtoFragment || next == kProtoDestination ||
                           next == kProtoAh || next == kProtoMobility;
    if (!extension) break;
    if (n == kIpv6ExtensionsMax) {
      note(h, Anomaly::kIpv6ExtensionLoop);
      h.proto = next;
      return 0;
    }
    if (!f.holds(here, 8)) {
      note(h, Anomaly::kIpv6Truncated);
      h.proto = next;
      return 0;
    }
    const uint8_t* x = f.data + here;
    uint32_t bytes = 8;
    if (next == kProtoFragment) {
      const uint16_t fragment = load_be16(x + 2);
      if ((fragment & 0xfff9) != 0) {  // an atomic fragment (RFC 6946) is not one
        h.flags |= kFragment;
        h.fragment_offset = static_cast<uint16_t>(fragment & 0xfff8);
        if (h.fragment_offset != 0) h.flags |= kLaterFragment;
      }
    } else if (next == kProtoAh) {
      bytes = (x[1] + 2u) * 4;
    } else {
      bytes = (x[1] + 1u) * 8;
    }
    next = x[0];
    if (!f.holds(here, bytes)) {
      note(h, Anomaly::kIpv6Truncated);
      h.proto = next;
      return 0;
    }
    here += bytes;
    if (h.has(kLaterFragment)) break;  // what follows is the middle of something
  }
  h.proto = next;
  return here;
}

// IPv4's authentication header (RFC 4302 section 2) hides nothing: on to what it protects.
uint32_t skip_authentication(const Frame& f, uint32_t at, Headers& h) noexcept {
  if (!f.holds(at, 12)) return at;
  const uint32_t bytes = (f.data[at + 1] + 2u) * 4;
  if (bytes < 12 || !f.holds(at, bytes)) return at;
  h.proto = f.data[at];
  return at + bytes;
}

// An IP packet and, inside it, at most kTunnelDepthMax - 1 more. The innermost whole one is what
// Headers tells of; what only looks like a tunnel stays the outer one.
void read_ip(Frame f, uint32_t at, Headers& h, unsigned depth) noexcept {
  if (!f.holds(at, 1)) return;
  const uint8_t version = f.data[at] >> 4;
  if (version != 4 && version != 6) return;
  uint32_t next = version == 4 ? read_ipv4(f, at, h) : read_ipv6(f, at, h);
  if (version == 4 && h.proto == kProtoAh && next != 0 && !h.has(kLaterFragment)) {
    next = skip_authentication(f, next, h);
  }
  if (next == 0) {
    if (h.has(kHasIp)) h.payload_offset = h.l4_offset = static_cast<uint16_t>(f.end);
    return;
  }
  read_transport(f, next, h);
  if (h.proto == kProtoTcp || h.has(kFragment)) return;
  uint32_t network = 0;
  const LinkHeader inside = tunnel_payload(f, next, h, network);
  if (inside.next == LinkNext::kNothing) return;
  if (depth == kTunnelDepthMax) return note(h, Anomaly::kTunnelTooDeep);
  Headers inner;
  inner.flags = kTunnelled | (h.flags & kHasMac);
  inner.network = network != 0 ? network : h.network;
  inner.vlan_count = h.vlan_count;
  std::copy_n(h.vlan, 2, inner.vlan);
  if (inside.next == LinkNext::kIpByVersion) {
    read_ip(f, inside.offset, inner, depth + 1);
  } else {
    read_ethertype(f, inside.ethertype, inside.offset, inner, depth + 1);
  }
  if (inner.has(kHasIp)) h = inner;
}

void read_arp(const Frame& f, uint32_t at, Headers& h) noexcept {
  // RFC 826, Ethernet and IPv4 only: a sender that names itself.
  if (!f.holds(at, 28)) return;
  const uint8_t* arp = f.data + at;
  if (load_be16(arp) != 1 || load_be16(arp + 2) != kEtherIpv4 || arp[4] != 6 || arp[5] != 4) return;
  h.flags |= kArp;
  h.l3_offset = static_cast<uint16_t>(at);
  h.l3_bytes = 28;
  const IpAddress address = IpAddress::from_v4(arp + 14);
  if (address.is_unspecified()) return;  // a probe (RFC 5227): no claim yet
  h.claim_address = address;
  std::copy_n(arp + 8, 6, h.claim_mac.begin());
  h.flags |= kAddressClaimed;
}

// Tags and labels between the link header and IP.
void read_ethertype(const Frame& f, uint16_t type, uint32_t at, Headers& h,
                    unsigned depth) noexcept {
  for (unsigned tags = 0; type == kEtherVlan || type == kEtherQinq || type == kEtherQinqOld;) {
    if (!f.holds(at, 4)) return;
    if (tags == kVlanTagsMax) return note(h, Anomaly::kVlanTooDeep);
    if (tags < 2) h.vlan[tags] = load_be16(f.data + at) & 0x0fff;
    h.vlan_count = static_cast<uint8_t>(++tags);
    type = load_be16(f.data + at + 2);
    at += 4;
  }
  if (type == kEtherPppoe) {  // RFC 2516: 6 bytes, then the PPP protocol
    if (!f.holds(at, 8)) return;
    const uint16_t ppp = load_be16(f.data + at + 6);
    type = ppp == 0x0021 ? kEtherIpv4 : ppp == 0x0057 ? kEtherIpv6 : 0;
    at += 8;
  }
  if (type == kEtherMpls || type == kEtherMplsMulticast) {  // RFC 3032: bottom of stack is bit 8
    bool bottom = false;
    for (unsigned n = 0; n < kMplsLabelsMax && !bottom; ++n) {
      if (!f.holds(at, 4)) return;
      bottom = (f.data[at + 2] & 1) != 0;
      at += 4;
    }
    if (!bottom || !f.holds(at, 1)) return;
    const unsigned nibble = f.data[at] >> 4;
    if (nibble == 4 || nibble == 6) return read_ip(f, at, h, depth);
    if (nibble == 0) at += 4;  // a pseudowire's control word (RFC 4385 section 3)
    if (!f.holds(at, 14) || depth == kTunnelDepthMax) return;
    const LinkHeader wire = read_link(f.data + at, f.end - at, LinkType::kEthernet);
    if (wire.next != LinkNext::kEthertype) return;
    return read_ethertype(f, wire.ethertype, at + wire.offset, h, depth + 1);
  }
  if (type == kEtherIpv4 || type == kEtherIpv6) return read_ip(f, at, h, depth);
  if (type == kEtherArp) return read_arp(f, at, h);
}

// The most frequent of all: TCP over IPv4 without options, whole, no fragment, right after an
// Ethernet header. As decode_packet() reads it, in a quarter of its time. false: nothing was
// written.
inline bool decode_plain_tcp(const PacketView& packet, Headers& h) noexcept {
  constexpr uint32_t kTypeAt = 12, kIpAt = 14, kTcpAt = kIpAt + 20;
  const uint32_t end = std::min(packet.bytes, kReadableMax);
  if (end < kTcpAt + 20) return false;
  const uint8_t* ip = packet.data + kIpAt;
  const uint8_t* tcp = packet.data + kTcpAt;
  // The Ethernet type, then version and length; fragment bits, then the protocol.
  const uint32_t begin = load_be32(packet.data + kTypeAt), middle = load_be32(ip + 6);
  const bool plain = (begin & 0xffffff00) == (uint32_t{kEtherIpv4} << 16 | 0x4500) &&
                     (middle & 0x3fff00ff) == kProtoTcp;
  const uint32_t total = load_be16(ip + 2);
  const uint32_t tcp_bytes = (tcp[12] >> 4) * 4u;
  if (!plain || tcp_bytes < 20 || total < 20 + tcp_bytes || total > end - kIpAt) return false;
  clear(h);
  h.flags = kHasMac | kHasIp | kHasL4;
  h.src = IpAddress::from_v4(ip + 12);
  h.dst = IpAddress::from_v4(ip + 16);
  h.l3_offset = kIpAt;
  h.l3_bytes = static_cast<uint16_t>(total);
  h.l4_offset = kTcpAt;
  h.payload_offset = static_cast<uint16_t>(kTcpAt + tcp_bytes);
  h.payload_bytes = static_cast<uint16_t>(total - 20 - tcp_bytes);
  h.src_port = load_be16(tcp);
  h.dst_port = load_be16(tcp + 2);
  h.tcp_seq = load_be32(tcp + 4);
  h.tcp_ack = load_be32(tcp + 8);
  h.ip_version = 4;
  h.proto = kProtoTcp;
  h.tcp_flags = tcp[13];
  h.ttl = ip[8];
  return true;
}

template <class Word>
uint64_t load_word(const uint8_t* p) noexcept {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

constexpr uint32_t kWideBytes = 64;  // taken at a time

#if defined(__x86_64__)
const bool kHasWideSum = __builtin_cpu_supports("avx2") != 0;

// Plain sum of the 16-bit words of `bytes` bytes at p: a multiple of kWideBytes, at most 65,535.
__attribute__((target("avx2"))) uint64_t wide_sum(const uint8_t* p, uint32_t bytes) noexcept {
  // The instruction adds pairs of signed words: each goes in less 0x8000. No lane leaves 32 bits.
  const __m256i middle = _mm256_set1_epi16(-0x8000), once = _mm256_set1_epi16(1);
  __m256i sums[2] = {};
  for (uint32_t at = 0; at < bytes; at += kWideBytes) {
    for (unsigned i = 0; i < 2; ++i) {
      const auto* from = reinterpret_cast<const __m256i*>(p + at + size_t{32} * i);
      const __m256i words = _mm256_xor_si256(_mm256_loadu_si256(from), middle);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(words, once));
    }
  }
  const __m256i lanes = _mm256_add_epi32(sums[0], sums[1]);
  const __m128i half =
      _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  const __m128i pair = _mm_add_epi64(_mm_cvtepi32_epi64(half),
                                     _mm_cvtepi32_epi64(_mm_srli_si128(half, 8)));
  const int64_t signed_sum = _mm_cvtsi128_si64(pair) + _mm_extract_epi64(pair, 1);
  return static_cast<uint64_t>(signed_sum + int64_t{bytes / 2} * 0x8000);
}
#else
constexpr bool kHasWideSum = false;
uint64_t wide_sum(const uint8_t*, uint32_t) noexcept { return 0; }
#endif

// Ones' complement sum of `bytes` bytes at p, at most 65,535, added to `sum`. It is the same
// whatever the order of bytes in a word and however wide the words are (RFC 1071 section 2): so
// they are added as they lie, as many at a time as the machine can.
inline uint64_t add_words(const uint8_t* p, uint32_t bytes, uint64_t sum) noexcept {
  static_assert(std::endian::native == std::endian::little);  // a last odd byte is a word's first
  const auto add = [&sum](uint64_t word) noexcept {  // and what is carried out
    sum += word;
    sum += sum < word;
  };
  if (const uint32_t wide = bytes & ~(kWideBytes - 1); kHasWideSum && wide != 0) {
    add(wide_sum(p, wide));
    p += wide;
    bytes -= wide;
  }
  for (; bytes >= 8; p += 8, bytes -= 8) add(load_word<uint64_t>(p));
  if ((bytes & 4) != 0) {
    add(load_word<uint32_t>(p));
    p += 4;
  }
  if ((bytes & 2) != 0) add(load_word<uint16_t>(p));
  if ((bytes & 1) != 0) add(p[bytes & 2]);
  return sum;
}

// Folded to 16 bits it would be 0xffff: as 65,536 is 1 more than a multiple of that, so is the sum.
bool sums_to_ones(uint64_t sum) noexcept {
  return sum % 0xffff == 0 && sum != 0;
}

}  // namespace

namespace {

void decode_any(const PacketView& packet, LinkType link, Headers& h) noexcept {
  clear(h);
  const uint32_t end = std::min(packet.bytes, kReadableMax);
  const Frame f{packet.data, end, packet.wire_bytes > end};
  if (link == LinkType::kEthernet && end >= 14) {  // what most frames are, without a detour
    const uint16_t type = load_be16(packet.data + 12);
    if (type == kEtherIpv4 || type == kEtherIpv6) {
      h.flags = kHasMac;
      return read_ip(f, 14, h, 1);
    }
  }
  const LinkHeader l = read_link(packet.data, end, link);
  if (l.has_mac) h.flags |= kHasMac;
  switch (l.next) {
    case LinkNext::kNothing:
      return;
    case LinkNext::kIpByVersion:
      return read_ip(f, l.offset, h, 1);
    case LinkNext::kEthertype:
      return read_ethertype(f, l.ethertype, l.offset, h, 1);
  }
}

}  // namespace

void decode_packet(const PacketView& packet, LinkType link, Headers& h) noexcept {
  if (link == LinkType::kEthernet && decode_plain_tcp(packet, h)) return;
  decode_any(packet, link, h);
}

void decode_ip(const PacketView& packet, uint32_t at, Headers& h) noexcept {
  Headers of;
  of.flags = h.flags & (kHasMac | kTunnelled);
  of.network = h.network;
  of.vlan_count = h.vlan_count;
  std::copy_n(h.vlan, 2, of.vlan);
  h = of;
  const unsigned depth = h.has(kTunnelled) ? kTunnelDepthMax : 1;  // how deep it lay is not known
  read_ip({packet.data, std::min(packet.bytes, kReadableMax), false}, at, h, depth);
}

uint32_t decode(std::span<const PacketView> packets, LinkType link,
                std::span<Headers> headers) noexcept {
  const size_t n = std::min(packets.size(), headers.size());
  const PacketView* const p = packets.data();  // n of them
  Headers* const h = headers.data();
  const bool ethernet = link == LinkType::kEthernet;
  uint32_t flags = 0;
  for (size_t i = 0; i < n; ++i) {
    if (i + 1 < n) __builtin_prefetch(p[i + 1].data);
    if (!ethernet || !decode_plain_tcp(p[i], h[i])) decode_any(p[i], link, h[i]);
    flags |= h[i].flags;
  }
  return flags;
}

Anomaly checksum_anomaly(const PacketView& packet, const Headers& h) noexcept {
  if (!h.has(kHasIp) || packet.bytes < packet.wire_bytes) return Anomaly::kNone;
  const uint8_t* ip = packet.data + h.l3_offset;
  if (h.ip_version == 4 && !sums_to_ones(add_words(ip, (ip[0] & 0x0fu) * 4, 0))) {
    return Anomaly::kIpBadChecksum;
  }
  if (!h.has(kHasL4) || h.has(kFragment) || h.anomaly != Anomaly::kNone) return Anomaly::kNone;
  const uint8_t* l4 = packet.data + h.l4_offset;
  const auto l4_bytes = static_cast<uint32_t>(h.l3_offset + h.l3_bytes - h.l4_offset);
  if (h.proto == kProtoUdp && load_be16(l4 + 6) == 0 && h.ip_version == 4) return Anomaly::kNone;
  uint32_t covered = l4_bytes;
  if (h.proto == kProtoUdp) covered = std::min<uint32_t>(covered, load_be16(l4 + 4));
  // Pseudo-header: RFC 793 section 3.1, RFC 8200 section 8.1. Both addresses stand together.
  const bool four = h.ip_version == 4;
  const uint64_t sum = add_words(ip + (four ? 12 : 8), four ? 8 : 32,
                                 detail::swap_to_big(uint32_t{h.proto} + covered));
  switch (h.proto) {
    case kProtoTcp:
      return sums_to_ones(add_words(l4, covered, sum)) ? Anomaly::kNone : Anomaly::kTcpBadChecksum;
    case kProtoUdp:
      return sums_to_ones(add_words(l4, covered, sum)) ? Anomaly::kNone : Anomaly::kUdpBadChecksum;
    default:
      return Anomaly::kNone;
  }
}

}  // namespace weir
