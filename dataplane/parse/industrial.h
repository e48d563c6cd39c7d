// SPDX-License-Identifier: Apache-2.0
// Private to parse: what industrial controllers speak over TCP. Neither protocol hides anything.
//
// modbus Modbus Application Protocol V1.1b3, over TCP: function, address, quantity; a request and
//        its response are one event, matched by transaction and unit.
// dnp3   IEEE 1815: link header and the first application header of each message, internal
//        indications. Objects are not read.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

class ModbusParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kModbus;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  static constexpr unsigned kWaitingMax = 16;
  struct Request {
    bool used = false;
    uint16_t transaction = 0;
    uint32_t number = 0;
    FactList<160> facts;
  };
  void tell(Request& request, Output& out, const FactWriter* response) noexcept;
  Request waiting_[kWaitingMax];
  uint32_t requests_ = 0;
};

class Dnp3Parser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kDnp3;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}
};

}  // namespace weir::parse
