// SPDX-License-Identifier: Apache-2.0
// Private to parse: MQTT 3.1, 3.1.1 and 5 over TCP: an event per message, CONNECT and its
// answer in one, passwords as they are
// sent, the login's outcome from CONNACK. A message of more than a window is told by its head.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

class MqttParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kMqtt;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept { tell_connect(out); }

 private:
  bool connect(FactWriter& facts, Bytes body) noexcept;  // false: it lies about its lengths
  void tell_connect(Output& out) noexcept;
  void connack(FactWriter& facts, Bytes body, Output& out) noexcept;
  void message(FactWriter& facts, uint8_t type, uint8_t flags, Bytes body) noexcept;

  uint8_t version_ = 0;  // of CONNECT; 5: messages have properties
  uint8_t user_bytes_ = 0;
  uint8_t user_[128] = {};
  uint16_t shown_ = 0;      // of connect_: rules have seen it
  FactList<4096> connect_;  // waits for its answer
};

}  // namespace weir::parse
