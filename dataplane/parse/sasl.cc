// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/sasl.h"

#include "dataplane/parse/base64.h"

namespace weir::parse {

namespace {
constexpr size_t kMessageMax = 2048;

Bytes until(Bytes b, uint8_t c) noexcept {
  return b.first(static_cast<size_t>(std::find(b.begin(), b.end(), c) - b.begin()));
}
}  // namespace

void SaslExchange::begin(Bytes mechanism, Bytes initial) noexcept {
  active_ = true;
  answers_ = 0;
  mechanism_.set(mechanism);
  mechanism_.make_upper();
  account_.clear();
  ntlm_ = {};
  if (!initial.empty()) answer(initial);
}

void SaslExchange::answer(Bytes line) noexcept {
  uint8_t message[kMessageMax];
  read(from_base64(trimmed(line), message));
  if (answers_ != UINT8_MAX) ++answers_;
}

void SaslExchange::read(Bytes m) noexcept {
  if (mechanism_.is("PLAIN")) return read_plain(m);
  if (mechanism_.is("LOGIN")) {
    if (answers_ == 0) account_.set(m);
  } else if (mechanism_.is("CRAM-MD5")) {  // RFC 2195: the digest is behind the last blank
    size_t n = m.size();
    while (n != 0 && m[n - 1] != ' ') --n;
    if (n > 1) account_.set(m.first(n - 1));
  } else if (mechanism_.is("EXTERNAL")) {
    account_.set(m);
  } else if (mechanism_.is("XOAUTH2")) {
    read_attribute(m, "user=", "\1");
  } else if (mechanism_.is("OAUTHBEARER")) {
    read_attribute(m, ",a=", ",");
  } else if (mechanism_.is("NTLM")) {
    if (ntlm_.read(m) && ntlm_.is_login()) account_.set(ntlm_.user.bytes());
  } else if (starts_ignoring_case(mechanism_.bytes(), "SCRAM-")) {  // RFC 5802: "n,,n=user,r="
    if (answers_ == 0) read_attribute(m, ",n=", ",");
  } else if (mechanism_.is("DIGEST-MD5") && answers_ == 0) {
    read_attribute(m, "username=\"", "\"");
  }
}

// RFC 4616: whom to act as, NUL, who it is, NUL, the password.
void SaslExchange::read_plain(Bytes m) noexcept {
  const Bytes acts_as = until(m, 0);
  if (acts_as.size() == m.size()) return;
  const Bytes account = until(m.subspan(acts_as.size() + 1), 0);
  account_.set(account.empty() ? acts_as : account);
}

void SaslExchange::read_attribute(Bytes m, std::string_view name, std::string_view ends) noexcept {
  for (size_t at = 0; at + name.size() <= m.size(); ++at) {
    if (!starts_with(m.subspan(at), name)) continue;
    return account_.set(until(m.subspan(at + name.size()), static_cast<uint8_t>(ends[0])));
  }
}

void SaslExchange::challenge(Bytes text) noexcept {
  if (!active_ || !mechanism_.is("NTLM")) return;
  uint8_t message[kMessageMax];
  ntlm_.read(from_base64(trimmed(text), message));
}

void SaslExchange::write(FactWriter& facts) const noexcept {
  if (ntlm_.message != Ntlmssp::Message::kNone) ntlm_.write(facts);
}

void SaslExchange::end(Output& out, std::string_view protocol, LoginOutcome outcome,
                       std::string_view code) noexcept {
  if (!active_) return;
  active_ = false;
  out.login({.protocol = protocol,
             .mechanism = as_text(mechanism_.bytes()),
             .account = account_.bytes(),
             .domain = ntlm_.domain.bytes(),
             .host = ntlm_.host.bytes(),
             .service = ntlm_.target.bytes(),
             .outcome = outcome,
             .code = code});
}

}  // namespace weir::parse
