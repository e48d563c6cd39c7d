// SPDX-License-Identifier: Apache-2.0
#include "control/operate/answer_parts.h"

#include <algorithm>

namespace weir::operate {

namespace {

void write_ports(JsonText& json, std::string_view key, const std::vector<ServicePort>& ports) {
  json.open_list(key);
  for (const ServicePort& p : ports) {
    std::string name = proto_name(p.proto);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    json.item(has_port_numbers(p.proto) ? fmt::format("{}/{}", p.port, name) : name);
  }
  json.close_list();
}

// How long a block took, and what passed meanwhile: known once it is in force.
void write_block_time(JsonText& json, TimeNs packet_in_ns, TimeNs in_force_ns, uint64_t leaked,
                      bool at_least) {
  const bool known = packet_in_ns != 0 && in_force_ns != 0;
  known ? json.field("time_to_block_us", (in_force_ns - packet_in_ns) / kNsPerUs)
        : json.null("time_to_block_us");
  in_force_ns != 0 ? json.field("leaked_packets", leaked) : json.null("leaked_packets");
  if (at_least) json.field("leaked_at_least", true);
}

void write_id(JsonText& json, std::string_view key, uint64_t id) {
  id != 0 ? json.field(key, id) : json.null(key);
}

}  // namespace

void write_time(JsonText& json, std::string_view key, TimeNs time_ns) {
  time_ns != 0 ? json.field(key, timestamp_text(time_ns)) : json.null(key);
}

const CatalogRule* rule_of(const Desk& d, const Alert& a) {
  if (a.kind != AlertKind::kRule) return nullptr;
  return d.rules.rule(a.image_generation, a.rule_index, a.sid);
}

Mode mode_of_wire(const Desk& d, uint8_t wire) {
  return wire < d.segment.settings().wires ? d.segment.settings().wire[wire].mode : Mode::kEnforce;
}

void each_alert_text(const Desk& d, uint64_t most,
                     const std::function<void(std::string_view)>& visit) {
  if (d.store != nullptr) {
    d.store->each_alert(most, visit);
    return;
  }
  uint64_t n = 0;
  d.chain.detector().each([&](const Alert& a) {
    visit(alert_text(a, rule_of(d, a), d.lines, mode_of_wire(d, a.wire)));
    return ++n < most;
  });
}

void write_device(JsonText& json, const Device& device, const Desk& d) {
  json.field("address", to_string(device.address));
  json.field("mac", mac_text(device.mac));
  write_time(json, "first_seen", device.first_seen_ns);
  write_time(json, "last_seen", device.last_seen_ns);
  json.open_list("names");  // none is read from traffic yet
  json.close_list();
  json.field("flows", device.flows_out + device.flows_in);
  json.field("peers", device.peers());
  write_ports(json, "ports_served", device.ports_served);
  write_ports(json, "ports_used", device.ports_used);
  json.open_list("roles");
  if ((device.roles & kRoleGateway) != 0) json.item("gateway");
  if ((device.roles & kRoleResolver) != 0) json.item("resolver");
  json.close_list();
  if (device.wire < d.segment.settings().wires) {
    json.field("wire", d.segment.settings().wire[device.wire].name);
    json.field("side", device.side == 0 ? "a" : "b");
  }
  if (device.vlan != 0) json.field("vlan", device.vlan);
  json.field("standing", standing_name(d.chain.responder().standing_of(device.address)));
}

void write_flow(JsonText& json, const BookedFlow& f, const Desk& d) {
  const FlowReport& r = f.report;
  json.field("flow_id", r.flow);
  d.lines.ends(json, r.ends);
  json.field("app_proto", app_name(d.lines.names(), r));
  json.field("state", flow_state_name(r.state));
  json.field("ended", f.ended);
  json.field("pkts_toserver", r.counters.packets[0]);
  json.field("pkts_toclient", r.counters.packets[1]);
  json.field("bytes_toserver", r.counters.bytes[0]);
  json.field("bytes_toclient", r.counters.bytes[1]);
  json.field("dropped_pkts", r.counters.dropped_packets);
  write_time(json, "start", r.first_ns);
  write_time(json, "last", r.last_ns);
  json.field("community_id", d.lines.community_id(r.ends));
  json.field("action", r.counters.dropped_packets != 0 ? "drop" : "pass");
  if (r.verdict != 0) json.field("verdict_id", r.verdict);
  if (r.rule_sid != 0) json.field("rule_sid", r.rule_sid);
}

void write_match(JsonText& json, const VerdictMatch& m) {
  json.open("match");
  if (m.src.bits != 0) json.field("src", to_string(m.src));
  if (m.dst.bits != 0) json.field("dst", to_string(m.dst));
  if (m.src_port != 0) json.field("src_port", m.src_port);
  if (m.dst_port != 0) json.field("dst_port", m.dst_port);
  if (m.proto != 0) json.field("proto", proto_name(m.proto));
  if (m.app != 0) json.field("app", m.app);
  if (m.mac != MacAddress{}) json.field("mac", mac_text(m.mac));
  json.field("either", m.either);
  json.close();
}

void write_action(JsonText& json, const ActionRecord& a) {
  json.field("id", a.id);
  json.field("verdict_id", a.verdict);
  write_id(json, "alert_id", a.alert);
  json.field("origin", origin_name(a.origin));
  json.field("action", action_name(a.action));
  if (a.limit.packets_per_second != 0) json.field("packets_per_second", a.limit.packets_per_second);
  if (a.limit.bits_per_second != 0) json.field("bits_per_second", a.limit.bits_per_second);
  if (a.action == Action::kRateLimit) json.field("per", limit_per_name(a.limit.per));
  json.field("target", a.target);
  write_match(json, a.match);
  json.field("mode", mode_name(a.mode));
  json.field("state", action_state_name(a.state));
  json.field("reason", a.reason);
  if (!a.refusal.empty()) json.field("refusal", a.refusal);
  write_time(json, "packet_in", a.packet_in_ns);
  write_time(json, "decided", a.decided_ns);
  write_time(json, "installed", a.installed_ns);
  write_time(json, "first_hit", a.first_hit_ns);
  write_time(json, "expires", a.expires_ns);
  write_time(json, "ended", a.ended_ns);
  json.field("packets", a.packets);
  json.field("bytes", a.bytes);
  write_block_time(json, a.packet_in_ns, a.installed_ns, a.leaked_packets, a.leaked_saturated);
  if (a.repeat != 0) json.field("repeat", a.repeat);
  const auto spares = std::count_if(a.companions.begin(), a.companions.end(),
                                    [&](const auto& c) { return c.action != a.action; });
  if (spares != 0) json.field("spared", spares);
}

std::string alert_text(const Alert& a, const CatalogRule* rule, EveLines& lines, Mode mode) {
  JsonText json;
  json.open();
  json.field("id", a.id);
  json.field("timestamp", timestamp_text(a.time_ns));
  json.field("updated", timestamp_text(a.updated_ns));
  json.field("kind", alert_kind_name(a.kind));
  const bool of_rule = a.kind == AlertKind::kRule;
  json.field("title", of_rule && rule != nullptr   ? rule->msg
                      : of_rule && a.title.empty() ? fmt::format("rule {}", a.sid)
                                                   : a.title);
  json.field("device", to_string(a.device));
  if (a.flow != 0) json.field("flow_id", a.flow);
  lines.ends(json, a.ends);
  json.field("app_proto", app_name(lines.names(), a.app_master, a.app));
  json.field("community_id", lines.community_id(a.ends));
  if (of_rule) {
    json.field("signature_id", a.sid);
    json.field("gid", a.gid);
    json.field("rev", a.rev);
    json.field("category", rule != nullptr ? rule->category : std::string());
    json.field("severity", rule != nullptr ? unsigned{rule->severity} : 3u);
    json.field("action", action_name(a.rule_action));
    json.field("blocked", a.enforced);
  }
  json.field("score", a.score);
  json.field("count", a.count);
  write_reasons(json, a.reasons);
  json.field("mode", mode_name(mode));
  write_time(json, "since", a.since_ns);
  write_time(json, "packet_in", a.packet_in_ns);
  write_time(json, "decided", a.decided_ns);
  write_time(json, "enforced", a.enforced_ns);
  write_block_time(json, a.packet_in_ns, a.enforced_ns, a.leaked_packets, a.leaked_saturated);
  write_id(json, "action_id", a.action);
  json.close();
  return std::string(json.text());
}

}  // namespace weir::operate
