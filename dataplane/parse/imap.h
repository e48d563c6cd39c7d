// SPDX-License-Identifier: Apache-2.0
// Private to parse: IMAP (RFC 9051): LOGIN and AUTHENTICATE with their outcome, and one event a
// session: greeting, what the client calls itself (ID), how many commands, which mailboxes were
// selected. Limits: 16 mailboxes, lines of 2 KB. Blind: after STARTTLS and COMPRESS; mails are not
// looked at.
#pragma once

#include "dataplane/parse/sasl.h"

namespace weir::parse {

class ImapParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kImap;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  enum class Verb : uint8_t { kNone, kLogin, kAuthenticate, kTls };
  Step from_client(const Input& in) noexcept;
  Step reply(Bytes line, size_t used, Output& out) noexcept;
  void command() noexcept;

  LineReader lines_[2];
  bool greeted_ = false, in_session_ = false, squeezed_ = false;
  Verb waiting_ = Verb::kNone;
  uint8_t mailboxes_ = 0;
  uint32_t commands_ = 0;
  uint64_t literal_ = 0;  // bytes of one that belong to the command
  KeptText<32> tag_;
  KeptText<200> account_;
  KeptText<700> command_;
  SaslExchange sasl_;
  FactList<2000> facts_;
};

}  // namespace weir::parse
