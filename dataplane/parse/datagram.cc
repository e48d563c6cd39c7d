// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/datagram.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

// --- NTP

Probe NtpParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (!in.has_port(123) || b.size() < 48) return kNotMine;
  const unsigned version = b[0] >> 3 & 7, mode = b[0] & 7;
  if (version < 1 || version > 4 || mode < 1 || mode > 5) return kNotMine;
  return mode == 4 ? kMineFromServer : mode == 3 ? kMineFromClient : kMine;
}

Step NtpParser::parse(const Input& in, Output& out) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < 48) return Step::forget(b.size());
  FactWriter& facts = out.fresh();
  facts.number(Fact::kNtpVersion, b[0] >> 3 & 7u);
  facts.number(Fact::kNtpMode, b[0] & 7u);
  facts.number(Fact::kNtpStratum, b[1]);
  facts.bytes(Fact::kNtpReferenceId, b.subspan(12, 4));
  out.tell(kKind, facts, Ends::kSenderFirst);
  return Step::forget(b.size());
}

// --- TFTP

namespace {
bool is_text(Bytes b) noexcept {
  return std::all_of(b.begin(), b.end(), [](uint8_t c) { return c >= 0x20 && c != 0x7f; });
}
}  // namespace

Probe TftpParser::probe(const ProbeInput& in) noexcept {
  Cursor c(in.bytes);
  const uint16_t operation = c.be16();
  if (operation != 1 && operation != 2) return kNotMine;
  const Bytes file = c.zero_ended();
  const Bytes mode = c.zero_ended();
  if (!c.ok() || file.empty() || !is_text(file)) return kNotMine;
  const bool known = equal_ignoring_case(mode, "octet") || equal_ignoring_case(mode, "netascii") ||
                     equal_ignoring_case(mode, "mail");
  return known ? kMineFromClient : kNotMine;
}

Step TftpParser::parse(const Input& in, Output& out) noexcept {
  Cursor c(in.bytes);
  const uint16_t operation = c.be16();
  const Bytes file = c.zero_ended();
  const Bytes mode = c.zero_ended();
  if (!c.ok() || (operation != 1 && operation != 2)) return Step::forget(in.bytes.size());
  FactWriter& facts = out.fresh();
  facts.text(Fact::kTftpPacket, std::string_view(operation == 1 ? "read" : "write"));
  facts.text(Fact::kTftpFile, file);
  facts.text(Fact::kTftpMode, mode);
  out.tell(kKind, facts);
  return Step::forget(in.bytes.size());
}

// --- RADIUS

namespace {
struct RadiusCode {
  uint8_t number;
  bool from_client;
  std::string_view name;
};
constexpr RadiusCode kRadiusCodes[] = {{1, true, "Access-Request"},
                                       {2, false, "Access-Accept"},
                                       {3, false, "Access-Reject"},
                                       {4, true, "Accounting-Request"},
                                       {5, false, "Accounting-Response"},
                                       {11, false, "Access-Challenge"},
                                       {12, true, "Status-Server"},
                                       {40, true, "Disconnect-Request"},
                                       {41, false, "Disconnect-ACK"},
                                       {42, false, "Disconnect-NAK"},
                                       {43, true, "CoA-Request"},
                                       {44, false, "CoA-ACK"},
                                       {45, false, "CoA-NAK"}};
const RadiusCode* radius_code(uint8_t number) noexcept {
  for (const RadiusCode& c : kRadiusCodes) {
    if (c.number == number) return &c;
  }
  return nullptr;
}
constexpr size_t kRadiusHeader = 20;

// Attributes one after the other: type, length with these two bytes, value. RFC 2865 section 5.
template <class Each>
bool each_attribute(Bytes attributes, Each&& each) noexcept {
  while (!attributes.empty()) {
    if (attributes.size() < 2 || attributes[1] < 2 || attributes[1] > attributes.size())
      return false;
    each(attributes[0], attributes.subspan(2, attributes[1] - 2u));
    attributes = attributes.subspan(attributes[1]);
  }
  return true;
}
}  // namespace

Probe RadiusParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < kRadiusHeader) return kNotMine;
  const RadiusCode* code = radius_code(b[0]);
  const size_t length = load_be16(b.data() + 2);
  if (code == nullptr || length < kRadiusHeader || length > b.size()) return kNotMine;
  const bool known_port = in.has_port(1812) || in.has_port(1813) || in.has_port(1645) ||
                          in.has_port(1646) || in.has_port(3799);
  if (!known_port && (length != b.size() || length == kRadiusHeader)) return kNotMine;
  if (!each_attribute(b.subspan(kRadiusHeader, length - kRadiusHeader), [](uint8_t, Bytes) {})) {
    return kNotMine;
  }
  return code->from_client ? kMineFromClient : kMineFromServer;
}

Step RadiusParser::parse(const Input& in, Output& out) noexcept {
  const Bytes b = in.bytes;
  const RadiusCode* code = b.size() < kRadiusHeader ? nullptr : radius_code(b[0]);
  const size_t length = code == nullptr ? 0 : load_be16(b.data() + 2);
  if (length < kRadiusHeader || length > b.size()) {
    out.violation(kKind, "malformed_message");
    return Step::consumed(b.size());
  }
  FactWriter& facts = out.fresh();
  facts.text(Fact::kRadiusCode, code->name);
  facts.number(Fact::kRadiusId, b[1]);
  Bytes user, host;
  const bool good =
      each_attribute(b.subspan(kRadiusHeader, length - kRadiusHeader), [&](uint8_t type, Bytes v) {
        const bool v4 = v.size() == 4;
        if (type == 1) facts.text(Fact::kRadiusUser, user = v);
        if (type == 4 && v4) facts.address(Fact::kRadiusNasIp, IpAddress::from_v4(v.data()));
        if (type == 8 && v4) facts.address(Fact::kRadiusFramedIp, IpAddress::from_v4(v.data()));
        if (type == 18) facts.text(Fact::kRadiusReply, v);
        if (type == 30) facts.text(Fact::kRadiusCalledStation, v);
        if (type == 31) facts.text(Fact::kRadiusCallingStation, host = v);
        if (type == 32) facts.text(Fact::kRadiusNasId, v);
      });
  out.tell(kKind, facts, Ends::kSenderFirst);
  if (!good) out.violation(kKind, "malformed_attribute");
  if (b[0] == 1) {
    Waiting& w = waiting_[next_++ % kWaitingMax];
    w.used = true;
    w.id = b[1];
    w.user_bytes = static_cast<uint8_t>(std::min(user.size(), sizeof w.user));
    w.host_bytes = static_cast<uint8_t>(std::min(host.size(), sizeof w.host));
    std::copy_n(user.begin(), w.user_bytes, w.user);
    std::copy_n(host.begin(), w.host_bytes, w.host);
  }
  for (Waiting& w : waiting_) {
    if ((b[0] != 2 && b[0] != 3) || !w.used || w.id != b[1]) continue;
    w.used = false;
    out.login({.protocol = "radius",
               .account = Bytes(w.user, w.user_bytes),
               .host = Bytes(w.host, w.host_bytes),
               .outcome = b[0] == 2 ? LoginOutcome::kSuccess : LoginOutcome::kFailure,
               .code = code->name});
  }
  return Step::consumed(b.size());
}

// --- NetBIOS name service

namespace {
// First-level encoding, RFC 1001 section 14.1: 32 letters A to P, two a byte; the 16th byte is the
// suffix, blanks fill. false: not such a name.
bool netbios_name(Cursor& c, uint8_t (&name)[16]) noexcept {
  if (c.u8() != 32) return false;
  const Bytes letters = c.bytes(32);
  if (!c.ok()) return false;
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned high = letters[2 * i] - 'A', low = letters[2 * i + 1] - 'A';
    if (high > 15 || low > 15) return false;
    name[i] = static_cast<uint8_t>(high << 4 | low);
  }
  for (unsigned labels = 0; labels < 32; ++labels) {  // the scope, if any
    const uint8_t length = c.u8();
    if (!c.ok() || length > 63) return false;
    if (length == 0) return true;
    c.skip(length);
  }
  return false;
}

std::string_view nbns_opcode(unsigned code) noexcept {
  switch (code) {
    case 0:
      return "query";
    case 5:
      return "registration";
    case 6:
      return "release";
    case 7:
      return "wack";
    case 8:
    case 9:
      return "refresh";
    case 15:
      return "multihomed registration";
    default:
      return {};
  }
}
}  // namespace

Probe NbnsParser::probe(const ProbeInput& in) noexcept {
  Cursor c(in.bytes);
  c.skip(2);
  const uint16_t flags = c.be16();
  c.skip(8);
  uint8_t name[16];
  if (!netbios_name(c, name) || nbns_opcode(flags >> 11 & 15).empty()) return kNotMine;
  return (flags & 0x8000) != 0 ? kMineFromServer : kMineFromClient;
}

Step NbnsParser::parse(const Input& in, Output& out) noexcept {
  Cursor c(in.bytes);
  const uint16_t id = c.be16();
  const uint16_t flags = c.be16();
  const uint16_t questions = c.be16(), answers = c.be16();
  c.be16();
  const uint16_t additionals = c.be16();
  uint8_t name[16];
  if (!netbios_name(c, name)) {
    out.violation(kKind, "malformed_name");
    return Step::forget(in.bytes.size());
  }
  FactWriter& facts = out.fresh();
  const bool response = (flags & 0x8000) != 0;
  facts.text(Fact::kNbnsType, std::string_view(response ? "response" : "request"));
  facts.number(Fact::kNbnsId, id);
  facts.text(Fact::kNbnsOpcode, nbns_opcode(flags >> 11 & 15));
  if (response) facts.number(Fact::kNbnsRcode, flags & 15u);
  size_t length = 15;
  while (length != 0 && (name[length - 1] == ' ' || name[length - 1] == 0)) --length;
  facts.text(Fact::kNbnsName, Bytes(name, length));
  facts.number(Fact::kNbnsSuffix, name[15]);
  const uint16_t type = c.be16();
  c.be16();
  if (questions != 0 && additionals != 0) c.skip(2 + 4);  // a pointer to the name, then type, class
  if (type == 0x20 && (answers != 0 || additionals != 0)) {
    c.be32();
    const uint16_t bytes = c.be16();
    for (unsigned at = 0; at + 6 <= bytes && at < 6 * 32; at += 6) {
      c.be16();
      const Bytes address = c.bytes(4);
      if (c.ok()) facts.address(Fact::kNbnsAddress, IpAddress::from_v4(address.data()));
    }
  }
  out.tell(kKind, facts, Ends::kSenderFirst);
  return Step::forget(in.bytes.size());
}

}  // namespace weir::parse
