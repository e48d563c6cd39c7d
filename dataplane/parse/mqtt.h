// SPDX-License-Identifier: Apache-2.0
// Private to parse: MQTT 3.1, 3.1.1 and 5 over TCP: an event per message, passwords as they are
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
  void end(Output&) noexcept {}

 private:
  void connect(FactWriter& facts, Bytes body) noexcept;
  void connack(FactWriter& facts, Bytes body, Output& out) noexcept;
  void message(FactWriter& facts, uint8_t type, uint8_t flags, Bytes body) noexcept;

  uint8_t version_ = 4;  // 5: messages have properties
  uint8_t user_bytes_ = 0;
  uint8_t user_[128] = {};
};

}  // namespace weir::parse
