// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/smtp.h"

namespace weir::parse {

namespace {

constexpr size_t kLineMax = 2048, kNameMax = 256;
constexpr uint8_t kBadRepliesMax = 8;
constexpr std::string_view kOpeners[] = {"EHLO", "HELO", "LHLO", "MAIL FROM:"};

bool is_smtp_port(const ProbeInput& in) noexcept {
  return in.has_port(25) || in.has_port(587) || in.has_port(2525);
}

Probe of_greeting(const ProbeInput& in) noexcept {
  if (in.bytes.size() < 4) return kPerhaps;
  if (in.bytes[3] != ' ' && in.bytes[3] != '-') return kNotMine;
  Bytes line;
  if (!read_greeting(in.bytes, line)) return kPerhaps;
  if (!is_printable(line)) return kNotMine;
  if (has_ignoring_case(line, "SMTP") || is_smtp_port(in)) return kMineFromServer;
  return has_ignoring_case(line, "FTP") ? kNotMine : kPerhaps;
}

// "<a@b>" of " <a@b> SIZE=5".
Bytes path_of(Bytes arguments) noexcept {
  const auto colon = std::find(arguments.begin(), arguments.end(), ':');
  if (colon == arguments.end()) return {};
  Bytes path = trimmed(arguments.subspan(static_cast<size_t>(colon - arguments.begin()) + 1));
  const bool angle = !path.empty() && path[0] == '<';
  const auto end = std::find(path.begin(), path.end(), angle ? '>' : ' ');
  const auto n = static_cast<size_t>(end - path.begin());
  return path.first(std::min(path.size(), n + (angle ? 1 : 0)));
}

// What a reply to AUTH says of who asked. Most refuse them; but some speak of the command alone: it
// is malformed or cancelled, unknown, not now, not by this mechanism or without TLS (RFC 4954
// section 6), and 554 of a message or the session, unless it says that it means credentials.
LoginOutcome outcome_of(unsigned code, Bytes text) noexcept {
  if (code == 235) return LoginOutcome::kSuccess;
  if (code < 400) return LoginOutcome::kAttempt;
  constexpr unsigned kOfTheCommand[] = {500, 501, 502, 503, 504, 530, 538};
  const bool judges = code == 554 ? starts_with(trimmed(text), "5.7.8")
                                  : std::find(std::begin(kOfTheCommand), std::end(kOfTheCommand),
                                              code) == std::end(kOfTheCommand);
  return judges ? LoginOutcome::kFailure : LoginOutcome::kAttempt;
}

}  // namespace

Probe SmtpParser::probe(const ProbeInput& in) noexcept {
  if (could_start_with(in.bytes, "220") || could_start_with(in.bytes, "554 ")) {
    return of_greeting(in);
  }
  for (const std::string_view w : kOpeners) {
    const size_t n = std::min(in.bytes.size(), w.size());
    if (!equal_ignoring_case(in.bytes.first(n), w.substr(0, n))) continue;
    if (in.bytes.size() <= w.size()) return kPerhaps;
    return kMineFromClient;
  }
  return kNotMine;
}

Step SmtpParser::parse(const Input& in, Output& out) noexcept {
  if (in.from_client && chunk_left_ != 0) return chunk(in, out);
  if (in.from_client && in_content_) return content(in, out);
  LineReader& l = lines_[in.from_client ? 0 : 1];
  const auto got = l.next(in.bytes, in.seen, kLineMax);
  if (got == LineReader::Got::kMore) return Step::need();
  if (got == LineReader::Got::kSkipped) return Step::consumed(l.used);
  if (!in.from_client) return reply(l.line, l.used, out);
  if (l.cut) out.violation(kKind, "MAX_COMMAND_LINE_LEN_EXCEEDED");
  command(l.line, out);
  return Step::consumed(l.used);
}

// The mail's lines, as many as there are.
Step SmtpParser::content(const Input& in, Output& out) noexcept {
  LineReader& l = lines_[0];
  size_t done = 0, seen = in.seen;
  while (done < in.bytes.size() && in_content_) {
    const bool continued = l.cut;  // the rest of a long line is none of its own
    const auto got = l.next(in.bytes.subspan(done), seen, kLineMax);
    seen = 0;
    if (got == LineReader::Got::kMore) break;
    done += l.used;
    if (got == LineReader::Got::kSkipped || (continued && l.used == 0)) continue;
    if (l.line.size() == 1 && l.line[0] == '.') {
      mail_done(out);
    } else {
      mail_.line(!l.line.empty() && l.line[0] == '.' ? l.line.subspan(1) : l.line, facts_);
    }
  }
  return done == 0 ? Step::need() : Step::consumed(done);
}

Step SmtpParser::chunk(const Input& in, Output& out) noexcept {
  const auto here = static_cast<size_t>(std::min<uint64_t>(chunk_left_, in.bytes.size()));
  LineReader& l = lines_[0];
  const auto got = l.next(in.bytes.first(here), std::min(in.seen, here), kLineMax);
  size_t used = l.used;
  if (got == LineReader::Got::kMore) {
    if (here < chunk_left_) return Step::need();
    used = here;
    mail_.line(in.bytes.first(here), facts_);
  } else if (got == LineReader::Got::kLine) {
    mail_.line(l.line, facts_);
  }
  chunk_left_ -= used;
  if (chunk_left_ == 0) {
    l = LineReader();
    if (last_chunk_) mail_done(out);
  }
  return Step::consumed(used);
}

void SmtpParser::await(Verb verb) noexcept {
  if (waits_ == kWaitingMax) {
    at_ = (at_ + 1) % kWaitingMax;
    --waits_;
  }
  waiting_[(at_ + waits_++) % kWaitingMax] = verb;
}

void SmtpParser::command(Bytes line, Output& out) noexcept {
  if (sasl_.active()) return sasl_.answer(line);
  Bytes rest;
  const Bytes verb = first_word(line, rest);
  Verb what = Verb::kOther;
  if (equal_ignoring_case(verb, "EHLO") || equal_ignoring_case(verb, "HELO")) {
    Bytes more;
    helo_.set(first_word(rest, more));
    shown_ = 0;  // what was shown stood behind another name
  } else if (starts_ignoring_case(line, "MAIL FROM")) {
    what = has_sender_ ? Verb::kMailAgain : Verb::kMail;
    if (!has_sender_) facts_.text(Fact::kSmtpMailFrom, path_of(line), kNameMax);
    has_sender_ = true;
    show(out);
  } else if (starts_ignoring_case(line, "RCPT TO")) {
    facts_.text(Fact::kSmtpRcptTo, path_of(line), kNameMax);
    show(out);
  } else if (equal_ignoring_case(verb, "DATA")) {
    what = Verb::kData;
    in_content_ = reading_ = true;
    mail_.begin();
  } else if (equal_ignoring_case(verb, "BDAT")) {
    what = Verb::kBdat;
    begin_chunk(rest, out);
  } else if (equal_ignoring_case(verb, "RSET")) {
    if (has_sender_) tell(out);
  } else if (equal_ignoring_case(verb, "STARTTLS")) {
    what = Verb::kTls;
  } else if (equal_ignoring_case(verb, "AUTH")) {
    what = Verb::kAuth;
    Bytes initial;
    const Bytes mechanism = first_word(rest, initial);
    sasl_.begin(mechanism, initial);
  }
  await(what);
}

void SmtpParser::begin_chunk(Bytes arguments, Output& out) noexcept {
  uint64_t bytes = 0;
  if (!read_decimal(arguments, bytes)) return;
  last_chunk_ = ends_ignoring_case(arguments, "LAST");
  if (!reading_) mail_.begin();
  reading_ = true;
  chunk_left_ = bytes;
  if (bytes == 0 && last_chunk_) mail_done(out);
}

Step SmtpParser::reply(Bytes line, size_t used, Output& out) noexcept {
  const unsigned code = reply_code(line);
  if (code == 0) {
    if (line.empty()) return Step::consumed(used);
    if (bad_replies_ == 0) out.violation(kKind, "INVALID_REPLY");
    return ++bad_replies_ > kBadRepliesMax ? Step::finished() : Step::consumed(used);
  }
  if (line.size() > 3 && line[3] == '-') return Step::consumed(used);
  if (!greeted_) {
    greeted_ = true;
    if (code == 220 || code == 554) return Step::consumed(used);
  }
  if (code == 334) sasl_.challenge(line.subspan(3));
  if (code == 334 || waits_ == 0) return Step::consumed(used);
  const Verb verb = waiting_[at_];
  if (verb == Verb::kData && code == 354) {  // the mail's own reply is to come
    waiting_[at_] = Verb::kOther;
    return Step::consumed(used);
  }
  at_ = (at_ + 1) % kWaitingMax;
  --waits_;
  switch (verb) {
    case Verb::kAuth: {
      const LoginOutcome outcome = outcome_of(code, line.subspan(3));
      if (outcome == LoginOutcome::kAttempt && !sasl_.names_somebody()) sasl_.drop();
      sasl_.end(out, "smtp", outcome, as_text(line.first(3)));
      break;
    }
    case Verb::kTls:
      if (code == 220) return Step::become(EvidenceKind::kTls, used);
      break;
    case Verb::kData:  // refused
      if (in_content_) lines_[0] = LineReader();
      in_content_ = reading_ = false;
      break;
    case Verb::kMail:
      if (code >= 400 && !reading_ && has_sender_) tell(out);
      break;
    default:
      break;
  }
  return Step::consumed(used);
}

void SmtpParser::mail_done(Output& out) noexcept {
  mail_.end(facts_);
  lines_[0].cut = false;
  in_content_ = false;
  facts_.text(Fact::kEmailStatus, std::string_view("PARSE_DONE"));
  tell(out);
}

FactWriter& SmtpParser::event(Output& out) const noexcept {
  FactWriter& facts = out.fresh();
  if (!helo_.empty()) facts.text(Fact::kSmtpHelo, helo_.bytes());
  sasl_.write(facts);
  facts.append(facts_);
  return facts;
}

// Rules judge the envelope as it is read, the head of the mail with the event.
void SmtpParser::show(Output& out) noexcept {
  if (!out.is_judged(kKind)) return;
  const FactWriter& facts = event(out);
  out.show(kKind, facts, shown_);
  shown_ = facts.used();
}

void SmtpParser::tell(Output& out) noexcept {
  out.tell(kKind, event(out), Ends::kClientFirst, shown_);
  facts_.clear();
  shown_ = 0;
  told_ = true;
  has_sender_ = reading_ = false;
}

void SmtpParser::end(Output& out) noexcept {
  sasl_.end(out, "smtp", LoginOutcome::kAttempt, {});
  if (reading_) {
    mail_.end(facts_);
    facts_.text(Fact::kEmailStatus, std::string_view("BODY_STARTED"));
  }
  if (has_sender_ || !facts_.empty() || (!told_ && !helo_.empty())) tell(out);
}

}  // namespace weir::parse
