// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/imap.h"

namespace weir::parse {

namespace {

constexpr size_t kLineMax = 2048;
constexpr uint64_t kLiteralMax = 512;  // a longer one is a mail
constexpr uint8_t kMailboxesMax = 16;
constexpr std::string_view kOpeners[] = {"CAPABILITY", "LOGIN",  "AUTHENTICATE", "STARTTLS",
                                         "ID",         "SELECT", "LIST"};

bool is_tag(uint8_t c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
         c == '-' || c == '_';
}

// "{5}" or "{5+}" at the end of a line: how many bytes follow it.
bool literal_at_end(Bytes line, uint64_t& bytes) noexcept {
  if (line.size() < 3 || line.back() != '}') return false;
  size_t at = line.size();
  while (at != 0 && line[at - 1] != '{') --at;
  return at != 0 && line.size() - at <= 21 && read_decimal(line.subspan(at), bytes);
}

// The next argument: an atom, or a string with its quotes taken off.
Bytes argument(Bytes& rest) noexcept {
  rest = trimmed(rest);
  if (rest.empty() || rest[0] != '"') {
    const Bytes from = rest;
    return first_word(from, rest);
  }
  rest = rest.subspan(1);
  size_t n = 0;
  while (n < rest.size() && rest[n] != '"') n += rest[n] == '\\' ? 2 : 1;
  n = std::min(n, rest.size());
  const Bytes text = rest.first(n);
  rest = rest.subspan(std::min(rest.size(), n + 1));
  return text;
}

}  // namespace

Probe ImapParser::probe(const ProbeInput& in) noexcept {
  if (in.bytes[0] == '*') {
    constexpr std::string_view kGreetings[] = {"* OK", "* PREAUTH", "* BYE"};
    switch (opens_with(in.bytes, kGreetings)) {
      case Opens::kNo:
        return kNotMine;
      case Opens::kUnsure:
        return kPerhaps;
      case Opens::kYes:
        return kMineFromServer;
    }
  }
  size_t n = 0;
  while (n < in.bytes.size() && is_tag(in.bytes[n])) ++n;
  if (n == 0 || n > 16) return kNotMine;
  if (n == in.bytes.size()) return kPerhaps;
  if (in.bytes[n] != ' ') return kNotMine;
  switch (opens_with(in.bytes.subspan(n + 1), kOpeners)) {
    case Opens::kNo:
      return kNotMine;
    case Opens::kUnsure:
      return kPerhaps;
    case Opens::kYes:
      break;
  }
  const bool short_word = starts_ignoring_case(in.bytes.subspan(n + 1), "ID ") ||
                          starts_ignoring_case(in.bytes.subspan(n + 1), "LIST ");
  return short_word && !in.has_port(143) ? kPerhaps : kMineFromClient;
}

Step ImapParser::parse(const Input& in, Output& out) noexcept {
  if (squeezed_) return Step::finished();
  if (in.from_client) return from_client(in);
  if (in_session_) return Step::consumed(in.bytes.size());
  LineReader& l = lines_[1];
  const auto got = l.next(in.bytes, in.seen, kLineMax);
  if (got == LineReader::Got::kMore) return Step::need();
  if (got == LineReader::Got::kSkipped || l.line.empty()) return Step::consumed(l.used);
  uint64_t literal = 0;
  if (!l.cut && literal_at_end(l.line, literal)) {
    return Step::consumed(l.used + std::min(literal, UINT64_MAX / 2));
  }
  return reply(l.line, l.used, out);
}

Step ImapParser::from_client(const Input& in) noexcept {
  if (literal_ != 0) {
    if (in.bytes.size() < literal_) return Step::need(literal_);
    const uint64_t bytes = literal_;
    command_.add(as_bytes("\""));
    command_.add(in.bytes.first(bytes));
    command_.add(as_bytes("\""));
    literal_ = 0;
    return Step::consumed(bytes);
  }
  LineReader& l = lines_[0];
  const auto got = l.next(in.bytes, in.seen, kLineMax);
  if (got == LineReader::Got::kMore) return Step::need();
  if (got == LineReader::Got::kSkipped) return Step::consumed(l.used);
  if (sasl_.active()) {
    sasl_.answer(l.line);
    return Step::consumed(l.used);
  }
  uint64_t bytes = 0;
  if (!l.cut && literal_at_end(l.line, bytes)) {
    const auto brace = std::find(l.line.rbegin(), l.line.rend(), '{');
    command_.add(l.line.first(static_cast<size_t>(l.line.rend() - brace) - 1));
    if (bytes > kLiteralMax) return Step::consumed(l.used + std::min(bytes, UINT64_MAX / 2));
    literal_ = bytes;
    return Step::consumed(l.used);
  }
  command_.add(l.line);
  command();
  command_.clear();
  return Step::consumed(l.used);
}

void ImapParser::command() noexcept {
  Bytes rest = command_.bytes();
  const Bytes tag = argument(rest);
  if (equal_ignoring_case(tag, "DONE") || tag.empty()) return;  // the end of IDLE
  Bytes verb = argument(rest);
  ++commands_;
  if (equal_ignoring_case(verb, "ID") && !rest.empty()) {
    facts_.text(Fact::kImapClient, rest, 400);
  } else if (equal_ignoring_case(verb, "SELECT") || equal_ignoring_case(verb, "EXAMINE")) {
    if (mailboxes_ == kMailboxesMax) return;
    ++mailboxes_;
    facts_.text(Fact::kImapMailbox, argument(rest), 100);
  } else if (equal_ignoring_case(verb, "COMPRESS")) {
    squeezed_ = in_session_;
  } else if (equal_ignoring_case(verb, "LOGIN")) {
    waiting_ = Verb::kLogin;
    tag_.set(tag);
    account_.set(argument(rest));
  } else if (equal_ignoring_case(verb, "STARTTLS")) {
    waiting_ = Verb::kTls;
    tag_.set(tag);
  } else if (equal_ignoring_case(verb, "AUTHENTICATE")) {
    waiting_ = Verb::kAuthenticate;
    tag_.set(tag);
    const Bytes mechanism = argument(rest);
    sasl_.begin(mechanism, trimmed(rest));
  }
}

Step ImapParser::reply(Bytes line, size_t used, Output& out) noexcept {
  Bytes rest;
  const Bytes tag = first_word(line, rest);
  if (!greeted_) {
    greeted_ = true;
    facts_.text(Fact::kImapGreeting, rest, 400);
    in_session_ = starts_ignoring_case(rest, "PREAUTH");
    return Step::consumed(used);
  }
  if (as_text(tag) == "+") sasl_.challenge(rest);
  if (waiting_ == Verb::kNone || as_text(tag) != as_text(tag_.bytes())) return Step::consumed(used);
  const bool good = starts_ignoring_case(rest, "OK");
  const Verb verb = waiting_;
  waiting_ = Verb::kNone;
  if (verb == Verb::kTls) {
    return good ? Step::become(EvidenceKind::kTls, used) : Step::consumed(used);
  }
  const LoginOutcome outcome = good ? LoginOutcome::kSuccess : LoginOutcome::kFailure;
  Bytes text;
  const Bytes code = first_word(rest, text);
  if (verb == Verb::kAuthenticate) {
    sasl_.end(out, "imap", outcome, as_text(code));
  } else {
    Login login;
    login.protocol = "imap";
    login.account = account_.bytes();
    login.outcome = outcome;
    login.code = as_text(code);
    out.login(login);
  }
  in_session_ = good;
  return Step::consumed(used);
}

void ImapParser::end(Output& out) noexcept {
  sasl_.end(out, "imap", LoginOutcome::kAttempt, {});
  if (commands_ == 0 && facts_.empty()) return;
  FactWriter& facts = out.fresh();
  sasl_.write(facts);
  facts.append(facts_);
  facts.number(Fact::kImapCommands, commands_);
  out.tell(kKind, facts);
  commands_ = 0;
  facts_.clear();
}

}  // namespace weir::parse
