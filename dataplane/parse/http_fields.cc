// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/http_fields.h"

#include <array>
#include <bit>

#include "dataplane/parse/auth_parameters.h"
#include "dataplane/parse/base64.h"
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/krb5.h"
#include "dataplane/parse/ntlmssp.h"
#include "dataplane/parse/spnego.h"
#include "dataplane/parse/uri.h"

namespace weir::parse {

namespace {

constexpr struct {
  std::string_view name;
  HttpField field;
} kNames[] = {
    {":method", HttpField::kMethod},
    {":path", HttpField::kPath},
    {":authority", HttpField::kAuthority},
    {":status", HttpField::kStatus},
    {"host", HttpField::kHost},
    {"user-agent", HttpField::kUserAgent},
    {"referer", HttpField::kReferer},
    {"content-type", HttpField::kContentType},
    {"content-encoding", HttpField::kContentEncoding},
    {"content-length", HttpField::kContentLength},
    {"content-range", HttpField::kContentRange},
    {"transfer-encoding", HttpField::kTransferEncoding},
    {"location", HttpField::kLocation},
    {"server", HttpField::kServer},
    {"x-forwarded-for", HttpField::kForwardedFor},
    {"authorization", HttpField::kAuthorization},
    {"proxy-authorization", HttpField::kProxyAuthorization},
    {"www-authenticate", HttpField::kAuthenticate},
    {"proxy-authenticate", HttpField::kProxyAuthenticate},
    {"upgrade", HttpField::kUpgrade},
    {"expect", HttpField::kExpect},
};

// [length]: a bit for each of kNames that is so long.
constexpr size_t kNameMax = 19;
constexpr auto kNamesOfLength = [] {
  static_assert(std::size(kNames) <= 32);
  std::array<uint32_t, kNameMax + 1> names{};
  for (size_t i = 0; i < std::size(kNames); ++i) names[kNames[i].name.size()] |= 1u << i;
  return names;
}();

Bytes before(Bytes value, uint8_t stop) noexcept {
  size_t n = 0;
  while (n < value.size() && value[n] != stop) ++n;
  return value.first(n);
}

Bytes after(Bytes value, uint8_t stop) noexcept {
  const size_t n = before(value, stop).size();
  return value.subspan(std::min(n + 1, value.size()));
}

// "bytes 0-99/1234", RFC 9110 section 14.4.
void write_range(FactWriter& facts, Bytes value) noexcept {
  facts.text(Fact::kHttpRangeRaw, value, 64);
  const Bytes numbers = trimmed(after(value, ' '));
  uint64_t n = 0;
  if (read_decimal(numbers, n)) {
    facts.number(Fact::kHttpRangeStart, n);
    if (read_decimal(after(numbers, '-'), n)) facts.number(Fact::kHttpRangeEnd, n);
  }
  if (read_decimal(after(numbers, '/'), n)) facts.number(Fact::kHttpRangeSize, n);
}

// RFC 4559: SPNEGO's token, or NTLMSSP's bare, in base64.
bool is_negotiation(Bytes scheme) noexcept {
  return equal_ignoring_case(scheme, "ntlm") || equal_ignoring_case(scheme, "negotiate") ||
         equal_ignoring_case(scheme, "kerberos");
}

bool read_ntlm(const SecurityToken& found, Ntlmssp& ntlm) noexcept {
  return found.mechanism == SecurityToken::Mechanism::kNtlmssp && ntlm.read(found.token);
}

HttpLogin write_negotiation(FactWriter& facts, Bytes token, size_t user_max) noexcept {
  uint8_t room[3072];  // a ticket's end, beyond it, says nothing
  const SecurityToken found = find_security_token(from_base64(token, room));
  ApRequest ap;
  if (found.mechanism == SecurityToken::Mechanism::kKerberosApReq &&
      read_ap_request(found.token, ap)) {
    facts.text(Fact::kHttpKerberosRealm, ap.realm, 128);
    facts.text(Fact::kHttpKerberosService, ap.service.bytes(), 128);
    return HttpLogin::kKerberos;
  }
  Ntlmssp ntlm;
  if (!read_ntlm(found, ntlm)) return HttpLogin::kNone;
  ntlm.write(facts);
  if (!ntlm.is_login()) return HttpLogin::kNone;
  facts.text(Fact::kHttpUser, ntlm.user.bytes(), user_max);
  return HttpLogin::kNtlm;
}

std::string_view mechanism_of(HttpLogin login) noexcept {
  constexpr std::string_view kMechanisms[] = {"", "basic", "digest", "ntlmssp", "kerberos"};
  return kMechanisms[static_cast<unsigned>(login)];
}

}  // namespace

HttpField http_field(Bytes name) noexcept {
  if (name.size() >= kNamesOfLength.size()) return HttpField::kOther;
  for (uint32_t left = kNamesOfLength[name.size()]; left != 0; left &= left - 1) {
    const auto& n = kNames[std::countr_zero(left)];
    if (equal_ignoring_case(name, n.name)) return n.field;
  }
  return HttpField::kOther;
}

std::string_view http_field_name(HttpField field) noexcept {
  for (const auto& n : kNames) {
    if (n.field == field) return n.name;
  }
  return {};
}

HostPort split_host(Bytes authority) noexcept {
  HostPort h;
  const void* user =
      authority.empty() ? nullptr : memrchr(authority.data(), '@', authority.size());
  if (user != nullptr) {
    authority = Bytes(static_cast<const uint8_t*>(user) + 1, authority.data() + authority.size());
  }
  size_t from = 0;
  if (!authority.empty() && authority[0] == '[') from = before(authority, ']').size();
  const size_t n = from + before(authority.subspan(from), ':').size();
  h.host = authority.first(n);
  if (n < authority.size()) {
    const Bytes port = authority.subspan(n + 1);
    h.good = port.empty() || (read_decimal(port, h.port) && h.port != 0 && h.port <= 0xffff);
    if (!h.good) h.port = 0;
  }
  for (const uint8_t c : h.host) h.good = h.good && c > ' ' && c != '/' && c != 0x7f;
  return h;
}

void write_http_host(FactWriter& facts, const HostPort& h) noexcept {
  uint8_t low[256];
  const size_t n = std::min(h.host.size(), sizeof low);
  for (size_t i = 0; i < n; ++i) {
    const uint8_t c = h.host[i];
    low[i] = c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c | 0x20) : c;
  }
  if (n != 0) facts.text(Fact::kHttpHostname, Bytes(low, n));
  if (h.port != 0) facts.number(Fact::kHttpPort, h.port);
}

void write_http_request_field(FactWriter& facts, HttpField field, Bytes value) noexcept {
  switch (field) {
    case HttpField::kUserAgent:
      return facts.text(Fact::kHttpUserAgent, value, kHttpFieldMax);
    case HttpField::kReferer:
      return facts.text(Fact::kHttpReferer, value, kHttpFieldMax);
    case HttpField::kContentType:  // whole: attacks hide there
      return facts.text(Fact::kHttpRequestContentType, value, kHttpFieldMax / 2);
    case HttpField::kForwardedFor:
      return facts.text(Fact::kHttpForwardedFor, value, 128);
    default:
      return;
  }
}

void write_http_response_field(FactWriter& facts, HttpField field, Bytes value) noexcept {
  switch (field) {
    case HttpField::kContentType:
      return facts.text(Fact::kHttpContentType, trimmed(before(value, ';')), 128);
    case HttpField::kContentEncoding:
      return facts.text(Fact::kHttpContentEncoding, value, 64);
    case HttpField::kContentRange:
      return write_range(facts, value);
    case HttpField::kServer:
      return facts.text(Fact::kHttpServer, value, 128);
    case HttpField::kAuthenticate:
    case HttpField::kProxyAuthenticate: {
      const Bytes scheme = before(value, ' ');
      uint8_t room[3072];
      Ntlmssp ntlm;
      if (!is_negotiation(scheme)) return;
      const Bytes token = from_base64(trimmed(value.subspan(scheme.size())), room);
      if (read_ntlm(find_security_token(token), ntlm)) ntlm.write(facts);
      return;
    }
    case HttpField::kLocation:
      return facts.text(Fact::kHttpRedirect, value, kHttpFieldMax);
    default:
      return;
  }
}

// RFC 7617, and of RFC 7616 the name alone.
HttpLogin write_http_authorization(FactWriter& facts, Bytes value) noexcept {
  constexpr size_t kUserMax = 128;
  const Bytes scheme = before(value, ' ');
  const Bytes rest = trimmed(value.subspan(scheme.size()));
  if (equal_ignoring_case(scheme, "basic")) {
    uint8_t room[2 * kUserMax];
    facts.text(Fact::kHttpUser, before(from_base64(rest, room), ':'), kUserMax);
    return HttpLogin::kBasic;
  }
  if (is_negotiation(scheme)) return write_negotiation(facts, rest, kUserMax);
  if (!equal_ignoring_case(scheme, "digest")) return HttpLogin::kNone;
  const Bytes user = auth_parameter(rest, "username");
  if (user.empty()) return HttpLogin::kNone;
  facts.text(Fact::kHttpUser, user, kUserMax);
  return HttpLogin::kDigest;
}

void complete_http_request(FactWriter& facts) noexcept {
  const FactValue url = find_fact(facts.facts(), Fact::kHttpUrl);
  if (url.fact == Fact::kCount) return;
  uint8_t room[kHttpUrlMax];
  facts.text(Fact::kHttpUrlNormalized, normalized_uri(url.bytes, room));
}

bool show_http_request(Output& out, Bytes facts, uint32_t ahead) noexcept {
  if (!out.is_judged(EvidenceKind::kHttp)) return false;
  FactWriter& all = out.fresh();
  all.append(facts);
  complete_http_request(all);
  out.show(EvidenceKind::kHttp, all, 0, ahead);
  return true;
}

void tell_http(Output& out, FactWriter& facts, HttpLogin login, unsigned status,
               uint16_t shown) noexcept {
  ShortText<128> user, domain, host, service;  // tell() has the facts' room used again
  if (login != HttpLogin::kNone) user.assign(find_fact(facts.facts(), Fact::kHttpUser).bytes);
  if (login == HttpLogin::kNtlm) {
    domain.assign(find_fact(facts.facts(), Fact::kNtlmDomain).bytes);
    host.assign(find_fact(facts.facts(), Fact::kNtlmHost).bytes);
  } else if (login == HttpLogin::kKerberos) {
    domain.assign(find_fact(facts.facts(), Fact::kHttpKerberosRealm).bytes);
    service.assign(find_fact(facts.facts(), Fact::kHttpKerberosService).bytes);
  }
  out.tell(EvidenceKind::kHttp, facts, Ends::kClientFirst, shown);
  if (login == HttpLogin::kNone) return;
  const bool refused = status == 401 || status == 403 || status == 407;
  const char code[3] = {static_cast<char>('0' + status / 100 % 10),
                        static_cast<char>('0' + status / 10 % 10),
                        static_cast<char>('0' + status % 10)};
  out.login({.protocol = "http",
             .mechanism = mechanism_of(login),
             .account = user.bytes(),
             .domain = domain.bytes(),
             .host = host.bytes(),
             .service = service.bytes(),
             .outcome = status == 0 ? LoginOutcome::kAttempt
                        : refused   ? LoginOutcome::kFailure
                                    : LoginOutcome::kSuccess,
             .code = status == 0 ? std::string_view() : std::string_view(code, sizeof code)});
}

}  // namespace weir::parse
