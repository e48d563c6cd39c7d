// SPDX-License-Identifier: Apache-2.0
// Packets as the match stage sees them, from the few things a rule asks about.
#pragma once

#include <string>
#include <vector>

#include "dataplane/match/match.h"
#include "rules/compile/compile.h"

namespace weir {

struct Spec {
  std::string payload;
  uint8_t proto = kProtoTcp;
  std::string src = "10.0.0.1", dst = "10.0.0.2";
  uint16_t src_port = 1024, dst_port = 80;
  bool has_l4 = true;
  Inspect inspect = Inspect::kYes;
};

struct Packet {
  explicit Packet(const Spec& spec) : payload(spec.payload), inspect(spec.inspect) {
    view.data = reinterpret_cast<const uint8_t*>(payload.data());
    view.bytes = view.wire_bytes = static_cast<uint32_t>(payload.size());
    headers.flags = kHasIp | (spec.has_l4 ? kHasL4 : 0u);
    headers.proto = spec.proto;
    headers.src = *parse_ip_address(spec.src);
    headers.dst = *parse_ip_address(spec.dst);
    headers.ip_version = headers.src.is_v4() ? 4 : 6;
    headers.src_port = spec.src_port;
    headers.dst_port = spec.dst_port;
    headers.payload_bytes = static_cast<uint16_t>(payload.size());
  }
  Packet(const Packet&) = delete;

  std::string payload;
  PacketView view;
  Headers headers;
  Inspect inspect;
};

// Rules that are compiled and loaded, ready to be asked.
class RuleBench {
 public:
  explicit RuleBench(const std::string& text, CompileSettings settings = {}) {
    parse_rules(text, "test.rules", set);
    auto compiled = compile_rules(set, settings);
    if (!compiled) {
      error = compiled.error().text();
      return;
    }
    catalog = std::move(compiled->catalog);
    image = std::move(compiled->image);
    auto made = LoadedRules::load(image, 1);
    if (!made) {
      error = made.error().text();
      return;
    }
    loaded = std::move(*made);
  }

  Hits hits(const Packet& packet) const {
    Hits out;
    Inspect inspect = packet.inspect;
    CycleBudget budget(0, 1);
    match({&packet.view, 1}, {&packet.headers, 1}, {&inspect, 1}, *loaded, loaded->matcher(0),
          budget, {&out, 1});
    return out;
  }
  // The sids of what hits, in order.
  std::vector<uint32_t> sids(const Spec& spec) const {
    const Packet packet(spec);
    const Hits found = hits(packet);
    std::vector<uint32_t> out;
    for (unsigned i = 0; i < found.count; ++i) out.push_back(loaded->rule(found.rule[i]).sid);
    return out;
  }

  RuleSet set;
  RuleCatalog catalog;
  std::vector<uint8_t> image;
  std::unique_ptr<LoadedRules> loaded;
  std::string error;
};

}  // namespace weir
