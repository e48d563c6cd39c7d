// SPDX-License-Identifier: Apache-2.0
// Private to parse: ASN.1 as it stands on the wire (X.690): BER with definite lengths, hence DER.
// Reads one element after the other and never past the end; the first that does not fit sets fail.
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

namespace asn1 {
// Identifier octets: class, constructed bit, number. [n] of a context is context(n).
constexpr uint8_t kBoolean = 0x01, kInteger = 0x02, kBitString = 0x03, kOctetString = 0x04,
                  kNull = 0x05, kOid = 0x06, kEnumerated = 0x0a, kUtf8String = 0x0c,
                  kPrintableString = 0x13, kT61String = 0x14, kIa5String = 0x16, kUtcTime = 0x17,
                  kGeneralizedTime = 0x18, kVisibleString = 0x1a, kGeneralString = 0x1b,
                  kUniversalString = 0x1c, kBmpString = 0x1e, kSequence = 0x30, kSet = 0x31;
constexpr uint8_t context(unsigned n) noexcept {
  return static_cast<uint8_t>(0xa0 | n);
}
constexpr uint8_t context_plain(unsigned n) noexcept {
  return static_cast<uint8_t>(0x80 | n);
}
constexpr uint8_t application(unsigned n) noexcept {
  return static_cast<uint8_t>(0x60 | n);
}
constexpr uint8_t application_plain(unsigned n) noexcept {
  return static_cast<uint8_t>(0x40 | n);
}
}  // namespace asn1

// The head of an element: its tag, how long the head is, how long what follows it claims to be.
struct Asn1Head {
  uint8_t tag = 0;
  uint8_t bytes = 0;
  uint32_t length = 0;
  enum class Is : uint8_t { kGood, kIncomplete, kBad } is = Is::kIncomplete;
};

// Numbers over 30, indefinite lengths and lengths of more than four bytes are bad.
inline Asn1Head read_asn1_head(Bytes b) noexcept {
  Asn1Head h;
  if (b.empty()) return h;
  h.tag = b[0];
  if ((h.tag & 0x1f) == 0x1f) h.is = Asn1Head::Is::kBad;
  if (b.size() < 2 || h.is == Asn1Head::Is::kBad) return h;
  const unsigned more = b[1] < 0x80 ? 0 : b[1] & 0x7fu;
  if (more > 4 || b[1] == 0x80) {
    h.is = Asn1Head::Is::kBad;
    return h;
  }
  if (b.size() < 2 + more) return h;
  h.length = more == 0 ? b[1] : 0;
  for (unsigned i = 0; i < more; ++i) h.length = h.length << 8 | b[2 + i];
  h.bytes = static_cast<uint8_t>(2 + more);
  h.is = Asn1Head::Is::kGood;
  return h;
}

struct Asn1Element {
  uint8_t tag = 0;
  Bytes content;
  Bytes whole;  // with its head
  bool constructed() const noexcept { return (tag & 0x20) != 0; }
};

class Asn1Reader {
 public:
  explicit Asn1Reader(Bytes bytes) noexcept : left_(bytes) {}

  // false: there is none, or it is malformed (then ok() is false).
  bool next(Asn1Element& e) noexcept {
    e = {};
    if (failed_ || left_.empty()) return false;
    const Asn1Head h = read_asn1_head(left_);
    if (h.is != Asn1Head::Is::kGood || left_.size() - h.bytes < h.length) {
      failed_ = true;
      return false;
    }
    e.tag = h.tag;
    e.whole = left_.first(size_t{h.bytes} + h.length);
    e.content = e.whole.subspan(h.bytes);
    left_ = left_.subspan(e.whole.size());
    return true;
  }
  // What comes next has to be of this tag: its content; else fail and nothing.
  Bytes take(uint8_t tag) noexcept {
    Asn1Element e;
    if (next(e) && e.tag == tag) return e.content;
    failed_ = true;
    return {};
  }
  // The next element if it is of this tag; else it stays.
  bool take_if(uint8_t tag, Bytes& content) noexcept {
    if (failed_ || left_.empty() || left_[0] != tag) return false;
    content = take(tag);
    return !failed_;
  }
  // INTEGER or ENUMERATED; what does not fit fails.
  int64_t number(uint8_t tag = asn1::kInteger) noexcept {
    const Bytes b = take(tag);
    if (b.empty() || b.size() > 8) {
      failed_ = true;
      return 0;
    }
    uint64_t v = (b[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (const uint8_t byte : b) v = v << 8 | byte;
    return static_cast<int64_t>(v);
  }

  bool ok() const noexcept { return !failed_; }
  bool at_end() const noexcept { return failed_ || left_.empty(); }
  Bytes rest() const noexcept { return left_; }

 private:
  Bytes left_;
  bool failed_ = false;
};

}  // namespace weir::parse
