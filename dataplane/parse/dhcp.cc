// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/datagram.h"

namespace weir::parse {

namespace {

constexpr size_t kFixedBytes = 236;  // RFC 2131 section 2
constexpr uint32_t kCookie = 0x63825363;
constexpr unsigned kOptionsMax = 128;
constexpr std::string_view kMessages[] = {"discover", "offer", "request", "decline",
                                          "ack",      "nak",   "release", "inform"};

void v4(FactWriter& facts, Fact fact, Bytes four, bool even_zero) noexcept {
  if (four.size() < 4) return;
  if (!even_zero && load_be32(four.data()) == 0) return;
  facts.address(fact, IpAddress::from_v4(four.data()));
}

void list_v4(FactWriter& facts, Fact fact, Bytes many) noexcept {
  for (; many.size() >= 4; many = many.subspan(4)) v4(facts, fact, many, true);
}

// The list of parameters asked for, in their order: what tells one system from another.
void fingerprint(FactWriter& facts, Bytes list) noexcept {
  char text[256 * 4];
  char* at = text;
  for (const uint8_t option : list) {
    if (at != text) *at++ = ',';
    at = std::to_chars(at, text + sizeof text, option).ptr;
  }
  facts.text(Fact::kDhcpFingerprint, std::string_view(text, static_cast<size_t>(at - text)));
}

void seconds(FactWriter& facts, Fact fact, Bytes value) noexcept {
  if (value.size() == 4) facts.number(fact, load_be32(value.data()));
}

void option(FactWriter& facts, uint8_t code, Bytes value) noexcept {
  switch (code) {
    case 1:
      return v4(facts, Fact::kDhcpSubnetMask, value, true);
    case 3:
      return list_v4(facts, Fact::kDhcpRouter, value);
    case 6:
      return list_v4(facts, Fact::kDhcpDnsServer, value);
    case 12:
      return facts.text(Fact::kDhcpHostname, value);
    case 15:
      return facts.text(Fact::kDhcpDomain, value);
    case 50:
      return v4(facts, Fact::kDhcpRequestedIp, value, true);
    case 51:
      return seconds(facts, Fact::kDhcpLeaseTime, value);
    case 53:
      if (value.size() == 1 && value[0] >= 1 && value[0] <= std::size(kMessages)) {
        facts.text(Fact::kDhcpMessage, kMessages[value[0] - 1]);
      }
      return;
    case 54:
      return v4(facts, Fact::kDhcpServerId, value, true);
    case 55:
      return fingerprint(facts, value);
    case 58:
      return seconds(facts, Fact::kDhcpRenewalTime, value);
    case 59:
      return seconds(facts, Fact::kDhcpRebindingTime, value);
    case 60:
      return facts.text(Fact::kDhcpVendorClass, value);
    case 61:  // RFC 2132 section 9.14: one byte of type, then the identifier
      if (value.size() > 1)
        facts.bytes(Fact::kDhcpClientId, value[0] == 1 ? value.subspan(1) : value);
      return;
    case 81:  // RFC 4702: flags, two results, then the name
      if (value.size() > 3 && (value[0] & 4) == 0) {
        facts.text(Fact::kDhcpFullName, value.subspan(3));
      }
      return;
    default:
      return;
  }
}

}  // namespace

Probe DhcpParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < kFixedBytes + 4 || (b[0] != 1 && b[0] != 2) || b[2] > 16) return kNotMine;
  if (load_be32(b.data() + kFixedBytes) != kCookie) return kNotMine;
  return b[0] == 1 ? kMineFromClient : kMineFromServer;
}

Step DhcpParser::parse(const Input& in, Output& out) noexcept {
  Cursor c(in.bytes);
  const uint8_t op = c.u8();
  c.u8();
  const size_t mac_bytes = std::min<size_t>(c.u8(), 16);
  c.u8();
  const uint32_t id = c.be32();
  c.skip(4);
  const Bytes client = c.bytes(4), yours = c.bytes(4), next = c.bytes(4), relay = c.bytes(4);
  const Bytes mac = c.bytes(16);
  c.seek(kFixedBytes + 4);
  if (!c.ok()) {
    out.violation(kKind, "truncated_message");
    return Step::forget(in.bytes.size());
  }
  FactWriter& facts = out.fresh();
  facts.text(Fact::kDhcpType, std::string_view(op == 1 ? "request" : "reply"));
  facts.number(Fact::kDhcpId, id);
  facts.bytes(Fact::kDhcpClientMac, mac.first(mac_bytes));
  v4(facts, Fact::kDhcpAssignedIp, yours, true);
  v4(facts, Fact::kDhcpClientIp, client, false);
  v4(facts, Fact::kDhcpRelayIp, relay, false);
  v4(facts, Fact::kDhcpNextServerIp, next, false);
  for (unsigned n = 0; n < kOptionsMax && c.left() != 0; ++n) {
    const uint8_t code = c.u8();
    if (code == 0) continue;
    if (code == 255) break;
    const Bytes value = c.bytes(c.u8());
    if (!c.ok()) {
      out.violation(kKind, "malformed_options");
      break;
    }
    option(facts, code, value);
  }
  out.tell(kKind, facts, Ends::kSenderFirst);
  return Step::forget(in.bytes.size());
}

}  // namespace weir::parse
