// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/verdict/verdict.h"

namespace weir {

namespace {

constexpr uint32_t kQuotedBytesMax = 128;  // RFC 792 asks for IP header + 8; hosts like more
constexpr uint8_t kAnswerTtl = 64;

uint16_t fold(uint64_t sum) noexcept {
  while (sum >> 16 != 0) sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(~sum);
}

uint64_t add_words(const uint8_t* p, size_t bytes, uint64_t sum) noexcept {
  for (; bytes >= 2; p += 2, bytes -= 2) sum += load_be16(p);
  return bytes == 1 ? sum + (static_cast<uint64_t>(*p) << 8) : sum;
}

// Link header (tags included) of the packet, turned around if the answer goes back; then an IP
// header for `payload` bytes of `proto`. Returns the offset of the payload, 0 if it does not fit.
size_t begin(const PacketView& packet, const Headers& h, LinkType link, bool to_sender,
             uint8_t proto, size_t payload, Answer& a) noexcept {
  const size_t ip_bytes = h.ip_version == 4 ? 20 : 40;
  if (h.l3_offset + ip_bytes + payload > sizeof a.frame) return 0;
  a.to_sender = to_sender;
  a.bytes = static_cast<uint16_t>(h.l3_offset + ip_bytes + payload);
  std::memcpy(a.frame, packet.data, h.l3_offset);
  if (to_sender && link == LinkType::kEthernet) {
    std::memcpy(a.frame, packet.data + 6, 6);
    std::memcpy(a.frame + 6, packet.data, 6);
  }
  const IpAddress& src = to_sender ? h.dst : h.src;
  const IpAddress& dst = to_sender ? h.src : h.dst;
  uint8_t* ip = a.frame + h.l3_offset;
  std::memset(ip, 0, ip_bytes);
  if (h.ip_version == 4) {
    ip[0] = 0x45;
    store_be16(ip + 2, static_cast<uint16_t>(20 + payload));
    store_be16(ip + 6, 0x4000);  // do not fragment
    ip[8] = kAnswerTtl;
    ip[9] = proto;
    std::memcpy(ip + 12, src.bytes.data() + 12, 4);
    std::memcpy(ip + 16, dst.bytes.data() + 12, 4);
    store_be16(ip + 10, fold(add_words(ip, 20, 0)));
  } else {
    ip[0] = 0x60;
    store_be16(ip + 4, static_cast<uint16_t>(payload));
    ip[6] = proto;
    ip[7] = kAnswerTtl;
    std::memcpy(ip + 8, src.bytes.data(), 16);
    std::memcpy(ip + 24, dst.bytes.data(), 16);
  }
  return h.l3_offset + ip_bytes;
}

// Sum over the pseudo-header (RFC 793 section 3.1, RFC 8200 section 8.1) and the payload at l4.
uint16_t transport_checksum(const Headers& h, const Answer& a, size_t l4, uint8_t proto) noexcept {
  const size_t bytes = a.bytes - l4;
  const uint8_t* ip = a.frame + h.l3_offset;
  uint64_t sum = uint64_t{proto} + bytes;
  sum = h.ip_version == 4 ? add_words(ip + 12, 8, sum) : add_words(ip + 8, 32, sum);
  return fold(add_words(a.frame + l4, bytes, sum));
}

bool make_reset(const PacketView& packet, const Headers& h, LinkType link, bool to_sender,
                Answer& a) noexcept {
  const size_t l4 = begin(packet, h, link, to_sender, kProtoTcp, 20, a);
  if (l4 == 0) return false;
  uint8_t* tcp = a.frame + l4;
  std::memset(tcp, 0, 20);
  store_be16(tcp, to_sender ? h.dst_port : h.src_port);
  store_be16(tcp + 2, to_sender ? h.src_port : h.dst_port);
  tcp[12] = 5 << 4;
  tcp[13] = kTcpRst;
  const bool acks = (h.tcp_flags & kTcpAck) != 0;
  if (to_sender) {  // RFC 9293 section 3.5.2: sequence from the ACK, else acknowledge all of it
    const uint32_t flags =
        ((h.tcp_flags & kTcpSyn) != 0 ? 1u : 0u) + ((h.tcp_flags & kTcpFin) != 0 ? 1u : 0u);
    store_be32(tcp + 4, acks ? h.tcp_ack : 0);
    if (!acks) {
      store_be32(tcp + 8, h.tcp_seq + h.payload_bytes + flags);
      tcp[13] |= kTcpAck;
    }
  } else {  // the receiver expects what was dropped: its sequence number is in the window
    store_be32(tcp + 4, h.tcp_seq);
    if (acks) {
      store_be32(tcp + 8, h.tcp_ack);
      tcp[13] |= kTcpAck;
    }
  }
  store_be16(tcp + 16, transport_checksum(h, a, l4, kProtoTcp));
  return true;
}

bool make_unreachable(const PacketView& packet, const Headers& h, LinkType link,
                      Answer& a) noexcept {
  const size_t quoted = std::min<size_t>(h.l3_bytes, kQuotedBytesMax);
  const uint8_t proto = h.ip_version == 4 ? kProtoIcmp : kProtoIcmp6;
  const size_t l4 = begin(packet, h, link, true, proto, 8 + quoted, a);
  if (l4 == 0) return false;
  uint8_t* icmp = a.frame + l4;
  std::memset(icmp, 0, 8);
  icmp[0] = h.ip_version == 4 ? 3 : 1;  // destination unreachable
  icmp[1] = h.ip_version == 4 ? 3 : 4;  // port
  std::memcpy(icmp + 8, packet.data + h.l3_offset, quoted);
  const uint16_t sum = h.ip_version == 4 ? fold(add_words(icmp, 8 + quoted, 0))
                                         : transport_checksum(h, a, l4, proto);
  store_be16(icmp + 2, sum);
  return true;
}

}  // namespace

size_t make_answers(const PacketView& packet, const Headers& h, LinkType link,
                    std::span<Answer, 2> answers) noexcept {
  const bool answerable = h.has(kHasIp) && !h.has(kTunnelled) && !h.has(kLaterFragment) &&
                          !h.has(kIcmpError) && !h.dst.is_multicast() && !h.src.is_multicast() &&
                          !h.src.is_unspecified();
  if (!answerable) return 0;
  if (h.proto != kProtoTcp) return make_unreachable(packet, h, link, answers[0]) ? 1 : 0;
  if (!h.has(kHasL4) || (h.tcp_flags & kTcpRst) != 0) return 0;
  size_t n = 0;
  if (make_reset(packet, h, link, true, answers[n])) ++n;
  if (make_reset(packet, h, link, false, answers[n])) ++n;
  return n;
}

}  // namespace weir
