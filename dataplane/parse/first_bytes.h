// SPDX-License-Identifier: Apache-2.0
// Private to parse: by which bytes a protocol can begin, in either direction, so that a payload
// meets only the probes that could claim it. A probe must say no to all that begins otherwise; a
// protocol that is not here may begin by any byte. first_bytes_test.cc holds each against its
// probe.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/contract/evidence.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

class FirstBytes {
 public:
  constexpr bool has(unsigned byte) const noexcept {
    return (bits_[byte / 64] >> byte % 64 & 1) != 0;
  }
  constexpr FirstBytes& range(unsigned from, unsigned to) noexcept {
    for (unsigned byte = from; byte <= to; ++byte) bits_[byte / 64] |= uint64_t{1} << byte % 64;
    return *this;
  }
  constexpr FirstBytes& any_of(std::string_view bytes) noexcept {
    for (const char c : bytes) range(static_cast<uint8_t>(c), static_cast<uint8_t>(c));
    return *this;
  }
  // Letters, given as capitals, of either case.
  constexpr FirstBytes& letters(std::string_view capitals) noexcept {
    for (const char c : capitals) any_of(std::string_view(&c, 1)).range(c | 0x20u, c | 0x20u);
    return *this;
  }

 private:
  uint64_t bits_[4] = {};
};

constexpr FirstBytes kAnyFirstByte = FirstBytes().range(0, 255);
constexpr FirstBytes kPrintableFirst =
    FirstBytes().range(' ', '~').range(0x80, 255).any_of("\r\n\t");

constexpr FirstBytes first_bytes_of(EvidenceKind kind, uint8_t transport) noexcept {
  const bool tcp = transport == kOverTcp;
  switch (kind) {
    case EvidenceKind::kTls:  // a handshake record; a hello of SSL 2 has its length first
      return tcp ? FirstBytes().range(22, 22).range(0x80, 255) : FirstBytes().range(22, 22);
    case EvidenceKind::kSmb:
      return FirstBytes().range(0, 0).range(0x81, 0x82);
    case EvidenceKind::kDcerpc:
    case EvidenceKind::kDnp3:
      return FirstBytes().range(5, 5);
    case EvidenceKind::kTelnet:  // a prompt, on its port
      return kPrintableFirst;
    case EvidenceKind::kSsh:
      return FirstBytes().any_of("S");
    case EvidenceKind::kHttp:  // SETTINGS of a server begin with their length
      return FirstBytes().range('A', 'Z').any_of("-_").range(0, 0);
    case EvidenceKind::kSip:
      return FirstBytes().any_of("ABCIMNOPRSU");
    case EvidenceKind::kKrb5:
      return tcp ? FirstBytes().range(0, 0) : FirstBytes().range(0x60, 0x7f);
    case EvidenceKind::kLdap:
      return FirstBytes().range(0x30, 0x30);
    case EvidenceKind::kRdp:
      return FirstBytes().range(3, 3);
    case EvidenceKind::kRfb:
      return FirstBytes().any_of("R");
    case EvidenceKind::kFtp:
      return FirstBytes().any_of("12").letters("ACEFHOPSU");
    case EvidenceKind::kSmtp:
      return FirstBytes().any_of("25").letters("EHLM");
    case EvidenceKind::kImap:
      return FirstBytes().any_of("*.-_").range('0', '9').range('A', 'Z').range('a', 'z');
    case EvidenceKind::kPop3:
      return FirstBytes().any_of("+").letters("ACSU");
    case EvidenceKind::kPgsql:
      return FirstBytes().range(0, 0);
    case EvidenceKind::kMssql:
      return FirstBytes().range(0x10, 0x12);
    case EvidenceKind::kMqtt:  // CONNECT; what its clients send, and CONNACK, on its port
      return FirstBytes()
          .range(0x10, 0x10)
          .range(0x20, 0x20)
          .range(0x30, 0x33)
          .any_of("\x82\xa2\xc0\xe0");
    case EvidenceKind::kDhcp:
      return FirstBytes().range(1, 2);
    case EvidenceKind::kSnmp:
      return FirstBytes().range(0x30, 0x30);
    case EvidenceKind::kSocks:
      return FirstBytes().range(4, 5).range(0, 0);
    case EvidenceKind::kRadius:
      return FirstBytes().range(1, 12).range(40, 45);
    case EvidenceKind::kTftp:
      return FirstBytes().range(0, 0);
    default:
      return kAnyFirstByte;
  }
}

}  // namespace weir::parse
