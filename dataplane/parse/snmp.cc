// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/snmp.h"

#include <charconv>

namespace weir::parse {

namespace {

constexpr uint16_t kGetRequest = 0xa0, kResponse = 0xa2, kTrap1 = 0xa4, kGetBulk = 0xa5,
                   kReport = 0xa8, kIpAddress = 0x40, kTimeTicks = 0x43;
constexpr int64_t kVersion1 = 0, kVersion2 = 1, kVersion3 = 3;
constexpr unsigned kVariablesMax = 256;
constexpr uint8_t kWithAuthentication = 1, kWithPrivacy = 2, kReportable = 4;
constexpr int64_t kUserSecurity = 3;

constexpr std::string_view kPdus[] = {"get_request",    "get_next_request", "response",
                                      "set_request",    "trap_v1",          "get_bulk_request",
                                      "inform_request", "trap_v2",          "report"};
constexpr std::string_view kErrors[] = {"NoError",
                                        "TooBig",
                                        "NoSuchName",
                                        "BadValue",
                                        "ReadOnly",
                                        "GenErr",
                                        "NoAccess",
                                        "WrongType",
                                        "WrongLength",
                                        "WrongEncoding",
                                        "WrongValue",
                                        "NoCreation",
                                        "InconsistentValue",
                                        "ResourceUnavailable",
                                        "CommitFailed",
                                        "UndoFailed",
                                        "AuthorizationError",
                                        "NotWritable",
                                        "InconsistentName"};
constexpr std::string_view kTraps[] = {
    "coldStart",       "warmStart",         "linkDown", "linkUp", "authenticationFailure",
    "egpNeighborLoss", "enterpriseSpecific"};

// 1.3.6.1.6.3.15.1.1, RFC 3414 section 5. What discovers an engine or its time refuses nobody.
constexpr uint8_t kUserStatistics[] = {0x2b, 0x06, 0x01, 0x06, 0x03, 0x0f, 0x01, 0x01};
constexpr std::string_view kRefusals[] = {"",
                                          "usmStatsUnsupportedSecLevels",
                                          "",
                                          "usmStatsUnknownUserNames",
                                          "",
                                          "usmStatsWrongDigests",
                                          "usmStatsDecryptionErrors"};

// Why a report refuses; empty: it does not.
std::string_view refusal_of(Bytes oid) noexcept {
  constexpr size_t kPrefix = sizeof kUserStatistics;
  if (oid.size() <= kPrefix || !std::equal(oid.begin(), oid.begin() + kPrefix, kUserStatistics)) {
    return {};
  }
  const uint8_t which = oid[kPrefix];
  return which < std::size(kRefusals) ? kRefusals[which] : std::string_view();
}

bool is_pdu(uint16_t tag) noexcept {
  return tag >= kGetRequest && tag <= kReport;
}

int64_t integer(Asn1& in, uint16_t tag = kAsn1Integer) noexcept {
  int64_t value = -1;
  return read_asn1_integer(in.body(tag), value) ? value : -1;
}

// "1.3.6.1": X.690 section 8.19. What does not fit is left out.
void write_oid(FactWriter& facts, Fact fact, Bytes oid) noexcept {
  char text[600];
  char* at = text;
  char* const end = text + sizeof text;
  uint64_t part = 0;
  for (const uint8_t b : oid) {
    part = part << 7 | (b & 0x7fu);
    if ((b & 0x80) != 0) continue;
    if (end - at < 28) break;
    if (at == text) {  // the first two in one
      const uint64_t first = std::min<uint64_t>(part / 40, 2);
      at = std::to_chars(at, end, first).ptr;
      part -= first * 40;
    }
    *at++ = '.';
    at = std::to_chars(at, end, part).ptr;
    part = 0;
  }
  facts.text(fact, std::string_view(text, static_cast<size_t>(at - text)));
}

bool write_trap(FactWriter& facts, Asn1& pdu) noexcept {
  const Bytes enterprise = pdu.body(kAsn1Oid), agent = pdu.body(kIpAddress);
  const int64_t generic = integer(pdu);
  integer(pdu);
  pdu.body(kTimeTicks);
  if (!pdu.ok()) return false;
  const auto known = static_cast<uint64_t>(generic) < std::size(kTraps);
  facts.text(Fact::kSnmpTrapType, known ? kTraps[generic] : std::string_view("unknown"));
  write_oid(facts, Fact::kSnmpTrapOid, enterprise);
  if (agent.size() == 4) facts.address(Fact::kSnmpTrapAddress, IpAddress::from_v4(agent.data()));
  return true;
}

// first: the OID of the first variable.
bool write_pdu(FactWriter& facts, const Element& e, Bytes& first) noexcept {
  if (!is_pdu(e.tag)) return false;
  facts.text(Fact::kSnmpPduType, kPdus[e.tag - kGetRequest]);
  Asn1 pdu(e.body);
  if (e.tag == kTrap1) {
    if (!write_trap(facts, pdu)) return false;
  } else {
    const int64_t id = integer(pdu), error = integer(pdu);
    integer(pdu);
    if (!pdu.ok()) return false;
    facts.signed_number(Fact::kSnmpRequestId, id);
    const bool errs = error > 0 && e.tag != kGetBulk;  // there it says how many do not repeat
    if (errs && static_cast<uint64_t>(error) < std::size(kErrors)) {
      facts.text(Fact::kSnmpError, kErrors[error]);
    } else if (errs) {
      facts.text(Fact::kSnmpError, std::string_view("unknown"));
    }
  }
  Asn1 variables = pdu.inside(kAsn1Sequence);
  for (unsigned n = 0; n < kVariablesMax && variables.more(); ++n) {
    Asn1 one = variables.inside(kAsn1Sequence);
    const Bytes name = one.body(kAsn1Oid);
    if (!one.ok()) return false;
    if (n == 0) first = name;
    write_oid(facts, Fact::kSnmpVar, name);
  }
  return pdu.ok() && variables.ok();
}

// What USM says of itself; RFC 3414 section 2.4.
bool write_user(FactWriter& facts, Bytes parameters, Bytes& user) noexcept {
  Asn1 outer(parameters);
  Asn1 usm = outer.inside(kAsn1Sequence);
  const Bytes engine = usm.body(kAsn1OctetString);
  integer(usm);
  integer(usm);
  user = usm.body(kAsn1OctetString);
  if (!usm.ok()) return false;
  if (!engine.empty()) facts.bytes(Fact::kSnmpEngineId, engine, 64);
  facts.text(Fact::kSnmpUsm, user, 256);
  return true;
}

bool write_version3(FactWriter& facts, Asn1& message, SnmpUserMessage& m, Output& out) noexcept {
  Asn1 global = message.inside(kAsn1Sequence);
  m.id = integer(global);
  integer(global);
  const Bytes flags = global.body(kAsn1OctetString);
  const int64_t model = integer(global);
  const Bytes parameters = message.body(kAsn1OctetString);
  Element data;
  if (!global.ok() || flags.size() != 1 || !message.next(data)) return false;
  const bool sealed = data.tag == kAsn1OctetString;
  m.sealed = sealed;
  m.authenticated = (flags[0] & kWithAuthentication) != 0;
  m.asks = (flags[0] & kReportable) != 0;
  if (sealed != ((flags[0] & kWithPrivacy) != 0)) return false;
  facts.text(Fact::kSnmpSecurityLevel,
             std::string_view(sealed            ? "authPriv"
                              : m.authenticated ? "authNoPriv"
                                                : "noAuthNoPriv"));
  if (model == kUserSecurity) {
    if (!write_user(facts, parameters, m.user)) return false;
  } else {
    out.violation(EvidenceKind::kSnmp, "unknown_security_model");
  }
  if (sealed) {
    facts.text(Fact::kSnmpPduType, std::string_view("encrypted"));
    return true;
  }
  Asn1 scoped(data.body);
  scoped.body(kAsn1OctetString);
  const Bytes context = scoped.body(kAsn1OctetString);
  Element pdu;
  if (data.tag != kAsn1Sequence || !scoped.next(pdu)) return false;
  if (!context.empty()) facts.text(Fact::kSnmpContext, context, 256);
  m.pdu_tag = pdu.tag;
  return write_pdu(facts, pdu, m.first_variable);
}

}  // namespace

Probe SnmpParser::probe(const ProbeInput& in) noexcept {
  Asn1Head head;
  if (read_asn1_head(in.bytes, head) != Asn1Read::kGood || head.tag != kAsn1Sequence) {
    return kNotMine;
  }
  const uint64_t whole = head.whole_bytes();
  if (in.whole ? whole != in.bytes.size() : whole < in.bytes.size()) return kNotMine;
  Asn1 all(in.bytes, in.whole ? Asn1::Past::kRefuse : Asn1::Past::kClip);
  Asn1 message = all.inside(kAsn1Sequence);
  const int64_t version = integer(message);
  Element e;
  if (version == kVersion3) {
    Asn1 global = message.inside(kAsn1Sequence);
    integer(global);
    integer(global);
    const Bytes flags = global.body(kAsn1OctetString);
    if (flags.size() != 1 || integer(global) < 0 || !global.ok()) return kNotMine;
    message.body(kAsn1OctetString);
    if (!message.next(e)) return kNotMine;
    if (e.tag != kAsn1Sequence && e.tag != kAsn1OctetString) return kNotMine;
    return (flags[0] & kReportable) != 0 ? kMineFromClient : kMine;
  }
  if (version != kVersion1 && version != kVersion2) return kNotMine;
  message.body(kAsn1OctetString);
  if (!message.next(e) || !is_pdu(e.tag)) return kNotMine;
  if (version == kVersion1 ? e.tag > kTrap1 : e.tag == kTrap1) return kNotMine;
  return e.tag == kResponse || e.tag == kReport ? kMineFromServer : kMineFromClient;
}

Step SnmpParser::parse(const Input& in, Output& out) noexcept {
  Asn1 all(in.bytes);
  Asn1 message = all.inside(kAsn1Sequence);
  const int64_t version = integer(message);
  FactWriter& facts = out.fresh();
  facts.number(Fact::kSnmpVersion,
               static_cast<uint64_t>(version == kVersion3 ? version : version + 1));
  SnmpUserMessage user;
  bool good = message.ok() && (version == kVersion1 || version == kVersion2);
  if (good) {
    const Bytes community = message.body(kAsn1OctetString);
    Element pdu;
    Bytes first;
    good = message.next(pdu) && write_pdu(facts, pdu, first);
    if (message.ok()) facts.text(Fact::kSnmpCommunity, community, 256);
  } else if (message.ok() && version == kVersion3) {
    good = write_version3(facts, message, user, out);
  }
  if (good) {
    out.tell(kKind, facts, Ends::kSenderFirst);
    if (user.asks) {
      remember(user, in.from_client);
    } else {
      judge(user, in.from_client, out);
    }
  } else {
    out.violation(kKind, "malformed_data");
  }
  return Step::consumed(in.bytes.size());
}

void SnmpParser::remember(const SnmpUserMessage& m, bool from_client) noexcept {
  if (m.user.empty() || m.id < 0) return;  // nobody yet: it asks for the engine's name
  Ask& a = asks_[next_++ % kAsksMax];
  a.id = m.id;
  a.from_client = from_client;
  a.authenticated = m.authenticated;
  a.user.assign(m.user);
}

void SnmpParser::judge(const SnmpUserMessage& m, bool from_client, Output& out) noexcept {
  for (Ask& a : asks_) {
    if (a.id < 0 || a.id != m.id || a.from_client == from_client) continue;
    a.id = -1;
    Login login{.protocol = "snmp", .mechanism = "usm", .account = a.user.bytes()};
    login.ends = Ends::kAnsweredFirst;
    if (m.pdu_tag == kReport) {
      login.code = refusal_of(m.first_variable);
      login.outcome = LoginOutcome::kFailure;
      if (!login.code.empty()) {
        out.login(login);
        let_in_.size = 0;
      }
    } else if (a.authenticated && m.authenticated && (m.sealed || m.pdu_tag == kResponse)) {
      login.outcome = LoginOutcome::kSuccess;
      const Bytes last = let_in_.bytes(), user = a.user.bytes();
      if (!std::equal(last.begin(), last.end(), user.begin(), user.end())) out.login(login);
      let_in_.assign(user);
    }
    return;
  }
}

}  // namespace weir::parse
