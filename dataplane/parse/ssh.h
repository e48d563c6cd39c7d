// SPDX-License-Identifier: Apache-2.0
// Private to parse: SSH (RFC 4253) over TCP: both banners, HASSH both ways, and whether somebody
// logged in, inferred from lengths (ssh_sealed.h). Blind: account and method of the login; its
// outcome with compression from the start; what is said after it. SSH 1: banners only.
#pragma once

#include "dataplane/parse/line_text.h"
#include "dataplane/parse/ssh_sealed.h"

namespace weir::parse {

class SshParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSsh;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  struct Side {
    LineReader lines;
    uint8_t lines_read = 0;
    bool banner = false, offered = false, sealed = false;
  };
  Step banner(const Input& in, Side& side, Output& out) noexcept;
  Step packet(const Input& in, Side& side, Output& out) noexcept;
  Step sealed(const Input& in, Output& out) noexcept;
  bool offer(Bytes payload, bool from_client) noexcept;
  void agree(const Bytes (&lists)[10], bool from_client) noexcept;
  void show(Output& out) noexcept;
  void tell(Output& out) noexcept;

  Side sides_[2];  // client, server
  bool told_ = false, old_ = false, skips_none_ = false, compressed_ = false;
  uint16_t shown_ = 0;  // of facts_: rules have seen them
  SshSeal seals_[2];    // by who sends
  SshLogin login_;
  KeptText<640>
      first_[6];  // what the side that came first offers: cipher, mac, compression each way
  FactList<3000> facts_;
};

}  // namespace weir::parse
