// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/x509.h"

#include <charconv>

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/digest.h"

namespace weir::parse {

namespace {

using std::literals::operator""sv;

constexpr unsigned kAttributesMax = 64, kExtensionsMax = 64;

struct Named {
  std::string_view oid, name;
};
// RFC 4519, PKCS 9 and what certificate authorities use beside them.
constexpr Named kAttributes[] = {
    {"\x55\x04\x03"sv, "CN"},
    {"\x55\x04\x04"sv, "SN"},
    {"\x55\x04\x05"sv, "serialNumber"},
    {"\x55\x04\x06"sv, "C"},
    {"\x55\x04\x07"sv, "L"},
    {"\x55\x04\x08"sv, "ST"},
    {"\x55\x04\x09"sv, "street"},
    {"\x55\x04\x0a"sv, "O"},
    {"\x55\x04\x0b"sv, "OU"},
    {"\x55\x04\x0c"sv, "title"},
    {"\x55\x04\x0d"sv, "description"},
    {"\x55\x04\x0f"sv, "businessCategory"},
    {"\x55\x04\x11"sv, "postalCode"},
    {"\x55\x04\x29"sv, "name"},
    {"\x55\x04\x2a"sv, "GN"},
    {"\x55\x04\x2b"sv, "initials"},
    {"\x55\x04\x2e"sv, "dnQualifier"},
    {"\x55\x04\x61"sv, "organizationIdentifier"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"sv, "emailAddress"},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"sv, "unstructuredName"},
    {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"sv, "UID"},
    {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"sv, "DC"},
    {"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01"sv, "jurisdictionL"},
    {"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02"sv, "jurisdictionST"},
    {"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03"sv, "jurisdictionC"},
};
constexpr std::string_view kSubjectAltName = "\x55\x1d\x11"sv;

bool is(Bytes b, std::string_view s) noexcept {
  return b.size() == s.size() && std::equal(b.begin(), b.end(), s.begin(), [](uint8_t x, char y) {
           return x == static_cast<uint8_t>(y);
         });
}

// Text in fixed room; what is too long is cut.
class Line {
 public:
  explicit Line(std::span<uint8_t> room) noexcept : room_(room) {}
  void add(Bytes b) noexcept {
    const size_t n = std::min(b.size(), room_.size() - used_);
    std::copy_n(b.begin(), n, room_.begin() + static_cast<long>(used_));
    used_ += n;
  }
  void add(std::string_view s) noexcept {
    add(Bytes(reinterpret_cast<const uint8_t*>(s.data()), s.size()));
  }
  void add(uint8_t c) noexcept { add(Bytes(&c, 1)); }
  void number(uint64_t n) noexcept {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
    add(std::string_view(digits, static_cast<size_t>(end - digits)));
  }
  void hex(uint8_t byte, const char* digits = "0123456789abcdef") noexcept {
    add(static_cast<uint8_t>(digits[byte >> 4]));
    add(static_cast<uint8_t>(digits[byte & 15]));
  }
  size_t used() const noexcept { return used_; }
  Bytes bytes() const noexcept { return room_.first(used_); }

 private:
  std::span<uint8_t> room_;
  size_t used_ = 0;
};

void add_oid(Line& line, Bytes oid) noexcept {
  uint64_t part = 0;
  bool first = true;
  for (const uint8_t b : oid.first(std::min<size_t>(oid.size(), 32))) {
    part = part << 7 | (b & 0x7f);
    if ((b & 0x80) != 0) continue;
    if (first) {
      const uint64_t top = std::min<uint64_t>(part / 40, 2);
      line.number(top);
      part -= top * 40;
    }
    line.add("."sv);
    line.number(part);
    part = 0;
    first = false;
  }
}

void add_utf8(Line& line, uint32_t c) noexcept {
  if (c < 0x80) {
    line.add(static_cast<uint8_t>(c));
  } else if (c < 0x800) {
    line.add(static_cast<uint8_t>(0xc0 | c >> 6));
    line.add(static_cast<uint8_t>(0x80 | (c & 0x3f)));
  } else {
    line.add(static_cast<uint8_t>(0xe0 | (c >> 12 & 0xf)));
    line.add(static_cast<uint8_t>(0x80 | (c >> 6 & 0x3f)));
    line.add(static_cast<uint8_t>(0x80 | (c & 0x3f)));
  }
}

void add_value(Line& line, const Element& value) noexcept {
  const Bytes b = value.body;
  switch (value.tag) {
    case kAsn1BmpString:
      for (size_t i = 0; i + 1 < b.size(); i += 2) add_utf8(line, uint32_t{b[i]} << 8 | b[i + 1]);
      return;
    case kAsn1BitString:
    case kAsn1UniversalString:
      for (const uint8_t byte : b.first(std::min<size_t>(b.size(), 128))) line.hex(byte);
      return;
    default:
      return line.add(b);
  }
}

void add_attribute(Line& line, Bytes attribute) noexcept {
  Asn1 r(attribute);
  const Bytes oid = r.body(kAsn1Oid);
  Element value;
  if (!r.next(value)) return;
  const auto known = std::find_if(std::begin(kAttributes), std::end(kAttributes),
                                  [&](const Named& n) { return is(oid, n.oid); });
  if (known != std::end(kAttributes)) {
    line.add(known->name);
  } else {
    add_oid(line, oid);
  }
  line.add("="sv);
  add_value(line, value);
}

// Days since 1970-01-01 of a date of the Gregorian calendar.
int64_t days_of(int64_t year, int64_t month, int64_t day) noexcept {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = year / 400;  // years here are not negative
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

// UTCTime "YYMMDDhhmm[ss]", GeneralizedTime with four digits of the year. Zones are left out:
// DER says Z.
bool read_time(const Element& e, uint64_t& unix_seconds) noexcept {
  const bool general = e.tag == kAsn1GeneralizedTime;
  if (!general && e.tag != kAsn1UtcTime) return false;
  int64_t fields[6] = {};
  size_t at = 0;
  for (unsigned i = 0; i < 6; ++i) {
    const unsigned digits = i == 0 && general ? 4 : 2;
    if (e.body.size() < at + digits) {
      if (i != 5) return false;
      break;
    }
    int64_t v = 0;
    bool number = true;
    for (unsigned d = 0; d < digits; ++d, ++at) {
      number = number && e.body[at] >= '0' && e.body[at] <= '9';
      v = v * 10 + (e.body[at] - '0');
    }
    if (!number && i != 5) return false;
    fields[i] = number ? v : 0;
  }
  if (!general) fields[0] += fields[0] < 50 ? 2000 : 1900;
  if (fields[0] == 0 || fields[1] < 1 || fields[1] > 12 || fields[2] < 1 || fields[2] > 31 ||
      fields[3] > 24 || fields[4] > 60 || fields[5] > 60) {
    return false;
  }
  const int64_t days = days_of(fields[0], fields[1], fields[2]);
  unix_seconds =
      static_cast<uint64_t>(days * 86'400 + fields[3] * 3600 + fields[4] * 60 + fields[5]);
  return true;
}

void read_extensions(Asn1 extensions, Certificate& c) noexcept {
  for (unsigned i = 0; i < kExtensionsMax && extensions.more(); ++i) {
    Asn1 one = extensions.inside(kAsn1Sequence);
    const bool wanted = is(one.body(kAsn1Oid), kSubjectAltName);
    if (!one.ok() || !wanted) continue;
    Element critical;
    one.take(kAsn1Boolean, critical);
    c.alternative_names = one.inside(kAsn1OctetString).body(kAsn1Sequence);
  }
}

void add_address(Line& line, Bytes b) noexcept {
  for (size_t i = 0; i < b.size(); ++i) {
    if (b.size() == 4) {
      if (i != 0) line.add("."sv);
      line.number(b[i]);
    } else {
      if (i != 0 && i % 2 == 0) line.add(":"sv);
      line.hex(b[i]);
    }
  }
}

// RFC 5280 section 4.2.1.6: those that have a text.
void write_names(FactWriter& facts, Bytes names, Fact id, size_t most) noexcept {
  constexpr uint16_t kMail = 0x81, kDns = 0x82, kUri = 0x86, kIp = 0x87;
  Asn1 r(names);
  Element name;
  for (size_t i = 0; i < most && r.next(name); ++i) {
    if (name.tag == kMail || name.tag == kDns || name.tag == kUri) {
      facts.text(id, name.body, 255);
    } else if (name.tag == kIp && (name.body.size() == 4 || name.body.size() == 16)) {
      uint8_t room[64];
      Line line(room);
      add_address(line, name.body);
      facts.text(id, line.bytes());
    }
  }
}

}  // namespace

size_t name_text(Bytes name, std::span<uint8_t> room) noexcept {
  Line line(room);
  Asn1 sets(name);
  Element set;
  for (unsigned i = 0; i < kAttributesMax && sets.next(set); ++i) {
    if (set.tag != kAsn1Set) break;
    Asn1 attributes(set.body);
    Element attribute;
    bool first = true;
    for (; i < kAttributesMax && attributes.next(attribute); ++i) {
      if (line.used() != 0) line.add(first ? ", "sv : " + "sv);
      first = false;
      add_attribute(line, attribute.body);
    }
  }
  return line.used();
}

bool read_certificate(Bytes der, Certificate& c) noexcept {
  constexpr uint16_t kVersion = 0xa0, kExtensions = 0xa3;
  c = {};
  Element e;
  if (!Asn1(der).take(kAsn1Sequence, e)) return false;
  c.whole = e.whole;
  Asn1 body = Asn1(e.body).inside(kAsn1Sequence);
  body.take(kVersion, e);
  c.serial = body.body(kAsn1Integer);
  body.body(kAsn1Sequence);  // how it is signed
  c.issuer = body.body(kAsn1Sequence);
  Asn1 validity = body.inside(kAsn1Sequence);
  Element from, to;
  if (!body.ok() || !validity.next(from) || !validity.next(to)) return false;
  if (!read_time(from, c.not_before) || !read_time(to, c.not_after)) return false;
  c.subject = body.body(kAsn1Sequence);
  body.body(kAsn1Sequence);  // the key
  if (!body.ok()) return false;
  while (body.next(e)) {
    if (e.tag == kExtensions) read_extensions(Asn1(e.body).inside(kAsn1Sequence), c);
  }
  return true;
}

void write_certificate(FactWriter& facts, const Certificate& c, const CertificateFacts& ids,
                       size_t names_max) noexcept {
  uint8_t room[kTextMax];
  facts.text(ids.subject, Bytes(room, name_text(c.subject, room)), 512);
  facts.text(ids.issuer, Bytes(room, name_text(c.issuer, room)), 512);
  Line line(room);
  for (size_t i = 0; i < std::min<size_t>(c.serial.size(), 64); ++i) {
    if (i != 0) line.add(":"sv);
    line.hex(c.serial[i], "0123456789ABCDEF");
  }
  facts.text(ids.serial, line.bytes());
  if (ids.fingerprint != Fact::kCount) facts.bytes(ids.fingerprint, sha1(c.whole));
  facts.date(ids.not_before, c.not_before);
  facts.date(ids.not_after, c.not_after);
  if (ids.alternative_name != Fact::kCount) {
    write_names(facts, c.alternative_names, ids.alternative_name, names_max);
  }
}

}  // namespace weir::parse
