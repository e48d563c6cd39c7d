// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/icmp.h"

#include <cmath>

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr size_t kMeasuredMax = 1472;  // of a payload
constexpr unsigned kOptionsMax = 32;

struct Named {
  uint8_t type;
  std::string_view name;
};
constexpr Named kMessages[] = {{0, "echo_reply"},           {3, "unreachable"},
                               {4, "source_quench"},        {5, "redirect"},
                               {8, "echo_request"},         {9, "router_advertisement"},
                               {10, "router_solicitation"}, {11, "time_exceeded"},
                               {12, "parameter_problem"},   {13, "timestamp_request"},
                               {14, "timestamp_reply"},     {15, "information_request"},
                               {16, "information_reply"},   {17, "mask_request"},
                               {18, "mask_reply"}};
constexpr Named kMessages6[] = {{1, "unreachable"},
                                {2, "packet_too_big"},
                                {3, "time_exceeded"},
                                {4, "parameter_problem"},
                                {128, "echo_request"},
                                {129, "echo_reply"},
                                {130, "listener_query"},
                                {131, "listener_report"},
                                {132, "listener_done"},
                                {133, "router_solicitation"},
                                {134, "router_advertisement"},
                                {135, "neighbour_solicitation"},
                                {136, "neighbour_advertisement"},
                                {137, "redirect"},
                                {143, "listener_report"}};

std::string_view name_of(std::span<const Named> names, uint8_t type) noexcept {
  for (const Named& n : names) {
    if (n.type == type) return n.name;
  }
  return {};
}

// From so many bytes on each is one more than that before it.
bool counts_from(Bytes b, size_t from) noexcept {
  if (b.size() < from + 4) return false;
  for (size_t i = from + 1; i < b.size(); ++i) {
    if (b[i] != static_cast<uint8_t>(b[i - 1] + 1)) return false;
  }
  return true;
}

bool repeats(Bytes b, size_t period) noexcept {
  if (b.size() <= period) return false;
  return std::equal(b.begin() + static_cast<long>(period), b.end(), b.begin());
}

// What pings write: a time of 0, 4, 8, 16 or 24 bytes and numbers that count up (Linux, BSD,
// macOS), the letters a to w (Windows), the same few bytes again and again (routers, scanners).
std::string_view pattern_of(Bytes b) noexcept {
  if (b.empty()) return "empty";
  if (b[0] == 'a' && b.size() >= 23 && counts_from(b.first(23), 0) &&
      (b.size() == 23 || repeats(b, 23))) {
    return "alphabet";
  }
  for (const size_t time_bytes : {0, 4, 8, 16, 24}) {
    if (counts_from(b, time_bytes)) return "counting";
  }
  for (const size_t period : {1, 2, 4}) {
    if (repeats(b, period)) return "repeating";
  }
  return "other";
}

void write_payload(FactWriter& facts, Bytes payload) noexcept {
  facts.number(Fact::kIcmpPayloadBytes, payload.size());
  const Bytes b = payload.first(std::min(payload.size(), kMeasuredMax));
  const std::string_view pattern = pattern_of(b);
  facts.text(Fact::kIcmpPayloadPattern, pattern);
  if (b.empty()) return;
  uint16_t count[256] = {};
  for (const uint8_t byte : b) ++count[byte];
  unsigned distinct = 0;
  double bits = 0;
  for (const uint16_t n : count) {
    if (n == 0) continue;
    ++distinct;
    bits += n * std::log2(static_cast<double>(b.size()) / n);
  }
  facts.number(Fact::kIcmpPayloadDistinct, distinct);
  facts.number(Fact::kIcmpPayloadEntropy,
               static_cast<uint64_t>(std::lround(1000 * bits / static_cast<double>(b.size()))));
  constexpr size_t kShown = 32;
  if (pattern == "other") facts.bytes(Fact::kIcmpPayloadStart, b.first(std::min(b.size(), kShown)));
}

void write_about(FactWriter& facts, const Headers& h) noexcept {
  facts.address(Fact::kIcmpAboutSource, h.quoted_src);
  facts.address(Fact::kIcmpAboutTarget, h.quoted_dst);
  facts.number(Fact::kIcmpAboutProto, h.quoted_proto);
  if (h.quoted_src_port == 0 && h.quoted_dst_port == 0) return;
  facts.number(Fact::kIcmpAboutSourcePort, h.quoted_src_port);
  facts.number(Fact::kIcmpAboutTargetPort, h.quoted_dst_port);
}

// RFC 4861 section 4.6, RFC 8106 section 5.1: type, length in eights of bytes with these two.
void write_options(FactWriter& facts, Bytes options) noexcept {
  for (unsigned n = 0; n < kOptionsMax && options.size() >= 8; ++n) {
    const size_t length = size_t{options[1]} * 8;
    if (length == 0 || length > options.size()) return;
    const Bytes o = options.first(length);
    options = options.subspan(length);
    switch (o[0]) {
      case 1:
        facts.bytes(Fact::kIcmpNdSourceMac, o.subspan(2, 6));
        break;
      case 2:
        facts.bytes(Fact::kIcmpNdTargetMac, o.subspan(2, 6));
        break;
      case 3:
        if (length < 32) break;
        facts.item(Fact::kIcmpNdPrefix);
        facts.address(Fact::kIcmpNdPrefixAddress, IpAddress::from_v6(o.data() + 16));
        facts.number(Fact::kIcmpNdPrefixBits, o[2]);
        break;
      case 5:
        facts.number(Fact::kIcmpNdMtu, load_be32(o.data() + 4));
        break;
      case 25:
        for (size_t at = 8; at + 16 <= length; at += 16) {
          facts.address(Fact::kIcmpNdServer, IpAddress::from_v6(o.data() + at));
        }
        break;
      default:
        break;
    }
  }
}

// Of the four bytes behind the checksum, and what follows.
void write_discovery(FactWriter& facts, uint8_t type, Bytes word, Bytes rest) noexcept {
  size_t options = 0;
  if (type == 134) {  // router advertisement
    facts.flag(Fact::kIcmpNdManaged, (word[1] & 0x80) != 0);
    facts.flag(Fact::kIcmpNdOther, (word[1] & 0x40) != 0);
    facts.number(Fact::kIcmpNdLifetime, load_be16(word.data() + 2));
    options = 8;
  } else if (type != 133) {
    if (rest.size() < 16) return;
    facts.address(Fact::kIcmpNdTarget, IpAddress::from_v6(rest.data()));
    options = 16;
    if (type == 136) {
      facts.flag(Fact::kIcmpNdRouter, (word[0] & 0x80) != 0);
      facts.flag(Fact::kIcmpNdSolicited, (word[0] & 0x40) != 0);
      facts.flag(Fact::kIcmpNdOverride, (word[0] & 0x20) != 0);
    }
    if (type == 137 && rest.size() >= 32) {
      facts.address(Fact::kIcmpNdDestination, IpAddress::from_v6(rest.data() + 16));
      options = 32;
    }
  }
  write_options(facts, rest.subspan(std::min(rest.size(), options)));
}

}  // namespace

void write_icmp(FactWriter& facts, const PacketView& p, const Headers& h) noexcept {
  const bool v6 = h.ip_version == 6;
  const Bytes head(p.data + h.l4_offset, 8);  // kHasL4: they are there
  const Bytes rest = payload_of(p, h);
  const uint8_t type = head[0];
  facts.number(Fact::kIcmpType, type);
  facts.number(Fact::kIcmpCode, head[1]);
  const std::string_view name = v6 ? name_of(kMessages6, type) : name_of(kMessages, type);
  if (!name.empty()) facts.text(Fact::kIcmpMessage, name);
  const bool echo = v6 ? type == 128 || type == 129 : type == 0 || type == 8;
  if (echo || (!v6 && type >= 13 && type <= 18)) {
    facts.number(Fact::kIcmpId, load_be16(head.data() + 4));
    facts.number(Fact::kIcmpSequence, load_be16(head.data() + 6));
  }
  if (echo) write_payload(facts, rest);
  if (h.has(kIcmpError)) write_about(facts, h);
  if (!v6 && type == 3 && head[1] == 4) facts.number(Fact::kIcmpMtu, load_be16(head.data() + 6));
  if (!v6 && type == 5) facts.address(Fact::kIcmpGateway, IpAddress::from_v4(head.data() + 4));
  if (v6 && type == 2) facts.number(Fact::kIcmpMtu, load_be32(head.data() + 4));
  if (v6 && type >= 133 && type <= 137) write_discovery(facts, type, head.subspan(4), rest);
}

void write_arp(FactWriter& facts, const PacketView& p, const Headers& h, Endpoints& ends) noexcept {
  constexpr std::string_view kOperations[] = {"request", "reply", "request_reverse",
                                              "reply_reverse"};
  const uint8_t* arp = p.data + h.l3_offset;
  const unsigned operation = load_be16(arp + 6);
  ends.src = IpAddress::from_v4(arp + 14);
  ends.dst = IpAddress::from_v4(arp + 24);
  std::copy_n(h.vlan, 2, ends.vlan);
  ends.vlan_count = std::min<uint8_t>(h.vlan_count, 2);
  facts.text(Fact::kArpHardware, std::string_view("ethernet"));
  facts.text(Fact::kArpProtocol, std::string_view("ipv4"));
  facts.text(Fact::kArpOpcode, operation >= 1 && operation <= std::size(kOperations)
                                   ? kOperations[operation - 1]
                                   : std::string_view("unknown"));
  facts.bytes(Fact::kArpSourceMac, Bytes(arp + 8, 6));
  facts.address(Fact::kArpSourceIp, ends.src);
  facts.bytes(Fact::kArpTargetMac, Bytes(arp + 18, 6));
  facts.address(Fact::kArpTargetIp, ends.dst);
}

}  // namespace weir::parse
