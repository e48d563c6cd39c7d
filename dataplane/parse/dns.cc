// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/dns.h"

#include <array>
#include <charconv>

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr size_t kHeaderBytes = 12;
constexpr unsigned kQuestionsMax = 32, kRecordsMax = 512;  // looked at per message
constexpr unsigned kAnswersFew = 32;
constexpr uint16_t kDnsPort = 53, kMdnsPort = 5353, kLlmnrPort = 5355;

struct Named {
  uint16_t number;
  std::string_view name;
};
// IANA, Domain Name System Parameters.
constexpr Named kTypes[] = {
    {1, "A"},       {2, "NS"},        {3, "MD"},          {4, "MF"},          {5, "CNAME"},
    {6, "SOA"},     {7, "MB"},        {8, "MG"},          {9, "MR"},          {10, "NULL"},
    {11, "WKS"},    {12, "PTR"},      {13, "HINFO"},      {14, "MINFO"},      {15, "MX"},
    {16, "TXT"},    {17, "RP"},       {18, "AFSDB"},      {19, "X25"},        {20, "ISDN"},
    {21, "RT"},     {22, "NSAP"},     {23, "NSAPPTR"},    {24, "SIG"},        {25, "KEY"},
    {26, "PX"},     {27, "GPOS"},     {28, "AAAA"},       {29, "LOC"},        {30, "NXT"},
    {33, "SRV"},    {34, "ATMA"},     {35, "NAPTR"},      {36, "KX"},         {37, "CERT"},
    {38, "A6"},     {39, "DNAME"},    {41, "OPT"},        {42, "APL"},        {43, "DS"},
    {44, "SSHFP"},  {45, "IPSECKEY"}, {46, "RRSIG"},      {47, "NSEC"},       {48, "DNSKEY"},
    {49, "DHCID"},  {50, "NSEC3"},    {51, "NSEC3PARAM"}, {52, "TLSA"},       {53, "SMIMEA"},
    {55, "HIP"},    {59, "CDS"},      {60, "CDNSKEY"},    {61, "OPENPGPKEY"}, {62, "CSYNC"},
    {63, "ZONEMD"}, {64, "SVCB"},     {65, "HTTPS"},      {99, "SPF"},        {249, "TKEY"},
    {250, "TSIG"},  {251, "IXFR"},    {252, "AXFR"},      {253, "MAILB"},     {254, "MAILA"},
    {255, "ANY"},   {256, "URI"},     {257, "CAA"}};
constexpr Named kRcodes[] = {{0, "NOERROR"}, {1, "FORMERR"}, {2, "SERVFAIL"}, {3, "NXDOMAIN"},
                             {4, "NOTIMP"},  {5, "REFUSED"}, {6, "YXDOMAIN"}, {7, "YXRRSET"},
                             {8, "NXRRSET"}, {9, "NOTAUTH"}, {10, "NOTZONE"}, {16, "BADVERS"}};

// Where each number of a table stands in it, by number; 0xff: nowhere.
template <const auto& kNames>
constexpr auto kPlaces = [] {
  constexpr uint16_t kLast = kNames[std::size(kNames) - 1].number;  // they are in order
  std::array<uint8_t, kLast + 1> places;
  places.fill(0xff);
  for (size_t i = 0; i < std::size(kNames); ++i) {
    places[kNames[i].number] = static_cast<uint8_t>(i);
  }
  return places;
}();

template <const auto& kNames>
void named(FactWriter& facts, Fact fact, uint16_t number) noexcept {
  const auto& places = kPlaces<kNames>;
  if (number < places.size() && places[number] != 0xff) {
    return facts.text(fact, kNames[places[number]].name);
  }
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  facts.text(fact, std::string_view(digits, static_cast<size_t>(end - digits)));
}

struct Name {
  uint8_t text[1024];
  size_t size = 0;
  Bytes bytes() const noexcept { return {text, size}; }
};

// `n` bytes of `message` from `at` on, which are there. Copied as 16 where both have room for that:
// most labels are shorter than what a call of memcpy costs.
void add_label(Bytes message, size_t at, size_t n, Name& name) noexcept {
  constexpr size_t kShort = 16;
  const bool roomy = message.size() - at >= kShort && sizeof name.text - name.size >= kShort;
  if (n <= kShort && roomy) {
    std::memcpy(name.text + name.size, message.data() + at, kShort);
  } else {
    std::memcpy(name.text + name.size, message.data() + at, n);
  }
  name.size += n;
}

// RFC 1035 section 4.1.4. The labels joined by dots; pointers are followed, backwards or forwards,
// only so often. false: it does not end within the message or is longer than a name may be.
bool read_name(Bytes message, Cursor& cursor, Name& name) noexcept {
  constexpr unsigned kPointersMax = 32;
  constexpr size_t kWireMax = 1025;  // four times what is allowed: odd names are worth a look
  if (!cursor.ok()) return false;
  size_t at = cursor.at();
  unsigned pointers = 0;
  name.size = 0;
  size_t wire = 0;
  for (;;) {
    if (at >= message.size()) return false;
    const uint8_t length = message[at++];
    if (length == 0) break;
    if ((length & 0xc0) == 0xc0) {
      if (at >= message.size()) return false;
      const size_t target = size_t{length & 0x3fu} << 8 | message[at++];
      if (++pointers > kPointersMax || target >= message.size()) return false;
      if (pointers == 1) cursor.seek(at);
      at = target;
      continue;
    }
    if ((length & 0xc0) != 0 || message.size() - at < length) return false;
    wire += length + 1u;
    if (wire > kWireMax || name.size + length + 1 > sizeof name.text) return false;
    if (name.size != 0) name.text[name.size++] = '.';
    add_label(message, at, length, name);
    at += length;
  }
  if (pointers == 0) cursor.seek(at);
  return true;
}

struct Header {
  uint16_t id, flags, questions, answers, authorities, additionals;
  bool is_response() const noexcept { return (flags & 0x8000) != 0; }
  unsigned opcode() const noexcept { return flags >> 11 & 0xf; }
};

Header read_header(Cursor& c) noexcept {
  Header h{};
  h.id = c.be16();
  h.flags = c.be16();
  h.questions = c.be16();
  h.answers = c.be16();
  h.authorities = c.be16();
  h.additionals = c.be16();
  return h;
}

struct Record {
  Name name;
  uint16_t type = 0;
  uint32_t ttl = 0;
  Bytes data;
  size_t data_at = 0;
};

bool read_record(Bytes message, Cursor& c, Record& r) noexcept {
  if (!read_name(message, c, r.name)) return false;
  r.type = c.be16();
  c.be16();  // class
  r.ttl = c.be32();
  const uint16_t length = c.be16();
  r.data_at = c.at();
  r.data = c.bytes(length);
  return c.ok();
}

bool read_question(Bytes message, Cursor& c, Name& name, uint16_t& type, uint16_t& cls) noexcept {
  if (!read_name(message, c, name)) return false;
  type = c.be16();
  cls = c.be16();
  return c.ok();
}

// A list of records: which facts its members are.
struct Section {
  Fact item, name, type, ttl, data, soa, srv, sshfp;
};
constexpr Section kAnswers{Fact::kDnsAnswer,
                           Fact::kDnsAnswerName,
                           Fact::kDnsAnswerType,
                           Fact::kDnsAnswerTtl,
                           Fact::kDnsAnswerData,
                           Fact::kDnsAnswerSoa,
                           Fact::kDnsAnswerSrvPriority,
                           Fact::kDnsAnswerSshfpFingerprint};
constexpr Section kAuthorities{Fact::kDnsAuthority,
                               Fact::kDnsAuthorityName,
                               Fact::kDnsAuthorityType,
                               Fact::kDnsAuthorityTtl,
                               Fact::kDnsAuthorityData,
                               Fact::kDnsAuthoritySoa,
                               Fact::kDnsAuthoritySrvPriority,
                               Fact::kDnsAuthoritySshfpFingerprint};
constexpr Section kAdditionals{Fact::kDnsAdditional,
                               Fact::kDnsAdditionalName,
                               Fact::kDnsAdditionalType,
                               Fact::kDnsAdditionalTtl,
                               Fact::kDnsAdditionalData,
                               Fact::kDnsAdditionalSoa,
                               Fact::kDnsAdditionalSrvPriority,
                               Fact::kDnsAdditionalSshfpFingerprint};

constexpr Fact after(Fact fact, unsigned n) noexcept {  // the table keeps an object together
  return static_cast<Fact>(static_cast<unsigned>(fact) + n);
}

struct GroupedType {
  uint16_t type;
  Fact fact;
};
constexpr GroupedType kGrouped[] = {{1, Fact::kDnsGroupedA},     {28, Fact::kDnsGroupedAaaa},
                                    {5, Fact::kDnsGroupedCname}, {15, Fact::kDnsGroupedMx},
                                    {2, Fact::kDnsGroupedNs},    {12, Fact::kDnsGroupedPtr},
                                    {16, Fact::kDnsGroupedTxt},  {10, Fact::kDnsGroupedNull}};

size_t decimal(uint8_t value, uint8_t* to) noexcept {
  char* end =
      std::to_chars(reinterpret_cast<char*>(to), reinterpret_cast<char*>(to) + 3, value).ptr;
  return static_cast<size_t>(reinterpret_cast<uint8_t*>(end) - to);
}

Bytes ipv4_text(Bytes data, Name& room) noexcept {
  room.size = 0;
  for (unsigned i = 0; i < 4; ++i) {
    if (i != 0) room.text[room.size++] = '.';
    room.size += decimal(data[i], room.text + room.size);
  }
  return room.bytes();
}

// Suricata writes addresses of version 6 in full, without leading zeros of a group.
Bytes ipv6_text(Bytes data, Name& room) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  room.size = 0;
  for (unsigned i = 0; i < 16; i += 2) {
    if (i != 0) room.text[room.size++] = ':';
    for (const uint8_t b : {data[i], data[i + 1]}) {
      room.text[room.size++] = static_cast<uint8_t>(kDigits[b >> 4]);
      room.text[room.size++] = static_cast<uint8_t>(kDigits[b & 15]);
    }
  }
  return room.bytes();
}

// What a record holds, as text; empty: nothing that is shown as such.
Bytes data_text(Bytes message, const Record& r, Name& room) noexcept {
  Cursor c(message);
  c.seek(r.data_at);
  switch (r.type) {
    case 1:
      return r.data.size() == 4 ? ipv4_text(r.data, room) : Bytes{};
    case 28:
      return r.data.size() == 16 ? ipv6_text(r.data, room) : Bytes{};
    case 15:
      c.be16();  // preference
      [[fallthrough]];
    case 2:
    case 5:
    case 12:
      return read_name(message, c, room) ? room.bytes() : Bytes{};
    case 16: {  // strings one after the other
      Cursor strings(r.data);
      room.size = 0;
      while (strings.ok() && strings.left() != 0) {
        const Bytes part = strings.bytes(std::min<size_t>(strings.u8(), strings.left()));
        if (room.size + part.size() > sizeof room.text) break;
        std::copy(part.begin(), part.end(), room.text + room.size);
        room.size += part.size();
      }
      return room.bytes();
    }
    case 10:
      return r.data;
    default:
      return {};
  }
}

void write_object(FactWriter& facts, Bytes message, const Record& r, const Section& s) noexcept {
  Cursor c(message);
  c.seek(r.data_at);
  Name name;
  if (r.type == 6) {  // SOA, RFC 1035 section 3.3.13
    if (!read_name(message, c, name)) return;
    facts.text(s.soa, name.bytes());
    if (!read_name(message, c, name)) return;
    facts.text(after(s.soa, 1), name.bytes());
    for (unsigned i = 2; i < 7; ++i) {
      const uint32_t value = c.be32();
      if (c.ok()) facts.number(after(s.soa, i), value);
    }
  } else if (r.type == 33) {  // SRV, RFC 2782
    for (unsigned i = 0; i < 3; ++i) {
      const uint16_t value = c.be16();
      if (c.ok()) facts.number(after(s.srv, i), value);
    }
    if (c.ok() && read_name(message, c, name)) facts.text(after(s.srv, 3), name.bytes());
  } else if (r.type == 44 && r.data.size() > 2) {  // SSHFP, RFC 4255
    facts.bytes(s.sshfp, r.data.subspan(2));
    facts.number(after(s.sshfp, 1), r.data[0]);
    facts.number(after(s.sshfp, 2), r.data[1]);
  }
}

bool write_section(FactWriter& facts, Bytes message, Cursor& c, unsigned records, const Section& s,
                   bool grouped) noexcept {
  Record r;
  Name room;
  for (unsigned i = 0; i < records; ++i) {
    if (!read_record(message, c, r)) return false;
    if (i >= kRecordsMax) continue;
    facts.item(s.item);
    facts.text(s.name, r.name.bytes());
    named<kTypes>(facts, s.type, r.type);
    facts.number(s.ttl, r.ttl);
    const Bytes text = data_text(message, r, room);
    if (!text.empty()) facts.text(s.data, text);
    write_object(facts, message, r, s);
    if (!grouped || text.empty()) continue;
    for (const GroupedType& g : kGrouped) {
      if (g.type == r.type) facts.text(g.fact, text);
    }
  }
  return true;
}

EvidenceKind kind_of(uint16_t server_port, bool datagram) noexcept {
  if (datagram && server_port == kMdnsPort) return EvidenceKind::kMdns;
  if (server_port == kLlmnrPort) return EvidenceKind::kLlmnr;
  return EvidenceKind::kDns;
}

void write_flags(FactWriter& facts, const Header& h) noexcept {
  char hex[8];
  const auto end = std::to_chars(hex, hex + sizeof hex, h.flags, 16).ptr;
  facts.text(Fact::kDnsFlags, std::string_view(hex, static_cast<size_t>(end - hex)));
  const struct {
    Fact fact;
    uint16_t bit;
  } flags[] = {{Fact::kDnsResponse, 0x8000},         {Fact::kDnsAuthoritative, 0x0400},
               {Fact::kDnsTruncated, 0x0200},        {Fact::kDnsRecursionDesired, 0x0100},
               {Fact::kDnsRecursionAvailable, 0x80}, {Fact::kDnsZ, 0x40}};
  for (const auto& f : flags) {
    if ((h.flags & f.bit) != 0) facts.flag(f.fact, true);
  }
  facts.number(Fact::kDnsOpcode, h.opcode());
  named<kRcodes>(facts, Fact::kDnsRcode, h.flags & 0xf);
}

bool write_message(FactWriter& facts, Bytes message, uint32_t number) noexcept {
  Cursor c(message);
  const Header h = read_header(c);
  if (!c.ok()) return false;
  facts.number(Fact::kDnsVersion, 3);
  facts.text(Fact::kDnsType, std::string_view(h.is_response() ? "response" : "request"));
  facts.number(Fact::kDnsTxId, number);
  facts.number(Fact::kDnsId, h.id);
  write_flags(facts, h);
  Name name;
  for (unsigned i = 0; i < std::min<unsigned>(h.questions, kQuestionsMax); ++i) {
    uint16_t type = 0, cls = 0;
    if (!read_question(message, c, name, type, cls)) return false;
    facts.item(Fact::kDnsQuery);
    facts.text(Fact::kDnsQueryName, name.bytes());
    named<kTypes>(facts, Fact::kDnsQueryType, type);
  }
  if (h.questions > kQuestionsMax) return false;
  const bool many = h.answers > kAnswersFew;  // a zone: each told once, and how many there are
  if (many) facts.number(Fact::kDnsAnswerCount, h.answers);
  return write_section(facts, message, c, h.answers, kAnswers, !many) &&
         write_section(facts, message, c, h.authorities, kAuthorities, false) &&
         write_section(facts, message, c, h.additionals, kAdditionals, false);
}

// Whether everything that the header counts is there; for flows on a port that says nothing.
bool is_message(Bytes message, bool whole) noexcept {
  Cursor c(message);
  const Header h = read_header(c);
  if (!c.ok() || h.opcode() > 6 || h.opcode() == 3 || (h.flags & 0x40) != 0) return false;
  if (h.questions > 4 || h.questions + h.answers + h.authorities + h.additionals == 0) return false;
  if (!h.is_response() && h.opcode() == 0 && h.answers != 0) return false;
  Name name;
  for (unsigned i = 0; i < h.questions; ++i) {
    uint16_t type = 0, cls = 0;
    if (!read_question(message, c, name, type, cls)) return false;
    cls &= 0x7fff;  // RFC 6762 section 5.4
    if (type == 0 || !((cls >= 1 && cls <= 4) || cls == 254 || cls == 255)) return false;
  }
  const unsigned records = h.answers + unsigned{h.authorities} + h.additionals;
  if (h.questions == 0 && records == 0) return false;
  Record r;
  for (unsigned i = 0; i < std::min(records, kRecordsMax); ++i) {
    if (!read_record(message, c, r)) return false;
  }
  return !whole || c.left() == 0;
}

}  // namespace

Probe DnsParser::probe(const ProbeInput& in) noexcept {
  Bytes message = in.bytes;
  const bool known_port =
      in.has_port(kDnsPort) || in.has_port(kMdnsPort) || in.has_port(kLlmnrPort);
  bool whole = in.whole;
  if (in.transport == kOverTcp) {
    if (message.size() < 2) return kPerhaps;
    const size_t length = load_be16(message.data());
    if (length < kHeaderBytes + 5 || (!known_port && length > 512)) return kNotMine;
    if (message.size() < 2 + kHeaderBytes) return kPerhaps;
    whole = message.size() >= length + 2;
    message = message.subspan(2, std::min(length, message.size() - 2));
    if (!whole && !known_port) return in.whole ? kNotMine : kPerhaps;
  }
  if (message.size() < kHeaderBytes) return kNotMine;
  const bool plausible = known_port ? message[4] == 0 : is_message(message, whole);
  if (!plausible) return kNotMine;
  const bool response = (message[2] & 0x80) != 0;
  if (in.has_port(kMdnsPort)) return kMine;  // everyone is both
  return response ? kMineFromServer : kMineFromClient;
}

Step DnsParser::parse(const Input& in, Output& out) noexcept {
  Bytes message = in.bytes;
  size_t used = message.size();
  if (!in.datagram) {
    if (message.size() < 2) return Step::need(2);
    used = size_t{2} + load_be16(message.data());
    const size_t shown = std::min(used, kMessageBytesMax - 1);  // of a longer one, its beginning
    if (message.size() < shown && !in.whole) return Step::need(shown);
    message = message.subspan(2, std::min(shown, message.size()) - 2);
  }
  const EvidenceKind kind = kind_of(in.server_port, in.datagram);
  if (message.size() < kHeaderBytes) {
    out.violation(kind, "MALFORMED_DATA");
    return Step::consumed(used);
  }
  FactWriter& facts = out.fresh();
  const bool good = write_message(facts, message, messages_++);
  out.tell(kind, facts, Ends::kSenderFirst);
  if (!good) out.violation(kind, "MALFORMED_DATA", Ends::kOfLast);
  constexpr unsigned kOpcodesMax = 6;  // RFC 8490 section 5
  if ((message[2] >> 3 & 15u) > kOpcodesMax) {
    out.violation(kind, "invalid_opcode", Ends::kOfLast);
  }
  return Step::consumed(used);
}

}  // namespace weir::parse
