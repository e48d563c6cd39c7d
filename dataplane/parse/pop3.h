// SPDX-License-Identifier: Apache-2.0
// Private to parse: POP3 (RFC 1939), AUTH (RFC 5034), STLS (RFC 2595). Until the login an event for
// each command and its reply, without passwords; then commands are counted and told at the end.
// Limits: lines of 1 KB, replies are matched to the last command (nobody pipelines a login).
// Blind: after STLS; mails are not looked at.
#pragma once

#include "dataplane/parse/sasl.h"

namespace weir::parse {

class Pop3Parser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kPop3;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  void command(Bytes line) noexcept;
  Step reply(Bytes line, size_t used, Output& out) noexcept;
  void login(bool good, Output& out) noexcept;

  LineReader lines_[2];
  bool waiting_ = false, in_session_ = false, greeted_ = false;
  uint32_t commands_ = 0, retrieved_ = 0, deleted_ = 0;
  KeptText<8> verb_;
  KeptText<200> arguments_, user_;
  SaslExchange sasl_;
};

}  // namespace weir::parse
