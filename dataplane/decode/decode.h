// SPDX-License-Identifier: Apache-2.0
// Bytes -> Headers: where the innermost IP packet and its transport lie in a frame. Called by the
// worker for each packet, by fuzzers and tests without EAL. Reads only within PacketView::bytes,
// never follows more than the named limits, keeps no state. What it cannot read is still forwarded:
// Headers then says how far it got.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/base/link_type.h"
#include "dataplane/base/packet_view.h"
#include "dataplane/contract/event_record.h"

namespace weir {

constexpr unsigned kVlanTagsMax = 8;  // tags skipped; the outer two are reported
constexpr unsigned kIpv6ExtensionsMax = 8;
constexpr unsigned kTunnelDepthMax = 4;  // IP headers looked into, the outer one included

enum HeaderFlag : uint32_t {
  kHasIp = 1u << 0,
  kHasL4 = 1u << 1,           // TCP, UDP, SCTP, ICMP or ICMPv6 header is whole
  kFragment = 1u << 2,        // any IP fragment
  kLaterFragment = 1u << 3,   // offset > 0: no transport header in it
  kTunnelled = 1u << 4,       // src/dst/ports are those of an inner packet
  kIcmpError = 1u << 5,       // quotes another packet: see quoted_*
  kOneWayIcmp = 1u << 6,      // an ICMP type without an answering type
  kHasMac = 1u << 7,          // src_mac/dst_mac lie at data[6], data[0]
  kAddressClaimed = 1u << 8,  // ARP or ND tells an address: claim_* are set
  kAwaitsRest = 1u << 9,      // a fragment whose datagram is not whole yet (set by the worker)
  kArp = 1u << 10,            // l3_offset: where it is, for IPv4 over Ethernet
  kMappedIpv4 = 1u << 11,    // in an IPv6 header: an address is ::ffff:a.b.c.d, and no IPv4 address
};

struct Headers {
  uint32_t flags = 0;
  uint32_t network =
      0;  // of a tunnelled packet: virtual network (VXLAN and Geneve VNI, NVGRE VSID)
  IpAddress src{}, dst{};
  uint16_t l3_offset = 0;  // innermost IP header
  uint16_t l3_bytes = 0;   // its packet, as its length field says and the frame holds
  uint16_t l4_offset = 0;
  uint16_t payload_offset = 0;  // after the transport header (after IP, where none was read)
  uint16_t payload_bytes = 0;
  uint16_t src_port = 0, dst_port = 0;  // host order; ICMP: as in Endpoints
  uint16_t vlan[2] = {};                // outer first, without priority bits
  uint16_t fragment_offset = 0;         // bytes
  uint32_t tcp_seq = 0, tcp_ack = 0;
  uint8_t ip_version = 0;  // 4, 6; 0: no IP
  uint8_t proto = 0;       // transport protocol number
  uint8_t tcp_flags = 0;
  uint8_t ttl = 0;
  uint8_t vlan_count = 0;  // tags seen
  Anomaly anomaly = Anomaly::kNone;
  // Set only where the flag says so; else whatever was there.
  // kIcmpError: the packet it complains of. Ports are 0 where they could not be read.
  uint16_t quoted_src_port = 0, quoted_dst_port = 0;
  IpAddress quoted_src{}, quoted_dst{};
  uint8_t quoted_proto = 0;
  // kAddressClaimed, by ARP or IPv6 neighbour discovery: who says to have which address.
  MacAddress claim_mac{};
  IpAddress claim_address{};

  bool has(uint32_t f) const noexcept { return (flags & f) != 0; }
};

constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpPsh = 0x08, kTcpAck = 0x10,
                  kTcpUrg = 0x20;
constexpr uint8_t kProtoIcmp = 1, kProtoTcp = 6, kProtoUdp = 17, kProtoIcmp6 = 58, kProtoSctp = 132;

// A SYN of TCP that carries nothing: all there is of a flood's connections.
inline bool is_bare_syn(const Headers& h) noexcept {
  constexpr unsigned kFlags = kTcpSyn | kTcpAck | kTcpRst | kTcpFin | kTcpPsh | kTcpUrg;
  return h.proto == kProtoTcp && (h.tcp_flags & kFlags) == kTcpSyn && h.payload_bytes == 0;
}

// One packet.
void decode_packet(const PacketView& packet, LinkType link, Headers& headers) noexcept;

// An IP packet at `at`, put together from fragments. h: of one of them, becomes the packet's.
void decode_ip(const PacketView& packet, uint32_t at, Headers& h) noexcept;

// A burst: packets[i] -> headers[i]. Returns every flag that any of them has.
uint32_t decode(std::span<const PacketView> packets, LinkType link,
                std::span<Headers> headers) noexcept;

// Whether the checksums of the innermost IPv4 header and of TCP, UDP, ICMP or ICMPv6 hold; kNone if
// they do or cannot be known (fragment, cut capture, UDP checksum 0 over IPv4). A receiver discards
// a packet that fails, so a pattern in it proves nothing. Cost: one pass over the packet.
Anomaly checksum_anomaly(const PacketView& packet, const Headers& headers) noexcept;

// Which packets belong together: the same for both directions, all fragments and every port of
// two hosts, and for ICMP errors that quote them; of a tunnel the innermost pair. It is the
// Toeplitz hash over source and destination address (as in NICs) with the key 0x6d5a repeated,
// which makes it symmetric (Woo and Park, "Scalable TCP Session Monitoring with Symmetric Receive-
// side Scaling", 2012). false: not IP, belongs to nobody in particular.
bool pair_hash(const Headers& headers, uint32_t& hash) noexcept;

// The packet's payload as rules and parsers see it.
inline std::span<const uint8_t> payload_of(const PacketView& packet, const Headers& h) noexcept {
  return {packet.data + h.payload_offset, h.payload_bytes};
}

}  // namespace weir
