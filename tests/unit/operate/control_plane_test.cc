// SPDX-License-Identifier: Apache-2.0
// The control plane as a whole on a segment in memory: what workers tell becomes logs, answers and
// metrics; what the operator orders reaches the mailbox and outlives a restart.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "control/operate/operate.h"
#include "tests/unit/operate/folder.h"

namespace weir {
namespace {

using nlohmann::json;

constexpr TimeNs kStart = 1'700'000'000 * kNsPerSecond;

class Plane : public ::testing::Test {
 protected:
  Plane() {
    config_.settings.wires = 1;
    std::strncpy(config_.settings.wire[0].name, "wire0", 31);
    std::strncpy(config_.settings.wire[0].side[0].name, "eth1", 31);
    config_.metrics.host.clear();
    segment_.emplace(Segment::in_memory(config_.settings, 0));
  }

  void open() {
    ControlOptions options;
    options.log_dir = folder_.path();
    options.store = folder_ / "weir.db";
    options.rule_loader = [this](uint64_t generation, std::span<const uint8_t> image) {
      loaded_ = generation;
      return image.empty() ? std::string("empty") : refusal_;
    };
    options.tell = [this](Telling, const std::string& text) { told_ += text + "\n"; };
    auto plane = ControlPlane::open(config_, *segment_, options);
    ASSERT_TRUE(plane) << plane.error().text();
    plane_ = std::move(*plane);
  }
  template <class Record>
  void push(Record r, RecordType type) {
    r.header.type = type;
    r.header.bytes = sizeof r;
    r.header.time_ns = now_;
    ASSERT_TRUE(segment_->event_ring(0).push(&r, sizeof r));
  }
  static Endpoints ends(const char* src, const char* dst, uint16_t dst_port) {
    Endpoints e;
    e.src = *parse_ip_address(src);
    e.dst = *parse_ip_address(dst);
    e.src_port = 40000;
    e.dst_port = dst_port;
    e.proto = 6;
    return e;
  }
  void start_flow(FlowId id, const char* src, const char* dst, uint16_t port) {
    FlowStart r;
    r.flow = id;
    r.ends = ends(src, dst, port);
    push(r, RecordType::kFlowStart);
  }
  // One that was refused (state kRefused) or answered.
  void report(FlowId id, const char* src, const char* dst, uint16_t port, FlowState state) {
    FlowUpdate r;
    r.flow = id;
    r.ends = ends(src, dst, port);
    r.state = state;
    r.cause = state == FlowState::kRefused ? UpdateCause::kRefused : UpdateCause::kEstablished;
    r.counters.packets[0] = r.counters.packets[1] = 1;
    r.tcp_flags[0] = 0x02;  // SYN
    r.first_ns = r.last_ns = now_;
    push(r, RecordType::kFlowUpdate);
  }
  void end_flow(FlowId id, const char* src, const char* dst, uint16_t port) {
    FlowEnd r;
    r.flow = id;
    r.ends = ends(src, dst, port);
    r.state = FlowState::kClosed;
    r.first_ns = r.last_ns = now_;
    push(r, RecordType::kFlowEnd);
  }
  void step(TimeNs passes = kNsPerMs) {
    now_ += passes;
    plane_->do_work(now_);
  }
  // Every command that waits, answered as a worker would: installed from now on.
  void work() {
    VerdictCommand c;
    while (segment_->worker(0).mailbox.pop(c)) {
      VerdictReport r;
      r.verdict = c.verdict;
      switch (c.kind) {
        case CommandKind::kInstall:
          r.kind = ReportKind::kInstalled;
          break;
        case CommandKind::kRemove:
          r.kind = ReportKind::kRemoved;
          break;
        default:
          r.kind = ReportKind::kListEnd;
          r.verdict = {};
          break;
      }
      r.installed_ns = now_;
      push(r, RecordType::kVerdictReport);
      commands_.push_back(c);
    }
  }
  json ask(const std::string& path, std::map<std::string, std::string> params = {}) {
    const ControlReply reply = plane_->answer({"GET", path, std::move(params), ""}, now_);
    EXPECT_EQ(reply.status, 200) << path << " " << reply.body;
    return json::parse(reply.body, nullptr, false);
  }
  ControlReply post(const std::string& path, const json& body) {
    return plane_->answer({"POST", path, {}, body.dump()}, now_);
  }
  std::vector<json> eve(const std::string& type) {
    std::ifstream in(folder_ / "eve.json");
    std::vector<json> out;
    for (std::string line; std::getline(in, line);) {
      json j = json::parse(line, nullptr, false);
      EXPECT_FALSE(j.is_discarded()) << line;
      if (j["event_type"] == type) out.push_back(j);
    }
    return out;
  }
  // Twelve ports of one server refuse a client that nobody knows.
  void scan() {
    for (uint16_t i = 0; i < 12; ++i) {
      const auto port = static_cast<uint16_t>(1000 + i);
      start_flow(100u + i, "10.0.0.66", "10.0.0.2", port);
      report(100u + i, "10.0.0.66", "10.0.0.2", port, FlowState::kRefused);
      step();
      work();
    }
    step();
    work();
    step();
  }

  Folder folder_;
  Config config_;
  std::optional<Segment> segment_;
  std::unique_ptr<ControlPlane> plane_;
  TimeNs now_ = kStart;
  uint64_t loaded_ = 0;
  std::string refusal_, told_;
  std::vector<VerdictCommand> commands_;
};

TEST_F(Plane, AFlowBecomesALineAnAnswerAndADevice) {
  open();
  step();
  start_flow(1, "10.0.0.1", "10.0.0.2", 443);
  report(1, "10.0.0.1", "10.0.0.2", 443, FlowState::kEstablished);
  step();
  json flows = ask("/flows");
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0]["src_ip"], "10.0.0.1");
  EXPECT_EQ(flows[0]["dest_port"], 443);
  EXPECT_EQ(flows[0]["state"], "established");
  EXPECT_EQ(flows[0]["ended"], false);
  end_flow(1, "10.0.0.1", "10.0.0.2", 443);
  step();
  plane_->finish(now_);
  EXPECT_EQ(eve("flow").size(), 1u);
  EXPECT_EQ(eve("stats").size(), 1u);
  const json devices = ask("/devices");
  ASSERT_EQ(devices.size(), 2u);
  for (const json& d : devices) {
    EXPECT_EQ(d["standing"], "ok");
    const char* what = d["address"] == "10.0.0.2" ? "ports_served" : "ports_used";
    EXPECT_EQ(d[what], json::array({"443/tcp"}));
  }
  EXPECT_EQ(plane_->totals().events, 3u);
  EXPECT_EQ(plane_->totals().log_lines, 2u);
}

TEST_F(Plane, AScanIsToldBlockedAndExplained) {
  open();
  step();
  scan();
  json alerts = ask("/alerts");
  ASSERT_EQ(alerts.size(), 1u);
  const json& a = alerts[0];
  EXPECT_EQ(a["kind"], "scan");
  EXPECT_EQ(a["device"], "10.0.0.66");
  EXPECT_FALSE(a["enforced"].is_null());
  EXPECT_GE(a["time_to_block_us"], 0);
  const json actions = ask("/actions");
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0]["state"], "standing");
  EXPECT_EQ(actions[0]["id"], a["action_id"]);
  EXPECT_FALSE(commands_.empty());
  const json why = ask("/why", {{"about", "alert:1"}});
  EXPECT_EQ(why["alert"]["id"], 1);
  EXPECT_EQ(why["action"]["alert_id"], 1);
  EXPECT_EQ(ask("/why", {{"about", "10.0.0.66"}})["alerts"].size(), 1u);
  EXPECT_EQ(ask("/why", {{"about", "10.0.0.66:40000->10.0.0.2:1003"}})["flow"]["flow_id"], 103);
  EXPECT_EQ(plane_->totals().alerts, 1u);
  EXPECT_EQ(plane_->totals().verdicts, 1u);
  plane_->finish(now_);
  const auto lines = eve("alert");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["weir"]["kind"], "scan");
  EXPECT_TRUE(lines[0]["weir"].contains("time_to_block_us"));
}

TEST_F(Plane, ARestartForgetsNothing) {
  open();
  step();
  scan();
  const ControlReply order =
      post("/order", {{"action", "block"}, {"target", "10.0.0.7"}, {"for", "1h"}});
  ASSERT_EQ(order.status, 200) << order.body;
  const json alerts = ask("/alerts"), devices = ask("/devices");
  plane_.reset();  // no finish(): as if it had been killed
  segment_.emplace(Segment::in_memory(config_.settings, 0));
  open();
  step();
  EXPECT_EQ(ask("/alerts"), alerts);
  const json after = ask("/devices");
  ASSERT_EQ(after.size(), devices.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i]["first_seen"], devices[i]["first_seen"]);
    EXPECT_EQ(after[i]["flows"], devices[i]["flows"]);
  }
  EXPECT_EQ(ask("/actions").size(), 2u);
  EXPECT_EQ(told_, "");
  // Ids go on where they ended.
  const json next = json::parse(post("/order", {{"action", "block"}, {"target", "10.0.0.8"}}).body);
  EXPECT_EQ(next["id"], 3);
}

TEST_F(Plane, OrdersAreJudgedBeforeTheyAreTaken) {
  open();
  step();
  const std::pair<json, const char*> wrong[] = {
      {{{"action", "block"}}, "whom"},
      {{{"action", "frob"}, {"target", "10.0.0.1"}}, "'action'"},
      {{{"action", "block"}, {"target", "10.0.0.0/0"}}, "every address"},
      {{{"action", "block"}, {"target", "nobody"}}, "'nobody'"},
      {{{"action", "block"}, {"target", 7}}, "'target'"},
      {{{"action", "limit"}, {"target", "10.0.0.1"}}, "needs a rate"},
      {{{"action", "limit"}, {"target", "10.0.0.1"}, {"rate", "fast"}}, "'fast'"},
      {{{"action", "limit"}, {"target", "10.0.0.1"}, {"rate", "0pps"}}, "'0pps'"},
      {{{"action", "block"}, {"target", "10.0.0.1"}, {"rate", "1pps"}}, "only a limit"},
      {{{"action", "block"}, {"target", "10.0.0.1"}, {"port", 0}}, "'port'"},
      {{{"action", "block"}, {"target", "10.0.0.1"}, {"proto", "frob"}}, "'frob'"},
      {{{"action", "block"}, {"target", "10.0.0.1"}, {"for", "soon"}}, "'soon'"},
      {{{"action", "block"}, {"target", "10.0.0.1"}, {"forr", "1h"}}, "'forr'"},
      {json::array(), "JSON object"},
  };
  for (const auto& [body, part] : wrong) {
    const ControlReply reply = post("/order", body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_NE(reply.body.find(part), std::string::npos) << reply.body;
  }
  EXPECT_EQ(plane_->answer({"POST", "/order", {}, "{"}, now_).status, 400);
  EXPECT_EQ(post("/undo", {{"id", 1}}).status, 409);
  EXPECT_EQ(post("/undo", {{"id", "1"}}).status, 400);
  EXPECT_EQ(plane_->answer({"GET", "/frob", {}, ""}, now_).status, 404);
  EXPECT_EQ(plane_->answer({"GET", "/flows", {{"limit", "x"}}, ""}, now_).status, 400);
  EXPECT_EQ(plane_->answer({"GET", "/why", {{"about", "nobody"}}, ""}, now_).status, 404);
  EXPECT_EQ(plane_->answer({"DELETE", "/flows", {}, ""}, now_).status, 405);

  const ControlReply good = post("/order", {{"action", "limit"},
                                            {"target", "10.0.0.1"},
                                            {"rate", "2mbps"},
                                            {"for", "90s"},
                                            {"port", 443},
                                            {"proto", "tcp"},
                                            {"to", "10.0.0.2"}});
  ASSERT_EQ(good.status, 200) << good.body;
  const json action = json::parse(good.body);
  EXPECT_EQ(action["action"], "ratelimit");
  EXPECT_EQ(action["bits_per_second"], 2'000'000);
  EXPECT_EQ(action["match"]["dst_port"], 443);
  work();
  step();
  EXPECT_EQ(ask("/actions")[0]["state"], "standing");
  EXPECT_EQ(post("/undo", {{"id", action["id"]}}).status, 200);
  EXPECT_EQ(post("/undo", {{"id", action["id"]}}).status, 409);
}

TEST_F(Plane, RulesAreLoadedCountedAndKeptWhenTheNextAreBad) {
  std::ofstream(folder_ / "a.rules")
      << "alert tcp any any -> any 80 (msg:\"first\"; sid:1; rev:2;)\n";
  config_.rules.files = {folder_ / "a.rules"};
  open();
  ASSERT_TRUE(plane_->load_rules());
  EXPECT_EQ(loaded_, 1u);
  RuleHit hit;
  hit.ends = ends("10.0.0.1", "10.0.0.2", 80);
  hit.image_generation = 1;
  hit.sid = 1;
  hit.rev = 2;
  push(hit, RecordType::kRuleHit);
  step();
  json rules = ask("/rules");
  EXPECT_EQ(rules["rules"][0]["hits"], 1);
  EXPECT_EQ(rules["rules"][0]["msg"], "first");
  EXPECT_EQ(ask("/alerts")[0]["title"], "first");

  std::ofstream(folder_ / "a.rules") << "alert tcp any any -> any 80 (msg:\"x\"; frob; sid:2;)\n";
  const auto failed = plane_->load_rules();
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().text().find("a.rules:1:"), std::string::npos) << failed.error().text();
  EXPECT_EQ(ask("/rules")["generation"], 1);
  EXPECT_NE(ask("/status")["rules"]["error"], "");

  std::ofstream(folder_ / "a.rules") << "drop tcp any any -> any 80 (msg:\"second\"; sid:1;)\n";
  refusal_ = "no room";
  EXPECT_FALSE(plane_->load_rules());
  EXPECT_EQ(ask("/rules")["rules"][0]["msg"], "first");
  refusal_.clear();
  EXPECT_TRUE(plane_->load_rules());
  rules = ask("/rules");
  EXPECT_EQ(rules["rules"][0]["msg"], "second");
  EXPECT_EQ(rules["rules"][0]["hits"], 1);  // the same sid: its count goes on
  EXPECT_EQ(ask("/status")["rules"]["error"], "");
}

TEST_F(Plane, StatusAndMetricsShowTheSameAccounts) {
  open();
  step();
  auto& wire = segment_->worker(0).stats.wire[0];
  wire.side[0].received_packets.set(100);
  wire.side[1].sent_packets.set(90);
  wire.dropped_packets[static_cast<unsigned>(Reason::kVerdictDrop)].set(8);
  wire.held_packets.set(2);
  json s = ask("/status");
  EXPECT_EQ(s["total"]["received"], 100);
  EXPECT_EQ(s["total"]["dropped"], (json{{"verdict-drop", 8}}));
  EXPECT_EQ(s["total"]["balanced"], true);
  EXPECT_EQ(s["wires"][0]["a"]["port"], "eth1");
  wire.held_packets.set(1);  // and nothing moves: a packet is missing
  EXPECT_EQ(ask("/status")["total"]["balanced"], false);
  EXPECT_EQ(ask("/status")["total"]["unaccounted"], 1);

  const ControlReply reply = plane_->answer({"GET", "/metrics", {}, ""}, now_);
  EXPECT_STREQ(reply.content_type, "text/plain; version=0.0.4");
  std::istringstream text(reply.body);
  std::map<std::string, std::string> samples, types;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("# TYPE ")) {
      const size_t space = line.find(' ', 7);
      EXPECT_TRUE(types.emplace(line.substr(7, space - 7), line.substr(space + 1)).second) << line;
    } else if (!line.starts_with('#')) {
      const size_t space = line.rfind(' ');
      const std::string name = line.substr(0, std::min(line.find('{'), space));
      EXPECT_TRUE(types.contains(name)) << line;
      EXPECT_EQ(types[name] == "counter", name.ends_with("_total")) << name;
      EXPECT_TRUE(samples.emplace(line.substr(0, space), line.substr(space + 1)).second) << line;
    }
  }
  EXPECT_EQ(samples["weir_received_packets_total{wire=\"wire0\",side=\"a\"}"], "100");
  EXPECT_EQ(samples["weir_dropped_packets_total{wire=\"wire0\",reason=\"verdict-drop\"}"], "8");
}

TEST_F(Plane, TheSameRecordsGiveTheSameLog) {
  std::string first;
  for (int run = 0; run < 2; ++run) {
    const Folder out;
    segment_.emplace(Segment::in_memory(config_.settings, 0));
    now_ = kStart;
    ControlOptions options;
    options.log_dir = out.path();
    options.rule_loader = [](uint64_t, std::span<const uint8_t>) { return std::string(); };
    options.from_capture = true;
    auto plane = ControlPlane::open(config_, *segment_, options);
    ASSERT_TRUE(plane);
    plane_ = std::move(*plane);
    step();
    scan();
    end_flow(100, "10.0.0.66", "10.0.0.2", 1000);
    plane_->finish(now_);
    std::ifstream in(out / "eve.json");
    const std::string text(std::istreambuf_iterator<char>(in), {});
    EXPECT_FALSE(text.empty());
    if (run == 0) first = text;
    EXPECT_EQ(text, first);
  }
}

TEST_F(Plane, WhyTellsOfDropsByCauseAndThatNothingTouchedTheOther) {
  open();
  start_flow(1, "10.0.0.5", "10.0.0.2", 80);
  start_flow(2, "10.0.0.6", "10.0.0.2", 80);
  Drop d;
  d.flow = 1;
  d.ends = ends("10.0.0.5", "10.0.0.9", 80);
  d.packet_bytes = 100;
  for (int cause = 0; cause < 12; ++cause) {  // more than are kept of one address
    d.rule_sid = static_cast<uint32_t>(4700 + cause);
    d.reason = Reason::kRuleDrop;
    for (int i = 0; i <= cause; ++i) push(d, RecordType::kDrop);
  }
  d.rule_sid = 0;
  d.reason = Reason::kFailOverload;
  push(d, RecordType::kDrop);
  step();
  const json why = ask("/why", {{"about", "10.0.0.5"}});
  EXPECT_TRUE(why["touched"]);
  ASSERT_EQ(why["drops"].size(), 8u);
  EXPECT_EQ(why["drops"][0]["reason"], "fail-overload");
  EXPECT_EQ(why["drops"][1]["rule_sid"], 4711);
  EXPECT_EQ(why["drops"][1]["packets_told"], 12);
  EXPECT_EQ(why["drops"][1]["bytes_told"], 1200);
  EXPECT_EQ(ask("/why", {{"about", "flow:1"}})["drops"].size(), 8u);
  EXPECT_FALSE(ask("/why", {{"about", "10.0.0.6"}})["touched"]);
  EXPECT_FALSE(ask("/why", {{"about", "10.0.0.6:40000 -> 10.0.0.2"}})["touched"]);
}

}  // namespace
}  // namespace weir
