// SPDX-License-Identifier: Apache-2.0
// Private to parse: elements of ASN.1 in BER and DER (X.690), one after the other, never past the
// end. Lengths of up to four octets, also where fewer would do; an indefinite length is refused, as
// LDAP (RFC 4511 section 5.1), Kerberos and certificates do.
#pragma once

#include "dataplane/parse/cursor.h"

namespace weir::parse {

// Tag and length in front of an element. A tag of two octets is both: 0x7f65.
struct Asn1Head {
  uint16_t tag = 0;
  uint8_t head_bytes = 0;
  uint32_t body_bytes = 0;
  uint64_t whole_bytes() const noexcept { return uint64_t{head_bytes} + body_bytes; }
};
enum class Asn1Read : uint8_t { kGood, kShort, kBad };

inline Asn1Read read_asn1_head(Bytes bytes, Asn1Head& head) noexcept {
  Cursor c(bytes);
  head.tag = c.u8();
  if ((head.tag & 0x1f) == 0x1f) {
    const uint8_t low = c.u8();
    if (c.ok() && low >= 0x80) return Asn1Read::kBad;
    head.tag = static_cast<uint16_t>(head.tag << 8 | low);
  }
  uint32_t length = c.u8();
  if (!c.ok()) return Asn1Read::kShort;
  if (length >= 0x80) {
    const unsigned octets = length & 0x7f;
    if (octets == 0 || octets > 4) return Asn1Read::kBad;
    length = 0;
    for (unsigned i = 0; i < octets; ++i) length = length << 8 | c.u8();
    if (!c.ok()) return Asn1Read::kShort;
  }
  head.head_bytes = static_cast<uint8_t>(c.at());
  head.body_bytes = length;
  return Asn1Read::kGood;
}

struct Element {
  uint16_t tag = 0;
  Bytes body, whole;
};

class Asn1 {
 public:
  // kClip: `bytes` are only the beginning of what is read: the element that does not end within
  // them is given as far as it is there.
  enum class Past : uint8_t { kRefuse, kClip };
  Asn1() = default;
  explicit Asn1(Bytes bytes, Past past = Past::kRefuse) noexcept : bytes_(bytes), past_(past) {}

  bool more() const noexcept { return !failed_ && !bytes_.empty(); }
  bool ok() const noexcept { return !failed_; }
  Bytes rest() const noexcept { return bytes_; }
  // The next element. false: there is none, or it does not fit.
  bool next(Element& e) noexcept {
    Asn1Head head;
    if (!more()) return false;
    if (read_asn1_head(bytes_, head) != Asn1Read::kGood) return fail();
    size_t whole = head.head_bytes + size_t{head.body_bytes};
    if (whole > bytes_.size()) {
      if (past_ == Past::kRefuse) return fail();
      whole = bytes_.size();
    }
    e.tag = head.tag;
    e.whole = bytes_.first(whole);
    e.body = e.whole.subspan(head.head_bytes);
    bytes_ = bytes_.subspan(whole);
    return true;
  }
  // The next element where it has this tag; otherwise it stays the next.
  bool take(uint16_t tag, Element& e) noexcept {
    const Bytes before = bytes_;
    if (!next(e)) return false;
    if (e.tag == tag) return true;
    bytes_ = before;
    return false;
  }
  // The body of the element that must be next; fails where it is another.
  Bytes body(uint16_t tag) noexcept {
    Element e;
    if (take(tag, e)) return e.body;
    failed_ = true;
    return {};
  }
  // What the element that must be next contains.
  Asn1 inside(uint16_t tag) noexcept { return Asn1(body(tag), past_); }
  Past past() const noexcept { return past_; }

 private:
  bool fail() noexcept {
    failed_ = true;
    return false;
  }
  Bytes bytes_;
  Past past_ = Past::kRefuse;
  bool failed_ = false;
};

constexpr uint16_t kAsn1Boolean = 0x01, kAsn1Integer = 0x02, kAsn1BitString = 0x03,
                   kAsn1OctetString = 0x04, kAsn1Oid = 0x06, kAsn1Enumerated = 0x0a,
                   kAsn1UtcTime = 0x17, kAsn1GeneralizedTime = 0x18, kAsn1UniversalString = 0x1c,
                   kAsn1BmpString = 0x1e, kAsn1Sequence = 0x30, kAsn1Set = 0x31;

// Two's complement; false: nothing, or more than 64 bits.
inline bool read_asn1_integer(Bytes body, int64_t& value) noexcept {
  if (body.empty() || body.size() > 8) return false;
  uint64_t v = (body[0] & 0x80) != 0 ? UINT64_MAX : 0;
  for (const uint8_t b : body) v = v << 8 | b;
  value = static_cast<int64_t>(v);
  return true;
}

}  // namespace weir::parse
