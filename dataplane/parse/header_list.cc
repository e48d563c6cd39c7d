// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/header_list.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

// A field: the index of its name in HPACK's static table, or 0 and the name behind its length; the
// value behind its length, which is kTold where it stands among the facts.
constexpr uint16_t kTold = 0x7fff, kCut = 0x8000;

struct {
  HttpField field;
  Fact request, response;  // kCount: it is told of the other one
} constexpr kToldAs[] = {
    {HttpField::kMethod, Fact::kHttpMethod, Fact::kCount},
    {HttpField::kPath, Fact::kHttpUrl, Fact::kCount},
    {HttpField::kAuthority, Fact::kHttpHostname, Fact::kCount},
    {HttpField::kUserAgent, Fact::kHttpUserAgent, Fact::kCount},
    {HttpField::kReferer, Fact::kHttpReferer, Fact::kCount},
    {HttpField::kForwardedFor, Fact::kHttpForwardedFor, Fact::kCount},
    {HttpField::kContentType, Fact::kHttpRequestContentType, Fact::kHttpContentType},
    {HttpField::kContentEncoding, Fact::kCount, Fact::kHttpContentEncoding},
    {HttpField::kLocation, Fact::kCount, Fact::kHttpRedirect},
    {HttpField::kServer, Fact::kCount, Fact::kHttpServer},
};

Fact told_as(HttpField field, HeadersOf whose) noexcept {
  for (const auto& t : kToldAs) {
    if (t.field == field) return whose == HeadersOf::kRequest ? t.request : t.response;
  }
  return Fact::kCount;
}

bool is_credentials(HttpField field) noexcept {
  return field == HttpField::kAuthorization || field == HttpField::kProxyAuthorization;
}

}  // namespace

void HeaderList::add(const HeaderField& f, Bytes facts) noexcept {
  Bytes value = f.value.first(std::min(f.value.size(), kValueMax));
  if (is_credentials(f.field)) {
    const auto end = std::find(value.begin(), value.end(), uint8_t{' '});
    value = value.first(static_cast<size_t>(end - value.begin()));
  }
  uint16_t length = static_cast<uint16_t>(value.size());
  if (f.cut || value.size() < f.value.size()) length |= kCut;
  if (const Fact fact = told_as(f.field, whose_); fact != Fact::kCount) {
    const FactValue told = find_fact(facts, fact);
    if (told.fact == fact && !f.cut && !told.cut &&
        std::equal(told.bytes.begin(), told.bytes.end(), f.value.begin(), f.value.end())) {
      length = kTold;
      value = {};
    }
  }
  const Bytes name = f.static_name != 0 ? Bytes() : f.name;
  const size_t wanted = 1 + (f.static_name != 0 ? 0 : 1 + name.size()) + 2 + value.size();
  if (f.name.empty() || fields_ == kFieldsMax || used_ + wanted > kBytesMax) {
    bytes_[0] = 1;
    return;
  }
  ++fields_;
  uint8_t* to = bytes_ + used_;
  *to++ = f.static_name;
  if (f.static_name == 0) {
    *to++ = static_cast<uint8_t>(name.size());
    to = std::copy(name.begin(), name.end(), to);
  }
  *to++ = static_cast<uint8_t>(length >> 8);
  *to++ = static_cast<uint8_t>(length);
  std::copy(value.begin(), value.end(), to);
  used_ = static_cast<uint16_t>(used_ + wanted);
}

void write_header_list(FactWriter& facts, Bytes packed, HeadersOf whose) noexcept {
  const bool request = whose == HeadersOf::kRequest;
  Cursor c(packed);
  if (c.u8() != 0 || packed.empty()) facts.leave_out();
  while (c.left() != 0) {
    const uint8_t index = c.u8();
    const Bytes name = index != 0 ? as_bytes(hpack_static_name(index)) : c.bytes(c.u8());
    const uint16_t length = c.be16();
    Bytes value;
    bool cut = false;
    if (length == kTold) {
      value = find_fact(facts.facts(), told_as(http_field(name), whose)).bytes;
    } else {
      value = c.bytes(length & ~unsigned{kCut});
      cut = (length & kCut) != 0;
    }
    facts.item(request ? Fact::kHttpRequestHeader : Fact::kHttpResponseHeader);
    facts.text(request ? Fact::kHttpRequestHeaderName : Fact::kHttpResponseHeaderName, name);
    facts.text(request ? Fact::kHttpRequestHeaderValue : Fact::kHttpResponseHeaderValue, value);
    if (cut) facts.leave_out();
  }
}

}  // namespace weir::parse
