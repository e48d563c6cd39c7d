// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ldap.h"

#include <charconv>

#include "dataplane/parse/krb5.h"
#include "dataplane/parse/ldap_text.h"

namespace weir::parse {

namespace {

constexpr uint64_t kMessageMax = 64u << 20;
constexpr size_t kClipBytes = 4096, kPeekBytes = 64;
constexpr unsigned kEntriesTold = 4, kAttributesMax = 32, kEntryAttributesMax = 16,
                   kChangesMax = 16;
constexpr std::string_view kInvalid = "invalid_data";
constexpr std::string_view kStartTls = "1.3.6.1.4.1.1466.20037";

// Tags of protocolOp, RFC 4511 section 4.
enum : uint16_t {
  kBindRequest = 0x60,
  kBindResponse = 0x61,
  kUnbindRequest = 0x42,
  kSearchRequest = 0x63,
  kEntry = 0x64,
  kDone = 0x65,
  kReference = 0x73,
  kModifyRequest = 0x66,
  kModifyResponse = 0x67,
  kAddRequest = 0x68,
  kAddResponse = 0x69,
  kDelRequest = 0x4a,
  kDelResponse = 0x6b,
  kModDnRequest = 0x6c,
  kModDnResponse = 0x6d,
  kCompareRequest = 0x6e,
  kCompareResponse = 0x6f,
  kAbandonRequest = 0x50,
  kExtendedRequest = 0x77,
  kExtendedResponse = 0x78,
  kIntermediate = 0x79
};

struct Operation {
  uint16_t tag;
  bool request;
  std::string_view name;
  Fact code;  // of an LDAPResult; what else it has comes behind it
};
constexpr Operation kOperations[] = {
    {kBindRequest, true, "bind_request", Fact::kCount},
    {kBindResponse, false, "bind_response", Fact::kLdapBindCode},
    {kUnbindRequest, true, "unbind_request", Fact::kCount},
    {kSearchRequest, true, "search_request", Fact::kCount},
    {kEntry, false, "search_result_entry", Fact::kCount},
    {kDone, false, "search_result_done", Fact::kLdapDoneCode},
    {kReference, false, "search_result_reference", Fact::kCount},
    {kModifyRequest, true, "modify_request", Fact::kCount},
    {kModifyResponse, false, "modify_response", Fact::kLdapModifyCode},
    {kAddRequest, true, "add_request", Fact::kCount},
    {kAddResponse, false, "add_response", Fact::kLdapAddCode},
    {kDelRequest, true, "del_request", Fact::kCount},
    {kDelResponse, false, "del_response", Fact::kLdapDelCode},
    {kModDnRequest, true, "mod_dn_request", Fact::kCount},
    {kModDnResponse, false, "mod_dn_response", Fact::kLdapModDnCode},
    {kCompareRequest, true, "compare_request", Fact::kCount},
    {kCompareResponse, false, "compare_response", Fact::kLdapCompareCode},
    {kAbandonRequest, true, "abandon_request", Fact::kCount},
    {kExtendedRequest, true, "extended_request", Fact::kCount},
    {kExtendedResponse, false, "extended_response", Fact::kLdapExtendedCode},
    {kIntermediate, false, "intermediate_response", Fact::kCount}};

const Operation* operation_of(uint16_t tag) noexcept {
  for (const Operation& o : kOperations) {
    if (o.tag == tag) return &o;
  }
  return nullptr;
}

constexpr Fact after(Fact fact, unsigned n) noexcept {  // the table keeps an object together
  return static_cast<Fact>(static_cast<unsigned>(fact) + n);
}

bool ends_request(uint16_t tag) noexcept {
  return tag != kEntry && tag != kReference && tag != kIntermediate;
}

// SEQUENCE { INTEGER messageID, protocolOp ...: what every message begins with. As far as the bytes
// go; kShort: so far it may be.
Asn1Read read_start(Bytes bytes, uint64_t& whole, uint32_t& id, uint16_t& operation) noexcept {
  if (bytes.empty()) return Asn1Read::kShort;
  if (bytes[0] != kAsn1Sequence) return Asn1Read::kBad;
  Asn1Head head, inner;
  const Asn1Read outer = read_asn1_head(bytes, head);
  if (outer != Asn1Read::kGood) return outer;
  whole = head.whole_bytes();
  if (head.body_bytes < 5 || whole > kMessageMax) return Asn1Read::kBad;
  Bytes body = bytes.subspan(head.head_bytes);
  if (body.size() < 2)
    return body.empty() || body[0] == kAsn1Integer ? Asn1Read::kShort : Asn1Read::kBad;
  if (body[0] != kAsn1Integer || body[1] == 0 || body[1] > 5) return Asn1Read::kBad;
  const size_t digits = body[1];
  if (body.size() < 2 + digits) return Asn1Read::kShort;
  int64_t value = 0;
  read_asn1_integer(body.subspan(2, digits), value);
  if (value < 0 || value > 0x7fff'ffff) return Asn1Read::kBad;
  id = static_cast<uint32_t>(value);
  body = body.subspan(2 + digits);
  if (body.empty()) return Asn1Read::kShort;
  if (operation_of(body[0]) == nullptr) return Asn1Read::kBad;
  operation = body[0];
  const Asn1Read read = read_asn1_head(body, inner);
  if (read == Asn1Read::kShort && body.size() + head.head_bytes + 2 + digits < whole) return read;
  if (read != Asn1Read::kGood) return Asn1Read::kBad;
  return inner.whole_bytes() + 2 + digits <= head.body_bytes ? Asn1Read::kGood : Asn1Read::kBad;
}

// LDAPResult, RFC 4511 section 4.1.9. Returns the code.
int64_t write_result(Asn1& fields, Fact code_fact, FactWriter& facts,
                     std::string_view& name) noexcept {
  const int64_t code = ldap_integer(fields, kAsn1Enumerated);
  name = ldap_result_name(code);
  char digits[24];
  if (name.empty()) {
    const auto end = std::to_chars(digits, digits + sizeof digits, code).ptr;
    facts.text(code_fact, std::string_view(digits, static_cast<size_t>(end - digits)));
  } else {
    facts.text(code_fact, name);
  }
  facts.text(after(code_fact, 1), fields.body(kAsn1OctetString), kLdapNameMax);
  Bytes message = fields.body(kAsn1OctetString);
  while (!message.empty() && message.back() == 0) message = message.first(message.size() - 1);
  facts.text(after(code_fact, 2), message, kLdapNameMax);
  return code;
}

}  // namespace

Probe LdapParser::probe(const ProbeInput& in) noexcept {
  uint64_t whole = 0;
  uint32_t id = 0;
  uint16_t tag = 0;
  const Asn1Read start = read_start(in.bytes, whole, id, tag);
  if (start == Asn1Read::kBad || (start == Asn1Read::kShort && in.whole)) return kNotMine;
  if (start == Asn1Read::kShort) return kPerhaps;
  if (in.transport == kOverUdp && whole > in.bytes.size()) return kNotMine;
  return operation_of(tag)->request ? kMineFromClient : kMineFromServer;
}

Step LdapParser::parse(const Input& in, Output& out) noexcept {
  if (in.datagram) {
    Input rest = in;
    for (unsigned i = 0; i < kWaitingMax && !rest.bytes.empty(); ++i) {
      const Step step = messages(rest, out);
      if (step.what != Step::Do::kConsume || step.bytes > rest.bytes.size()) {
        out.violation(kKind, kInvalid);
        break;
      }
      rest.bytes = rest.bytes.subspan(step.bytes);
    }
    return waiting_count_ == 0 ? Step::forget(in.bytes.size()) : Step::consumed(in.bytes.size());
  }
  Wrapping& wrapping = wrapping_[in.from_client ? 1 : 0];
  if (wrapping.left == 0 && wrapping.trailer != 0) {
    const uint32_t trailer = wrapping.trailer;
    wrapping.trailer = 0;
    return Step::consumed(trailer);
  }
  if (wrapping.left == 0 && may_wrap_ && in.bytes[0] == 0) return unwrap(in, out);
  return messages(in, out);
}

// RFC 4422 section 3.7: four octets of length, then what the mechanism made of the messages.
Step LdapParser::unwrap(const Input& in, Output& out) noexcept {
  constexpr size_t kHeadMax = 4 + 16 + 32, kInside = 16;
  if (in.bytes.size() < 4) return Step::need(4);
  const uint64_t whole = 4 + uint64_t{load_be32(in.bytes.data())};
  const size_t wanted = std::min<uint64_t>(whole, kHeadMax + kInside);
  if (in.bytes.size() < wanted) return Step::need(wanted);
  const Bytes token = in.bytes.first(wanted).subspan(4);
  size_t head = 0, trailer = 0;
  if (token.size() < kInside) return sealed(out);
  if (load_be16(token.data()) == 0x0504) {  // RFC 4121 section 4.2.6.2
    const size_t checksum = load_be16(&token[4]), rotated = load_be16(&token[6]);
    if ((token[2] & 2) != 0 || checksum > 32 || (rotated != 0 && rotated != checksum)) {
      return sealed(out);
    }
    head = 16 + rotated;
    trailer = rotated == 0 ? checksum : 0;
  } else if (load_be32(token.data()) == 0x01000000) {  // MS-NLMP section 2.2.2.9
    head = 16;
  } else {
    trailer = 16;  // RFC 2831 section 2.3
  }
  uint64_t message = 0;
  uint32_t id = 0;
  uint16_t tag = 0;
  if (token.size() < head || whole < 4 + head + trailer) return sealed(out);
  if (read_start(token.subspan(head), message, id, tag) == Asn1Read::kBad) return sealed(out);
  Wrapping& w = wrapping_[in.from_client ? 1 : 0];
  w.left = whole - 4 - head - trailer;
  w.trailer = static_cast<uint32_t>(trailer);
  return w.left == 0 ? sealed(out) : Step::consumed(4 + head);
}

Step LdapParser::sealed(Output& out) noexcept {
  FactWriter& facts = out.fresh();
  facts.flag(Fact::kLdapSealed, true);
  out.tell(kKind, facts);
  return Step::finished();
}

// Entries beyond those that are told are only counted, and need not be put together for it.
bool LdapParser::skip_entry(Bytes start, uint64_t whole) noexcept {
  uint64_t bytes = 0;
  uint32_t id = 0;
  uint16_t tag = 0;
  if (read_start(start, bytes, id, tag) != Asn1Read::kGood || tag != kEntry) return false;
  Waiting* w = find(id);
  if (w == nullptr || w->told < kEntriesTold) return false;
  ++w->entries;
  w->bytes += whole;
  return true;
}

Step LdapParser::messages(const Input& in, Output& out) noexcept {
  Wrapping& wrapping = wrapping_[in.from_client ? 1 : 0];
  uint64_t whole = 0;
  Message m;
  uint16_t tag = 0;
  const Asn1Read start = read_start(in.bytes, whole, m.id, tag);
  if (start == Asn1Read::kBad) return may_wrap_ ? sealed(out) : Step::malformed(kInvalid);
  if (start == Asn1Read::kShort) return Step::need(in.bytes.size() + 1);
  const bool wrapped = wrapping.left != 0;
  if (wrapped && whole > wrapping.left) return Step::malformed(kInvalid);
  const bool large = whole > kMessageBytesMax;
  const size_t peek = std::min<uint64_t>(whole, kPeekBytes);
  if (in.bytes.size() < peek && !in.whole) return Step::need(peek);
  bool done = skip_entry(in.bytes.first(std::min(peek, in.bytes.size())), whole);
  if (!done) {
    const uint64_t wanted = large ? kClipBytes : whole;
    if (in.bytes.size() < wanted && !in.whole) return Step::need(wanted);
    if (in.datagram && in.bytes.size() < wanted) return Step::malformed(kInvalid);
  }
  if (wrapped) wrapping.left -= whole;
  if (done) return Step::consumed(whole);
  m.bytes = static_cast<uint32_t>(whole);
  m.past = large || in.bytes.size() < whole ? Asn1::Past::kClip : Asn1::Past::kRefuse;
  const size_t there = std::min<uint64_t>(in.bytes.size(), large ? kClipBytes : whole);
  Element e;
  Asn1(in.bytes.first(there), m.past).next(e);
  Asn1 fields(e.body, m.past);
  fields.body(kAsn1Integer);
  if (!fields.next(m.operation)) return Step::malformed(kInvalid);
  if (operation_of(tag)->request) {
    request(m, out);
    return Step::consumed(whole);
  }
  if (answer(m, out) && !in.datagram) return Step::become(EvidenceKind::kTls, whole);
  return Step::consumed(whole);
}

void LdapParser::request(const Message& m, Output& out) noexcept {
  FactList<2560> facts;
  facts.number(Fact::kLdapMessageId, m.id);
  facts.text(Fact::kLdapOperation, operation_of(m.operation.tag)->name);
  Asn1 fields(m.operation.body, m.past);
  bool starts_tls = false, answered = true;
  int64_t abandoned = 0;
  switch (m.operation.tag) {
    case kBindRequest:
      bind_request(fields, m.id, facts, out);
      break;
    case kSearchRequest:
      write_ldap_search(fields, facts);
      break;
    case kModifyRequest:
      write_ldap_modify(fields, facts);
      break;
    case kAddRequest:
      write_ldap_add(fields, facts);
      break;
    case kDelRequest:
      facts.text(Fact::kLdapDelDn, m.operation.body, kLdapNameMax);
      break;
    case kModDnRequest:
      write_ldap_mod_dn(fields, facts);
      break;
    case kCompareRequest:
      write_ldap_compare(fields, facts);
      break;
    case kExtendedRequest: {
      const Bytes name = fields.body(0x80);
      facts.text(Fact::kLdapExtendedName, name, kLdapNameMax);
      starts_tls = as_text(name) == kStartTls;
      break;
    }
    case kAbandonRequest:
      if (read_asn1_integer(m.operation.body, abandoned)) {
        facts.number(Fact::kLdapAbandonId, static_cast<uint64_t>(abandoned));
      }
      [[fallthrough]];
    default:
      answered = false;
  }
  if (!answered) {
    FactWriter& all = out.fresh();
    all.append(facts);
    return out.tell(kKind, all);
  }
  Waiting* w = add(m.id, facts, out);
  w->asked = true;
  w->starts_tls = starts_tls;
}

// RFC 4511 section 4.2; the choices from [9] on are MS-ADTS section 5.1.1.1.3.
void LdapParser::bind_request(Asn1 fields, uint32_t id, FactWriter& facts, Output& out) noexcept {
  constexpr uint16_t kSimple = 0x80, kSasl = 0xa3;
  const bool goes_on = bind_.sasl && id != bind_.id;
  bind_.id = id;
  facts.number(Fact::kLdapBindVersion, static_cast<uint64_t>(ldap_integer(fields)));
  const Bytes name = fields.body(kAsn1OctetString);
  facts.text(Fact::kLdapBindName, name, kLdapNameMax);
  Element choice;
  if (!fields.next(choice)) return;
  if (!goes_on) {
    bind_.account = {};
    bind_.service = {};
    bind_.ntlm = {};
  }
  if (!name.empty()) bind_.account.assign(name);
  bind_.sasl = choice.tag != kSimple;
  if (choice.tag == kSimple) {  // RFC 4513 section 5.1
    const bool anonymous = choice.body.empty() && name.empty();
    bind_.mechanism.assign(as_bytes(anonymous             ? "anonymous"
                                    : choice.body.empty() ? "unauthenticated"
                                                          : "simple"));
    bind_.account.assign(name);
  } else if (choice.tag == kSasl) {
    Asn1 sasl(choice.body, fields.past());
    const Bytes mechanism = sasl.body(kAsn1OctetString);
    facts.text(Fact::kLdapBindMechanism, mechanism, 64);
    bind_.mechanism.assign(mechanism);
    Element token;
    if (sasl.take(kAsn1OctetString, token)) credentials(token.body, out);
  } else if (choice.tag >= 0x89 && choice.tag <= 0x8b) {
    constexpr std::string_view kSteps[] = {"discovery", "negotiate", "response"};
    facts.text(Fact::kLdapBindSicily, kSteps[choice.tag - 0x89]);
    bind_.mechanism.assign(as_bytes("sicily"));
    credentials(choice.body, out);
  }
  if (bind_.ntlm.message != Ntlmssp::Message::kNone) bind_.ntlm.write(facts);
}

// What a client's SASL token says about who it is.
void LdapParser::credentials(Bytes token, Output& out) noexcept {
  const std::string_view mechanism = as_text(bind_.mechanism.bytes());
  if (mechanism == "PLAIN") {  // RFC 4616: authorization identity, account, password
    const auto end = std::find(token.begin(), token.end(), uint8_t{0});
    if (end == token.end()) return;
    bind_.account.assign(Bytes(end + 1, std::find(end + 1, token.end(), uint8_t{0})));
  } else if (mechanism == "DIGEST-MD5") {  // RFC 2831 section 2.1.2
    constexpr std::string_view kStart = "username=\"";
    const size_t at = as_text(token).find(kStart);
    if (at == std::string_view::npos) return;
    const Bytes name = token.subspan(at + kStart.size());
    bind_.account.assign(Bytes(name.begin(), std::find(name.begin(), name.end(), uint8_t{'"'})));
  } else if (mechanism == "CRAM-MD5") {  // RFC 2195
    const size_t at = as_text(token).rfind(' ');
    if (at != std::string_view::npos) bind_.account.assign(token.first(at));
  } else {
    ApRequest ap;
    const SecurityToken found = find_security_token(token);
    if (found.mechanism == SecurityToken::Mechanism::kNtlmssp) {
      bind_.ntlm.read(found.token);
    } else if (read_ap_request(token, ap)) {
      bind_.service.assign(ap.service.bytes());
      tell_ap_request(ap, out);
    }
  }
}

bool LdapParser::answer(const Message& m, Output& out) noexcept {
  Waiting* w = find(m.id);
  if (!ends_request(m.operation.tag)) {
    if (w == nullptr) {
      const FactList<4> none;
      w = add(m.id, none, out);
    }
    middle_answer(m, *w);
    return false;
  }
  const Operation& operation = *operation_of(m.operation.tag);
  FactWriter& facts = out.fresh();
  if (w != nullptr) write(*w, facts);
  facts.item(Fact::kLdapResponse);
  facts.text(Fact::kLdapResponseOperation, operation.name);
  if (w == nullptr || !w->asked) facts.number(Fact::kLdapResponseMessageId, m.id);
  Asn1 fields(m.operation.body, m.past);
  std::string_view name;
  const int64_t code = write_result(fields, operation.code, facts, name);
  Element e;
  if (m.operation.tag == kExtendedResponse) {
    while (fields.next(e)) {
      if (e.tag == 0x8a) facts.text(Fact::kLdapExtendedResponseName, e.body, kLdapNameMax);
    }
  }
  if (m.operation.tag == kBindResponse) bind_answer(m, facts);
  if (m.operation.tag == kDone) {
    facts.number(Fact::kLdapResponseCount, w == nullptr ? 0 : w->entries);
    if (w != nullptr && w->references != 0) {
      facts.number(Fact::kLdapReferenceCount, w->references);
    }
    facts.number(Fact::kLdapResponseBytes, m.bytes + (w == nullptr ? 0 : w->bytes));
  }
  const bool tls = w != nullptr && w->starts_tls && code == 0;
  if (w != nullptr) remove(*w);
  out.tell(kKind, facts);
  if (m.operation.tag == kBindResponse) bind_outcome(code, name, out);
  return tls;
}

// The server's side of NTLM: in serverSaslCreds, or where sicily has it, in matchedDN.
void LdapParser::bind_answer(const Message& m, FactWriter& facts) noexcept {
  if (m.id != bind_.id || !bind_.sasl) return;
  Asn1 fields(m.operation.body, m.past);
  Element e;
  while (fields.next(e)) {
    if (e.tag != 0x87 && e.tag != kAsn1OctetString) continue;
    const SecurityToken found = find_security_token(e.body);
    if (found.mechanism == SecurityToken::Mechanism::kNtlmssp && bind_.ntlm.read(found.token)) {
      bind_.ntlm.write(facts);
      return;
    }
  }
}

void LdapParser::bind_outcome(int64_t code, std::string_view name, Output& out) noexcept {
  constexpr int64_t kInProgress = 14;
  if (bind_.mechanism.empty() || code == kInProgress) return;
  // Sicily has no such code: its first step is a success that carries the challenge.
  const bool challenged = bind_.ntlm.message == Ntlmssp::Message::kChallenge && code == 0;
  if (challenged) return;
  const bool ntlm = bind_.ntlm.is_login();
  out.login({.protocol = "ldap",
             .mechanism = as_text(bind_.mechanism.bytes()),
             .account =
                 ntlm && !bind_.ntlm.user.empty() ? bind_.ntlm.user.bytes() : bind_.account.bytes(),
             .domain = ntlm ? bind_.ntlm.domain.bytes() : Bytes{},
             .host = ntlm ? bind_.ntlm.host.bytes() : Bytes{},
             .service = bind_.service.bytes(),
             .outcome = code == 0 ? LoginOutcome::kSuccess : LoginOutcome::kFailure,
             .code = name});
  may_wrap_ = may_wrap_ || (bind_.sasl && code == 0);
  bind_ = {};
}

// An answer that others follow.
void LdapParser::middle_answer(const Message& m, Waiting& w) noexcept {
  w.bytes += m.bytes;
  if (m.operation.tag == kEntry) ++w.entries;
  if (m.operation.tag == kReference) ++w.references;
  if (w.told >= kEntriesTold) return;
  FactList<768> facts;
  facts.item(Fact::kLdapResponse);
  facts.text(Fact::kLdapResponseOperation, operation_of(m.operation.tag)->name);
  if (!w.asked) facts.number(Fact::kLdapResponseMessageId, m.id);
  Asn1 fields(m.operation.body, m.past);
  Element e;
  if (m.operation.tag == kEntry) {
    facts.text(Fact::kLdapEntryBase, fields.body(kAsn1OctetString), 256);
    Asn1 attributes = fields.inside(kAsn1Sequence);
    for (unsigned i = 0; i < kEntryAttributesMax && attributes.next(e); ++i) {
      facts.item(Fact::kLdapEntryAttribute);
      facts.text(Fact::kLdapEntryAttributeType, Asn1(e.body, m.past).body(kAsn1OctetString),
                 kLdapAttributeNameMax);
    }
  } else if (m.operation.tag == kIntermediate && fields.take(0x80, e)) {
    facts.text(Fact::kLdapIntermediateName, e.body, 256);
  }
  ++w.told;
  append(w, facts.facts());
}

// ---- requests that wait
// --------------------------------------------------------------------------

LdapParser::Waiting* LdapParser::find(uint32_t id) noexcept {
  for (unsigned i = waiting_count_; i != 0; --i) {
    if (waiting_[i - 1].id == id) return &waiting_[i - 1];
  }
  return nullptr;
}

size_t LdapParser::offset_of(const Waiting& w) const noexcept {
  size_t at = 0;
  for (const Waiting* p = waiting_; p != &w; ++p) at += p->fact_bytes;
  return at;
}

LdapParser::Waiting* LdapParser::add(uint32_t id, const FactWriter& facts, Output& out) noexcept {
  const Bytes bytes = facts.facts();
  static_assert(kArenaBytes > 2560);
  while (waiting_count_ == kWaitingMax || arena_used_ + bytes.size() > kArenaBytes) {
    tell_oldest(out);
  }
  Waiting& w = waiting_[waiting_count_++];
  w = {};
  w.id = id;
  append(w, bytes);
  return &w;
}

bool LdapParser::append(Waiting& w, Bytes facts) noexcept {
  if (arena_used_ + facts.size() > kArenaBytes) return false;
  const size_t at = offset_of(w) + w.fact_bytes;
  std::memmove(arena_ + at + facts.size(), arena_ + at, arena_used_ - at);
  std::copy(facts.begin(), facts.end(), arena_ + at);
  w.fact_bytes = static_cast<uint16_t>(w.fact_bytes + facts.size());
  arena_used_ = static_cast<uint16_t>(arena_used_ + facts.size());
  return true;
}

void LdapParser::write(const Waiting& w, FactWriter& facts) const noexcept {
  facts.append(Bytes(arena_ + offset_of(w), w.fact_bytes));
}

void LdapParser::remove(Waiting& w) noexcept {
  const size_t at = offset_of(w), size = w.fact_bytes;
  std::memmove(arena_ + at, arena_ + at + size, arena_used_ - at - size);
  arena_used_ = static_cast<uint16_t>(arena_used_ - size);
  std::copy(&w + 1, waiting_ + waiting_count_, &w);
  --waiting_count_;
}

void LdapParser::tell_oldest(Output& out) noexcept {
  const Waiting w = waiting_[0];
  FactWriter& facts = out.fresh();
  write(waiting_[0], facts);
  if (w.bytes != 0) {
    facts.number(Fact::kLdapResponseCount, w.entries);
    facts.number(Fact::kLdapResponseBytes, w.bytes);
  }
  out.tell(kKind, facts);
  remove(waiting_[0]);
}

void LdapParser::end(Output& out) noexcept {
  while (waiting_count_ != 0) tell_oldest(out);
}

}  // namespace weir::parse
