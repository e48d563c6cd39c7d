// SPDX-License-Identifier: Apache-2.0
// Lines of eve.json: they parse, and they have the fields and shapes that readers of Suricata's
// know.
#include <gtest/gtest.h>

#include <cstring>

#include <nlohmann/json.hpp>

#include "control/operate/eve.h"

namespace weir::operate {
namespace {

using nlohmann::json;

constexpr TimeNs kTime = 1'700'000'000'123'456'789;  // 2023-11-14T22:13:20.123456 UTC

class Eve : public ::testing::Test {
 protected:
  Eve() : segment_(make()), lines_(segment_, EveLines::PacketNumbers::kCapture) {
    const auto name = [&](unsigned id, const char* text) {
      std::strncpy(segment_.app_names().name[id], text, 31);
    };
    name(5, "DNS");
    name(91, "TLS");
    name(119, "Facebook");
  }
  static Segment make() {
    Settings s;
    s.wires = 1;
    std::strncpy(s.wire[0].name, "wire0", sizeof s.wire[0].name - 1);
    return Segment::in_memory(s, 0);
  }
  static Endpoints tcp() {
    Endpoints e;
    e.src = *parse_ip_address("10.0.0.1");
    e.dst = *parse_ip_address("10.0.0.2");
    e.src_port = 40000;
    e.dst_port = 443;
    e.proto = 6;
    return e;
  }
  // A line is one line and parses.
  static json read(std::string_view line) {
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const json j = json::parse(line, nullptr, false);
    EXPECT_FALSE(j.is_discarded()) << line;
    return j;
  }

  Segment segment_;
  EveLines lines_;
};

TEST_F(Eve, NamesApplicationsAsNdpiDoes) {
  const AppNames& n = segment_.app_names();
  EXPECT_EQ(app_name(n, 0, 0), "unknown");
  EXPECT_EQ(app_name(n, 91, 119), "TLS.Facebook");
  EXPECT_EQ(app_name(n, 91, 0), "TLS");
  EXPECT_EQ(app_name(n, 91, 91), "TLS");
  EXPECT_EQ(app_name(n, 0, 5), "DNS");
  EXPECT_EQ(app_name(n, 91, 511), "TLS");
  EXPECT_EQ(app_name(n, 65535, 65535), "unknown");
}

TEST_F(Eve, TellsOfAFlow) {
  FlowEnd r;
  r.header.time_ns = kTime;
  r.flow = 281474976710657;
  r.ends = tcp();
  r.ends.vlan_count = 2;
  r.ends.vlan[0] = 10;
  r.ends.vlan[1] = 20;
  r.counters.packets[0] = 5;
  r.counters.packets[1] = 4;
  r.counters.bytes[0] = 500;
  r.counters.bytes[1] = 4000;
  r.first_ns = kTime - 3 * kNsPerSecond;
  r.last_ns = kTime;
  r.app_master = 91;
  r.app = 119;
  r.tcp_flags[0] = 0x1b;
  r.tcp_flags[1] = 0x13;
  r.state = FlowState::kClosed;
  r.end = EndReason::kClosed;
  json j = read(lines_.flow(r));
  EXPECT_EQ(j["timestamp"], "2023-11-14T22:13:20.123456+0000");
  EXPECT_EQ(j["event_type"], "flow");
  EXPECT_EQ(j["flow_id"], 281474976710657);
  EXPECT_EQ(j["in_iface"], "wire0");
  EXPECT_EQ(j["vlan"], json::array({10, 20}));
  EXPECT_EQ(j["src_ip"], "10.0.0.1");
  EXPECT_EQ(j["src_port"], 40000);
  EXPECT_EQ(j["dest_ip"], "10.0.0.2");
  EXPECT_EQ(j["dest_port"], 443);
  EXPECT_EQ(j["proto"], "TCP");
  EXPECT_EQ(j["app_proto"], "TLS.Facebook");
  EXPECT_EQ(j["flow"]["pkts_toserver"], 5);
  EXPECT_EQ(j["flow"]["bytes_toclient"], 4000);
  EXPECT_EQ(j["flow"]["start"], "2023-11-14T22:13:17.123456+0000");
  EXPECT_EQ(j["flow"]["age"], 3);
  EXPECT_EQ(j["flow"]["state"], "closed");
  EXPECT_EQ(j["flow"]["reason"], "closed");
  EXPECT_EQ(j["flow"]["alerted"], false);
  EXPECT_EQ(j["flow"]["action"], "pass");
  EXPECT_EQ(j["tcp"]["tcp_flags"], "1b");
  EXPECT_EQ(j["tcp"]["tcp_flags_tc"], "13");
  EXPECT_EQ(j["community_id"].get<std::string>().substr(0, 2), "1:");
  r.counters.dropped_packets = 1;
  EXPECT_EQ(read(lines_.flow(r))["flow"]["action"], "drop");
  r.ends.proto = 58;
  r.ends.src_port = 128;
  r.ends.dst_port = 129;
  j = read(lines_.flow(r));
  EXPECT_EQ(j["proto"], "IPv6-ICMP");
  EXPECT_EQ(j["icmp_type"], 128);
  EXPECT_EQ(j["response_icmp_type"], 129);
  EXPECT_FALSE(j.contains("src_port") || j.contains("tcp"));
}

TEST_F(Eve, AMappedAddressIsWrittenAsWhatItIs) {
  FlowEnd r;
  r.header.time_ns = kTime;
  r.ends = tcp();
  const json four = read(lines_.flow(r));
  r.ends.mapped = 1;
  const json six = read(lines_.flow(r));
  EXPECT_EQ(four["ip_v"], 4);
  EXPECT_EQ(six["ip_v"], 6);
  EXPECT_EQ(six["src_ip"], "::ffff:10.0.0.1");
  EXPECT_EQ(six["dest_ip"], "::ffff:10.0.0.2");
  EXPECT_NE(six["community_id"], four["community_id"]);
}

TEST_F(Eve, TellsOfARuleFromEitherSide) {
  RuleHit r;
  r.header.time_ns = kTime;
  r.flow = 7;
  r.ends = tcp();
  std::swap(r.ends.src, r.ends.dst);
  std::swap(r.ends.src_port, r.ends.dst_port);
  r.to_server = 0;
  r.sid = 2'000'001;
  r.rev = 3;
  r.enforced = 1;
  r.packet_number = 12;
  r.app_master = 5;
  CatalogRule rule;
  rule.msg = "say \"hello\"\n\xff";
  rule.category = "Misc activity";
  rule.severity = 2;
  const json j = read(lines_.rule_alert(r, &rule));
  EXPECT_EQ(j["event_type"], "alert");
  EXPECT_EQ(j["src_ip"], "10.0.0.2");          // the packet's sender
  EXPECT_EQ(j["flow"]["src_ip"], "10.0.0.1");  // the flow's initiator
  EXPECT_EQ(j["flow"]["dest_port"], 443);
  EXPECT_EQ(j["direction"], "to_client");
  EXPECT_EQ(j["pcap_cnt"], 12);
  EXPECT_EQ(j["alert"]["action"], "blocked");
  EXPECT_EQ(j["alert"]["gid"], 1);
  EXPECT_EQ(j["alert"]["signature_id"], 2'000'001);
  EXPECT_EQ(j["alert"]["signature"], "say \"hello\"\n\xEF\xBF\xBD");
  EXPECT_EQ(j["alert"]["severity"], 2);
  EXPECT_EQ(j["app_proto"], "DNS");
  EXPECT_EQ(read(lines_.rule_alert(r, nullptr))["alert"]["signature_id"], 2'000'001);
}

TEST_F(Eve, TellsOfDropsAndAnomalies) {
  Drop d;
  d.header.time_ns = kTime;
  d.ends = tcp();
  d.reason = Reason::kVerdictDrop;
  d.verdict = 5;
  d.packet_bytes = 60;
  json j = read(lines_.drop(d, nullptr));
  EXPECT_EQ(j["event_type"], "drop");
  EXPECT_EQ(j["drop"]["reason"], "verdict-drop");
  EXPECT_EQ(j["drop"]["len"], 60);
  EXPECT_FALSE(j["drop"].contains("would") || j.contains("alert"));
  d.would = 1;
  d.rule_sid = 9;
  j = read(lines_.drop(d, nullptr));
  EXPECT_EQ(j["drop"]["would"], true);
  EXPECT_EQ(j["alert"]["action"], "allowed");

  AnomalyRecord a;
  a.header.time_ns = kTime;
  a.header.wire = 9;  // there is no such wire: no name, no crash
  a.anomaly = Anomaly::kTcpBadHeader;
  j = read(lines_.anomaly(a));
  EXPECT_EQ(j["event_type"], "anomaly");
  EXPECT_EQ(j["anomaly"]["type"], "decode");
  EXPECT_EQ(j["anomaly"]["event"], "tcp-bad-header");
  EXPECT_FALSE(j.contains("src_ip"));
}

TEST_F(Eve, TellsOfAModelWithItsReasonsAndStamps) {
  Alert a;
  a.id = 3;
  a.kind = AlertKind::kScan;
  a.title = "port scan";
  a.time_ns = a.packet_in_ns = kTime;
  a.decided_ns = kTime + 20 * kNsPerUs;
  a.enforced_ns = kTime + 90 * kNsPerUs;
  a.leaked_packets = 2;
  a.action = 4;
  a.score = 5.25;
  a.ends = tcp();
  a.device = a.ends.src;
  a.reasons.push_back({"first connections", "6 of 8 failed", "2 in 10", 1e-5, "a benign source"});
  const json j = read(lines_.model_alert(a, "drop flows"));
  EXPECT_EQ(j["alert"]["gid"], 9000);
  EXPECT_EQ(j["alert"]["signature"], "port scan");
  EXPECT_EQ(j["weir"]["kind"], "scan");
  EXPECT_EQ(j["weir"]["score"], 5.25);
  EXPECT_EQ(j["weir"]["time_to_block_us"], 90);
  EXPECT_EQ(j["weir"]["leaked_packets"], 2);
  EXPECT_EQ(j["weir"]["action_id"], 4);
  EXPECT_EQ(j["weir"]["reasons"][0]["observed"], "6 of 8 failed");
  EXPECT_EQ(j["weir"]["reasons"][0]["probability"], 1e-5);
}

TEST_F(Eve, TellsTheStatistics) {
  auto& wire = segment_.worker(0).stats.wire[0];
  wire.side[0].received_packets.set(10);
  wire.side[1].sent_packets.set(7);
  wire.dropped_packets[static_cast<unsigned>(Reason::kRuleDrop)].set(3);
  const json j = read(lines_.stats(kTime, 90 * kNsPerSecond));
  EXPECT_EQ(j["event_type"], "stats");
  EXPECT_EQ(j["stats"]["uptime"], 90);
  EXPECT_EQ(j["stats"]["wire"]["received"], 10);
  EXPECT_EQ(j["stats"]["wire"]["dropped"], (json{{"rule-drop", 3}}));
}

TEST(JsonText, WritesAnyBytesAsJson) {
  for (unsigned lead = 0; lead < 256; ++lead) {
    for (const unsigned second : {0x00u, 0x22u, 0x7fu, 0x80u, 0x9fu, 0xa0u, 0xbfu, 0xc0u, 0xffu}) {
      const std::string text = {static_cast<char>(lead), static_cast<char>(second),
                                static_cast<char>(0x80), static_cast<char>(0x80), 'x'};
      JsonText out;
      out.open();
      out.field("k", text);
      out.close();
      const json j = json::parse(out.text(), nullptr, false);
      ASSERT_FALSE(j.is_discarded()) << lead << " " << second;
      ASSERT_EQ(j["k"].get<std::string>().back(), 'x');
    }
  }
  JsonText out;
  out.open();
  out.field("a", "\u00e4\u20ac\U0001F600");
  out.close();
  EXPECT_EQ(json::parse(out.text())["a"], "\u00e4\u20ac\U0001F600");
}

TEST(TimestampText, IsSuricatas) {
  EXPECT_EQ(timestamp_text(0), "1970-01-01T00:00:00.000000+0000");
  EXPECT_EQ(timestamp_text(-1), "1969-12-31T23:59:59.999999+0000");
  EXPECT_EQ(timestamp_text(1'709'164'799'999'999'999), "2024-02-28T23:59:59.999999+0000");
}

TEST(ProtoName, GoesThereAndBack) {
  EXPECT_EQ(proto_name(6), "TCP");
  EXPECT_EQ(proto_name(253), "253");
  for (unsigned p = 0; p < 256; ++p) {
    EXPECT_EQ(proto_of_name(proto_name(static_cast<uint8_t>(p))), p);
  }
  EXPECT_EQ(proto_of_name("tcp"), 6);
  EXPECT_EQ(proto_of_name("256"), std::nullopt);
  EXPECT_EQ(proto_of_name("frob"), std::nullopt);
}

}  // namespace
}  // namespace weir::operate
