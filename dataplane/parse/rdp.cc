// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/rdp.h"

#include "dataplane/parse/rdp_names.h"
#include "dataplane/parse/x509.h"

namespace weir::parse {

namespace {

constexpr uint16_t kRdpPort = 3389;
constexpr size_t kTpktBytes = 4, kX224Bytes = 7;  // behind it
constexpr uint8_t kRequest = 0xe0, kConfirm = 0xd0, kData = 0xf0;
constexpr unsigned kBlocksMax = 16, kChannelsMax = 31, kCertificatesMax = 8;
constexpr std::string_view kMalformed = "malformed_data";

struct Bit {
  uint32_t bit;
  std::string_view name;
};

template <size_t N>
void write_bits(FactWriter& facts, Fact fact, uint32_t value, const Bit (&bits)[N]) noexcept {
  for (const Bit& b : bits) {
    if ((value & b.bit) != 0) facts.text(fact, b.name);
  }
}

void write_utf16(FactWriter& facts, Fact fact, Bytes utf16) noexcept {
  uint8_t text[128];
  const size_t n = utf8_of_utf16(utf16, text);
  if (n != 0) facts.text(fact, Bytes(text, n));
}

// MS-RDPBCGR section 2.2.1.3.2. Of a version that had fewer fields, as many as there are.
void write_client_core(Bytes block, FactWriter& facts) noexcept {
  Cursor c(block);
  facts.text(Fact::kRdpClientVersion, rdp_version_name(c.le32()));
  facts.number(Fact::kRdpClientWidth, c.le16());
  facts.number(Fact::kRdpClientHeight, c.le16());
  const uint16_t depth = c.le16();
  c.le16();  // SAS sequence
  facts.text(Fact::kRdpClientKeyboard, locale_name(c.le32()));
  facts.text(Fact::kRdpClientBuild, windows_name(c.le32()));
  write_utf16(facts, Fact::kRdpClientName, c.bytes(32));
  constexpr std::string_view kKeyboards[] = {"",         "xt",   "ico",  "at",
                                             "enhanced", "1050", "9140", "jp"};
  const uint32_t keyboard = c.le32(), subtype = c.le32(), keys = c.le32();
  if (keyboard != 0 && keyboard < std::size(kKeyboards)) {
    facts.text(Fact::kRdpClientKeyboardType, kKeyboards[keyboard]);
  }
  if (subtype != 0) facts.number(Fact::kRdpClientKeyboardSubtype, subtype);
  if (keys != 0) facts.number(Fact::kRdpClientFunctionKeys, keys);
  write_utf16(facts, Fact::kRdpClientIme, c.bytes(64));
  const uint16_t depth2 = c.le16(), product = c.le16();
  if (c.ok()) facts.number(Fact::kRdpClientProductId, product);
  const uint32_t serial = c.le32();
  if (serial != 0) facts.number(Fact::kRdpClientSerial, serial);
  const uint16_t high = c.le16();
  c.le16();  // depths that it could show
  const uint16_t early = c.le16();
  constexpr Bit kEarly[] = {
      {0x001, "support_errinfo_pdf"},        {0x002, "want_32bpp_session"},
      {0x004, "support_statusinfo_pdu"},     {0x008, "strong_asymmetric_keys"},
      {0x020, "valid_connection_type"},      {0x040, "support_monitor_layout_pdu"},
      {0x080, "support_netchar_autodetect"}, {0x100, "support_dynvc_gfx_protocol"},
      {0x200, "support_dynamic_time_zone"},  {0x400, "support_heartbeat_pdu"}};
  write_bits(facts, Fact::kRdpClientCapabilities, early, kEarly);
  // The newest word on colours counts; 0xca00 and on are 4, 8, 15, 16, 24 bits.
  constexpr uint8_t kDepths[] = {4, 8, 15, 16, 24};
  const auto of_code = [&](uint16_t code) {
    const unsigned i = code - 0xca00u;
    return i < std::size(kDepths) ? kDepths[i] : uint8_t{0};
  };
  unsigned bits = (early & 2) != 0 ? 32 : high;
  if (bits == 0) bits = of_code(depth2);
  if (bits == 0) bits = of_code(depth);
  if (bits != 0) facts.number(Fact::kRdpClientDepth, bits);
  write_utf16(facts, Fact::kRdpClientId, c.bytes(64));
  constexpr std::string_view kHints[] = {
      "", "modem", "low_broadband", "satellite", "high_broadband", "wan", "lan", "autodetect"};
  const uint8_t hint = c.u8();
  if (hint != 0 && hint < std::size(kHints)) facts.text(Fact::kRdpClientHint, kHints[hint]);
  c.skip(5);  // pad; the protocol that the server selected
  const uint32_t width = c.le32(), height = c.le32();
  if (c.ok()) {
    facts.number(Fact::kRdpClientPhysicalWidth, width);
    facts.number(Fact::kRdpClientPhysicalHeight, height);
  }
  const uint16_t orientation = c.le16();
  if (c.ok()) facts.number(Fact::kRdpClientOrientation, orientation);
  const uint32_t scale = c.le32(), device = c.le32();
  if (!c.ok()) return;
  facts.number(Fact::kRdpClientScale, scale);
  facts.number(Fact::kRdpClientDeviceScale, device);
}

// Section 2.2.1.3.4.
void write_channels(Bytes block, FactWriter& facts) noexcept {
  Cursor c(block);
  const uint32_t count = c.le32();
  for (unsigned i = 0; i < std::min<uint32_t>(count, kChannelsMax); ++i) {
    const Bytes name = c.bytes(8);
    c.le32();
    if (!c.ok()) return;
    facts.text(Fact::kRdpChannels, Bytes(name.begin(), std::find(name.begin(), name.end(), 0)));
  }
}

constexpr CertificateFacts kCertificateFacts{Fact::kRdpCertificateSubject,
                                             Fact::kRdpCertificateIssuer,
                                             Fact::kRdpCertificateSerial,
                                             Fact::kCount,
                                             Fact::kRdpCertificateNotBefore,
                                             Fact::kRdpCertificateNotAfter,
                                             Fact::kCount};

// Section 2.2.1.4.3.1.
void write_certificates(Bytes bytes, FactWriter& facts) noexcept {
  Cursor c(bytes);
  const uint32_t version = c.le32() & 0x7fff'ffff;
  if (version == 1 && c.ok()) {
    facts.item(Fact::kRdpCertificate);
    facts.text(Fact::kRdpCertificateType, std::string_view("RSA"));
  }
  if (version != 2) return;
  const uint32_t count = c.le32();
  for (unsigned i = 0; i < std::min<uint32_t>(count, kCertificatesMax); ++i) {
    const Bytes der = c.bytes(c.le32());
    if (!c.ok()) return;
    facts.item(Fact::kRdpCertificate);
    facts.text(Fact::kRdpCertificateType, std::string_view("X.509"));
    Certificate certificate;
    if (read_certificate(der, certificate))
      write_certificate(facts, certificate, kCertificateFacts);
  }
}

// Section 2.2.1.4.3. Whether nothing is encrypted.
bool write_server_security(Bytes block, FactWriter& facts) noexcept {
  constexpr std::string_view kLevels[] = {"none", "low", "client_compatible", "high", "fips"};
  constexpr Bit kMethods[] = {{0x01, "40bit"}, {0x02, "128bit"}, {0x08, "56bit"}, {0x10, "fips"}};
  Cursor c(block);
  const uint32_t method = c.le32(), level = c.le32();
  if (!c.ok()) return false;
  if (level < std::size(kLevels)) facts.text(Fact::kRdpEncryptionLevel, kLevels[level]);
  if (method == 0) facts.text(Fact::kRdpEncryptionMethod, std::string_view("none"));
  write_bits(facts, Fact::kRdpEncryptionMethod, method, kMethods);
  if (method == 0 && level == 0) return true;
  const uint32_t random = c.le32(), certificate = c.le32();
  c.skip(random);
  write_certificates(c.bytes(certificate), facts);
  return false;
}

// The blocks of settings in a connect message, behind the key of T.124's user data.
Bytes settings_of(Bytes mcs, std::string_view key) noexcept {
  const std::string_view text = as_text(mcs);
  const size_t at = text.substr(0, 256).find(key);
  if (at == std::string_view::npos) return {};
  Cursor c(mcs);
  c.seek(at + key.size());
  if ((c.u8() & 0x80) != 0) c.u8();  // length, X.691 section 10.9
  return c.rest();
}

template <class Each>
void each_block(Bytes settings, Each&& each) noexcept {
  Cursor c(settings);
  for (unsigned i = 0; i < kBlocksMax && c.left() >= 4; ++i) {
    const uint16_t type = c.le16(), length = c.le16();
    if (length < 4) return;
    const Bytes block = c.bytes(length - 4u);
    if (!c.ok()) return;
    each(type, block);
  }
}

struct Negotiation {  // section 2.2.1.1.1
  uint8_t type = 0, flags = 0;
  uint32_t value = 0;
};

bool read_negotiation(Bytes bytes, Negotiation& n) noexcept {
  Cursor c(bytes);
  n.type = c.u8();
  n.flags = c.u8();
  const uint16_t length = c.le16();
  n.value = c.le32();
  return c.ok() && n.type >= 1 && n.type <= 3 && length == 8;
}

}  // namespace

Probe RdpParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  const uint8_t start[] = {3, 0};
  for (size_t i = 0; i < std::min<size_t>(2, b.size()); ++i) {
    if (b[i] != start[i]) return kNotMine;
  }
  if (b.size() < kTpktBytes + 2) return kPerhaps;
  const size_t length = load_be16(&b[2]);
  const bool request = b[5] == kRequest;
  if ((!request && b[5] != kConfirm) || length < 11 || length > 1024 || b[4] + 5u > length) {
    return kNotMine;
  }
  const Probe mine = request ? kMineFromClient : kMineFromServer;
  if (in.has_port(kRdpPort)) return mine;
  if (length == 11) return kNotMine;  // anybody's X.224
  if (b.size() < 15) return kPerhaps;
  const Bytes rest = b.subspan(kTpktBytes + kX224Bytes, 4);
  if (request && starts_with(rest, "Cook")) return mine;
  const bool negotiates = length >= 19 && rest[2] == 8 && rest[3] == 0;
  return negotiates && (request ? rest[0] == 1 : rest[0] == 2 || rest[0] == 3) ? mine : kNotMine;
}

Step RdpParser::parse(const Input& in, Output& out) noexcept {
  if (in.bytes.size() < kTpktBytes) return Step::need(kTpktBytes);
  if (in.bytes[0] != 3 || refused_)
    return events_ >= 2 ? Step::finished() : Step::malformed(kMalformed);
  const size_t length = load_be16(&in.bytes[2]);
  if (length < kTpktBytes + 3) return Step::malformed(kMalformed);
  if (length > kMessageBytesMax) return Step::finished();
  if (in.bytes.size() < length) return Step::need(length);
  const Bytes x224 = in.bytes.first(length).subspan(kTpktBytes);
  switch (x224[1] & 0xf0) {
    case kRequest:
      connection_request(x224, out);
      break;
    case kConfirm:
      if (connection_confirm(x224, out)) return Step::become(EvidenceKind::kTls, length);
      if (refused_) return Step::finished();
      break;
    case kData: {
      const Bytes mcs = x224.subspan(3);
      if (mcs.size() < 2) break;
      const uint16_t tag = load_be16(mcs.data());
      if (tag == 0x7f65) connect_initial(mcs, out);
      if (tag == 0x7f66 && !connect_response(mcs, out)) return Step::finished();
      if (in.from_client && tag >> 8 == 0x64 && client_info(mcs, out)) return Step::finished();
      break;
    }
    default:
      return Step::malformed(kMalformed);
  }
  return Step::consumed(length);
}

FactWriter& RdpParser::begin(Output& out, std::string_view event) noexcept {
  FactWriter& facts = out.fresh();
  facts.number(Fact::kRdpTxId, events_++);
  facts.text(Fact::kRdpEventType, event);
  return facts;
}

// Section 2.2.1.1.
void RdpParser::connection_request(Bytes x224, Output& out) noexcept {
  FactWriter& facts = begin(out, "initial_request");
  Bytes rest = x224.size() > kX224Bytes ? x224.subspan(kX224Bytes) : Bytes{};
  Bytes line;
  size_t used = 0;
  constexpr std::string_view kCookie = "Cookie: mstshash=", kToken = "Cookie: msts=";
  cookie_ = {};
  if (starts_with(rest, "Cookie:") && next_line(rest, 0, line, used)) {
    if (starts_with(line, kCookie)) {
      cookie_.assign(line.subspan(kCookie.size()));
      facts.text(Fact::kRdpCookie, line.subspan(kCookie.size()), 256);
    } else if (starts_with(line, kToken)) {
      facts.text(Fact::kRdpRoutingToken, line.subspan(kToken.size()), 256);
    }
    rest = rest.subspan(used);
  }
  Negotiation n;
  if (read_negotiation(rest, n) && n.type == 1) {
    constexpr Bit kFlags[] = {{1, "restricted_admin_mode_required"},
                              {2, "redirected_authentication_mode_required"},
                              {8, "correlation_info_present"}};
    constexpr Bit kProtocols[] = {
        {1, "ssl"}, {2, "hybrid"}, {4, "rds_tls"}, {8, "hybrid_ex"}, {16, "rdsaad"}};
    write_bits(facts, Fact::kRdpFlags, n.flags, kFlags);
    if (n.value == 0) facts.text(Fact::kRdpRequestedProtocols, std::string_view("rdp"));
    write_bits(facts, Fact::kRdpRequestedProtocols, n.value, kProtocols);
  }
  out.tell(kKind, facts);
}

// Section 2.2.1.2.
bool RdpParser::connection_confirm(Bytes x224, Output& out) noexcept {
  FactWriter& facts = begin(out, "initial_response");
  Negotiation n;
  const bool said = x224.size() > kX224Bytes && read_negotiation(x224.subspan(kX224Bytes), n);
  refused_ = said && n.type == 3;
  std::string_view protocol;
  if (refused_) {
    constexpr std::string_view kReasons[] = {
        "ssl required by server",    "ssl not allowed by server",
        "ssl cert not on server",    "inconsistent flags",
        "hybrid required by server", "ssl with user auth required by server"};
    facts.number(Fact::kRdpErrorCode, n.value);
    if (n.value - 1 < std::size(kReasons)) facts.text(Fact::kRdpReason, kReasons[n.value - 1]);
  } else {
    constexpr Bit kSupports[] = {{1, "extended_client_data"},
                                 {2, "dynvc_gfx"},
                                 {8, "restricted_admin"},
                                 {16, "redirected_authentication"}};
    if (said) write_bits(facts, Fact::kRdpServerSupports, n.flags, kSupports);
    protocol = n.value == 0    ? "rdp"
               : n.value == 1  ? "ssl"
               : n.value == 2  ? "hybrid"
               : n.value == 4  ? "rds_tls"
               : n.value == 8  ? "hybrid_ex"
               : n.value == 16 ? "rdsaad"
                               : "unknown";
    facts.text(Fact::kRdpProtocol, protocol);
    facts.flag(Fact::kRdpNla, n.value == 2 || n.value == 8);
  }
  out.tell(kKind, facts);
  if (!refused_ && !cookie_.empty()) {
    out.login({.protocol = "rdp",
               .mechanism = protocol,
               .account = cookie_.bytes(),
               .domain = {},
               .host = {},
               .service = {},
               .outcome = LoginOutcome::kAttempt,
               .code = {}});
  }
  return !refused_ && n.value != 0;
}

// Section 2.2.1.3.
void RdpParser::connect_initial(Bytes mcs, Output& out) noexcept {
  FactWriter& facts = begin(out, "connect_request");
  each_block(settings_of(mcs, "Duca"), [&](uint16_t type, Bytes block) {
    if (type == 0xc001) write_client_core(block, facts);
    if (type == 0xc003) write_channels(block, facts);
  });
  out.tell(kKind, facts);
}

// Section 2.2.1.4.
bool RdpParser::connect_response(Bytes mcs, Output& out) noexcept {
  FactWriter& facts = begin(out, "connect_response");
  bool clear = false;
  each_block(settings_of(mcs, "McDn"), [&](uint16_t type, Bytes block) {
    if (type == 0x0c02) clear = write_server_security(block, facts);
  });
  out.tell(kKind, facts);
  return clear;
}

// Section 2.2.1.11, where nothing is encrypted. true: it was there.
bool RdpParser::client_info(Bytes mcs, Output& out) noexcept {
  constexpr uint16_t kInfo = 0x40;
  constexpr uint32_t kUnicode = 0x10;
  Cursor c(mcs);
  c.skip(6);  // MCS: what, who, on which channel, how
  if ((c.u8() & 0x80) != 0) c.u8();
  const uint16_t what = c.le16();
  c.skip(2 + 4);  // and the code page
  const uint32_t flags = c.le32();
  const uint16_t domain = c.le16(), user = c.le16();
  c.skip(6);  // password, shell, folder
  if (!c.ok() || (what & kInfo) == 0) return false;
  const size_t end = (flags & kUnicode) != 0 ? 2 : 1;
  const Bytes domain_bytes = c.bytes(domain);
  c.skip(end);
  const Bytes user_bytes = c.bytes(user);
  if (!c.ok()) return true;
  ShortText<127> names[2];
  if (end == 2) {
    names[0].assign_utf16(domain_bytes);
    names[1].assign_utf16(user_bytes);
  } else {
    names[0].assign(domain_bytes);
    names[1].assign(user_bytes);
  }
  if (names[1].empty()) return true;
  out.login({.protocol = "rdp",
             .mechanism = "rdp",
             .account = names[1].bytes(),
             .domain = names[0].bytes(),
             .host = {},
             .service = {},
             .outcome = LoginOutcome::kAttempt,
             .code = {}});
  return true;
}

}  // namespace weir::parse
