// SPDX-License-Identifier: Apache-2.0
// Private to parse: what can be known of a SASL exchange (RFC 4422) from what the client says: the
// account of PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5, SCRAM, XOAUTH2, OAUTHBEARER, EXTERNAL and NTLM.
// Passwords are not kept. Blind: GSSAPI and other mechanisms give no account.
#pragma once

#include "dataplane/parse/line_text.h"
#include "dataplane/parse/ntlmssp.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

class SaslExchange {
 public:
  // initial: the base64 behind the mechanism's name; may be empty, or "=".
  void begin(Bytes mechanism, Bytes initial) noexcept;
  // What the server answers while active: base64.
  void challenge(Bytes text) noexcept;
  // What NTLMSSP said, of the exchange that was last.
  void write(FactWriter& facts) const noexcept;
  // A line of the client in answer to a challenge: base64.
  void answer(Bytes line) noexcept;
  bool active() const noexcept { return active_; }
  // Whether the client has shown who it is.
  bool names_somebody() const noexcept {
    return active_ && !account_.empty() && is_printable(account_.bytes());
  }
  // It was not judged, and nobody is to hear of it.
  void drop() noexcept { active_ = false; }
  // The server has decided.
  void end(Output& out, std::string_view protocol, LoginOutcome outcome,
           std::string_view code) noexcept;

 private:
  void read(Bytes message) noexcept;
  void read_plain(Bytes message) noexcept;
  void read_attribute(Bytes message, std::string_view name, std::string_view ends) noexcept;

  bool active_ = false;
  uint8_t answers_ = 0;
  KeptText<20> mechanism_;
  KeptText<200> account_;
  Ntlmssp ntlm_;
};

}  // namespace weir::parse
