// SPDX-License-Identifier: Apache-2.0
#include "control/operate/eve.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <netinet/in.h>

#include "control/operate/traffic.h"

namespace weir::operate {

namespace {

struct ProtoName {
  uint8_t number;
  std::string_view name;
};
// As Suricata spells them (from /etc/protocols).
constexpr ProtoName kProtos[] = {
    {1, "ICMP"},   {2, "IGMP"},     {4, "IPIP"},  {6, "TCP"},    {17, "UDP"},  {33, "DCCP"},
    {41, "IPv6"},  {46, "RSVP"},    {47, "GRE"},  {50, "ESP"},   {51, "AH"},   {58, "IPv6-ICMP"},
    {88, "EIGRP"}, {89, "OSPFIGP"}, {103, "PIM"}, {112, "VRRP"}, {132, "SCTP"}};

bool same_letters(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

std::string_view name_of_id(const AppNames& names, uint16_t id) {
  if (id >= kAppNamesMax) return {};
  const char* name = names.name[id];
  return {name, strnlen(name, sizeof names.name[id])};
}

std::string_view wire_name(const Segment& segment, uint8_t wire) {
  if (wire >= segment.settings().wires || wire >= kWiresMax) return {};
  const char* name = segment.settings().wire[wire].name;
  return {name, strnlen(name, sizeof segment.settings().wire[wire].name)};
}

bool is_icmp(uint8_t proto) {
  return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

void write_counters(JsonText& json, const FlowCounters& c) {
  json.field("pkts_toserver", c.packets[0]);
  json.field("pkts_toclient", c.packets[1]);
  json.field("bytes_toserver", c.bytes[0]);
  json.field("bytes_toclient", c.bytes[1]);
}

}  // namespace

uint16_t app_of_name(const AppNames& names, std::string_view name) {
  for (uint16_t id = 1; id < kAppNamesMax; ++id) {
    const char* known = names.name[id];
    const size_t length = strnlen(known, sizeof names.name[id]);
    if (length == name.size() && length != 0 && strncasecmp(known, name.data(), length) == 0) {
      return id;
    }
  }
  return 0;
}

std::string app_name(const AppNames& names, uint16_t master, uint16_t app) {
  const std::string_view first = name_of_id(names, master != 0 ? master : app);
  if (first.empty() || (master == 0 && app == 0)) return "unknown";
  const std::string_view second = name_of_id(names, app);
  if (master == 0 || app == 0 || app == master || second.empty()) return std::string(first);
  return std::string(first) + "." + std::string(second);
}

std::string app_name(const AppNames& names, const FlowReport& r) {
  if (r.protocol == 0) return app_name(names, r.app_master, r.app);
  std::string_view ours = evidence_applications(static_cast<EvidenceKind>(r.protocol - 1));
  const std::string_view first = ours.substr(0, ours.find('|'));
  const std::string_view said[] = {name_of_id(names, r.app_master), name_of_id(names, r.app)};
  while (!ours.empty()) {
    const std::string_view one = ours.substr(0, ours.find('|'));
    if (one == said[0] || one == said[1]) return app_name(names, r.app_master, r.app);
    ours.remove_prefix(std::min(ours.size(), one.size() + 1));
  }
  return std::string(first);
}

std::string proto_name(uint8_t proto) {
  for (const ProtoName& p : kProtos) {
    if (p.number == proto) return std::string(p.name);
  }
  return fmt::format("{:03}", proto);
}

std::optional<uint8_t> proto_of_name(std::string_view name) {
  for (const ProtoName& p : kProtos) {
    if (same_letters(p.name, name)) return p.number;
  }
  if (same_letters("icmpv6", name)) return IPPROTO_ICMPV6;
  uint8_t number = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (code != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

bool has_port_numbers(uint8_t proto) {
  return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

EveLines::EveLines(Segment& segment, PacketNumbers numbers)
    : segment_(segment), numbers_(numbers) {}

namespace {
std::string address_text(const Endpoints& e, const IpAddress& a) {
  return e.mapped != 0 ? to_ipv6_string(a) : to_string(a);
}
}  // namespace

void EveLines::ends(JsonText& json, const Endpoints& e) {
  json.field("src_ip", address_text(e, e.src));
  if (has_port_numbers(e.proto)) json.field("src_port", e.src_port);
  json.field("dest_ip", address_text(e, e.dst));
  if (has_port_numbers(e.proto)) json.field("dest_port", e.dst_port);
  json.field("proto", proto_name(e.proto));
  if (is_icmp(e.proto)) json.field("icmp_type", e.src_port);
}

void EveLines::begin(TimeNs time_ns, FlowId flow, std::string_view type, uint8_t wire,
                     const Endpoints& e) {
  json_.clear();
  json_.open();
  json_.field("timestamp", timestamp_text(time_ns));
  if (flow != 0) json_.field("flow_id", flow);
  json_.field("in_iface", wire_name(segment_, wire));
  json_.field("event_type", type);
  if (e.vlan_count != 0) {
    json_.open_list("vlan");
    for (unsigned i = 0; i < std::min<unsigned>(e.vlan_count, 2); ++i) {
      json_.item(uint64_t{e.vlan[i]});
    }
    json_.close_list();
  }
  if (e.proto == 0 && e.src == IpAddress{}) return;  // nothing of it could be read
  ends(json_, e);
  json_.field("ip_v", e.mapped == 0 && e.src.is_v4() ? 4 : 6);
  json_.field("community_id", community_id_.of(e));
}

std::string_view EveLines::finish() {
  json_.close();
  json_.end_line();
  return json_.text();
}

std::string_view EveLines::flow(const FlowEnd& r) {
  begin(r.header.time_ns, r.flow, "flow", r.header.wire, r.ends);
  const std::string app = app_name(names(), r);
  json_.field("app_proto", app);
  if (const std::string other = app_name(names(), r.app_master, r.app); other != app) {
    json_.field("app_proto_ndpi", other);  // our parser read it, so nDPI was wrong
  }
  if (is_icmp(r.ends.proto) && r.counters.packets[1] != 0) {
    json_.field("response_icmp_type", r.ends.dst_port);
  }
  json_.open("flow");
  write_counters(json_, r.counters);
  json_.field("start", timestamp_text(r.first_ns));
  json_.field("end", timestamp_text(r.last_ns));
  json_.field("age", (r.last_ns - r.first_ns) / kNsPerSecond);
  json_.field("state", flow_state_name(r.state));
  json_.field("reason", end_reason_name(r.end));
  json_.field("alerted", r.alerted != 0);
  json_.field("action", r.counters.dropped_packets != 0 ? "drop" : "pass");
  if (r.counters.dropped_packets != 0) {
    json_.field("dropped_pkts", r.counters.dropped_packets);
    json_.field("dropped_bytes", r.counters.dropped_bytes);
    if (r.verdict != 0) json_.field("verdict_id", r.verdict);
    if (r.rule_sid != 0) json_.field("rule_sid", r.rule_sid);
  }
  json_.close();
  if (r.ends.proto == IPPROTO_TCP) {
    json_.open("tcp");
    json_.field("tcp_flags", fmt::format("{:02x}", r.tcp_flags[0] | r.tcp_flags[1]));
    json_.field("tcp_flags_ts", fmt::format("{:02x}", r.tcp_flags[0]));
    json_.field("tcp_flags_tc", fmt::format("{:02x}", r.tcp_flags[1]));
    json_.close();
  }
  return finish();
}

std::string_view EveLines::drop(const Drop& r, const CatalogRule* rule) {
  begin(r.header.time_ns, r.flow, "drop", r.header.wire, r.ends);
  json_.open("drop");
  json_.field("len", r.packet_bytes);
  json_.field("reason", reason_name(r.reason));
  if (r.would != 0) json_.field("would", true);
  if (r.ends.proto == IPPROTO_TCP) json_.field("tcp_flags", fmt::format("{:02x}", r.tcp_flags));
  if (r.verdict != 0) json_.field("verdict_id", r.verdict);
  json_.field("untold_before", r.since_last);
  json_.close();
  if (r.rule_sid != 0) {
    json_.open("alert");
    json_.field("action", r.would != 0 ? "allowed" : "blocked");
    json_.field("signature_id", r.rule_sid);
    if (rule != nullptr) {
      json_.field("gid", rule->gid);
      json_.field("rev", rule->rev);
      json_.field("signature", rule->msg);
      json_.field("category", rule->category);
      json_.field("severity", unsigned{rule->severity});
    }
    json_.close();
  }
  return finish();
}

std::string_view EveLines::anomaly(const AnomalyRecord& r) {
  begin(r.header.time_ns, 0, "anomaly", r.header.wire, r.ends);
  if (numbers_ == PacketNumbers::kCapture) json_.field("pcap_cnt", r.packet_number);
  json_.open("anomaly");
  json_.field("type", "decode");
  json_.field("event", anomaly_name(r.anomaly));
  json_.close();
  return finish();
}

std::string_view EveLines::evidence(const Evidence& e) {
  const std::string_view name = evidence_name(e.kind);
  Endpoints ends = e.ends;
  if (e.kind == EvidenceKind::kArp) ends.src = {};  // no IP packet has them
  begin(e.time_ns, e.flow, name, e.wire, ends);
  if (numbers_ == PacketNumbers::kCapture) json_.field("pcap_cnt", e.packet_number);
  json_.field("pkt_src", "wire/pcap");
  if (e.transaction != kNoTransaction) json_.field("tx_id", e.transaction);
  json_.open(name);
  const bool cut = facts_.write(json_, e);
  json_.close();
  facts_.write_beside(json_);
  if (e.repeats > 1) json_.field("count", e.repeats);
  if (cut) json_.field("cut", true);
  return finish();
}

void EveLines::write_stamps(const Stamps& s) {
  if (s.packet_in_ns != 0) json_.field("packet_in", timestamp_text(s.packet_in_ns));
  if (s.decided_ns != 0) json_.field("decided", timestamp_text(s.decided_ns));
  if (s.enforced_ns == 0) return;
  json_.field("enforced", timestamp_text(s.enforced_ns));
  json_.field("time_to_block_us", (s.enforced_ns - s.packet_in_ns) / kNsPerUs);
  json_.field("leaked_packets", s.leaked_packets);
}

std::string_view EveLines::rule_alert(const RuleHit& r, const CatalogRule* rule) {
  begin(r.header.time_ns, r.flow, "alert", r.header.wire, r.ends);
  if (numbers_ == PacketNumbers::kCapture) json_.field("pcap_cnt", r.packet_number);
  json_.open("alert");
  json_.field("action", r.enforced != 0 ? "blocked" : "allowed");
  json_.field("gid", r.gid);
  json_.field("signature_id", r.sid);
  json_.field("rev", r.rev);
  json_.field("signature", rule != nullptr ? std::string_view(rule->msg) : std::string_view());
  json_.field("category", rule != nullptr ? std::string_view(rule->category) : std::string_view());
  json_.field("severity", rule != nullptr ? unsigned{rule->severity} : 3u);
  json_.close();
  FlowReport flow;
  flow.protocol = r.protocol;
  flow.app_master = r.app_master;
  flow.app = r.app;
  json_.field("app_proto", app_name(names(), flow));
  if (r.transaction != kNoTransaction) json_.field("tx_id", r.transaction);
  json_.field("direction", r.to_server != 0 ? "to_server" : "to_client");
  if (r.flow != 0) {
    Endpoints e = r.ends;  // of the flow: from its initiator
    if (r.to_server == 0) {
      std::swap(e.src, e.dst);
      std::swap(e.src_port, e.dst_port);
    }
    json_.open("flow");
    write_counters(json_, r.counters);
    json_.field("start", timestamp_text(r.flow_first_ns));
    json_.field("src_ip", address_text(e, e.src));
    json_.field("dest_ip", address_text(e, e.dst));
    if (has_port_numbers(e.proto)) {
      json_.field("src_port", e.src_port);
      json_.field("dest_port", e.dst_port);
    }
    json_.close();
  }
  // A rule decides in the worker, on the packet itself: it never leaves, so nothing leaks.
  const TimeNs at = r.header.time_ns;
  json_.open("weir");
  json_.field("kind", "rule");
  write_stamps({at, at, r.enforced != 0 ? at : 0, 0});
  json_.close();
  return finish();
}

std::string_view EveLines::model_alert(const Alert& a, std::string_view response) {
  constexpr unsigned kWeirGenerator = 9000;  // gid of behaviour models: no rule file uses it
  begin(a.time_ns, a.flow, "alert", a.wire, a.ends);
  json_.open("alert");
  json_.field("action", a.action != 0 ? "blocked" : "allowed");
  json_.field("gid", kWeirGenerator);
  json_.field("signature_id", static_cast<unsigned>(a.kind));
  json_.field("rev", 1);
  json_.field("signature", a.title);
  json_.field("category", alert_kind_name(a.kind));
  json_.field("severity", a.kind == AlertKind::kScan ? 2 : 3);
  json_.close();
  json_.field("app_proto", app_name(names(), a.app_master, a.app));
  json_.open("weir");
  json_.field("alert_id", a.id);
  json_.field("kind", alert_kind_name(a.kind));
  json_.field("device", to_string(a.device));
  json_.field("score", a.score);
  write_reasons(json_, a.reasons);
  write_stamps({a.packet_in_ns, a.decided_ns, a.enforced_ns, a.leaked_packets});
  if (a.action != 0) json_.field("action_id", a.action);
  if (!response.empty()) json_.field("response", response);
  json_.close();
  return finish();
}

std::string_view EveLines::stats(TimeNs now, TimeNs uptime_ns) {
  const Traffic traffic = read_traffic(segment_);
  json_.clear();
  json_.open();
  json_.field("timestamp", timestamp_text(now));
  json_.field("event_type", "stats");
  json_.open("stats");
  json_.field("uptime", uptime_ns / kNsPerSecond);
  const auto total = [&](Counter StatsPage::*c) { return segment_.sum(c); };
  uint64_t missed = 0;
  for (const WireTraffic& wire : traffic.wires) missed += wire.side[0].missed + wire.side[1].missed;
  json_.open("capture");
  json_.field("packets", traffic.total.received.packets);
  json_.field("bytes", traffic.total.received.bytes);
  json_.field("missed", missed);
  json_.close();
  json_.open("wire");
  json_.field("received", traffic.total.received.packets);
  json_.field("sent", traffic.total.sent.packets);
  json_.field("held", traffic.total.held.packets);
  write_drops(json_, "dropped", traffic.total.dropped);
  write_drops(json_, "would_drop", traffic.total.would_drop);
  json_.close();
  json_.open("flow");
  json_.field("active", total(&StatsPage::flows_active));
  json_.field("created", total(&StatsPage::flows_created));
  json_.field("ended", total(&StatsPage::flows_ended));
  json_.field("evicted", total(&StatsPage::flows_evicted));
  json_.field("refused", total(&StatsPage::flows_refused_full));
  json_.close();
  json_.open("detect");
  json_.field("rule_hits", total(&StatsPage::rule_hits));
  json_.field("inspected_bytes", total(&StatsPage::inspected_bytes));
  json_.close();
  json_.open("events");
  json_.field("written", total(&StatsPage::events_written));
  json_.field("lost", total(&StatsPage::events_lost));
  json_.close();
  json_.field("verdicts_standing", total(&StatsPage::verdicts_standing));
  json_.close();
  return finish();
}

void write_reasons(JsonText& json, const std::vector<ScoreReason>& reasons) {
  json.open_list("reasons");
  for (const ScoreReason& r : reasons) {
    json.open_item();
    json.field("what", r.what);
    json.field("observed", r.observed);
    json.field("expected", r.expected);
    json.field("probability", r.probability);
    if (!r.compared_with.empty()) json.field("compared_with", r.compared_with);
    json.close();
  }
  json.close_list();
}

void write_drops(JsonText& json, std::string_view key, const uint64_t (&packets)[kReasonCount]) {
  json.open(key);
  for (unsigned i = 0; i < kReasonCount; ++i) {
    if (packets[i] != 0) json.field(reason_name(static_cast<Reason>(i)), packets[i]);
  }
  json.close();
}

}  // namespace weir::operate
