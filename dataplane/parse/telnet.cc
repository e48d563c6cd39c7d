// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/telnet.h"

namespace weir::parse {

namespace {

constexpr uint8_t kIac = 255, kSb = 250, kSe = 240, kWill = 251, kDont = 254;
constexpr uint8_t kTerminalType = 24, kTerminalSpeed = 32, kEncrypt = 38, kNewEnvironment = 39;
constexpr size_t kOptionMax = 512;
constexpr uint16_t kTelnetPort = 23;
constexpr uint8_t kLinesMax = 12;
constexpr std::string_view kRefusals[] = {"incorrect", "fail",        "denied", "invalid",
                                          "wrong",     "bad ",        "error",  "not authorized",
                                          "rejected",  "unknown user"};

bool is_negotiation(Bytes b) noexcept {
  return b[0] == kIac && b[1] >= kSb && b[1] <= kDont && (b[2] <= 50 || b[2] == 255);
}

bool refuses(Bytes line) noexcept {
  return std::any_of(std::begin(kRefusals), std::end(kRefusals),
                     [&](std::string_view r) { return has_ignoring_case(line, r); });
}

}  // namespace

Probe TelnetParser::probe(const ProbeInput& in) noexcept {
  if (in.bytes[0] == kIac) {
    if (in.bytes.size() < 3) return kPerhaps;
    if (!is_negotiation(in.bytes)) return kNotMine;
    if (in.has_port(kTelnetPort)) return kMine;
    if (in.bytes.size() < 6) return kPerhaps;
    return in.bytes[1] == kSb || is_negotiation(in.bytes.subspan(3)) ? kMine : kNotMine;
  }
  // Without negotiation: only where it is expected, and only a server that asks. What comes behind
  // its question changes nothing: it may come later as well.
  if (!in.has_port(kTelnetPort)) return kNotMine;
  const Bytes text = printable_front(in.bytes);
  const bool asks = has_ignoring_case(text, "login:") || has_ignoring_case(text, "user") ||
                    has_ignoring_case(text, "password:");
  if (asks && !in.from_initiator) return kMineFromServer;
  return text.size() == in.bytes.size() ? kPerhaps : kNotMine;
}

Step TelnetParser::parse(const Input& in, Output& out) noexcept {
  const uint8_t first = in.bytes[0];
  if (first == kIac) {
    if (in.bytes.size() < 2) return Step::need(2);
    const uint8_t command = in.bytes[1];
    if (command >= kWill && command <= kDont) {
      return in.bytes.size() < 3 ? Step::need(3) : Step::consumed(3);
    }
    if (command != kSb) return Step::consumed(2);
    for (size_t i = 2; i + 1 < std::min(in.bytes.size(), kOptionMax); ++i) {
      if (in.bytes[i] != kIac) continue;
      if (in.bytes[i + 1] == kSe) return told_option(in.bytes.subspan(2, i - 2), i + 2);
      ++i;
    }
    return in.bytes.size() < kOptionMax ? Step::need() : Step::consumed(kOptionMax);
  }
  if (encrypted_) return Step::finished();
  // As far as the next command.
  const auto iac = std::find(in.bytes.begin(), in.bytes.end(), kIac);
  const auto n = static_cast<size_t>(iac - in.bytes.begin());
  for (const uint8_t c : in.bytes.first(n)) {
    if (in.from_client) {
      typed(c);
    } else if (shown(c, out)) {
      return Step::finished();
    }
  }
  return Step::consumed(n);
}

Step TelnetParser::told_option(Bytes option, size_t used) noexcept {
  if (option.size() < 2) return Step::consumed(used);
  const Bytes value = option.subspan(2);
  const bool is = option[1] == 0;
  if (option[0] == kTerminalType && is) terminal_.set(value);
  if (option[0] == kTerminalSpeed && is) speed_.set(value);
  if (option[0] == kEncrypt && option[1] == 3) encrypted_ = true;  // START
  if (option[0] == kNewEnvironment && is) {  // VAR "USER" VALUE name, RFC 1572
    for (size_t i = 0; i + 6 <= value.size(); ++i) {
      if (!starts_with(value.subspan(i), std::string_view("\0USER\1", 6))) continue;
      const Bytes name = value.subspan(i + 6);
      const auto end = std::find_if(name.begin(), name.end(), [](uint8_t c) { return c < 4; });
      user_.set(name.first(static_cast<size_t>(end - name.begin())));
    }
  }
  return Step::consumed(used);
}

TelnetParser::Asked TelnetParser::prompt() const noexcept {
  Bytes line = trimmed(line_.bytes());
  if (line.empty() || (line.back() != ':' && line.back() != '>' && line.back() != '?')) {
    return Asked::kNothing;
  }
  line = trimmed(line.first(line.size() - 1));
  if (ends_ignoring_case(line, "password") || ends_ignoring_case(line, "passwd") ||
      ends_ignoring_case(line, "passcode") || starts_ignoring_case(line, "password for")) {
    return Asked::kPassword;
  }
  const bool account = ends_ignoring_case(line, "login") || ends_ignoring_case(line, "username") ||
                       ends_ignoring_case(line, "user") || ends_ignoring_case(line, "user name") ||
                       ends_ignoring_case(line, "account");
  return account && !has_ignoring_case(line, "last login") ? Asked::kAccount : Asked::kNothing;
}

void TelnetParser::typed(uint8_t c) noexcept {
  if (!typing_) {
    if (c == '\n' || c == 0) return;  // the rest of a line's end
    typing_ = true;
    asked_ = prompt();
    input_.clear();
  }
  if (c == 0x7f || c == 8) return input_.drop_last();
  if (c == 0x15) return input_.clear();
  if (c != '\r' && c != '\n') {
    if (c >= ' ') input_.add({&c, 1});
    return;
  }
  typing_ = false;
  if (asked_ == Asked::kAccount) {
    account_.set(input_.bytes());
    has_account_ = true;
  } else if (asked_ == Asked::kPassword) {
    waiting_ = true;
    lines_ = 0;
    line_.clear();
  }
  input_.clear();
}

// true: the session is known.
bool TelnetParser::shown(uint8_t c, Output& out) noexcept {
  if (c == '\r' || c == 0 || c == 7) return false;
  if (c != '\n') {
    line_.add({&c, 1});
    if (!waiting_ || c != ' ') {
      if (!waiting_ || (c != ':' && c != '$' && c != '#' && c != '>' && c != '%')) return false;
    }
    if (prompt() != Asked::kNothing) {  // once more
      decided(LoginOutcome::kFailure, out);
      return false;
    }
    const Bytes line = trimmed(line_.bytes());
    const bool shell = !line.empty() && (line.back() == '$' || line.back() == '#' ||
                                         line.back() == '>' || line.back() == '%');
    return shell && !refuses(line) && decided(LoginOutcome::kSuccess, out);
  }
  const Bytes line = trimmed(line_.bytes());
  if (waiting_ && !line.empty()) {
    if (refuses(line) && !has_ignoring_case(line, "last ")) {
      decided(LoginOutcome::kFailure, out);
    } else if (has_ignoring_case(line, "last login") || has_ignoring_case(line, "welcome") ||
               ++lines_ > kLinesMax) {
      return decided(LoginOutcome::kSuccess, out);
    }
  }
  line_.clear();
  return false;
}

bool TelnetParser::decided(LoginOutcome outcome, Output& out) noexcept {
  Login login;
  login.protocol = "telnet";
  login.account = account_.bytes();
  login.outcome = outcome;
  out.login(login);
  ++logins_;
  waiting_ = false;
  return outcome == LoginOutcome::kSuccess;
}

void TelnetParser::end(Output& out) noexcept {
  if (waiting_) decided(LoginOutcome::kAttempt, out);
  if (told_) return;
  told_ = true;
  FactWriter& facts = out.fresh();
  if (!terminal_.empty()) facts.text(Fact::kTelnetTerminal, terminal_.bytes());
  if (!speed_.empty()) facts.text(Fact::kTelnetSpeed, speed_.bytes());
  if (!user_.empty()) facts.text(Fact::kTelnetUser, user_.bytes());
  if (encrypted_) facts.flag(Fact::kTelnetEncrypted, true);
  facts.number(Fact::kTelnetLogins, logins_);
  out.tell(kKind, facts);
}

}  // namespace weir::parse
