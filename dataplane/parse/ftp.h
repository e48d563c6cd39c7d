// SPDX-License-Identifier: Apache-2.0
// Private to parse: FTP's control connection (RFC 959, 2428; AUTH TLS: RFC 4217). An event for each
// command with its replies; USER and PASS make a login. Transfers are told as ftp_data from what
// the control connection says: sender and receiver are the data connection's, the ports are the
// control connection's. Limits: lines of 2 KB, eight commands without a reply. Blind: after AUTH
// TLS.
#pragma once

#include "dataplane/parse/line_text.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

class FtpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kFtp;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  static constexpr unsigned kWaitingMax = 8;
  struct Command {
    KeptText<8> verb;
    KeptText<300> data;
    bool cut = false;
    bool shown = false;  // rules have seen it
    uint16_t port = 0;
    bool is(std::string_view v) const noexcept { return verb.is(v); }
  };
  void command(Bytes line, bool cut, Output& out) noexcept;
  Step reply(Bytes line, bool cut, size_t used, Output& out) noexcept;
  bool decided(Command* c, unsigned code, Bytes line, Output& out) noexcept;
  void account(const Command& c, unsigned code, std::string_view text, Output& out) noexcept;
  void transferred(const Command& c, unsigned code, Output& out) noexcept;
  static void write_command(const Command& c, FactWriter& facts) noexcept;
  void tell(const Command* c, bool received, Output& out) noexcept;
  Command* oldest() noexcept { return waiting_ == 0 ? nullptr : &commands_[at_]; }
  void drop_oldest() noexcept;

  LineReader lines_[2];
  Command commands_[kWaitingMax];
  uint8_t at_ = 0, waiting_ = 0;
  bool in_reply_ = false, reply_cut_ = false;
  bool data_port_ = false, active_ = false;  // where the next transfer goes
  uint16_t multi_ = 0;                       // the code of the reply whose last line is to come
  KeptText<200> user_;
  FactList<2500> replies_;
};

}  // namespace weir::parse
