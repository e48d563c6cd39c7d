// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/sip.h"

#include <algorithm>

#include "dataplane/base/hash.h"
#include "dataplane/parse/auth_parameters.h"
#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr std::string_view kMethods[] = {"INVITE",  "ACK",   "BYE",       "CANCEL", "REGISTER",
                                         "OPTIONS", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH",
                                         "INFO",    "REFER", "MESSAGE",   "UPDATE"};
constexpr size_t kLineMax = 4096;  // a first line that is longer is none
constexpr unsigned kHeadersMax = 128;

struct FirstLine {
  Bytes method, uri, version, code, reason;
  bool request = false;
};

Bytes word(Bytes& line) noexcept {
  const auto blank = std::find(line.begin(), line.end(), uint8_t{' '});
  const auto n = static_cast<size_t>(blank - line.begin());
  const Bytes first = line.first(n);
  line = line.subspan(std::min(line.size(), n + 1));
  return first;
}

bool read_first_line(Bytes line, FirstLine& f) noexcept {
  Bytes first = word(line);
  f.request = !starts_with(first, "SIP/");
  if (f.request) {
    f.method = first;
    f.uri = word(line);
    f.version = line;
    return std::find(std::begin(kMethods), std::end(kMethods), as_text(first)) !=
               std::end(kMethods) &&
           starts_with(f.version, "SIP/");
  }
  f.version = first;
  f.code = word(line);
  f.reason = line;
  return f.code.size() == 3;
}

struct HeaderFact {
  std::string_view name, compact;  // RFC 3261 section 7.3.3
  Fact fact;
};
constexpr HeaderFact kHeaders[] = {{"from", "f", Fact::kSipFrom},
                                   {"to", "t", Fact::kSipTo},
                                   {"user-agent", "", Fact::kSipUserAgent},
                                   {"call-id", "i", Fact::kSipCallId}};

bool is_header(Bytes name, std::string_view full, std::string_view compact) noexcept {
  return equal_ignoring_case(name, full) ||
         (!compact.empty() && equal_ignoring_case(name, compact));
}

uint64_t add_to(uint64_t sum, Bytes bytes) noexcept {
  for (const uint8_t b : bytes) sum = hash_mix(sum ^ b, 0x9e3779b97f4a7c15u);
  return sum;
}

// The end of the header part, with the empty line; 0: it is not all there.
size_t head_bytes(Bytes bytes, size_t seen) noexcept {
  const std::string_view text = as_text(bytes);
  const size_t at = text.find("\r\n\r\n", seen > 3 ? seen - 3 : 0);
  return at == std::string_view::npos ? 0 : at + 4;
}

}  // namespace

struct SipParser::Message {
  Bytes code, call_id, sequence, credentials[2];
  uint64_t body_bytes = 0;
  bool stale = false;

  Bytes& of(For whom) noexcept { return credentials[static_cast<unsigned>(whom)]; }
  Bytes of(For whom) const noexcept { return credentials[static_cast<unsigned>(whom)]; }
  // What a request and its answers have in common; never 0.
  uint64_t transaction() const noexcept {
    return add_to(add_to(call_id.size() + 1, call_id), sequence) | 1;
  }
};

Probe SipParser::probe(const ProbeInput& in) noexcept {
  const auto fits = [&in](std::string_view start) { return could_start_with(in.bytes, start); };
  if (!fits("SIP/2.0 ") && std::none_of(std::begin(kMethods), std::end(kMethods), fits)) {
    return kNotMine;
  }
  Bytes line;
  size_t used = 0;
  const Bytes begin = in.bytes.first(std::min<size_t>(in.bytes.size(), kLineMax));
  if (!next_line(begin, 0, line, used)) {
    return in.whole || begin.size() == kLineMax ? kNotMine : kPerhaps;
  }
  FirstLine first;
  if (!read_first_line(line, first)) return kNotMine;
  return first.request ? kMineFromClient : kMineFromServer;
}

Step SipParser::parse(const Input& in, Output& out) noexcept {
  if (!in.datagram && in.bytes.size() >= 2 && in.bytes[0] == '\r' && in.bytes[1] == '\n') {
    return Step::consumed(2);  // keep-alive, RFC 5626 section 3.5.1
  }
  size_t head = head_bytes(in.bytes, in.seen);
  if (head == 0) {
    if (!in.whole) return Step::need();
    head = in.bytes.size();
  }
  Bytes rest = in.bytes.first(head), line;
  size_t used = 0;
  FirstLine first;
  if (!next_line(rest, 0, line, used) || !read_first_line(line, first)) {
    if (in.datagram) {
      out.violation(kKind, "invalid_data");
      return Step::consumed(in.bytes.size());
    }
    return Step::malformed("invalid_data");
  }
  FactWriter& facts = out.fresh();
  if (first.request) {
    facts.text(Fact::kSipMethod, first.method);
    facts.text(Fact::kSipUri, first.uri);
    facts.text(Fact::kSipVersion, first.version);
    facts.text(Fact::kSipRequestLine, line);
  } else {
    facts.text(Fact::kSipVersion, first.version);
    facts.text(Fact::kSipCode, first.code);
    facts.text(Fact::kSipReason, first.reason);
    facts.text(Fact::kSipResponseLine, line);
  }
  Message m;
  read_headers(rest.subspan(used), m, facts);
  out.tell(kKind, facts, Ends::kOneMessage);
  if (!first.request) {
    m.code = first.code;
    judge(m, in.from_client, out);
  } else if (as_text(first.method) != "ACK" && as_text(first.method) != "CANCEL") {
    remember(m, For::kServer, in.from_client);  // these two repeat their INVITE's, nobody answers
    remember(m, For::kProxy, in.from_client);
  }
  constexpr uint64_t kBodyMax = 1 << 20;
  return Step::consumed(in.datagram ? in.bytes.size() : head + std::min(m.body_bytes, kBodyMax));
}

void SipParser::read_headers(Bytes rest, Message& m, FactWriter& facts) noexcept {
  Bytes line;
  size_t used = 0;
  for (unsigned n = 0; n < kHeadersMax; ++n) {
    if (!next_line(rest, 0, line, used) || line.empty()) return;
    rest = rest.subspan(used);
    const auto colon = static_cast<size_t>(std::find(line.begin(), line.end(), ':') - line.begin());
    if (colon == line.size()) continue;
    const Bytes name = trimmed(line.first(colon)), value = trimmed(line.subspan(colon + 1));
    for (const HeaderFact& h : kHeaders) {
      if (is_header(name, h.name, h.compact)) facts.text(h.fact, value);
    }
    if (is_header(name, "content-length", "l") && !read_decimal(value, m.body_bytes)) {
      m.body_bytes = 0;
    }
    if (is_header(name, "call-id", "i")) m.call_id = value;
    if (is_header(name, "cseq", "")) m.sequence = value;
    for (const For whom : {For::kServer, For::kProxy}) {
      const bool proxy = whom == For::kProxy;
      Bytes parameters;
      if (is_header(name, proxy ? "proxy-authorization" : "authorization", "") &&
          has_auth_scheme(value, "digest", parameters) && m.of(whom).empty()) {
        m.of(whom) = parameters;
      }
      if (is_header(name, proxy ? "proxy-authenticate" : "www-authenticate", "") &&
          has_auth_scheme(value, "digest", parameters)) {
        m.stale = m.stale || equal_ignoring_case(auth_parameter(parameters, "stale"), "true");
      }
    }
  }
}

void SipParser::remember(const Message& m, For whom, bool from_client) noexcept {
  const Bytes shown = m.of(whom);
  // Without a response they only say who is about to ask for a challenge (3GPP TS 24.229 5.1.1.2).
  const Bytes account = auth_parameter(shown, "username");
  if (account.empty() || auth_parameter(shown, "response").empty()) return;
  const uint64_t transaction = m.transaction();
  for (const Shown& s : shown_) {
    if (s.transaction == transaction && s.whom == whom && s.from_client == from_client) return;
  }
  Shown& s = shown_[next_++ % kShownMax];
  s.transaction = transaction;
  s.whom = whom;
  s.from_client = from_client;
  s.answered = false;
  s.account.assign(account);
  s.realm.assign(auth_parameter(shown, "realm"));
}

// Only 2xx, 401, 403 and 407 say how it went. A challenge of another than the credentials were for
// is its first, and one for a stale nonce does not judge them (RFC 7616 section 3.3).
void SipParser::judge(const Message& m, bool from_client, Output& out) noexcept {
  const std::string_view code = as_text(m.code);
  if (code[0] == '1') return;
  const uint64_t transaction = m.transaction();
  for (Shown& s : shown_) {
    if (s.transaction != transaction || s.answered || s.from_client == from_client) continue;
    s.answered = true;
    const std::string_view challenge = s.whom == For::kProxy ? "407" : "401";
    const bool refused = code == "403" || (code == challenge && !m.stale);
    if (!refused && code[0] != '2') continue;
    out.login({.protocol = "sip",
               .mechanism = "digest",
               .account = s.account.bytes(),
               .domain = s.realm.bytes(),
               .outcome = refused ? LoginOutcome::kFailure : LoginOutcome::kSuccess,
               .code = code,
               .ends = Ends::kAnsweredFirst});
  }
}

}  // namespace weir::parse
