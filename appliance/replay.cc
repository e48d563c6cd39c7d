// SPDX-License-Identifier: Apache-2.0
#include "appliance/replay.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "appliance/capture_wire.h"
#include "control/operate/control_plane.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/verdict/meter.h"

namespace weir {

namespace {

constexpr uint64_t kSeed = 0x51ed2701a9b4c7f3;  // any: results do not depend on it
constexpr TimeNs kBurstSpanNs = 200 * kNsPerUs;
constexpr int kStepsMax = 1'000'000;  // control steps after one burst; each is bounded

Result<Mode> mode_of(const ReplayOptions& o, const Config& config) {
  for (const Mode m : {Mode::kTap, Mode::kSimulate, Mode::kEnforce}) {
    if (o.mode == mode_name(m)) return m;
  }
  if (!o.mode.empty()) {
    return fail("--mode " + o.mode + ": it is tap, simulate or enforce");
  }
  if (config.settings.wires != 0) return config.settings.wire[0].mode;
  return config.rules.files.empty() ? Mode::kTap : Mode::kEnforce;
}

Result<Config> config_for(const ReplayOptions& o) {
  Config config;
  if (!o.config.empty()) {
    auto read = read_config(o.config, ConfigUse::kOffline);
    if (!read) return tl::make_unexpected(read.error());
    config = std::move(*read);
  }
  if (o.config.empty()) config.rules.files.clear();  // the default names an installed file
  if (!o.rules.empty()) config.rules.files = o.rules;
  const auto mode = mode_of(o, config);
  if (!mode) return tl::make_unexpected(mode.error());
  Settings& s = config.settings;
  s.wires = 1;
  s.workers = 1;
  s.wire[0] = WireSettings{};
  std::strncpy(s.wire[0].name, "replay", sizeof s.wire[0].name - 1);
  s.wire[0].mode = *mode;
  if (o.ignore_checksums) s.inspect.verify_checksums = 0;
  return config;
}

std::string_view link_name(LinkType l) {
  switch (l) {
    case LinkType::kEthernet:
      return "ethernet";
    case LinkType::kRawIp:
      return "raw-ip";
    case LinkType::kNull:
      return "null";
    case LinkType::kLoop:
      return "loop";
    case LinkType::kLinuxSll:
      return "linux-sll";
    case LinkType::kLinuxSll2:
      return "linux-sll2";
    case LinkType::kPpp:
      return "ppp";
    case LinkType::kIeee80211:
      return "ieee802.11";
    case LinkType::kRadiotap:
      return "radiotap";
    case LinkType::kPpi:
      return "ppi";
    case LinkType::kUnknown:
      return "unknown";
  }
  return "unknown";
}

// The published rules of a replay: one thread, so an old image can go at once.
class RulesInUse {
 public:
  ~RulesInUse() { delete published_.replace(nullptr); }
  const Published<InForce>& published() const { return published_; }
  std::string load(std::span<const uint8_t> image) {
    auto rules = LoadedRules::load(image, 1);
    if (!rules) return rules.error().text();
    auto next = std::make_unique<InForce>();
    next->generation = (*rules)->generation();
    next->rules = std::move(*rules);
    delete published_.replace(next.release());
    return {};
  }

 private:
  Published<InForce> published_;
};

void collect(const Segment& segment, const ControlPlane& control, ReplayTotals& t) {
  const StatsPage& stats = segment.worker(0).stats;
  const WireStats& wire = stats.wire[0];
  for (const PortStats& port : wire.side) {
    t.received += port.received_packets.get();
    t.bytes += port.received_bytes.get();
    t.sent += port.sent_packets.get();
    t.injected += port.injected_packets.get();
  }
  for (unsigned r = 1; r < kReasonCount; ++r) {
    const std::string name(reason_name(static_cast<Reason>(r)));
    if (const uint64_t n = wire.dropped_packets[r].get(); n != 0) t.dropped[name] = n;
    if (const uint64_t n = wire.would_drop_packets[r].get(); n != 0) t.would_drop[name] = n;
  }
  t.held = wire.held_packets.get();
  t.flows = stats.flows_created.get();
  t.events_lost = stats.events_lost.get();
  t.inspected_bytes = stats.inspected_bytes.get();
  for (const Counter& c : stats.anomaly) t.anomalies += c.get();
  const ControlTotals totals = control.totals();
  t.events = totals.events;
  t.alerts = totals.alerts;
  t.verdicts = totals.verdicts;
}

uint64_t sum_of(const std::map<std::string, uint64_t>& counts) {
  uint64_t sum = 0;
  for (const auto& [name, n] : counts) sum += n;
  return sum;
}

void work_off(ControlPlane& control, TimeNs now) {
  for (int n = 0; n < kStepsMax && control.do_work(now) != 0; ++n) {
  }
}

// Bursts until the capture is used up; returns the last time stamp.
TimeNs run(CaptureWire& wire, Worker& worker, ControlPlane& control, ReplayTotals& t) {
  TimeNs first = 0, now = 0;
  bool any = false;
  while (const auto time = wire.next_time()) {
    now = *time;
    if (!any) first = now;
    any = true;
    const TimeNs began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    worker.poll(now);
    t.cpu_seconds += static_cast<double>(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began) / 1e9;
    worker.publish_stats();
    work_off(control, now);
  }
  t.capture_seconds = static_cast<double>(now - first) / 1e9;
  return now;
}

nlohmann::ordered_json as_json(const ReplayTotals& t) {
  nlohmann::ordered_json j;
  j["received"] = t.received;
  j["sent"] = t.sent;
  j["dropped"] = t.dropped;
  j["held"] = t.held;
  j["bytes"] = t.bytes;
  j["flows"] = t.flows;
  j["alerts"] = t.alerts;
  j["events"] = t.events;
  j["events_lost"] = t.events_lost;
  j["verdicts"] = t.verdicts;
  j["injected"] = t.injected;
  j["would_drop"] = t.would_drop;
  j["anomalies"] = t.anomalies;
  j["inspected_bytes"] = t.inspected_bytes;
  j["capture_seconds"] = t.capture_seconds;
  j["link"] = t.link;
  j["cpu_seconds"] = t.cpu_seconds;
  const double rate = t.cpu_seconds > 0 ? static_cast<double>(t.received) / t.cpu_seconds : 0;
  j["packets_per_cpu_second"] = static_cast<uint64_t>(rate);
  return j;
}

std::string by_reason(const std::map<std::string, uint64_t>& counts) {
  std::string text;
  for (const auto& [name, n] : counts) text += fmt::format(" {} {}", name, n);
  return text;
}

void print(const ReplayOptions& o, const ReplayTotals& t) {
  fmt::print("{}: {} packets, {} bytes, {:.3f} s of {} traffic\n", o.capture, t.received, t.bytes,
             t.capture_seconds, t.link);
  fmt::print("  sent      {}{}\n", t.sent,
             t.injected != 0 ? fmt::format(" and {} answers of ours", t.injected) : "");
  fmt::print("  dropped   {}{}\n", sum_of(t.dropped), by_reason(t.dropped));
  if (!t.would_drop.empty()) {
    fmt::print("  would drop{}\n", by_reason(t.would_drop));
  }
  fmt::print("  held      {}\n", t.held);
  fmt::print("  flows     {}, alerts {}, verdicts {}, event records {} ({} lost)\n", t.flows,
             t.alerts, t.verdicts, t.events, t.events_lost);
  fmt::print("  inspected {} bytes by rules\n", t.inspected_bytes);
  if (t.cpu_seconds > 0) {
    fmt::print("  packet path {:.3f} s of CPU, {:.0f} packets per CPU-second\n", t.cpu_seconds,
               static_cast<double>(t.received) / t.cpu_seconds);
  }
  if (!o.out.empty()) fmt::print("  logs in {}\n", o.out);
  if (!o.write.empty()) fmt::print("  what left is in {}\n", o.write);
}

}  // namespace

Result<ReplayTotals> replay(const ReplayOptions& o, std::string& broken) {
  const auto config = config_for(o);
  if (!config) return tl::make_unexpected(config.error());
  auto reader = CaptureReader::open(o.capture);
  if (!reader) return tl::make_unexpected(reader.error());
  if (!o.out.empty()) {
    std::error_code code;
    std::filesystem::create_directories(o.out, code);
    if (code) return fail("cannot make the folder " + o.out + ": " + code.message());
  }
  Segment segment = Segment::in_memory(config->settings, 0);
  RulesInUse rules;
  Meters meters(kSeed);
  ControlOptions control_options;
  control_options.log_dir = o.out;
  control_options.from_capture = true;
  control_options.rule_loader = [&rules](uint64_t, std::span<const uint8_t> image) {
    return rules.load(image);
  };
  control_options.tell = [](Telling how, const std::string& what) {
    if (how != Telling::kInfo) fmt::print(stderr, "weir: {}\n", what);
  };
  auto control = ControlPlane::open(*config, segment, std::move(control_options));
  if (!control) return tl::make_unexpected(control.error());
  if (auto loaded = (*control)->load_rules(); !loaded) {
    return tl::make_unexpected(loaded.error());
  }
  std::unique_ptr<CaptureWriter> writer;
  if (!o.write.empty()) {
    std::error_code code;
    if (std::filesystem::equivalent(o.write, o.capture, code)) {
      return fail("--write " + o.write + " is the capture itself: name another file");
    }
    auto created = CaptureWriter::create(o.write);
    if (!created) return tl::make_unexpected(created.error());
    writer = std::move(*created);
    writer->begin(reader->file_header());
  }
  const bool acts = config->settings.wire[0].mode != Mode::kTap;
  CaptureWire wire(*reader, writer.get(), acts ? kBurstSpanNs : 0);
  auto worker = Worker::create(0, segment, {{0, &wire}}, rules.published(), meters, kSeed);
  if (!worker) return tl::make_unexpected(worker.error());
  (*worker)->classifier().write_names(segment.app_names());
  ReplayTotals totals;
  totals.link = link_name(wire.link());
  const TimeNs end = run(wire, **worker, **control, totals);
  for (bool done = false; !done; work_off(**control, end)) done = (*worker)->finish(end, 4096);
  (*control)->finish(end);
  collect(segment, **control, totals);
  if (writer != nullptr) {
    if (auto done = writer->finish(reader->trailer()); !done) {
      return tl::make_unexpected(done.error());
    }
  }
  if (!reader->remark().empty()) fmt::print(stderr, "weir: {}\n", reader->remark());
  if (reader->error()) broken = reader->error()->text();
  const uint64_t accounted = totals.sent + sum_of(totals.dropped) + totals.held;
  if (totals.received != accounted) {
    return fail(fmt::format("the books do not balance: {} packets came in, {} are accounted for",
                            totals.received, accounted));
  }
  return totals;
}

int replay_command(const ReplayOptions& o) {
  std::string broken;
  const auto totals = replay(o, broken);
  if (!totals) {
    fmt::print(stderr, "weir: {}\n", totals.error().text());
    return 1;
  }
  if (o.json) {
    nlohmann::ordered_json j = as_json(*totals);
    if (!broken.empty()) j["error"] = broken;
    fmt::print("{}\n", j.dump());
  } else {
    print(o, *totals);
  }
  if (broken.empty()) return 0;
  fmt::print(stderr, "weir: {}\n", broken);
  return 1;
}

}  // namespace weir
