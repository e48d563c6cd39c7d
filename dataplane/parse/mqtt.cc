// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/mqtt.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

enum Type : uint8_t {
  kConnect = 1,
  kConnack,
  kPublish,
  kPuback,
  kPubrec,
  kPubrel,
  kPubcomp,
  kSubscribe,
  kSuback,
  kUnsubscribe,
  kUnsuback,
  kPingreq,
  kPingresp,
  kDisconnect,
  kAuth
};

constexpr uint16_t kMqttPort = 1883;

constexpr Fact after(Fact fact, unsigned n) noexcept {  // qos, retain, dup stand together
  return static_cast<Fact>(static_cast<unsigned>(fact) + n);
}

constexpr Fact kHeads[] = {
    Fact::kCount,          Fact::kMqttConnectQos,     Fact::kMqttConnackQos,
    Fact::kMqttPublishQos, Fact::kMqttPubackQos,      Fact::kMqttPubrecQos,
    Fact::kMqttPubrelQos,  Fact::kMqttPubcompQos,     Fact::kMqttSubscribeQos,
    Fact::kMqttSubackQos,  Fact::kMqttUnsubscribeQos, Fact::kMqttUnsubackQos,
    Fact::kMqttPingreqQos, Fact::kMqttPingrespQos,    Fact::kMqttDisconnectQos,
    Fact::kMqttAuthQos};

// MQTT 5 section 1.5.5: up to four bytes of seven bits. false: more, or not all there.
bool variable_number(Cursor& c, uint32_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    const uint8_t byte = c.u8();
    if (!c.ok()) return false;
    value |= uint32_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

Bytes text(Cursor& c) noexcept {
  return c.bytes(c.be16());
}

// Steps over the properties of a message, MQTT 5 section 2.2.2; the number of `wanted` (of two
// bytes), or 0. Only the lengths of those that may stand before it need be known.
uint32_t properties(Cursor& c, uint8_t wanted) noexcept {
  uint32_t length = 0;
  if (!variable_number(c, length)) return 0;
  Cursor p(c.bytes(length));
  uint32_t found = 0;
  for (unsigned n = 0; n < 64 && p.ok() && p.left() != 0; ++n) {
    const uint8_t id = p.u8();
    switch (id) {
      case 0x01:
      case 0x17:
      case 0x19:
      case 0x24:
      case 0x25:
      case 0x28:
      case 0x29:
      case 0x2a:
        p.skip(1);
        break;
      case 0x13:
      case 0x21:
      case 0x22:
      case 0x23: {
        const uint16_t value = p.be16();
        if (id == wanted) found = value;
        break;
      }
      case 0x02:
      case 0x11:
      case 0x18:
      case 0x27:
        p.skip(4);
        break;
      case 0x0b: {
        uint32_t number = 0;
        if (!variable_number(p, number)) return found;
        break;
      }
      case 0x26:
        text(p);
        text(p);
        break;
      case 0x03:
      case 0x08:
      case 0x09:
      case 0x12:
      case 0x15:
      case 0x16:
      case 0x1a:
      case 0x1c:
      case 0x1f:
        text(p);
        break;
      default:
        return found;
    }
  }
  return found;
}

}  // namespace

Probe MqttParser::probe(const ProbeInput& in) noexcept {
  if (in.bytes.empty()) return kNotMine;
  if (in.bytes[0] == kConnack << 4 && in.has_port(kMqttPort)) {  // met in its middle
    if (in.bytes.size() < 4) return kPerhaps;
    const bool good = in.bytes[1] == 2 && in.bytes[2] <= 1 && in.bytes[3] <= 5;
    return good ? kMineFromServer : kNotMine;
  }
  if (in.has_port(kMqttPort) && in.from_initiator && in.bytes[0] != kConnect << 4) {
    constexpr uint8_t kHeadsOfClients[] = {0x30, 0x31, 0x32, 0x33, 0x82, 0xa2, 0xc0, 0xe0};
    const bool may_be =
        std::count(std::begin(kHeadsOfClients), std::end(kHeadsOfClients), in.bytes[0]) != 0;
    return may_be ? kPerhaps : kNotMine;
  }
  if (in.bytes[0] != kConnect << 4) return kNotMine;
  Cursor c(in.bytes.subspan(1));
  uint32_t length = 0;
  if (!variable_number(c, length)) return c.at() < 4 && in.bytes.size() < 5 ? kPerhaps : kNotMine;
  if (c.left() < 8) return kPerhaps;
  const Bytes name = text(c);
  const bool known = as_text(name) == "MQTT" || as_text(name) == "MQIsdp";
  return known && length >= 10 ? kMineFromClient : kNotMine;
}

bool MqttParser::connect(FactWriter& facts, Bytes body) noexcept {
  Cursor c(body);
  facts.text(Fact::kMqttConnectProtocol, text(c));
  version_ = c.u8();
  facts.number(Fact::kMqttConnectVersion, version_);
  const uint8_t flags = c.u8();
  facts.flag(Fact::kMqttConnectFlagUser, (flags & 0x80) != 0);
  facts.flag(Fact::kMqttConnectFlagPassword, (flags & 0x40) != 0);
  facts.flag(Fact::kMqttConnectFlagWillRetain, (flags & 0x20) != 0);
  facts.flag(Fact::kMqttConnectFlagWill, (flags & 0x04) != 0);
  facts.flag(Fact::kMqttConnectFlagClean, (flags & 0x02) != 0);
  c.be16();  // keep alive
  if (version_ == 5) {
    if (const uint32_t most = properties(c, 0x21); most != 0) {
      facts.number(Fact::kMqttConnectReceiveMaximum, most);
    }
  }
  const Bytes client = text(c);
  if (c.ok()) facts.text(Fact::kMqttConnectClientId, client);
  if ((flags & 0x04) != 0) {
    if (version_ == 5) properties(c, 0);
    facts.text(Fact::kMqttConnectWillTopic, text(c));
    facts.text(Fact::kMqttConnectWillMessage, text(c));
  }
  if ((flags & 0x80) != 0) {
    const Bytes user = text(c);
    facts.text(Fact::kMqttConnectUser, user);
    user_bytes_ = static_cast<uint8_t>(std::min(user.size(), sizeof user_));
    std::copy_n(user.begin(), user_bytes_, user_);
  }
  if ((flags & 0x40) != 0) facts.text(Fact::kMqttConnectPassword, text(c));
  return c.ok();
}

void MqttParser::connack(FactWriter& facts, Bytes body, Output& out) noexcept {
  Cursor c(body);
  facts.flag(Fact::kMqttConnackSession, (c.u8() & 1) != 0);
  const uint8_t code = c.u8();
  if (!c.ok()) return;
  facts.number(Fact::kMqttConnackCode, code);
  if (version_ == 5) {
    if (const uint32_t most = properties(c, 0x22); most != 0) {
      facts.number(Fact::kMqttConnackTopicAlias, most);
    }
  }
  const bool refused = code == 4 || code == 5 || code == 0x86 || code == 0x87;
  if (code != 0 && !refused) return;
  out.login({.protocol = "mqtt",
             .account = Bytes(user_, user_bytes_),
             .outcome = refused ? LoginOutcome::kFailure : LoginOutcome::kSuccess,
             .code = code == 0                   ? "accepted"
                     : code == 4 || code == 0x86 ? "bad user name or password"
                                                 : "not authorized"});
}

void MqttParser::message(FactWriter& facts, uint8_t type, uint8_t flags, Bytes body) noexcept {
  Cursor c(body);
  const unsigned qos = flags >> 1 & 3u;
  switch (type) {
    case kPublish: {
      facts.text(Fact::kMqttPublishTopic, text(c));
      if (qos != 0) facts.number(Fact::kMqttPublishId, c.be16());
      if (version_ == 5) properties(c, 0);
      if (c.ok()) facts.text(Fact::kMqttPublishMessage, c.rest());
      return;
    }
    case kSubscribe:
    case kUnsubscribe:
      facts.number(type == kSubscribe ? Fact::kMqttSubscribeId : Fact::kMqttUnsubscribeId,
                   c.be16());
      if (version_ == 5) properties(c, 0);
      for (unsigned n = 0; n < 64 && c.ok() && c.left() != 0; ++n) {
        const Bytes topic = text(c);
        if (type == kUnsubscribe) {
          facts.text(Fact::kMqttUnsubscribeTopic, topic);
          continue;
        }
        facts.item(Fact::kMqttSubscribeItem);
        facts.text(Fact::kMqttSubscribeTopic, topic);
        facts.number(Fact::kMqttSubscribeTopicQos, c.u8() & 3u);
      }
      return;
    case kSuback:
      facts.number(Fact::kMqttSubackId, c.be16());
      if (version_ == 5) properties(c, 0);
      for (unsigned n = 0; n < 64 && c.ok() && c.left() != 0; ++n) {
        facts.number(Fact::kMqttSubackGranted, c.u8());
      }
      return;
    case kDisconnect:
      if (!body.empty()) {
        facts.number(Fact::kMqttDisconnectReason, body[0]);
      } else if (version_ == 5) {
        facts.number(Fact::kMqttDisconnectReason, 0);
      }
      return;
    case kPuback:
    case kPubrec:
    case kPubrel:
    case kPubcomp:
    case kUnsuback:  // the number stands behind qos, retain, dup
      facts.number(after(kHeads[type], 3), c.be16());
      return;
    default:
      return;
  }
}

void MqttParser::tell_connect(Output& out) noexcept {
  if (connect_.empty()) return;
  out.tell(kKind, connect_, Ends::kClientFirst, shown_);
  connect_.clear();
  shown_ = 0;
}

Step MqttParser::parse(const Input& in, Output& out) noexcept {
  Cursor c(in.bytes);
  const uint8_t head = c.u8();
  uint32_t length = 0;
  if (!variable_number(c, length)) {
    return in.bytes.size() < 5 ? Step::need() : Step::malformed("malformed_length");
  }
  const uint8_t type = head >> 4, flags = head & 15;
  if (type == 0) return Step::malformed("unassigned_msg_type");
  const size_t whole = c.at() + length;
  const size_t shown = std::min<size_t>(whole, kMessageBytesMax - 1);
  if (in.bytes.size() < shown && !in.whole) return Step::need(shown);
  const Bytes body = c.rest().first(std::min<size_t>(length, c.left()));
  FactWriter& facts = out.fresh();
  facts.number(kHeads[type], flags >> 1 & 3u);
  facts.flag(after(kHeads[type], 1), (flags & 1) != 0);
  facts.flag(after(kHeads[type], 2), (flags & 8) != 0);
  if (type == kConnect) {
    if (!connect(facts, body) && body.size() == length) out.violation(kKind, "malformed_traffic");
    connect_.clear();
    connect_.append(facts);  // its answer is of the same event
    shown_ = 0;
    if (out.is_judged(kKind)) {
      out.show(kKind, connect_);
      shown_ = connect_.used();
    }
    return Step::consumed(whole);
  }
  if (type == kConnack) {
    if (version_ == 0) out.violation(kKind, "missing_connect");
    connect_.append(facts);
    connack(connect_, body, out);
    tell_connect(out);
    return Step::consumed(whole);
  }
  tell_connect(out);
  message(facts, type, flags, body);
  out.tell(kKind, facts, Ends::kOneMessage);
  return Step::consumed(whole);
}

}  // namespace weir::parse
