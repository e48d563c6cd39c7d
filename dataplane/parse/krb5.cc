// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/krb5.h"

#include <charconv>

#include "dataplane/parse/krb5_names.h"
#include "dataplane/parse/spnego.h"

namespace weir::parse {

namespace {

constexpr uint64_t kMessageMax = 1u << 20;  // a KDC takes no more either
constexpr size_t kClipBytes = 8192;
constexpr unsigned kEtypesMax = 16, kAddressesMax = 8, kNamePartsMax = 16, kPreauthMax = 16;
constexpr std::string_view kMalformed = "malformed_data";

constexpr unsigned kAsReq = 10, kAsRep = 11, kTgsReq = 12, kTgsRep = 13, kApReq = 14, kApRep = 15,
                   kError = 30;
constexpr uint16_t kString = 0x1b;  // GeneralString
constexpr uint16_t kTime = 0x18;    // GeneralizedTime

std::string_view type_name(unsigned type) noexcept {
  switch (type) {
    case kAsReq:
      return "KRB_AS_REQ";
    case kAsRep:
      return "KRB_AS_REP";
    case kTgsReq:
      return "KRB_TGS_REQ";
    case kTgsRep:
      return "KRB_TGS_REP";
    case kApReq:
      return "KRB_AP_REQ";
    case kApRep:
      return "KRB_AP_REP";
    case kError:
      return "KRB_ERROR";
    default:
      return "UNKNOWN";
  }
}

constexpr uint16_t context(unsigned n) noexcept {  // [n], as Kerberos numbers its fields
  return static_cast<uint16_t>(0xa0 + n);
}

// The element inside of a numbered field.
Bytes field_body(const Element& field, uint16_t tag, Asn1::Past past) noexcept {
  return Asn1(field.body, past).body(tag);
}

bool field_integer(const Element& field, int64_t& value, Asn1::Past past) noexcept {
  return read_asn1_integer(field_body(field, kAsn1Integer, past), value);
}

// PrincipalName, RFC 4120 section 5.2.2.
void read_name(const Element& field, KerberosName& name, Asn1::Past past) noexcept {
  name.clear();
  Asn1 fields = Asn1(field.body, past).inside(kAsn1Sequence);
  Element e;
  while (fields.next(e)) {
    if (e.tag != context(1)) continue;
    Asn1 parts = Asn1(e.body, past).inside(kAsn1Sequence);
    Element part;
    for (unsigned i = 0; i < kNamePartsMax && parts.next(part); ++i) {
      if (i != 0) name.add(as_bytes("/"));
      name.add(part.body);
    }
  }
}

// "20260131133700Z"; days by Howard Hinnant's civil calendar.
bool read_time(Bytes text, uint64_t& unix_seconds) noexcept {
  unsigned v[7] = {};  // century and year by two digits, month, day, hour, minute, second
  if (text.size() < 14) return false;
  for (unsigned i = 0; i < 14; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    v[i / 2] = v[i / 2] * 10 + (text[i] - '0');
  }
  const unsigned month = v[2], day = v[3];
  if (month == 0 || month > 12 || day == 0 || day > 31) return false;
  const unsigned year = v[0] * 100 + v[1] - (month <= 2 ? 1 : 0);
  const unsigned of_era = year % 400;
  const unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int64_t days =
      int64_t{year / 400} * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
  const int64_t seconds = days * 86'400 + v[4] * 3600 + v[5] * 60 + v[6];
  unix_seconds = static_cast<uint64_t>(seconds);
  return true;
}

void write_time(FactWriter& facts, Fact fact, const Element& field, Asn1::Past past) noexcept {
  uint64_t seconds = 0;
  if (read_time(field_body(field, kTime, past), seconds)) facts.date(fact, seconds);
}

void write_encryption(FactWriter& facts, Fact fact, int32_t type) noexcept {
  char digits[12];
  std::string_view name = encryption_name(type);
  if (name.empty()) {
    const auto end = std::to_chars(digits, digits + sizeof digits, type).ptr;
    name = std::string_view(digits, static_cast<size_t>(end - digits));
  }
  facts.text(fact, name);
}

// EncryptedData, RFC 4120 section 5.2.9.
bool read_encryption(const Element& field, int32_t& type, Asn1::Past past) noexcept {
  Asn1 fields = Asn1(field.body, past).inside(kAsn1Sequence);
  Element e;
  int64_t value = 0;
  if (!fields.take(context(0), e) || !field_integer(e, value, past)) return false;
  type = static_cast<int32_t>(value);
  return true;
}

struct Ticket {
  Bytes realm;
  KerberosName service;
  int32_t encryption = 0;
  bool encrypted = false;
};

// RFC 4120 section 5.3.
void read_ticket(const Element& field, Ticket& ticket, Asn1::Past past) noexcept {
  Asn1 fields = Asn1(field.body, past).inside(0x61).inside(kAsn1Sequence);
  Element e;
  while (fields.next(e)) {
    if (e.tag == context(1)) ticket.realm = field_body(e, kString, past);
    if (e.tag == context(2)) read_name(e, ticket.service, past);
    if (e.tag == context(3)) ticket.encrypted = read_encryption(e, ticket.encryption, past);
  }
}

// How Suricata writes what is not there.
void write_parties(FactWriter& facts, Bytes client, Bytes realm, Bytes service) noexcept {
  const auto text = [&](Fact fact, Bytes b) {
    facts.text(fact, b.empty() ? as_bytes("<empty>") : b);
  };
  text(Fact::kKrb5Cname, client);
  text(Fact::kKrb5Realm, realm);
  text(Fact::kKrb5Sname, service);
}

void write_ciphers(FactWriter& facts, bool encrypted, int32_t encryption,
                   const Ticket* ticket) noexcept {
  if (encrypted) {
    write_encryption(facts, Fact::kKrb5Encryption, encryption);
  } else {
    facts.text(Fact::kKrb5Encryption, std::string_view("<none>"));
  }
  facts.flag(Fact::kKrb5WeakEncryption, encrypted && is_weak_encryption(encryption));
  if (ticket == nullptr || !ticket->encrypted) return;
  write_encryption(facts, Fact::kKrb5TicketEncryption, ticket->encryption);
  facts.flag(Fact::kKrb5TicketWeakEncryption, is_weak_encryption(ticket->encryption));
}

// HostAddress, RFC 4120 section 5.2.5. A Windows client tells its NetBIOS name so.
void write_address(FactWriter& facts, Asn1 fields, KerberosName& host) noexcept {
  constexpr int64_t kV4 = 2, kV6 = 24, kNetbios = 20;
  int64_t type = 0;
  Bytes address;
  Element e;
  while (fields.next(e)) {
    if (e.tag == context(0)) field_integer(e, type, fields.past());
    if (e.tag == context(1)) address = field_body(e, kAsn1OctetString, fields.past());
  }
  if (type == kNetbios) {
    while (!address.empty() && address.back() <= ' ') address = address.first(address.size() - 1);
    host.clear();
    host.add(address);
    facts.text(Fact::kKrb5Addresses, address, 64);
  } else if ((type == kV4 && address.size() == 4) || (type == kV6 && address.size() == 16)) {
    constexpr char kDigits[] = "0123456789abcdef";
    char text[40];
    char* at = text;
    for (size_t i = 0; i < address.size(); ++i) {
      if (type == kV4) {
        if (i != 0) *at++ = '.';
        at = std::to_chars(at, at + 3, address[i]).ptr;
      } else {
        if (i != 0 && i % 2 == 0) *at++ = ':';
        *at++ = kDigits[address[i] >> 4];
        *at++ = kDigits[address[i] & 15];
      }
    }
    facts.text(Fact::kKrb5Addresses, std::string_view(text, static_cast<size_t>(at - text)));
  }
}

// Whether an error says that the client is not let in, rather than that it should ask otherwise.
bool is_refusal(int64_t code) noexcept {
  switch (code) {
    case 1:   // KDC_ERR_NAME_EXP: the account
    case 6:   // KDC_ERR_C_PRINCIPAL_UNKNOWN
    case 9:   // KDC_ERR_NULL_KEY
    case 12:  // KDC_ERR_POLICY: hours, workstations
    case 18:  // KDC_ERR_CLIENT_REVOKED: disabled, locked
    case 21:  // KDC_ERR_CLIENT_NOTYET
    case 23:  // KDC_ERR_KEY_EXPIRED: the password
    case 24:  // KDC_ERR_PREAUTH_FAILED
    case 31:  // KRB_AP_ERR_BAD_INTEGRITY: how some servers say 24
      return true;
    default:
      return false;
  }
}

// [APPLICATION n] SEQUENCE { [0 or 1] INTEGER 5 ...: what every message begins with. kShort: so far
// it may be.
Asn1Read read_start(Bytes bytes, unsigned& type, uint64_t& whole) noexcept {
  Asn1Head head, inner;
  if (bytes.empty()) return Asn1Read::kShort;
  type = bytes[0] & 0x1f;
  if ((bytes[0] & 0xe0) != 0x60 || type_name(type) == "UNKNOWN") return Asn1Read::kBad;
  const Asn1Read outer = read_asn1_head(bytes, head);
  if (outer != Asn1Read::kGood) return outer;
  whole = head.whole_bytes();
  const Bytes body = bytes.subspan(head.head_bytes);
  if (body.empty()) return Asn1Read::kShort;
  if (body[0] != kAsn1Sequence) return Asn1Read::kBad;
  const Asn1Read sequence = read_asn1_head(body, inner);
  if (sequence != Asn1Read::kGood) return sequence;
  if (inner.whole_bytes() != head.body_bytes) return Asn1Read::kBad;
  const uint8_t version[] = {static_cast<uint8_t>(type == kAsReq || type == kTgsReq ? 0xa1 : 0xa0),
                             3, 2, 1, 5};
  const Bytes rest = body.subspan(inner.head_bytes);
  const size_t n = std::min(rest.size(), sizeof version);
  if (!std::equal(rest.begin(), rest.begin() + static_cast<long>(n), version)) {
    return Asn1Read::kBad;
  }
  return n == sizeof version ? Asn1Read::kGood : Asn1Read::kShort;
}

}  // namespace

Probe Krb5Parser::probe(const ProbeInput& in) noexcept {
  Bytes bytes = in.bytes;
  uint64_t length = bytes.size();
  if (in.transport == kOverTcp) {
    if (bytes.size() < 4) return bytes[0] == 0 ? kPerhaps : kNotMine;
    length = load_be32(bytes.data());
    if (length < 16 || length > kMessageMax) return kNotMine;
    bytes = bytes.subspan(4);
  }
  unsigned type = 0;
  uint64_t whole = length;
  const Asn1Read start = read_start(bytes, type, whole);
  if (start == Asn1Read::kBad || whole > length) return kNotMine;
  if (start == Asn1Read::kShort) return in.whole ? kNotMine : kPerhaps;
  return type == kAsReq || type == kTgsReq || type == kApReq ? kMineFromClient : kMineFromServer;
}

Step Krb5Parser::parse(const Input& in, Output& out) noexcept {
  if (in.datagram) {
    const bool answered = message(in.bytes, Asn1::Past::kRefuse, out);
    return answered ? Step::forget(in.bytes.size()) : Step::consumed(in.bytes.size());
  }
  if (in.bytes.size() < 4) return Step::need(4);
  const uint64_t length = load_be32(in.bytes.data());  // RFC 4120 section 7.2.2
  if (length == 0 || length > kMessageMax) return Step::malformed(kMalformed);
  const bool large = length + 4 > kMessageBytesMax;
  const uint64_t wanted = 4 + (large ? kClipBytes : length);
  if (in.bytes.size() < wanted && !in.whole) return Step::need(wanted);
  const Bytes bytes = in.bytes.first(std::min<uint64_t>(in.bytes.size(), wanted)).subspan(4);
  message(bytes, large ? Asn1::Past::kClip : Asn1::Past::kRefuse, out);
  return Step::consumed(4 + length);
}

bool Krb5Parser::message(Bytes bytes, Asn1::Past past, Output& out) noexcept {
  unsigned type = 0;
  uint64_t whole = 0;
  Element e;
  if (read_start(bytes, type, whole) != Asn1Read::kGood || !Asn1(bytes, past).next(e)) {
    out.violation(kKind, kMalformed);
    return false;
  }
  const Asn1 fields = Asn1(e.body, past).inside(kAsn1Sequence);
  switch (type) {
    case kAsReq:
    case kTgsReq:
      request(fields, type, out);
      return false;
    case kAsRep:
    case kTgsRep:
      reply(fields, type, out);
      return true;
    case kError:
      error(fields, out);
      return true;
    case kApReq: {
      ApRequest ap;
      if (read_ap_request(bytes, ap)) tell_ap_request(ap, out);
      return false;
    }
    default:
      return true;
  }
}

// KDC-REQ-BODY, RFC 4120 section 5.4.1.
void Krb5Parser::read_request_body(Asn1 fields) noexcept {
  const Asn1::Past past = fields.past();
  Element e, item;
  while (fields.next(e)) {
    switch (e.tag - context(0)) {
      case 0: {
        const Bytes options = field_body(e, kAsn1BitString, past);
        if (options.size() < 5) break;
        asked_.bytes(Fact::kKrb5KdcOptions, options.subspan(1, 4));
        asked_.flag(Fact::kKrb5Forwardable, (options[1] & 0x40) != 0);
        asked_.flag(Fact::kKrb5Renewable, (options[2] & 0x80) != 0);
        break;
      }
      case 1:
        read_name(e, client_, past);
        break;
      case 2:
        realm_.clear();
        realm_.add(field_body(e, kString, past));
        break;
      case 3:
        read_name(e, service_, past);
        break;
      case 4:
        write_time(asked_, Fact::kKrb5From, e, past);
        break;
      case 5:
        write_time(asked_, Fact::kKrb5Till, e, past);
        break;
      case 6:
        write_time(asked_, Fact::kKrb5RenewTill, e, past);
        break;
      case 8: {
        Asn1 types = Asn1(e.body, past).inside(kAsn1Sequence);
        int64_t type = 0;
        for (unsigned i = 0; i < kEtypesMax && types.next(item); ++i) {
          if (!read_asn1_integer(item.body, type)) break;
          write_encryption(asked_, Fact::kKrb5Etypes, static_cast<int32_t>(type));
        }
        break;
      }
      case 9: {
        Asn1 addresses = Asn1(e.body, past).inside(kAsn1Sequence);
        for (unsigned i = 0; i < kAddressesMax && addresses.next(item); ++i) {
          write_address(asked_, Asn1(item.body, past), host_);
        }
        break;
      }
      default:
        break;
    }
  }
}

// PA-DATA, RFC 4120 section 5.2.7: how the client proves who it is.
void Krb5Parser::read_preauth(Asn1 items) noexcept {
  constexpr int64_t kEncTimestamp = 2, kPkAsReq = 16, kFxFast = 136, kEncryptedChallenge = 138;
  const Asn1::Past past = items.past();
  Element item, e;
  for (unsigned i = 0; i < kPreauthMax && items.next(item); ++i) {
    Asn1 fields(item.body, past);
    int64_t type = 0;
    if (!fields.take(context(1), e) || !field_integer(e, type, past)) continue;
    if (type == kPkAsReq) preauth_ = Preauth::kPkinit;
    if (type == kFxFast && preauth_ == Preauth::kNone) preauth_ = Preauth::kFast;
    if (type == kEncryptedChallenge) preauth_ = Preauth::kChallenge;
    if (type != kEncTimestamp) continue;
    preauth_ = Preauth::kTimestamp;
    int32_t encryption = 0;
    if (!fields.take(context(2), e)) continue;
    // An OCTET STRING around EncryptedData, as a numbered field is around its element.
    if (read_encryption({.tag = 0, .body = field_body(e, kAsn1OctetString, past), .whole = {}},
                        encryption, past)) {
      write_encryption(asked_, Fact::kKrb5PreauthEncryption, encryption);
    }
  }
}

namespace {
std::string_view preauth_name(uint8_t preauth) noexcept {
  constexpr std::string_view kNames[] = {"none", "encrypted_timestamp", "encrypted_challenge",
                                         "pkinit", "fast"};
  return kNames[preauth];
}
}  // namespace

void Krb5Parser::request(Asn1 fields, unsigned type, Output& out) noexcept {
  asked_type_ = static_cast<uint8_t>(type);
  preauth_ = Preauth::kNone;
  for (KerberosName* name : {&client_, &realm_, &service_, &host_}) name->clear();
  asked_.clear();
  const Asn1::Past past = fields.past();
  Element e;
  while (fields.next(e)) {
    if (e.tag == context(3)) read_preauth(Asn1(e.body, past).inside(kAsn1Sequence));
    if (e.tag == context(4)) read_request_body(Asn1(e.body, past).inside(kAsn1Sequence));
  }
  if (type == kAsReq) {
    asked_.text(Fact::kKrb5Preauth, preauth_name(static_cast<uint8_t>(preauth_)));
  }
  FactWriter& facts = out.fresh();
  facts.text(Fact::kKrb5MsgType, type_name(type));
  write_parties(facts, client_.bytes(), realm_.bytes(), service_.bytes());
  write_ciphers(facts, false, 0, nullptr);
  facts.append(asked_);
  out.tell(kKind, facts);
  if (!fields.ok()) out.violation(kKind, kMalformed);
}

// KDC-REP, RFC 4120 section 5.4.2.
void Krb5Parser::reply(Asn1 fields, unsigned type, Output& out) noexcept {
  const Asn1::Past past = fields.past();
  Bytes realm;
  KerberosName client;
  Ticket ticket;
  int32_t encryption = 0;
  bool encrypted = false;
  Element e;
  while (fields.next(e)) {
    if (e.tag == context(3)) realm = field_body(e, kString, past);
    if (e.tag == context(4)) read_name(e, client, past);
    if (e.tag == context(5)) read_ticket(e, ticket, past);
    if (e.tag == context(6)) encrypted = read_encryption(e, encryption, past);
  }
  FactWriter& facts = out.fresh();
  facts.text(Fact::kKrb5MsgType, type_name(type));
  write_parties(facts, client.bytes(), realm, ticket.service.bytes());
  write_ciphers(facts, encrypted, encryption, &ticket);
  const bool answers = asked_type_ + 1u == type;
  if (answers) facts.append(asked_);
  out.tell(kKind, facts);
  if (!fields.ok()) out.violation(kKind, kMalformed);
  if (type == kAsRep) {
    if (!answers || client_.empty()) {
      host_.clear();
      client_ = client;
      realm_.clear();
      realm_.add(realm);
      service_ = ticket.service;
    }
    login(LoginOutcome::kSuccess, {}, out);
  }
  asked_type_ = 0;
}

// RFC 4120 section 5.9.1.
void Krb5Parser::error(Asn1 fields, Output& out) noexcept {
  const Asn1::Past past = fields.past();
  int64_t code = -1;
  Bytes client_realm, realm, text;
  KerberosName client, service;
  Element e;
  while (fields.next(e)) {
    if (e.tag == context(6)) field_integer(e, code, past);
    if (e.tag == context(7)) client_realm = field_body(e, kString, past);
    if (e.tag == context(8)) read_name(e, client, past);
    if (e.tag == context(9)) realm = field_body(e, kString, past);
    if (e.tag == context(10)) read_name(e, service, past);
    if (e.tag == context(11)) text = field_body(e, kString, past);
  }
  const bool asked = asked_type_ != 0;
  if (asked && client.empty()) client = client_;  // Windows does not repeat them
  if (client_realm.empty()) client_realm = asked && !realm_.empty() ? realm_.bytes() : realm;
  char digits[24];
  std::string_view name = kerberos_error_name(code);
  if (name.empty()) {
    const auto end = std::to_chars(digits, digits + sizeof digits, code).ptr;
    name = std::string_view(digits, static_cast<size_t>(end - digits));
  }
  FactWriter& facts = out.fresh();
  facts.text(Fact::kKrb5MsgType, type_name(kError));
  facts.text(Fact::kKrb5FailedRequest, type_name(asked_type_));
  facts.text(Fact::kKrb5ErrorCode, name);
  if (!text.empty()) facts.text(Fact::kKrb5ErrorText, text, 256);
  write_parties(facts, client.bytes(), client_realm, service.bytes());
  write_ciphers(facts, false, 0, nullptr);
  if (asked) facts.append(asked_);
  out.tell(kKind, facts);
  if (!fields.ok()) out.violation(kKind, kMalformed);
  if (is_refusal(code) && (!asked || asked_type_ == kAsReq)) {
    if (!asked || client_.empty()) {
      client_ = client;
      realm_.clear();
      realm_.add(client_realm);
      service_ = service;
    }
    login(LoginOutcome::kFailure, name, out);
  }
  asked_type_ = 0;
}

void Krb5Parser::login(LoginOutcome outcome, std::string_view code, Output& out) const noexcept {
  const bool asked = asked_type_ == kAsReq;
  out.login({.protocol = "krb5",
             .mechanism = asked ? preauth_name(static_cast<uint8_t>(preauth_)) : "",
             .account = client_.bytes(),
             .domain = realm_.bytes(),
             .host = host_.bytes(),
             .service = service_.bytes(),
             .outcome = outcome,
             .code = code});
}

// ---- Kerberos in the tokens of other protocols
// ---------------------------------------------------

bool read_ap_request(Bytes token, ApRequest& request) noexcept {
  const SecurityToken found = find_security_token(token);
  if (found.mechanism != SecurityToken::Mechanism::kKerberosApReq) return false;
  constexpr auto kPast = Asn1::Past::kClip;  // who carries it may have cut it off
  Asn1 fields = Asn1(found.token, kPast).inside(0x6e).inside(kAsn1Sequence);
  Element e;
  while (fields.next(e)) {
    if (e.tag != context(3)) continue;
    Ticket ticket;
    read_ticket(e, ticket, kPast);
    request.realm = ticket.realm;
    request.service = ticket.service;
    request.ticket_encryption = ticket.encryption;
    return !ticket.realm.empty();
  }
  return false;
}

void tell_ap_request(const ApRequest& request, Output& out) noexcept {
  FactWriter& facts = out.fresh();
  facts.text(Fact::kKrb5MsgType, type_name(kApReq));
  write_parties(facts, {}, request.realm, request.service.bytes());
  Ticket ticket;
  ticket.encryption = request.ticket_encryption;
  ticket.encrypted = true;
  write_ciphers(facts, false, 0, &ticket);
  out.tell(EvidenceKind::kKrb5, facts);
}

}  // namespace weir::parse
