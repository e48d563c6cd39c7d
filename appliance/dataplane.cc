// SPDX-License-Identifier: Apache-2.0
#include "appliance/dataplane.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>

#include "appliance/spin.h"
#include "dataplane/decode/decode.h"

namespace weir {

namespace {

constexpr TimeNs kLookEveryNs = 5 * kNsPerMs;  // main thread: workers, rules, stop signal
// The first look that sees no beat may come two rounds after the last beat, the last one a round
// after the limit: what is left of the configured time is the limit.
constexpr TimeNs kLooksNs = 3 * kLookEveryNs;
constexpr TimeNs kRefreshEveryNs = 500 * kNsPerMs;  // what ports have missed
constexpr TimeNs kLinksEveryNs = 20 * kNsPerMs;
constexpr TimeNs kGraceNs = 5 * kNsPerSecond;  // a worker that does not pass by then is stuck
constexpr TimeNs kFarewellNs = 2 * kNsPerSecond;
constexpr uint32_t kSpinPolls = 200;  // empty rounds before a worker on a shared core naps
constexpr long kNapNs = 20'000, kNapLongNs = 100'000;
constexpr uint32_t kShortNaps = 200;

volatile sig_atomic_t stop_signal = 0;  // the one place where a handler may write
void on_stop(int) {
  stop_signal = 1;
}

void nap(long ns) {
  const timespec t{.tv_sec = 0, .tv_nsec = ns};
  nanosleep(&t, nullptr);
}

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = 0x9e3779b97f4a7c15ull;
  return seed;
}

Result<std::vector<uint8_t>> read_image(const std::string& path) {
  std::error_code code;
  const uint64_t bytes = std::filesystem::file_size(path, code);
  if (code) return fail("cannot read " + path + ": " + code.message());
  if (bytes > kRuleImageBytesMax) return fail(path + " is longer than a rule image may be");
  std::vector<uint8_t> image(bytes);
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(image.data()), static_cast<std::streamsize>(bytes));
  if (in.gcount() != static_cast<std::streamsize>(bytes)) return fail("cannot read " + path);
  return image;
}

}  // namespace

Dataplane::Dataplane(Segment segment, std::string folder)
    : segment_(std::move(segment)), folder_(std::move(folder)), meters_(random_seed()) {}

Result<std::unique_ptr<Dataplane>> Dataplane::create(const std::string& segment_path) {
  auto segment = Segment::attach(segment_path);
  if (!segment) return tl::make_unexpected(segment.error());
  const std::string folder = std::filesystem::path(segment_path).parent_path();
  std::unique_ptr<Dataplane> self(new Dataplane(std::move(*segment), folder));
  if (auto opened = self->open(); !opened) return tl::make_unexpected(opened.error());
  return self;
}

Result<void> Dataplane::open() {
  const Settings& s = segment_.settings();
  Presence& me = segment_.header().dataplane;
  me.pid.store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);
  me.epoch.fetch_add(1, std::memory_order_relaxed);
  me.started_ns.store(segment_.clock().now(), std::memory_order_relaxed);
  me.state.store(ProgramState::kStarting, std::memory_order_release);  // control: acquire
  // What a predecessor left: its counters would not add up with packets that died with it, and its
  // rules are loaded anew.
  for (uint32_t i = 0; i < segment_.workers(); ++i) {
    new (&segment_.worker(i).stats) StatsPage;
    segment_.worker(i).mailbox.reset();
  }
  segment_.header().rules.loaded_generation.store(0, std::memory_order_relaxed);
  segment_.header().rules.answered_generation.store(0, std::memory_order_release);
  std::string memory;
  auto environment = DpdkEnvironment::start(s, memory);
  if (!environment) return tl::make_unexpected(environment.error());
  environment_ = std::move(*environment);
  // The ports last: from then on frames come here and to nobody else, and tables take their time.
  for (uint32_t i = 0; i < s.workers; ++i) {
    if (auto made = make_worker(i); !made) return made;
  }
  std::vector<std::vector<WorkerWire>> shares(s.workers);
  for (uint32_t w = 0; w < s.wires; ++w) {
    if (auto opened = open_wire(w, shares); !opened) return opened;
  }
  for (uint32_t i = 0; i < s.workers; ++i) {
    workers_[i]->attach(std::move(shares[i]));
    tell_far_ports(i);
  }
  workers_[0]->classifier().write_names(segment_.app_names());
  const Worker::Memory m = Worker::memory_for(s);
  std::printf(
      "memory: %s; each of %u worker%s: %llu MiB for %llu flows, %llu MiB for %u verdicts, "
      "at most %llu MiB for fragments and segments, %llu MiB for classification; %llu KiB for "
      "rates\n",
      memory.c_str(), s.workers, s.workers == 1 ? "" : "s",
      static_cast<unsigned long long>(m.flow_table >> 20),
      static_cast<unsigned long long>(s.flow.flows_max),
      static_cast<unsigned long long>(m.verdicts >> 20), s.verdicts_max,
      static_cast<unsigned long long>((m.fragments + m.streams) >> 20),
      static_cast<unsigned long long>(m.classifier >> 20),
      static_cast<unsigned long long>(Meters::bytes() >> 10));
  std::fflush(stdout);
  return {};
}

Result<void> Dataplane::open_wire(uint32_t w, std::vector<std::vector<WorkerWire>>& shares) {
  const Settings& s = segment_.settings();
  const auto owner_hash = [](const PacketView& packet, uint32_t& hash) noexcept {
    Headers headers;
    decode_packet(packet, LinkType::kEthernet, headers);
    return pair_hash(headers, hash);
  };
  std::vector<WireStats*> stats;
  for (uint32_t i = 0; i < s.workers; ++i) stats.push_back(&segment_.worker(i).stats.wire[w]);
  auto wire = DpdkWire::open(s, w, owner_hash, stats, segment_.header().guard.wire[w]);
  if (!wire) return tl::make_unexpected(wire.error());
  for (uint32_t i = 0; i < s.workers; ++i) {
    WireIo* lane = (*wire)->lane(i);
    if (lane != nullptr) shares[i].push_back({static_cast<uint8_t>(w), lane});
  }
  const std::string spread = (*wire)->describe_spread();
  std::printf("wire %s: %s <-> %s, %s%s%s\n", s.wire[w].name, (*wire)->describe(Side::kA).c_str(),
              (*wire)->describe(Side::kB).c_str(), std::string(mode_name(s.wire[w].mode)).c_str(),
              spread.empty() ? "" : ", ", spread.c_str());
  wires_.push_back(std::move(*wire));
  return {};
}

// On the worker's own core, so that its memory lies on that core's node.
Result<void> Dataplane::make_worker(uint32_t i) {
  struct Making {
    Dataplane& self;
    std::optional<Result<std::unique_ptr<Worker>>> worker;
    int node;
  } making{*this, std::nullopt, -1};
  environment_->run_on(
      i,
      [](void* context, uint32_t worker) {
        auto& m = *static_cast<Making*>(context);
        m.node = DpdkEnvironment::node_here();
        m.worker.emplace(Worker::create(static_cast<uint8_t>(worker), m.self.segment_, {},
                                        m.self.in_force_, m.self.meters_, random_seed()));
      },
      &making);
  if (!*making.worker) return tl::make_unexpected(making.worker->error());
  workers_.push_back(std::move(**making.worker));
  const TimeNs stall_ns = segment_.settings().stall_ns;
  watched_.push_back(std::make_unique<Watched>(StallWatch(stall_ns - kLooksNs, kLookEveryNs)));
  watched_.back()->node = making.node;
  return {};
}

void Dataplane::tell_far_ports(uint32_t i) const {
  const int node = watched_[i]->node;
  for (const auto& wire : wires_) {
    for (const Side side : {Side::kA, Side::kB}) {
      const int port = wire->node(side);
      if (wire->lane(i) == nullptr || port < 0 || node < 0 || port == node) continue;
      std::printf("worker %u runs on node %d, its port %s is on node %d: this costs speed\n", i,
                  node, wire->describe(side).c_str(), port);
    }
  }
}

Dataplane::~Dataplane() {
  workers_.clear();
  delete in_force_.replace(nullptr);
  segment_.header().dataplane.state.store(ProgramState::kAbsent, std::memory_order_release);
}

void Dataplane::work(uint32_t i) {
  const IdlePolicy policy = segment_.settings().idle;
  const bool may_nap = policy == IdlePolicy::kSleep ||
                       (policy == IdlePolicy::kAuto && !environment_->is_isolated(i));
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);  // naps of 20 us, not 20 + the default 50
  const PacketClock clock = segment_.clock();
  Worker& worker = *workers_[i];
  StatsPage& stats = segment_.worker(i).stats;
  quiescence_.join(i);
  if (pthread_getcpuclockid(pthread_self(), &watched_[i]->cpu) == 0) {
    watched_[i]->thread.store(gettid(), std::memory_order_release);  // main: acquire
  }
  Spin spin;
  uint32_t empty = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const TimeNs now = clock.now();
    const uint32_t n = worker.poll(now);
    quiescence_.quiescent(i);
    empty = n != 0 ? 0 : empty + 1;
    if (!may_nap || empty < kSpinPolls) continue;
    if (!worker.expects_verdict(now)) {
      spin.stop();
    } else if (spin.is_good(now)) {
      continue;
    }
    stats.sleeps.add();
    nap(empty < kSpinPolls + kShortNaps ? kNapNs : kNapLongNs);
  }
  worker.finish(clock.now(), 0);                     // nothing stays in its hands
  polling_.fetch_sub(1, std::memory_order_release);  // main: acquire
  // The last word on each flow, as fast as control takes it; without control it does not wait long.
  const TimeNs give_up_ns = clock.now() + kFarewellNs;
  const RingIndexes& ring = segment_.worker(i).ring;
  while (!worker.finish(clock.now(), 1024)) {
    const auto waiting = [&ring] {
      return ring.tail.load(std::memory_order_relaxed) - ring.head.load(std::memory_order_relaxed);
    };
    while (waiting() > kEventRingBytes / 2 && clock.now() < give_up_ns) nap(kNapNs);
  }
  quiescence_.leave(i);
}

void Dataplane::run() {
  signal(SIGTERM, on_stop);
  signal(SIGINT, on_stop);
  signal(SIGHUP, SIG_IGN);
  polling_.store(segment_.workers(), std::memory_order_relaxed);
  environment_->launch(
      [](void* self, uint32_t worker) { static_cast<Dataplane*>(self)->work(worker); }, this);
  beat();
  for (auto& wire : wires_) wire->follow_links(clock_ns(CLOCK_MONOTONIC));
  segment_.header().dataplane.state.store(ProgramState::kRunning, std::memory_order_release);
  TimeNs refreshed = 0;
  while (stop_signal == 0) {
    nap(kLookEveryNs);
    beat();
    look_for_orders();
    const TimeNs now = clock_ns(CLOCK_MONOTONIC);
    look_at_workers(now);
    look_at_links(now);
    if (now - refreshed < kRefreshEveryNs) continue;
    refreshed = now;
    for (auto& wire : wires_) {
      wire->refresh();
      if (const std::string line = wire->follow_mtu(); !line.empty()) {
        std::fprintf(stderr, "%s\n", line.c_str());
      }
    }
  }
  segment_.header().dataplane.state.store(ProgramState::kStopping, std::memory_order_release);
  stopping_.store(true, std::memory_order_relaxed);
  // The ports first: telling of a million flows takes seconds, in which frames would die here.
  while (polling_.load(std::memory_order_acquire) != 0) nap(kNapNs);
  for (auto& wire : wires_) {
    wire->drain();
    wire->close();
  }
  environment_->wait();
}

void Dataplane::beat() {
  segment_.header().dataplane.heartbeat_ns.store(clock_ns(CLOCK_MONOTONIC),
                                                 std::memory_order_relaxed);
}

void Dataplane::look_at_workers(TimeNs now) {
  for (uint32_t i = 0; i < watched_.size(); ++i) {
    Watched& w = *watched_[i];
    const pid_t thread = w.thread.load(std::memory_order_acquire);
    if (thread == 0) continue;  // not begun yet
    const uint64_t beats = segment_.worker(i).stats.loops.get();
    w.moves = !w.watch.is_silent(beats);
    const Pulse pulse = w.moves ? Pulse{.beats = beats} : read_pulse(beats, 0, thread, w.cpu);
    if (const TimeNs stalled = w.watch.look(pulse, now); stalled != 0) give_up(i, stalled);
  }
}

void Dataplane::look_at_links(TimeNs now) {
  if (now - links_looked_ns_ >= kLinksEveryNs) {
    links_looked_ns_ = now;
    for (auto& wire : wires_) {
      if (const std::string line = wire->follow_links(now); !line.empty()) {
        std::fprintf(stderr, "%s\n", line.c_str());
      }
    }
  }
  const bool all_move = std::all_of(watched_.begin(), watched_.end(),
                                    [](const auto& watched) { return watched->moves; });
  if (!all_move) return;
  for (auto& wire : wires_) wire->beat_bypass(now);
}

// A thread that is stuck cannot be ended or joined: the process goes, which frees the ports and
// lets the frames fall to whatever carries them meanwhile.
void Dataplane::give_up(uint32_t worker, TimeNs stalled_ns) {
  segment_.header().guard.worker_stalls[worker].add();
  const Settings& s = segment_.settings();
  std::string wires;
  for (uint32_t w = 0; w < s.wires; ++w) {  // all of them: it is one process
    wires += std::string(wires.empty() ? "" : ", ") + s.wire[w].name + " fails " +
             std::string(fail_policy_name(s.wire[w].on(FailCause::kWorkerStalled)));
  }
  std::fprintf(stderr, "worker %u has not moved for %lld ms: the data plane is replaced (%s)\n",
               worker, static_cast<long long>(stalled_ns / kNsPerMs), wires.c_str());
  std::fflush(stderr);
  _exit(kExitStalled);
}

void Dataplane::look_for_orders() {
  RuleSlot& slot = segment_.header().rules;
  // acquire pairs with control's release: the image file and the settings are complete.
  const uint64_t wanted = slot.requested_generation.load(std::memory_order_acquire);
  if (wanted == slot.answered_generation.load(std::memory_order_relaxed)) return;
  const Result<void> done = put_in_force(wanted);
  std::memset(slot.answer, 0, sizeof slot.answer);
  if (!done) std::strncpy(slot.answer, done.error().text().c_str(), sizeof slot.answer - 1);
  // release: whoever sees it sees the settings that came with it.
  if (done) slot.loaded_generation.store(wanted, std::memory_order_release);
  slot.answered_generation.store(wanted, std::memory_order_release);
}

// Rules and settings of that generation, all of them or nothing.
Result<void> Dataplane::put_in_force(uint64_t generation) {
  auto image = read_image(folder_ + "/rules-" + std::to_string(generation) + ".img");
  if (!image) return tl::make_unexpected(image.error());
  auto rules = LoadedRules::load(*image, segment_.workers());
  if (!rules) return tl::make_unexpected(rules.error());
  if ((*rules)->generation() != generation) {
    return fail("the image says to be generation " + std::to_string((*rules)->generation()));
  }
  SegmentHeader& header = segment_.header();
  auto live = std::make_unique<InForce::Live>();
  live->settings = with_live_part(header.settings, header.wanted);
  const auto depths = read_depths(live->settings.inspect, segment_.app_names());
  if (!depths) return tl::make_unexpected(depths.error());
  live->depths = *depths;
  header.settings = live->settings;
  auto next = std::make_unique<InForce>();
  next->generation = generation;
  next->rules = std::move(*rules);
  next->live = std::move(live);
  free_when_unused(in_force_.replace(next.release()));
  return {};
}

void Dataplane::free_when_unused(const InForce* old) {
  const uint64_t era = quiescence_.advance();
  const TimeNs began = clock_ns(CLOCK_MONOTONIC);
  while (!quiescence_.has_passed(era)) {
    if (clock_ns(CLOCK_MONOTONIC) - began > kGraceNs) {
      std::fprintf(stderr, "a worker has not moved for 5 s: the old rules stay in memory\n");
      return;
    }
    nap(kNapNs);
    beat();
    look_at_workers(clock_ns(CLOCK_MONOTONIC));
  }
  delete old;
}

}  // namespace weir
