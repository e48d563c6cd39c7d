// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/sql.h"

namespace weir::parse {

namespace {

constexpr uint32_t kProtocol3 = 0x00030000, kSslRequest = 80877103, kCancelRequest = 80877102,
                   kGssRequest = 80877104;
constexpr size_t kShownMax = 8192;  // of a message; the rest is skipped

std::string_view authentication_name(uint32_t code) noexcept {
  switch (code) {
    case 0:
      return "authentication_ok";
    case 3:
      return "authentication_cleartext_password";
    case 5:
      return "authentication_md5_password";
    case 7:
      return "authentication_gss";
    case 9:
      return "authentication_sspi";
    case 10:
      return "authentication_sasl";
    case 11:
      return "authentication_sasl_continue";
    case 12:
      return "authentication_sasl_final";
    default:
      return "authentication_unknown";
  }
}

}  // namespace

Probe PgsqlParser::probe(const ProbeInput& in) noexcept {
  if (in.bytes.size() < 8) {
    return in.bytes.empty() || in.bytes[0] != 0 || in.whole ? kNotMine : kPerhaps;
  }
  const uint32_t length = load_be32(in.bytes.data());
  const uint32_t code = load_be32(in.bytes.data() + 4);
  const bool request = length == 8 && (code == kSslRequest || code == kGssRequest);
  const bool cancel = length == 16 && code == kCancelRequest;
  const bool startup = code >> 16 == 3 && (code & 0xffff) <= 2 && length > 8 && length < 10'000;
  return request || cancel || startup ? kMineFromClient : kNotMine;
}

Step PgsqlParser::startup(const Input& in, Output& out) noexcept {
  if (in.bytes.size() < 8) return Step::need(8);
  Cursor c(in.bytes);
  const uint32_t length = c.be32();
  const uint32_t code = c.be32();
  if (length < 8 || length > 10'000) return Step::malformed("invalid_length");
  if (in.bytes.size() < length) return Step::need(length);
  if (code == kSslRequest || code == kGssRequest) {
    awaits_ssl_ = true;
    open_ = true;
    facts_.text(Fact::kPgsqlRequest,
                std::string_view(code == kSslRequest ? "SSL Request" : "GSS Request"));
    return Step::consumed(length);
  }
  if (code >> 16 != 3) return Step::consumed(length);
  tell(out);
  Cursor text(in.bytes.subspan(8, length - 8));
  facts_.text(Fact::kPgsqlProtocol, std::string_view("3.0"));
  for (unsigned n = 0; n < 32 && text.left() > 1; ++n) {
    const Bytes name = text.zero_ended(), value = text.zero_ended();
    if (as_text(name) == "user") {
      user_.assign(value);
      facts_.text(Fact::kPgsqlUser, value);
    } else if (as_text(name) == "database") {
      database_.assign(value);
      facts_.text(Fact::kPgsqlDatabase, value);
    } else if (as_text(name) == "application_name") {
      facts_.text(Fact::kPgsqlApplication, value);
    }
  }
  started_ = true;
  authenticating_ = true;
  open_ = true;
  return Step::consumed(length);
}

void PgsqlParser::tell(Output& out) noexcept {
  if (!open_) return;
  FactWriter& facts = out.fresh();
  facts.number(Fact::kPgsqlTxId, ++transactions_);
  facts.append(facts_);
  if (rows_ != 0) {
    facts.number(Fact::kPgsqlRows, rows_);
    facts.number(Fact::kPgsqlRowBytes, row_bytes_);
  }
  out.tell(kKind, facts);
  facts_.clear();
  rows_ = row_bytes_ = 0;
  open_ = false;
}

void PgsqlParser::end(Output& out) noexcept {
  tell(out);
}

void PgsqlParser::client_message(uint8_t type, Bytes body, Output& out) noexcept {
  Cursor c(body);
  if (type == 'Q' || type == 'P') {
    tell(out);
    open_ = true;
    if (type == 'P') c.zero_ended();  // the statement's name
    facts_.text(Fact::kPgsqlQuery, c.zero_ended());
  } else if (type == 'p' && authenticating_) {
    const Bytes mechanism = c.zero_ended();
    const bool sasl = starts_with(mechanism, "SCRAM-");
    if (sasl) facts_.text(Fact::kPgsqlMechanism, mechanism);
    open_ = true;
  } else if (type == 'X') {
    tell(out);
    open_ = true;
    facts_.text(Fact::kPgsqlRequest, std::string_view("terminate"));
    tell(out);
  }
}

void PgsqlParser::error(Bytes body, Output& out) noexcept {
  struct {
    uint8_t field;
    Fact fact;
  } constexpr kFields[] = {{'S', Fact::kPgsqlSeverity}, {'V', Fact::kPgsqlSeverityPlain},
                           {'C', Fact::kPgsqlCode},     {'M', Fact::kPgsqlResponse},
                           {'F', Fact::kPgsqlFile},     {'L', Fact::kPgsqlLine},
                           {'R', Fact::kPgsqlRoutine}};
  Cursor c(body);
  Bytes code;
  for (unsigned n = 0; n < 32 && c.left() > 1; ++n) {
    const uint8_t field = c.u8();
    const Bytes value = c.zero_ended();
    if (field == 'C') code = value;
    for (const auto& f : kFields) {
      if (f.field == field) facts_.text(f.fact, value);
    }
  }
  open_ = true;
  if (authenticating_) {
    authenticating_ = false;
    out.login({.protocol = "pgsql",
               .account = user_.bytes(),
               .service = database_.bytes(),
               .outcome = LoginOutcome::kFailure,
               .code = as_text(code)});
  }
}

void PgsqlParser::server_message(uint8_t type, Bytes body, size_t whole, Output& out) noexcept {
  Cursor c(body);
  switch (type) {
    case 'R': {
      const uint32_t code = c.be32();
      facts_.text(Fact::kPgsqlResponse, authentication_name(code));
      if (code != 0) return tell(out);  // the client's answer is a request of its own
      if (!authenticating_) return;
      authenticating_ = false;
      out.login({.protocol = "pgsql",
                 .account = user_.bytes(),
                 .service = database_.bytes(),
                 .outcome = LoginOutcome::kSuccess,
                 .code = "authentication_ok"});
      return;
    }
    case 'E':
      return error(body, out);
    case 'T':
      return facts_.number(Fact::kPgsqlFields, c.be16());
    case 'D':
      ++rows_;
      row_bytes_ += whole - 5;
      return;
    case 'C':
      return facts_.text(Fact::kPgsqlCompleted, c.zero_ended());
    case 'Z':  // ready for the next
      return tell(out);
    default:
      return;
  }
}

Step PgsqlParser::parse(const Input& in, Output& out) noexcept {
  if (!in.from_client && awaits_ssl_) {
    awaits_ssl_ = false;
    const bool accepted = in.bytes[0] == 'S' || in.bytes[0] == 'G';
    facts_.flag(Fact::kPgsqlSslAccepted, accepted);
    tell(out);
    return accepted ? Step::become(EvidenceKind::kTls, 1) : Step::consumed(1);
  }
  if (in.from_client && !started_) return startup(in, out);
  if (in.bytes.size() < 5) return Step::need(5);
  const uint32_t length = load_be32(in.bytes.data() + 1);
  const uint8_t type = in.bytes[0];
  constexpr uint32_t kLengthMax = 1u << 30;
  if (length < 4 || length > kLengthMax || type < 0x31 || type > 0x7a) {
    return Step::malformed("invalid_length");
  }
  const size_t whole = size_t{1} + length;
  const size_t shown = std::min(whole, type == 'D' || type == 'd' ? size_t{5} : kShownMax);
  if (in.bytes.size() < shown && !in.whole) return Step::need(shown);
  const Bytes body = in.bytes.first(std::min(shown, in.bytes.size())).subspan(5);
  if (in.from_client) {
    client_message(type, body, out);
  } else {
    server_message(type, body, whole, out);
  }
  return Step::consumed(whole);
}

}  // namespace weir::parse
