// SPDX-License-Identifier: Apache-2.0
#include "appliance/control_loop.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <vector>

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "appliance/spin.h"
#include "dataplane/contract/cpu_plan.h"

namespace weir {

namespace {

// How long it naps between two looks at the rings, by how long ago the last record came. While a
// scan runs its decisive record waits for half of the first; the last is for a wire without
// traffic.
struct Nap {
  TimeNs quiet_ns;
  long nap_ns;
};
constexpr Nap kNaps[] = {
    {100 * kNsPerMs, 50'000}, {10 * kNsPerSecond, 200'000}, {INT64_MAX, 1'000'000}};

void nap_after(TimeNs quiet_ns) {
  const Nap* step = kNaps;
  while (quiet_ns >= step->quiet_ns) ++step;
  const timespec nap{.tv_sec = 0, .tv_nsec = step->nap_ns};
  nanosleep(&nap, nullptr);
}

constexpr TimeNs kBeatEveryNs = 250 * kNsPerMs;

std::atomic<bool> stop_asked{false};  // handlers: w, loop: r
std::atomic<bool> reload_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // else not for a handler

void on_stop(int) {
  stop_asked.store(true, std::memory_order_relaxed);
}
void on_reload(int) {
  reload_asked.store(true, std::memory_order_relaxed);
}

void install_handlers() {
  struct sigaction action {};
  action.sa_handler = on_stop;
  sigaction(SIGTERM, &action, nullptr);
  // Ctrl-C reaches the whole group: the end comes from `weir run`, after the data plane's.
  signal(SIGINT, SIG_IGN);
  action.sa_handler = on_reload;
  sigaction(SIGHUP, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

// weir.log has all of it, the terminal of `weir run` what the operator must see.
std::shared_ptr<spdlog::logger> open_log(const std::string& folder) {
  constexpr size_t kBytes = 10 << 20;
  constexpr size_t kFiles = 3;
  auto terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  terminal->set_level(spdlog::level::warn);
  terminal->set_pattern("weir-control: %v");
  std::vector<spdlog::sink_ptr> sinks = {terminal};
  std::string trouble;
  try {  // the one door of spdlog, which reports by exceptions
    auto file = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(folder + "/weir.log", kBytes,
                                                                       kFiles);
    file->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    sinks.push_back(file);
  } catch (const spdlog::spdlog_ex& e) {
    trouble = e.what();
  }
  auto log = std::make_shared<spdlog::logger>("weir-control", sinks.begin(), sinks.end());
  log->flush_on(spdlog::level::info);
  if (!trouble.empty()) log->warn("no weir.log: {}", trouble);
  return log;
}

uint64_t random_seed() {
  uint64_t seed = 0;
  return getrandom(&seed, sizeof seed, 0) == sizeof seed ? seed : uint64_t{0x9e3779b97f4a7c15};
}

// A worker is not to wait for our decision to be made on its own CPU.
void leave_worker_cpus(const Settings& settings) {
  const CpuPlan plan = plan_cpus(settings);
  if (plan.others.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : plan.others) CPU_SET(cpu, &set);
  static_cast<void>(sched_setaffinity(0, sizeof set, &set));
}

}  // namespace

Result<std::unique_ptr<ControlLoop>> ControlLoop::create(const std::string& segment_path,
                                                         const std::string& config_path) {
  umask(0027);
  auto config = read_config(config_path, ConfigUse::kOffline);
  if (!config) return fail(config.error());
  auto segment = Segment::attach(segment_path);
  if (!segment) return fail(segment.error());
  leave_worker_cpus(segment->settings());
  install_handlers();
  std::unique_ptr<ControlLoop> self(
      new ControlLoop(std::move(*segment), std::move(*config), nullptr));
  const Config& c = self->config_;
  self->log_ = open_log(c.log_dir);

  Presence& me = self->segment_.header().control;
  me.pid.store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);
  me.started_ns.store(self->segment_.clock().now(), std::memory_order_relaxed);
  me.state.store(ProgramState::kStarting, std::memory_order_release);
  self->beat();

  ControlOptions options;
  options.log_dir = c.log_dir;
  options.store = c.state_dir + "/weir.db";
  options.hash_seed = random_seed();
  options.tell = [log = self->log_](Telling level, const std::string& text) {
    log->log(level == Telling::kError     ? spdlog::level::err
             : level == Telling::kWarning ? spdlog::level::warn
                                          : spdlog::level::info,
             text);
  };
  auto plane = ControlPlane::open(c, self->segment_, options);
  if (!plane) return fail(plane.error());
  self->plane_ = std::move(*plane);
  auto server = ControlServer::open(c, options);
  if (!server) return fail(server.error());
  self->server_ = std::move(*server);
  return self;
}

ControlLoop::ControlLoop(Segment segment, Config config, std::shared_ptr<spdlog::logger> log)
    : segment_(std::move(segment)), config_(std::move(config)), log_(std::move(log)) {}

ControlLoop::~ControlLoop() {
  server_.reset();
  segment_.header().control.state.store(ProgramState::kAbsent, std::memory_order_release);
}

void ControlLoop::beat() {
  segment_.header().control.heartbeat_ns.store(clock_ns(CLOCK_MONOTONIC),
                                               std::memory_order_relaxed);
}

void ControlLoop::run() {
  // A nap of 50 us must not become 100 by the kernel's default slack of 50.
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  const PacketClock clock = segment_.clock();
  // Beside the loop: after a restart the rules and verdicts before are in force, and questions are
  // answered meanwhile. At the first start nobody is told "running" before the rules are.
  plane_->reload_rules();
  const bool first = segment_.header().rules.loaded_generation.load(std::memory_order_acquire) == 0;
  while (first && plane_->loading_rules() && !stop_asked.load(std::memory_order_relaxed)) {
    plane_->do_work(clock.now());
    beat();
    nap_after(kNsPerSecond);
  }
  segment_.header().control.state.store(ProgramState::kRunning, std::memory_order_release);
  log_->info("weir-control attached, epoch {}",
             segment_.header().control.epoch.load(std::memory_order_relaxed));
  Spin spin;
  TimeNs last_record = clock.now(), last_beat = 0;
  while (!stop_asked.load(std::memory_order_relaxed)) {
    const TimeNs now = clock.now();
    const int done = plane_->do_work(now) + server_->do_work(*plane_, now);
    if (done != 0) last_record = now;
    if (now - last_beat >= kBeatEveryNs) {
      last_beat = now;
      beat();
    }
    if (reload_asked.exchange(false, std::memory_order_relaxed)) plane_->reload();
    server_->follow(plane_->metrics());
    if (!plane_->pending(now)) {
      spin.stop();
    } else if (spin.is_good(now)) {
      _mm_pause();
      continue;
    }
    nap_after(std::max<TimeNs>(0, now - last_record));
  }
  segment_.header().control.state.store(ProgramState::kStopping, std::memory_order_release);
  server_.reset();
  plane_->finish(clock.now());
  log_->info("weir-control ended");
}

}  // namespace weir
