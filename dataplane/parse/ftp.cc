// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/ftp.h"

namespace weir::parse {

namespace {

constexpr size_t kLineMax = 2048;
constexpr uint16_t kFtpPort = 21;
constexpr std::string_view kOpeners[] = {"USER", "AUTH", "FEAT", "SYST", "OPTS", "CLNT", "PBSZ",
                                         "PROT", "HOST", "PASV", "EPSV", "PORT", "EPRT"};
constexpr std::string_view kTransfers[] = {"RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD"};

bool one_of(Bytes word, std::span<const std::string_view> words) noexcept {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view w) { return equal_ignoring_case(word, w); });
}

// "h1,h2,h3,h4,p1,p2", RFC 959 section 5.3.2; whatever stands before it. 0: there is none.
uint16_t port_of_numbers(Bytes text) noexcept {
  uint64_t last[2] = {};
  unsigned commas = 0;
  while (!text.empty() && (text[0] < '0' || text[0] > '9')) text = text.subspan(1);
  while (!text.empty() && commas < 6) {
    uint64_t n = 0;
    if (!read_decimal(text, n) || n > 255) return 0;
    last[0] = last[1];
    last[1] = n;
    ++commas;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') text = text.subspan(1);
    if (text.empty() || text[0] != ',') break;
    text = text.subspan(1);
  }
  return commas == 6 ? static_cast<uint16_t>(last[0] << 8 | last[1]) : uint16_t{0};
}

// "|1|10.0.0.1|4000|" or "(|||4000|)", RFC 2428; the first byte is what stands between.
uint16_t extended_port(Bytes text) noexcept {
  const auto open = std::find(text.begin(), text.end(), '(');
  if (open != text.end()) text = text.subspan(static_cast<size_t>(open - text.begin()) + 1);
  if (text.empty()) return 0;
  const uint8_t between = text[0];
  for (unsigned i = 0; i < 3; ++i) {
    const auto at = std::find(text.begin(), text.end(), between);
    if (at == text.end()) return 0;
    text = text.subspan(static_cast<size_t>(at - text.begin()) + 1);
  }
  uint64_t port = 0;
  return read_decimal(text, port) && port <= UINT16_MAX ? static_cast<uint16_t>(port) : uint16_t{0};
}

// A greeting that says whose it is; where it does not, the client's first command will.
Probe of_greeting(const ProbeInput& in) noexcept {
  if (in.bytes.size() < 4) return kPerhaps;
  if (in.bytes[3] != ' ' && in.bytes[3] != '-') return kNotMine;
  Bytes line;
  if (!read_greeting(in.bytes, line)) return kPerhaps;
  if (!is_printable(line)) return kNotMine;
  if (has_ignoring_case(line, "SMTP")) return kNotMine;
  if (has_ignoring_case(in.bytes, "\n331 ")) return kMineFromServer;  // it asks for a password
  if (has_ignoring_case(line, "FTP") || in.has_port(kFtpPort)) return kMineFromServer;
  return kPerhaps;
}

}  // namespace

Probe FtpParser::probe(const ProbeInput& in) noexcept {
  if (could_start_with(in.bytes, "220") || could_start_with(in.bytes, "120 ")) {
    return of_greeting(in);
  }
  const Opens opens = opens_with(in.bytes, kOpeners);
  if (opens == Opens::kNo) return kNotMine;
  // POP3 says USER and AUTH as well.
  const bool shared = could_start_with(in.bytes, "USER") ||
                      starts_ignoring_case(in.bytes, "USER") ||
                      starts_ignoring_case(in.bytes, "AUTH");
  if (opens == Opens::kUnsure) return kPerhaps;
  if (!shared || in.has_port(kFtpPort) || starts_ignoring_case(in.bytes, "AUTH TLS")) {
    return kMineFromClient;
  }
  return kPerhaps;
}

Step FtpParser::parse(const Input& in, Output& out) noexcept {
  LineReader& l = lines_[in.from_client ? 0 : 1];
  const auto got = l.next(in.bytes, in.seen, kLineMax);
  if (got == LineReader::Got::kMore) return Step::need();
  if (got == LineReader::Got::kSkipped || l.line.empty()) return Step::consumed(l.used);
  if (!in.from_client) return reply(l.line, l.cut, l.used, out);
  command(l.line, l.cut, out);
  return Step::consumed(l.used);
}

void FtpParser::command(Bytes line, bool cut, Output& out) noexcept {
  while (!line.empty() && (line[0] == 0xff || line[0] == 0xf4 || line[0] == 0xf2)) {
    line = line.subspan(1);  // Telnet's interrupt before ABOR
  }
  Bytes rest;
  const Bytes verb = first_word(line, rest);
  if (waiting_ == kWaitingMax) {
    tell(oldest(), false, out);
    drop_oldest();
  }
  Command& c = commands_[(at_ + waiting_) % kWaitingMax];
  ++waiting_;
  const bool pasv_waits = waiting_ > 1;
  c.verb.set(verb);
  c.verb.make_upper();
  c.data.set(rest);
  c.cut = cut || rest.size() > c.data.size();
  c.port = 0;
  if (c.is("PORT")) c.port = port_of_numbers(rest);
  if (c.is("EPRT")) c.port = extended_port(rest);
  if (c.is("USER")) user_.set(rest);
  if ((c.is("PORT") && c.port != 0) || (c.is("EPRT") && c.port != 0)) data_port_ = active_ = true;
  if ((c.is("RETR") || c.is("STOR")) && !data_port_ && !pasv_waits) {
    out.violation(kKind, "file_before_port");
  }
  c.shown = out.is_judged(kKind);
  if (!c.shown) return;
  FactWriter& facts = out.fresh();
  write_command(c, facts);
  out.show(kKind, facts, 0, waiting_ - 1u);
}

Step FtpParser::reply(Bytes line, bool cut, size_t used, Output& out) noexcept {
  const unsigned code = reply_code(line);
  in_reply_ = true;
  reply_cut_ = reply_cut_ || cut;
  if (code != 0) replies_.text(Fact::kFtpCompletionCode, line.first(3));
  constexpr size_t kReplyMax = 600;
  replies_.text(Fact::kFtpReply, code == 0 ? line : line.subspan(std::min<size_t>(4, line.size())),
                kReplyMax);
  const bool more = line.size() > 3 && line[3] == '-' && code != 0;
  if (more && multi_ == 0) multi_ = static_cast<uint16_t>(code);
  const bool last = code != 0 && !more && (multi_ == 0 || multi_ == code);
  if (!last) return Step::consumed(used);
  multi_ = 0;
  if (code < 200) return Step::consumed(used);  // another one follows
  Command* c = oldest();
  const bool secure = decided(c, code, line, out);
  tell(c, true, out);
  if (c != nullptr) drop_oldest();
  return secure ? Step::become(EvidenceKind::kTls, used) : Step::consumed(used);
}

// true: TLS follows.
bool FtpParser::decided(Command* c, unsigned code, Bytes line, Output& out) noexcept {
  if (c == nullptr) return false;
  const std::string_view text = as_text(line.first(3));
  if (code == 227 || code == 229) {
    c->port = code == 227 ? port_of_numbers(line.subspan(3)) : extended_port(line);
    data_port_ = true;
    active_ = false;
  }
  if (c->is("USER") || c->is("PASS") || c->is("ACCT")) account(*c, code, text, out);
  if (one_of(c->verb.bytes(), kTransfers)) transferred(*c, code, out);
  return c->is("AUTH") && code == 234;
}

void FtpParser::account(const Command& c, unsigned code, std::string_view text,
                        Output& out) noexcept {
  const bool good = code == 230 || code == 232 || (code == 202 && !c.is("ACCT"));
  if (!good && code < 400) return;  // 331, 332: there is more to say
  Login login;
  login.protocol = "ftp";
  login.account = user_.bytes();
  login.outcome = good ? LoginOutcome::kSuccess : LoginOutcome::kFailure;
  login.code = text;
  out.login(login);
}

void FtpParser::transferred(const Command& c, unsigned code, Output& out) noexcept {
  const bool known = data_port_;
  data_port_ = false;
  if (!known || code >= 300) return;
  FactList<512> facts;  // the scratch is tell()'s
  const bool names = c.is("RETR") || c.is("STOR") || c.is("APPE");
  if (names && !c.data.empty()) facts.text(Fact::kFtpDataFilename, c.data.bytes());
  if (c.is("STOU")) facts.text(Fact::kFtpDataFilename, std::string_view("<stou>"));
  facts.text(Fact::kFtpDataCommand, c.verb.bytes());
  out.tell(EvidenceKind::kFtpData, facts, active_ ? Ends::kSenderFirst : Ends::kClientFirst);
}

void FtpParser::write_command(const Command& c, FactWriter& facts) noexcept {
  facts.text(Fact::kFtpCommand, c.verb.bytes());
  if (!c.data.empty()) {
    facts.text(Fact::kFtpCommandData, c.data.bytes());
    facts.flag(Fact::kFtpCommandTruncated, c.cut);
  }
}

void FtpParser::tell(const Command* c, bool received, Output& out) noexcept {
  FactWriter& facts = out.fresh();
  uint16_t shown = 0;
  if (c != nullptr) {
    write_command(*c, facts);
    if (c->shown) shown = facts.used();
    if (c->port != 0) facts.number(Fact::kFtpDynamicPort, c->port);
    const bool active = c->is("PORT") || c->is("EPRT");
    if (active || c->port != 0) {
      facts.text(Fact::kFtpMode, std::string_view(active ? "active" : "passive"));
    }
  }
  facts.append(replies_);
  facts.text(Fact::kFtpReplyReceived, std::string_view(received ? "yes" : "no"));
  facts.flag(Fact::kFtpReplyTruncated, reply_cut_ || replies_.overflow());
  out.tell(kKind, facts, Ends::kClientFirst, shown);
  replies_.clear();
  in_reply_ = reply_cut_ = false;
}

void FtpParser::drop_oldest() noexcept {
  at_ = static_cast<uint8_t>((at_ + 1) % kWaitingMax);
  --waiting_;
}

void FtpParser::end(Output& out) noexcept {
  if (waiting_ == 0 && in_reply_) tell(nullptr, false, out);
  while (waiting_ != 0) {
    const Command& c = *oldest();
    if (c.is("PASS")) {
      Login login;
      login.protocol = "ftp";
      login.account = user_.bytes();
      out.login(login);
    }
    tell(&c, false, out);
    drop_oldest();
  }
}

}  // namespace weir::parse
