// SPDX-License-Identifier: Apache-2.0
// Private to parse: SMTP (RFC 5321), BDAT (RFC 3030), AUTH (RFC 4954), STARTTLS (RFC 3207). One
// event a mail: its envelope, and who, to whom, what about and which files from its head; a session
// without a mail has one with the name of the client. Limits: command lines of 2 KB; a mail's
// facts of 3 KB. A head that is cut within a line by BDAT chunks is read as two lines. Blind: after
// STARTTLS, unless TLS is refused; bodies are passed over.
#pragma once

#include "dataplane/parse/mail_text.h"
#include "dataplane/parse/sasl.h"

namespace weir::parse {

class SmtpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSmtp;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  enum class Verb : uint8_t { kOther, kAuth, kTls, kData, kBdat, kMail, kMailAgain };
  static constexpr unsigned kWaitingMax = 32;
  Step content(const Input& in, Output& out) noexcept;
  Step chunk(const Input& in, Output& out) noexcept;
  void command(Bytes line, Output& out) noexcept;
  void begin_chunk(Bytes arguments, Output& out) noexcept;
  void await(Verb verb) noexcept;
  Step reply(Bytes line, size_t used, Output& out) noexcept;
  FactWriter& event(Output& out) const noexcept;
  void show(Output& out) noexcept;
  void tell(Output& out) noexcept;
  void mail_done(Output& out) noexcept;

  LineReader lines_[2];
  Verb waiting_[kWaitingMax];
  uint8_t at_ = 0, waits_ = 0, bad_replies_ = 0;
  bool greeted_ = false, told_ = false;
  bool has_sender_ = false, in_content_ = false, reading_ = false, last_chunk_ = false;
  uint16_t shown_ = 0;  // of the event under way: rules have seen so much
  uint64_t chunk_left_ = 0;
  KeptText<200> helo_;
  SaslExchange sasl_;
  MailText mail_;
  FactList<3000> facts_;
};

}  // namespace weir::parse
