// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/pop3.h"

namespace weir::parse {

namespace {
constexpr size_t kLineMax = 1024;
constexpr uint16_t kPop3Port = 110;
constexpr std::string_view kOpeners[] = {"USER", "APOP", "CAPA", "STLS", "AUTH"};
}  // namespace

Probe Pop3Parser::probe(const ProbeInput& in) noexcept {
  if (could_start_with(in.bytes, "+OK")) {
    if (in.bytes.size() < 5) return kPerhaps;
    if (in.bytes[3] != ' ' && in.bytes[3] != '\r') return kNotMine;
    return in.has_port(kPop3Port) || in.bytes[3] == ' ' ? kMineFromServer : kPerhaps;
  }
  const Opens opens = opens_with(in.bytes, kOpeners);
  if (opens == Opens::kNo) return kNotMine;
  if (opens == Opens::kUnsure) return kPerhaps;
  const bool own = starts_ignoring_case(in.bytes, "APOP") || starts_ignoring_case(in.bytes, "CAPA");
  return in.has_port(kPop3Port) || own ? kMineFromClient : kPerhaps;  // FTP says USER, too
}

Step Pop3Parser::parse(const Input& in, Output& out) noexcept {
  if (in_session_ && !in.from_client) return Step::consumed(in.bytes.size());
  LineReader& l = lines_[in.from_client ? 0 : 1];
  const auto got = l.next(in.bytes, in.seen, kLineMax);
  if (got == LineReader::Got::kMore) return Step::need();
  if (got == LineReader::Got::kSkipped || l.line.empty()) return Step::consumed(l.used);
  if (!in.from_client) return reply(l.line, l.used, out);
  command(l.line);
  return Step::consumed(l.used);
}

void Pop3Parser::command(Bytes line) noexcept {
  if (sasl_.active()) return sasl_.answer(line);
  Bytes rest;
  verb_.set(first_word(line, rest));
  verb_.make_upper();
  ++commands_;
  waiting_ = true;
  if (in_session_) {
    if (verb_.is("RETR")) ++retrieved_;
    if (verb_.is("DELE")) ++deleted_;
    return;
  }
  arguments_.set(verb_.is("PASS") ? Bytes{} : rest);
  Bytes more;
  if (verb_.is("USER")) user_.set(rest);
  if (verb_.is("APOP")) user_.set(first_word(rest, more));
  if (verb_.is("AUTH") && !rest.empty()) {
    const Bytes mechanism = first_word(rest, more);
    arguments_.set(mechanism);
    sasl_.begin(mechanism, more);
  }
}

Step Pop3Parser::reply(Bytes line, size_t used, Output& out) noexcept {
  const bool good = starts_with(line, "+OK");
  if (!good && !starts_with(line, "-ERR")) {  // a challenge, a list
    if (starts_with(line, "+ ")) sasl_.challenge(line.subspan(2));
    return Step::consumed(used);
  }
  if (!waiting_ && greeted_) return Step::consumed(used);
  FactWriter& facts = out.fresh();
  if (waiting_) {
    facts.text(Fact::kPop3Command, verb_.bytes());
    Bytes rest = arguments_.bytes();
    for (unsigned i = 0; i < 4 && !rest.empty(); ++i) {
      const Bytes from = rest;
      facts.text(Fact::kPop3Argument, first_word(from, rest));
    }
  }
  if (sasl_.active()) sasl_.write(facts);
  facts.flag(Fact::kPop3Success, good);
  facts.text(Fact::kPop3Status, std::string_view(good ? "OK" : "ERR"));
  const Bytes header = trimmed(line.subspan(good ? 3 : 4));
  if (!header.empty()) facts.text(Fact::kPop3Header, header, 512);
  out.tell(kKind, facts);
  const bool answered = waiting_;
  waiting_ = false;
  greeted_ = true;
  if (!answered) return Step::consumed(used);
  if (verb_.is("STLS") && good) return Step::become(EvidenceKind::kTls, used);
  login(good, out);
  return Step::consumed(used);
}

void Pop3Parser::login(bool good, Output& out) noexcept {
  const LoginOutcome outcome = good ? LoginOutcome::kSuccess : LoginOutcome::kFailure;
  const std::string_view code = good ? "+OK" : "-ERR";
  bool decided = sasl_.active();
  sasl_.end(out, "pop3", outcome, code);
  if (verb_.is("PASS") || verb_.is("APOP") || (verb_.is("USER") && !good)) {
    Login login;
    login.protocol = "pop3";
    login.mechanism = verb_.is("APOP") ? "APOP" : "";
    login.account = user_.bytes();
    login.outcome = outcome;
    login.code = code;
    out.login(login);
    decided = true;
  }
  in_session_ = in_session_ || (decided && good);
}

void Pop3Parser::end(Output& out) noexcept {
  sasl_.end(out, "pop3", LoginOutcome::kAttempt, {});
  if (!in_session_) return;
  FactWriter& facts = out.fresh();
  facts.number(Fact::kPop3Commands, commands_);
  facts.number(Fact::kPop3Retrieved, retrieved_);
  facts.number(Fact::kPop3Deleted, deleted_);
  out.tell(kKind, facts);
  in_session_ = false;
}

}  // namespace weir::parse
