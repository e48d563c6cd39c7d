// SPDX-License-Identifier: Apache-2.0
// Private to parse: Telnet (RFC 854): negotiation is taken out, then the server's prompts say what
// the client's line is: an account, a password. Outcome by what the server says to the password:
// words of refusal or another prompt, or anything else that looks like a session. Then the flow is
// settled with one event. Limits: prompts in English; a line of 512 bytes. Blind: after ENCRYPT
// (RFC 2946).
#pragma once

#include "dataplane/parse/line_text.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

class TelnetParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kTelnet;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  enum class Asked : uint8_t { kNothing, kAccount, kPassword };
  Step told_option(Bytes option, size_t used) noexcept;
  void typed(uint8_t c) noexcept;
  bool shown(uint8_t c, Output& out) noexcept;
  Asked prompt() const noexcept;
  bool decided(LoginOutcome outcome, Output& out) noexcept;

  bool waiting_ = false;  // for what the server says to the password
  bool typing_ = false;   // within a line
  bool encrypted_ = false, has_account_ = false, told_ = false;
  Asked asked_ = Asked::kNothing;
  uint8_t lines_ = 0;  // of the server since the password
  uint32_t logins_ = 0;
  KeptText<200> input_, account_, user_;
  KeptText<48> terminal_, speed_;
  KeptText<512> line_;  // of the server, so far
};

}  // namespace weir::parse
