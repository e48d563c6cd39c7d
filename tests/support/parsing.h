// SPDX-License-Identifier: Apache-2.0
// Parsers outside of a worker: give them the bytes of a conversation, look at what they state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/operate/eve.h"
#include "dataplane/parse/parse.h"

namespace weir {

// One flow between 10.0.0.1 and 10.0.0.2. Each event becomes the JSON object that EVE has under the
// kind's name, with "event_type", "src_ip" and "cut" beside it.
class Conversation final : public EvidenceSink {
 public:
  enum class Over { kTcp, kUdp };
  explicit Conversation(Over over = Over::kTcp, uint16_t client_port = 40000,
                        uint16_t server_port = 9999)
      : over_(over) {
    FlowKey key;
    key.proto = over == Over::kTcp ? kProtoTcp : kProtoUdp;
    key.lo = address(1);
    key.hi = address(2);
    key.lo_port = client_port;
    key.hi_port = server_port;
    index_ = flows_.insert(key, flows_.hash(key));
    Flow& f = flows_.flow(index_);
    f.flags |= kInitiatorIsLo | kWantsParse;
  }

  void client(std::string_view bytes) { say(0, bytes); }
  void server(std::string_view bytes) { say(1, bytes); }
  // In pieces of so many bytes.
  void say(uint8_t direction, std::string_view bytes, size_t piece = SIZE_MAX) {
    while (!bytes.empty() && wanted()) {
      const std::string_view now = bytes.substr(0, std::min(piece, bytes.size()));
      bytes.remove_prefix(now.size());
      const std::vector<uint8_t> exact(now.begin(), now.end());  // ASan sees a read past its end
      const Tracked t{.flow = &flows_.flow(index_), .index = index_, .direction = direction};
      if (over_ == Over::kUdp) {
        const PacketView p{.data = exact.data(), .bytes = static_cast<uint32_t>(exact.size())};
        Headers h;
        h.payload_bytes = static_cast<uint16_t>(exact.size());
        parsers_.datagram(p, h, t, flows_);
      } else {
        parsers_.stream({.bytes = exact, .at = said_[direction]}, 0, t, flows_);
      }
      said_[direction] += now.size();
    }
  }
  // That side sends no more: a FIN.
  void end(uint8_t direction) {
    const Tracked t{.flow = &flows_.flow(index_), .index = index_, .direction = direction};
    parsers_.stream({.at = said_[direction], .end = true}, 0, t, flows_);
  }
  void finish() { parsers_.finish(flows_.flow(index_), 0); }
  bool wanted() const { return (flows_.flow(index_).flags & kWantsParse) != 0; }
  std::string_view protocol() const {
    const uint8_t p = flows_.flow(index_).protocol;
    return p == 0 ? std::string_view() : evidence_name(static_cast<EvidenceKind>(p - 1));
  }
  // As if rules asked for everything; what they are then shown of events that are under way.
  void judge() { parsers_.judge_kinds(~uint64_t{0}); }
  const std::vector<nlohmann::json>& shown() const { return shown_; }
  const std::vector<nlohmann::json>& events() const { return events_; }
  std::vector<nlohmann::json> events(std::string_view type) const {
    std::vector<nlohmann::json> some;
    for (const auto& e : events_) {
      if (e["event_type"] == type) some.push_back(e);
    }
    return some;
  }

 private:
  static IpAddress address(uint8_t last) {
    const uint8_t v4[] = {10, 0, 0, last};
    return IpAddress::from_v4(v4);
  }
  void evidence(const Evidence& e) noexcept override { events_.push_back(json_of(e)); }
  void under_way(const Evidence& e) noexcept override { shown_.push_back(json_of(e)); }
  // With "shown": how many bytes of its facts rules have been shown before.
  nlohmann::json json_of(const Evidence& e) {
    operate::JsonText json;
    json.open();
    json.field("event_type", evidence_name(e.kind));
    const bool cut = facts_.write(json, e);
    facts_.write_beside(json);
    json.close();
    auto out = nlohmann::json::parse(json.text());
    if (cut) out["cut"] = true;
    out["src_ip"] = to_string(e.ends.src);
    if (e.shown != 0) out["shown"] = e.shown;
    return out;
  }

  Over over_;
  FlowTable flows_{FlowSettings{.flows_max = 64}, 0, 1};
  ProtocolParsers parsers_{ParseSettings{.flows_max = 16, .buffers = 16}, *this};
  operate::FactText facts_;
  std::vector<nlohmann::json> events_, shown_;
  uint32_t index_ = 0;
  uint64_t said_[2] = {};
};

}  // namespace weir
