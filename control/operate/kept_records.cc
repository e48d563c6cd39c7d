// SPDX-License-Identifier: Apache-2.0
#include "control/operate/kept_records.h"

#include <nlohmann/json.hpp>

namespace weir::operate {

namespace {

using nlohmann::json;

json of(const IpAddress& a) {
  return to_string(a);
}
json of(const IpPrefix& p) {
  return json::array({to_string(p.address), p.bits});
}
json of(const VerdictMatch& m) {
  return {{"src", of(m.src)},       {"dst", of(m.dst)},  {"src_port", m.src_port},
          {"dst_port", m.dst_port}, {"app", m.app},      {"proto", m.proto},
          {"mac", m.mac},           {"either", m.either}};
}

// json::at() and get() throw on what does not fit, which is caught where a record is read; what
// only we can judge is noted in `bad`.
IpAddress address_at(const json& j, bool& bad) {
  const auto address = parse_ip_address(j.get<std::string>());
  bad = bad || !address;
  return address ? *address : IpAddress{};
}
IpPrefix prefix_at(const json& j, bool& bad) {
  const auto bits = j.at(1).get<unsigned>();
  bad = bad || bits > 128;
  return {address_at(j.at(0), bad), static_cast<uint8_t>(bits)};
}
VerdictMatch match_at(const json& j, bool& bad) {
  VerdictMatch m;
  m.src = prefix_at(j.at("src"), bad);
  m.dst = prefix_at(j.at("dst"), bad);
  j.at("src_port").get_to(m.src_port);
  j.at("dst_port").get_to(m.dst_port);
  j.at("app").get_to(m.app);
  j.at("proto").get_to(m.proto);
  if (j.contains("mac")) j.at("mac").get_to(m.mac);  // not in records of the first version
  j.at("either").get_to(m.either);
  return m;
}
template <class Enum>
Enum enum_at(const json& j, Enum last, bool& bad) {
  const auto value = j.get<unsigned>();
  bad = bad || value > static_cast<unsigned>(last);
  return static_cast<Enum>(value);
}
template <class Enum>
unsigned number_of(Enum e) {
  return static_cast<unsigned>(e);
}

json ports(const std::vector<ServicePort>& list) {
  json out = json::array();
  for (const ServicePort& p : list) out.push_back(json::array({p.proto, p.port}));
  return out;
}
std::vector<ServicePort> ports_at(const json& j) {
  std::vector<ServicePort> list;
  for (const json& p : j) {
    if (list.size() == kDevicePortsMax) break;
    list.push_back({p.at(0).get<uint8_t>(), p.at(1).get<uint16_t>()});
  }
  return list;
}

std::string text_of(const json& j) {
  return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string kept_text(const Device& d) {
  return text_of({{"address", of(d.address)},
                  {"mac", d.mac},
                  {"mac_claimed", d.mac_claimed},
                  {"roles", d.roles},
                  {"wire", d.wire},
                  {"side", d.side},
                  {"vlan", d.vlan},
                  {"first_seen_ns", d.first_seen_ns},
                  {"last_seen_ns", d.last_seen_ns},
                  {"flows_out", d.flows_out},
                  {"flows_in", d.flows_in},
                  {"packets_out", d.packets_out},
                  {"packets_in", d.packets_in},
                  {"bytes_out", d.bytes_out},
                  {"bytes_in", d.bytes_in},
                  {"ports_served", ports(d.ports_served)},
                  {"ports_used", ports(d.ports_used)},
                  {"peer_hashes", d.peer_hashes},
                  {"peer_registers", d.peer_registers}});
}

std::optional<Device> kept_device(std::string_view text) {
  try {  // the door of nlohmann-json, which reports by exceptions
    const json j = json::parse(text);
    bool bad = false;
    Device d;
    d.address = address_at(j.at("address"), bad);
    j.at("mac").get_to(d.mac);
    j.at("mac_claimed").get_to(d.mac_claimed);
    j.at("roles").get_to(d.roles);
    j.at("wire").get_to(d.wire);
    j.at("side").get_to(d.side);
    j.at("vlan").get_to(d.vlan);
    j.at("first_seen_ns").get_to(d.first_seen_ns);
    j.at("last_seen_ns").get_to(d.last_seen_ns);
    j.at("flows_out").get_to(d.flows_out);
    j.at("flows_in").get_to(d.flows_in);
    j.at("packets_out").get_to(d.packets_out);
    j.at("packets_in").get_to(d.packets_in);
    j.at("bytes_out").get_to(d.bytes_out);
    j.at("bytes_in").get_to(d.bytes_in);
    d.ports_served = ports_at(j.at("ports_served"));
    d.ports_used = ports_at(j.at("ports_used"));
    j.at("peer_hashes").get_to(d.peer_hashes);
    j.at("peer_registers").get_to(d.peer_registers);
    return bad ? std::nullopt : std::optional(d);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string kept_text(const ActionRecord& a) {
  json companions = json::array();
  for (const Companion& c : a.companions) {
    companions.push_back(
        {{"verdict", c.verdict}, {"match", of(c.match)}, {"action", number_of(c.action)}});
  }
  return text_of({{"id", a.id},
                  {"verdict", a.verdict},
                  {"alert", a.alert},
                  {"origin", number_of(a.origin)},
                  {"device", of(a.device)},
                  {"match", of(a.match)},
                  {"action", number_of(a.action)},
                  {"packets_per_second", a.limit.packets_per_second},
                  {"bits_per_second", a.limit.bits_per_second},
                  {"per", number_of(a.limit.per)},
                  {"target", a.target},
                  {"reason", a.reason},
                  {"refusal", a.refusal},
                  {"mode", number_of(a.mode)},
                  {"state", number_of(a.state)},
                  {"rung", a.rung},
                  {"repeat", a.repeat},
                  {"duration_ns", a.duration_ns},
                  {"packet_in_ns", a.packet_in_ns},
                  {"decided_ns", a.decided_ns},
                  {"installed_ns", a.installed_ns},
                  {"expires_ns", a.expires_ns},
                  {"ended_ns", a.ended_ns},
                  {"first_hit_ns", a.first_hit_ns},
                  {"last_hit_ns", a.last_hit_ns},
                  {"packets", a.packets},
                  {"bytes", a.bytes},
                  {"leaked_packets", a.leaked_packets},
                  {"leaked_saturated", a.leaked_saturated},
                  {"companions", companions}});
}

std::optional<ActionRecord> kept_action(std::string_view text) {
  try {
    const json j = json::parse(text);
    bool bad = false;
    ActionRecord a;
    j.at("id").get_to(a.id);
    j.at("verdict").get_to(a.verdict);
    j.at("alert").get_to(a.alert);
    a.origin = enum_at(j.at("origin"), Origin::kRule, bad);
    a.device = address_at(j.at("device"), bad);
    a.match = match_at(j.at("match"), bad);
    a.action = enum_at(j.at("action"), Action::kSpare, bad);
    j.at("packets_per_second").get_to(a.limit.packets_per_second);
    j.at("bits_per_second").get_to(a.limit.bits_per_second);
    a.limit.per = enum_at(j.at("per"), RateLimit::Per::kSource, bad);
    j.at("target").get_to(a.target);
    j.at("reason").get_to(a.reason);
    j.at("refusal").get_to(a.refusal);
    a.mode = enum_at(j.at("mode"), Mode::kEnforce, bad);
    a.state = enum_at(j.at("state"), ActionState::kRefused, bad);
    j.at("rung").get_to(a.rung);
    j.at("repeat").get_to(a.repeat);
    j.at("duration_ns").get_to(a.duration_ns);
    j.at("packet_in_ns").get_to(a.packet_in_ns);
    j.at("decided_ns").get_to(a.decided_ns);
    j.at("installed_ns").get_to(a.installed_ns);
    j.at("expires_ns").get_to(a.expires_ns);
    j.at("ended_ns").get_to(a.ended_ns);
    j.at("first_hit_ns").get_to(a.first_hit_ns);
    j.at("last_hit_ns").get_to(a.last_hit_ns);
    j.at("packets").get_to(a.packets);
    j.at("bytes").get_to(a.bytes);
    j.at("leaked_packets").get_to(a.leaked_packets);
    j.at("leaked_saturated").get_to(a.leaked_saturated);
    for (const json& c : j.at("companions")) {
      a.companions.push_back({c.at("verdict").get<VerdictId>(), match_at(c.at("match"), bad),
                              enum_at(c.at("action"), Action::kSpare, bad)});
    }
    return bad ? std::nullopt : std::optional(a);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace weir::operate
