// SPDX-License-Identifier: Apache-2.0
// Private to parse: protocols of one message per datagram that need no memory from one to the next.
//
// dhcp   RFC 2131, 2132: who asks for which address under which name, the lease, the fingerprint.
// ntp    RFC 5905: version, mode, stratum, reference.
// tftp   RFC 1350: which file is read or written (only the request; its data has other ports).
// radius RFC 2865, 2866: user, NAS, outcome; passwords are hidden by the protocol.
// nbns   RFC 1002 section 4.2: NetBIOS names asked for, registered, answered.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

class DhcpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kDhcp;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

class NtpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kNtp;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

class TftpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kTftp;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

class RadiusParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kRadius;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  // Requests that wait for their answer: whose they are, for the login that the answer decides.
  static constexpr unsigned kWaitingMax = 16;
  struct Waiting {
    uint8_t id = 0, user_bytes = 0, host_bytes = 0;
    bool used = false;
    uint8_t user[64] = {}, host[32] = {};
  };
  Waiting waiting_[kWaitingMax] = {};
  uint8_t next_ = 0;
};

class NbnsParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kNbns;
  static constexpr uint8_t kTransports = kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

}  // namespace weir::parse
