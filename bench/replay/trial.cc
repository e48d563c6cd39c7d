// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/trial.h"

#include <sched.h>
#include <x86intrin.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "bench/replay/memory_wire.h"
#include "bench/replay/spread_wire.h"
#include "control/publish/publish.h"
#include "dataplane/base/check.h"
#include "dataplane/io/dpdk.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/verdict/meter.h"
#include "rules/compile/compile.h"

namespace weir::bench {

namespace {

constexpr TimeNs kBeginNs = 1'700'000'000 * kNsPerSecond;
constexpr TimeNs kNsPerPacket = 100;  // the packet clock: ten million packets a second
constexpr size_t kSamplesMax = 4'000'000;
constexpr uint64_t kSeed = 0x51ed2701a9b4c7f3;
constexpr uint32_t kPortFlowsRounds = 2;

void nap_us(long us) {
  const timespec t{.tv_sec = 0, .tv_nsec = us * 1000};
  nanosleep(&t, nullptr);
}

Settings settings_of(const TrialSettings& t) {
  Settings s;
  s.wires = 1;
  s.wire[0].mode = Mode::kEnforce;
  s.wire[0].uninspected = t.is_transparent ? 1 : 0;
  std::snprintf(s.instance, sizeof s.instance, "bench%d", getpid());
  std::strncpy(s.wire[0].name, "bench", sizeof s.wire[0].name - 1);
  for (unsigned i = 0; i < 2; ++i) {
    s.wire[0].side[i].kind = PortKind::kVdev;
    std::snprintf(s.wire[0].side[i].name, sizeof s.wire[0].side[i].name, "%s", t.ports[i].c_str());
  }
  // Beside a flood: the table is as good as full without it.
  const uint64_t room = t.synthetic.beside ? t.synthetic.flows / 8 : t.synthetic.flows;
  const uint64_t flows = t.captures.empty() ? t.synthetic.flows + room : 65'536;
  s.flow.flows_max = t.flows_max != 0 ? t.flows_max : flows;
  if (!t.classifies) s.inspect.classify_flows_max = 0;
  if (!t.parses) s.parse.flows_max = 0;
  s.inspect.match_bytes = t.match_bytes;
  // Synthetic frames have none that hold, and what fails settles no flow.
  s.inspect.verify_checksums = t.verify_checksums && !t.captures.empty() ? 1 : 0;
  return s;
}

// The rules of a trial and, where asked for, a thread that publishes them anew all the time.
class Rules {
 public:
  Result<void> compile(const std::string& path) {
    RuleSet set;
    if (auto read = read_rules(path, set); !read) return read;
    auto compiled = compile_rules(set, {});
    if (!compiled) return tl::make_unexpected(compiled.error());
    image_ = std::move(compiled->image);
    return load();
  }
  Result<void> load() {
    auto rules = LoadedRules::load(image_, 1);
    if (!rules) return tl::make_unexpected(rules.error());
    auto next = std::make_unique<InForce>();
    next->generation = (*rules)->generation();
    next->rules = std::move(*rules);
    const InForce* old = published.replace(next.release());
    const uint64_t era = quiescence.advance();
    while (!quiescence.has_passed(era)) nap_us(20);
    delete old;
    return {};
  }
  void start_reloading() {
    thread_ = std::thread([this] {
      while (!stop_.load()) {
        if (load()) reloads.fetch_add(1);
        nap_us(100'000);
      }
    });
  }
  ~Rules() {
    stop_.store(true);
    quiescence.leave(0);
    if (thread_.joinable()) thread_.join();
    delete published.replace(nullptr);
  }
  Published<InForce> published;
  Quiescence quiescence;
  std::atomic<uint64_t> reloads{0};

 private:
  std::vector<uint8_t> image_;
  std::thread thread_;
  std::atomic<bool> stop_{false};
};

struct Nobody final : ChainListener {};

// The worker's core is its own; where there is no other, it is shared.
void leave(int cpu) {
  cpu_set_t others;
  CPU_ZERO(&others);
  for (unsigned c = 0; c < std::thread::hardware_concurrency(); ++c) CPU_SET(c, &others);
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) != 0) sched_setaffinity(0, sizeof others, &others);
}

class Drainer {
 public:
  Drainer(Segment& segment, Drain how, const std::atomic<TimeNs>& now) {
    if (how == Drain::kNone) return;
    thread_ = std::thread([this, &segment, how, &now, here = sched_getcpu()] {
      leave(here);
      Nobody nobody;
      ChainSettings settings;
      settings.publish.in_process = true;
      settings.intake.internal.inside = {*parse_ip_prefix("10.0.0.0/8"),
                                         *parse_ip_prefix("192.168.0.0/16")};
      std::unique_ptr<ControlChain> chain;
      if (how == Drain::kControl) chain = std::make_unique<ControlChain>(segment, settings, nobody);
      SpscByteRing ring = segment.event_ring(0);
      while (!stop_.load(std::memory_order_relaxed)) {
        const bool worked = chain != nullptr ? chain->do_work(now.load()) != 0
                                             : ring.pop(4096, [](const uint8_t*, uint32_t) {}) != 0;
        if (!worked) nap_us(50);
      }
    });
  }
  ~Drainer() {
    stop_.store(true);
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What is measured around each poll.
class Meter {
 public:
  Meter() { samples_.reserve(kSamplesMax); }
  void begin() {
    began_cpu_ = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    began_wall_ = clock_ns(CLOCK_MONOTONIC);
    began_tsc_ = last_ = __rdtsc();
  }
  void poll(uint32_t packets) {
    const uint64_t now = __rdtsc(), cycles = now - last_;
    last_ = now;
    if (packets != 0 && samples_.size() < kSamplesMax) {
      samples_.push_back({cycles, static_cast<float>(cycles) / static_cast<float>(packets)});
    }
  }
  void end() {
    cpu_ += clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_cpu_;
    wall_ += clock_ns(CLOCK_MONOTONIC) - began_wall_;
    tsc_ += __rdtsc() - began_tsc_;
  }
  double cpu() const { return static_cast<double>(cpu_) / 1e9; }
  void write(TrialResult& r) {
    r.cpu_seconds = cpu();
    r.wall_seconds = static_cast<double>(wall_) / 1e9;
    r.tsc_per_second = static_cast<double>(tsc_) / r.wall_seconds;
    if (samples_.empty()) return;
    for (const Sample& s : samples_) {
      const double us = static_cast<double>(s.cycles) / r.tsc_per_second * 1e6;
      r.gaps_10us += us > 10;
      r.gaps_100us += us > 100;
      r.gaps_1ms += us > 1000;
    }
    const auto at = [this](double share) {
      const auto n = static_cast<long>(share * static_cast<double>(samples_.size()));
      std::nth_element(
          samples_.begin(), samples_.begin() + n, samples_.end(),
          [](const Sample& a, const Sample& b) { return a.per_packet < b.per_packet; });
      return static_cast<double>(samples_[static_cast<size_t>(n)].per_packet);
    };
    r.cycles_p10 = at(0.1);
    r.cycles_p50 = at(0.5);
  }

 private:
  struct Sample {
    uint64_t cycles;
    float per_packet;
  };
  std::vector<Sample> samples_;
  TimeNs began_cpu_ = 0, began_wall_ = 0, cpu_ = 0, wall_ = 0;
  uint64_t began_tsc_ = 0, last_ = 0, tsc_ = 0;
};

void collect(const StatsPage& s, TrialResult& r) {
  for (const PortStats& p : s.wire[0].side) {
    r.packets += p.received_packets.get();
    r.bytes += p.received_bytes.get();
    r.sent += p.sent_packets.get();
  }
  for (const Counter& c : s.wire[0].dropped_packets) r.dropped += c.get();
  r.inspected_bytes += s.inspected_bytes.get();
  r.classified_packets += s.classified_packets.get();
  r.rule_hits += s.rule_hits.get();
  r.flows_active = s.flows_active.get();
  r.flows_created += s.flows_created.get();
  r.flows_evicted += s.flows_evicted.get();
  r.flows_refused += s.flows_refused_full.get();
  r.events_written += s.events_written.get();
  r.events_lost += s.events_lost.get();
  r.verdicts_standing = s.verdicts_standing.get();
  r.flow_table_bytes = s.flow_table_bytes.get();
}

// after - before, of what counts up.
void subtract(TrialResult& r, const TrialResult& before) {
  r.packets -= before.packets;
  r.bytes -= before.bytes;
  r.sent -= before.sent;
  r.dropped -= before.dropped;
  r.inspected_bytes -= before.inspected_bytes;
  r.classified_packets -= before.classified_packets;
  r.rule_hits -= before.rule_hits;
  r.flows_created -= before.flows_created;
  r.flows_evicted -= before.flows_evicted;
  r.flows_refused -= before.flows_refused;
  r.events_written -= before.events_written;
  r.events_lost -= before.events_lost;
}

// Verdicts that stay, by source: of the first flows as many as are to be blocked, then of nobody.
void install_verdicts(const TrialSettings& t, Segment& segment, Worker& worker) {
  const auto blocked = static_cast<uint32_t>(t.blocked_share * t.synthetic.flows);
  for (uint32_t i = 0; i < t.verdicts; ++i) {
    VerdictCommand c{.kind = CommandKind::kInstall};
    c.verdict.id = i + 1;
    c.verdict.expire_ns = INT64_MAX;
    uint8_t source[4];
    synthetic_source(i, source);
    if (i >= blocked) source[0] = 172;
    c.verdict.match.src = {IpAddress::from_v4(source), 128};
    c.verdict.match.either = true;  // both directions, as a device is blocked
    while (!segment.worker(0).mailbox.push(c)) worker.poll(kBeginNs);
  }
  while (!segment.worker(0).mailbox.empty()) worker.poll(kBeginNs);
}

// Frames from memory or from ports, for as long as the trial lasts.
class Steady {
 public:
  // begun: called between warming up and measuring.
  Steady(
      const TrialSettings& t, Segment& segment, WireIo& wire, Rules& rules,
      std::function<void()> begun = [] {})
      : t_(t), segment_(segment), wire_(wire), rules_(rules), begun_(std::move(begun)) {}

  Result<TrialResult> run(uint64_t warm_packets) {
    Meters meters(kSeed);
    auto worker = Worker::create(0, segment_, {{0, &wire_}}, rules_.published, meters, kSeed);
    if (!worker) return tl::make_unexpected(worker.error());
    Drainer drainer(segment_, t_.drain, now_);
    install_verdicts(t_, segment_, **worker);
    const SpscByteRing ring = segment_.event_ring(0);
    for (uint64_t n = 0; n < warm_packets; n += poll(**worker)) {
      while (t_.drain != Drain::kNone && ring.used_bytes() > kEventRingBytes / 4) nap_us(100);
    }
    rules_.quiescence.join(0);
    if (t_.reloads) rules_.start_reloading();
    begun_();
    TrialResult before, r;
    (*worker)->publish_stats();
    collect(segment_.worker(0).stats, before);
    Meter meter;
    measure(**worker, meter);
    (*worker)->publish_stats();
    collect(segment_.worker(0).stats, r);
    subtract(r, before);
    r.packets_warming = before.packets;
    const Worker::Memory memory = Worker::memory_for(segment_.settings());
    r.flow_bytes_most = memory.flow_table;
    r.worker_bytes = memory.total();
    meter.write(r);
    r.reloads = rules_.reloads.load();
    return r;
  }

  // The same frames through the same receive and transmit, nothing between: the arm's own cost.
  TrialResult run_ceiling() {
    Meter meter;
    TrialResult r;
    PacketView packets[kBurstMax];
    Reason reasons[kBurstMax] = {};
    const TimeNs end = clock_ns(CLOCK_MONOTONIC) + static_cast<TimeNs>(t_.seconds * 1e9);
    meter.begin();
    while (clock_ns(CLOCK_MONOTONIC) < end) {
      for (int rounds = 0; rounds < 64; ++rounds) {
        uint32_t n = 0;
        for (const Side side : {Side::kA, Side::kB}) {
          const uint16_t got = wire_.receive(side, kBeginNs, packets);
          if (got != 0) wire_.transmit(side, {packets, got}, {reasons, got});
          n += got;
        }
        r.packets += n;
        meter.poll(n);
      }
    }
    meter.end();
    meter.write(r);
    r.sent = r.packets;
    return r;
  }

 private:
  uint32_t poll(Worker& worker) {
    const TimeNs now = now_.load(std::memory_order_relaxed);
    const uint32_t n = worker.poll(now);
    now_.store(now + n * kNsPerPacket, std::memory_order_relaxed);
    return n;
  }
  void measure(Worker& worker, Meter& meter) {
    const TimeNs end = clock_ns(CLOCK_MONOTONIC) + static_cast<TimeNs>(t_.seconds * 1e9);
    uint64_t packets = 0;
    meter.begin();
    while (t_.packets != 0 ? packets < t_.packets : clock_ns(CLOCK_MONOTONIC) < end) {
      for (int rounds = 0; rounds < 64; ++rounds) {
        const uint32_t n = poll(worker);
        packets += n;
        meter.poll(n);
        rules_.quiescence.quiescent(0);
      }
    }
    meter.end();
  }

  const TrialSettings& t_;
  Segment& segment_;
  WireIo& wire_;
  Rules& rules_;
  const std::function<void()> begun_;
  std::atomic<TimeNs> now_{kBeginNs};
};

void write_flows(Segment& segment, std::FILE* out) {
  SpscByteRing ring = segment.event_ring(0);
  const AppNames& names = segment.app_names();
  const auto name = [&names](uint16_t id) { return id < kAppNamesMax ? names.name[id] : ""; };
  const auto take = [&](const uint8_t* record, uint32_t bytes) noexcept {
    FlowEnd end;
    if (bytes != sizeof end) return;
    std::memcpy(&end, record, sizeof end);
    if (end.header.type != RecordType::kFlowEnd || out == nullptr) return;
    const auto packets =
        static_cast<unsigned long long>(end.counters.packets[0] + end.counters.packets[1]);
    std::fprintf(out, "%u %s %u %s %u %llu %s %s\n", end.ends.proto,
                 to_string(end.ends.src).c_str(), end.ends.src_port,
                 to_string(end.ends.dst).c_str(), end.ends.dst_port, packets, name(end.app_master),
                 name(end.app));
  };
  while (ring.pop(4096, take) != 0) {
  }
}

// A capture is worth measuring only while its flows are new: each pass has a new worker, and only
// the time in poll() counts.
Result<TrialResult> run_captures(const TrialSettings& t, const Traffic& traffic, Rules& rules) {
  Meter meter;
  TrialResult total;
  do {
    Segment segment = Segment::in_memory(settings_of(t), 0);
    MemoryWire wire(traffic, Rounds::kOnce);
    Meters meters(kSeed);
    auto worker = Worker::create(0, segment, {{0, &wire}}, rules.published, meters, kSeed);
    if (!worker) return tl::make_unexpected(worker.error());
    (*worker)->classifier().write_names(segment.app_names());
    std::FILE* out =
        t.flows_out.empty() || total.packets != 0 ? nullptr : std::fopen(t.flows_out.c_str(), "w");
    const SpscByteRing ring = segment.event_ring(0);
    for (bool more = true; more;) {
      meter.begin();
      while (more && ring.used_bytes() < kEventRingBytes / 2) {
        for (int n = 0; n < 16 && more; ++n) {
          const uint32_t packets = (*worker)->poll(wire.next_time());
          meter.poll(packets);
          more = packets != 0;
        }
      }
      meter.end();
      write_flows(segment, out);
    }
    while (!(*worker)->finish(kBeginNs, 4096)) write_flows(segment, out);
    write_flows(segment, out);
    if (out != nullptr) std::fclose(out);
    collect(segment.worker(0).stats, total);
  } while (t.packets == 0 && meter.cpu() < t.seconds);
  meter.write(total);
  return total;
}

// Each flow is established before the flood begins. One that gave way to it would be made anew by
// its next packet, or that packet find no room: either way there are more of these than SYNs.
Result<TrialResult> run_beside(const TrialSettings& t, const Traffic& flood, Rules& rules) {
  SyntheticTraffic alone = t.synthetic;
  alone.syn_share = 0;
  const Traffic calm = Traffic::synthetic(alone);
  Segment segment = Segment::in_memory(settings_of(t), 0);
  MemoryWire wire(calm, Rounds::kForever);
  Steady steady(t, segment, wire, rules, [&] { wire.play(flood); });
  auto r = steady.run(calm.packets());
  if (!r) return r;
  r->established = t.synthetic.flows;
  const uint64_t begun = r->flows_created + r->flows_refused;
  r->established_lost = begun > wire.fresh() ? begun - wire.fresh() : 0;
  r->established_dropped = wire.settled_freed();
  if (r->packets < flood.packets()) {
    return fail("too short: of some established flows no packet has come");
  }
  return r;
}

Result<TrialResult> run_ports(const TrialSettings& t, Rules& rules) {
  Segment segment = Segment::in_memory(settings_of(t), 0);
  std::string note;
  auto environment = DpdkEnvironment::start(segment.settings(), note);
  if (!environment) return tl::make_unexpected(environment.error());
  WireStats* const stats[] = {&segment.worker(0).stats.wire[0]};
  const OwnerHash nobody = [](const PacketView&, uint32_t&) noexcept { return false; };
  auto ports = DpdkWire::open(segment.settings(), 0, nobody, stats, segment.header().guard.wire[0]);
  if (!ports) return tl::make_unexpected(ports.error());
  (*ports)->refresh();
  struct Job {
    const TrialSettings& t;
    Segment& segment;
    WireIo& ports;
    Rules& rules;
    Result<TrialResult> result;
  } job{t, segment, *(*ports)->lane(0), rules, TrialResult{}};
  (*environment)
      ->launch(
          [](void* context, uint32_t) {
            Job& j = *static_cast<Job*>(context);
            const uint32_t flows = std::bit_ceil(j.t.synthetic.flows);
            SpreadWire spread(j.ports, flows);
            Steady steady(j.t, j.segment, spread, j.rules);
            j.result = j.t.is_ceiling ? Result<TrialResult>(steady.run_ceiling())
                                      : steady.run(uint64_t{kPortFlowsRounds} * flows);
          },
          &job);
  (*environment)->wait();
  if (job.result) job.result->pages = note;
  return job.result;
}

}  // namespace

Result<TrialResult> run_trial(const TrialSettings& t) {
  Rules rules;
  if (!t.rules.empty()) {
    if (auto compiled = rules.compile(t.rules); !compiled) {
      return tl::make_unexpected(compiled.error());
    }
  }
  if (!t.ports[0].empty()) return run_ports(t, rules);
  auto traffic = t.captures.empty() ? Result<Traffic>(Traffic::synthetic(t.synthetic))
                                    : Traffic::captures(t.captures);
  if (!traffic) return tl::make_unexpected(traffic.error());
  Result<TrialResult> r = [&] {
    if (!t.captures.empty() && !t.is_ceiling) return run_captures(t, *traffic, rules);
    if (t.synthetic.beside) return run_beside(t, *traffic, rules);
    Segment segment = Segment::in_memory(settings_of(t), 0);
    MemoryWire wire(*traffic, Rounds::kForever);
    Steady steady(t, segment, wire, rules);
    if (t.is_ceiling) return Result<TrialResult>(steady.run_ceiling());
    return steady.run(traffic->packets());
  }();
  if (r) r->pages = traffic->pages();
  return r;
}

}  // namespace weir::bench
