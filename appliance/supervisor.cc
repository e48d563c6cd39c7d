// SPDX-License-Identifier: Apache-2.0
#include "appliance/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "appliance/privileges.h"
#include "appliance/verb.h"
#include "dataplane/io/interface.h"

namespace weir {

namespace {

constexpr TimeNs kStartPatience = 60 * kNsPerSecond;  // DPDK may have gigabytes to map
constexpr TimeNs kWaitLeast = 100 * kNsPerMs, kWaitMost = 5 * kNsPerSecond;
constexpr int kStopSeconds = 10;
constexpr int kLookEveryMs = 10;
// Rules of the largest kind are loaded in its main thread, which does not beat meanwhile; blocked
// for this long, or busy for ten times as long, it is lost.
constexpr TimeNs kMainPatience = 3 * kNsPerSecond;
constexpr clockid_t kNoClock = -1;

TimeNs monotonic() {
  return clock_ns(CLOCK_MONOTONIC);
}

// Beside our own executable, else wherever PATH finds it.
Result<std::string> find_program(const std::string& name) {
  std::error_code code;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", code);
  const std::string beside = (self.parent_path() / name).string();
  if (!code && access(beside.c_str(), X_OK) == 0) return beside;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, colon)) + "/" + name;
    if (colon != 0 && access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return fail("cannot find the program " + name + " beside weir or in PATH");
}

Result<void> make_folder(const std::string& path, UserIds owner, mode_t mode) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) return fail("cannot make the folder " + path + ": " + code.message());
  if (chown(path.c_str(), owner.uid, owner.gid) != 0 || chmod(path.c_str(), mode) != 0) {
    return fail("cannot hand the folder " + path + " over: " + std::strerror(errno));
  }
  return {};
}

void remove_matching(const std::string& folder, std::string_view prefix, std::string_view suffix) {
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(prefix) && name.ends_with(suffix)) unlink(entry.path().c_str());
  }
}

// A data plane that was killed could not bring back up what it had taken down.
void restore_links(const Settings& settings, Guard& told) {
  for (uint32_t w = 0; w < settings.wires; ++w) {
    for (unsigned s = 0; s < 2; ++s) {
      const PortSettings& port = settings.wire[w].side[s];
      const bool kernel = port.kind == PortKind::kAfXdp || port.kind == PortKind::kAfPacket;
      if (told.wire[w].held_down[s].get() == 0 || !kernel) continue;
      if (auto up = set_interface(port.name, InterfaceState::kUp); !up) {
        say_no(up.error());
        continue;
      }
      told.wire[w].held_down[s].set(0);
    }
  }
}

}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::prepare(const std::string& config_path) {
  std::unique_ptr<Supervisor> self(new Supervisor);
  std::error_code code;
  self->config_path_ = std::filesystem::absolute(config_path, code).string();
  auto config = read_config(config_path, ConfigUse::kRun);
  if (!config) return fail(config.error());
  self->config_ = std::move(*config);
  if (!self->config_.rules.files.empty()) {
    const RuleBuild build = build_rules(self->config_.rules, 1);
    if (!build.compiled) return fail(build.compiled.error());
    self->rules_count_ = build.compiled->catalog.rules.size();
  }
  if (geteuid() != 0) return fail("weir run must be started by root: it opens network ports");
  if (auto may = check_privileges(self->config_.settings); !may) return fail(may.error());
  const passwd* user = getpwnam(self->config_.user.c_str());
  if (user == nullptr) user = getpwnam("nobody");
  if (user == nullptr) {
    return fail("there is neither a user '" + self->config_.user + "' nor nobody");
  }
  self->ids_ = {user->pw_uid, user->pw_gid};
  self->user_ = user->pw_name;
  if (auto done = self->take_lock(); !done) return fail(done.error());
  if (auto done = self->ports_.take(self->config_.settings); !done) return fail(done.error());
  if (auto done = self->make_folders(); !done) return fail(done.error());
  if (auto done = self->block_signals(); !done) return fail(done.error());
  return self;
}

Result<void> Supervisor::take_lock() {
  // Sticky and not the user's own: weir-control makes its socket and rule images here, but cannot
  // put a segment of its own in the place of ours.
  if (auto done = make_folder(config_.runtime_dir, {0, ids_.gid}, 01775); !done) return done;
  const std::string path = config_.runtime_dir + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return fail("cannot open " + path + ": " + std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    std::string pid;
    if (std::FILE* f = std::fopen((config_.runtime_dir + "/weir.pid").c_str(), "r"); f != nullptr) {
      char text[16] = {};
      if (std::fgets(text, sizeof text, f) != nullptr) pid = text;
      std::fclose(f);
    }
    pid.erase(pid.find_last_not_of('\n') + 1);
    return fail("Weir already runs with the runtime_dir " + config_.runtime_dir +
                (pid.empty() ? "" : " (pid " + pid + ")") +
                "; a second instance needs its own runtime_dir, ports and instance name");
  }
  lock_fd_ = fd;
  const std::string pid_path = config_.runtime_dir + "/weir.pid";
  unlink(pid_path.c_str());
  const int pid_fd = open(pid_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (pid_fd < 0) return fail("cannot write " + pid_path + ": " + std::strerror(errno));
  dprintf(pid_fd, "%d\n", getpid());
  close(pid_fd);
  return {};
}

Result<void> Supervisor::make_folders() {
  if (auto done = make_folder(config_.state_dir, ids_, 0750); !done) return done;
  return make_folder(config_.log_dir, ids_, 0750);
}

Result<void> Supervisor::make_segment() {
  auto made =
      Segment::create(config_.segment_path(), config_.settings, PacketClock::fresh_offset_ns());
  if (!made) return fail(made.error());
  if (chown(config_.segment_path().c_str(), 0, ids_.gid) != 0 ||
      chmod(config_.segment_path().c_str(), 0660) != 0) {
    return fail("cannot hand over " + config_.segment_path() + ": " + std::strerror(errno));
  }
  segment_.emplace(std::move(*made));
  Presence& me = segment_->header().supervisor;
  me.pid.store(static_cast<uint32_t>(getpid()), std::memory_order_relaxed);
  me.started_ns.store(segment_->clock().now(), std::memory_order_relaxed);
  me.epoch.store(1, std::memory_order_relaxed);
  me.state.store(ProgramState::kRunning, std::memory_order_release);
  return {};
}

Result<void> Supervisor::block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD}) sigaddset(&set, s);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) return fail(std::string("signalfd: ") + std::strerror(errno));
  return {};
}

Result<void> Supervisor::start(Program& program) {
  const auto path = find_program(program.name);
  if (!path) return fail(path.error());
  const bool control = &program == &control_;
  std::vector<std::string> words = {*path, "--segment", config_.segment_path()};
  if (control) words.insert(words.end(), {"--config", config_path_});
  auto child = Child::start(words, control ? std::optional(ids_) : std::nullopt);
  if (!child) return fail(child.error());
  program.child.emplace(std::move(*child));
  program.started_ns = monotonic();
  program.again_ns = 0;
  program.is_dying = false;
  program.kill_ns = 0;
  if (!control) ports_.note(config_.settings);
  return {};
}

// The first start decides whether there is anything to run at all.
Result<void> Supervisor::start_first(Program& program) {
  if (auto done = start(program); !done) return done;
  const TimeNs end = monotonic() + kStartPatience;
  while (monotonic() < end) {
    if (presence(program).state.load(std::memory_order_acquire) == ProgramState::kRunning) {
      return {};
    }
    if (const std::string how = program.child->reap(); !how.empty()) {
      program.child.reset();
      // It has said why on stderr; say nothing more than that this is the end.
      return fail(fmt::format("{} could not start ({})", program.name, how));
    }
    if (wait_for_news(10) != 0) return fail("stopped while starting");
    guard();
  }
  return fail(
      fmt::format("{} did not get ready within {} s", program.name, kStartPatience / kNsPerSecond));
}

// A signal that asks us to end, or 0. Returns after most_ms, or when a child or signal stirs.
int Supervisor::wait_for_news(int most_ms) {
  pollfd watch[3] = {{signal_fd_, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
  if (dataplane_.child) watch[1].fd = dataplane_.child->fd();
  if (control_.child) watch[2].fd = control_.child->fd();
  poll(watch, 3, most_ms);
  signalfd_siginfo info{};
  int asked = 0;
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGTERM || number == SIGINT) asked = number;
    if (number == SIGHUP && control_.child) control_.child->signal(SIGHUP);
    if (number == SIGUSR2) replace_dataplane();
  }
  return asked;
}

void Supervisor::watch(Program& program) {
  if (program.child) {
    const std::string how = program.child->reap();
    if (how.empty()) {
      if (program.kill_ns != 0 && monotonic() > program.kill_ns) program.child->signal(SIGKILL);
      return;
    }
    program.child.reset();
    const bool wanted = program.kill_ns != 0;
    if (wanted && &program == &dataplane_) take_settings();
    if (&program == &dataplane_ && away_ != FailCause::kWorkerStalled && !wanted) {
      const bool stalled = how == fmt::format("exit code {}", kExitStalled);
      away_ = stalled ? FailCause::kWorkerStalled : FailCause::kStopping;
    }
    const bool had_run =
        wanted || presence(program).state.load(std::memory_order_acquire) == ProgramState::kRunning;
    presence(program).state.store(ProgramState::kAbsent, std::memory_order_release);
    if (&program == &dataplane_ && !had_run && before_) give_settings_back();
    // What ran for a while is started again at once; what cannot get up is given time.
    const bool at_once = had_run && monotonic() - program.started_ns > kWaitLeast;
    program.wait_ns = at_once ? 0 : std::min(std::max(2 * program.wait_ns, kWaitLeast), kWaitMost);
    program.again_ns = monotonic() + program.wait_ns;
    fmt::print(stderr, "{} ended: {}; it is started again\n", program.name, how);
    // Again, for the driver may have made the ports forget that they are promiscuous.
    if (&program == &dataplane_) set_relays(away_);
  }
  if (program.again_ns == 0 || monotonic() < program.again_ns) return;
  if (auto done = start(program); !done) {
    program.wait_ns = std::min(std::max(2 * program.wait_ns, kWaitLeast), kWaitMost);
    program.again_ns = monotonic() + program.wait_ns;
    say_no(done.error());
  }
}

// In order, for an upgrade: relays stand first, then it gives its ports back, tells of its flows
// and goes; what is on disk by then follows. Verdicts are sent to it again by the control plane.
void Supervisor::replace_dataplane() {
  if (!dataplane_.child || dataplane_.is_dying || !has_run_) return;
  fmt::print("weir-dataplane (pid {}) is replaced\n", dataplane_.child->pid());
  std::fflush(stdout);
  away_ = FailCause::kReloading;
  set_relays(away_);
  dataplane_.is_dying = true;  // no look may take it for one that runs, or that is stuck
  guard();
  dataplane_.kill_ns = monotonic() + kStopSeconds * kNsPerSecond;
  dataplane_.child->signal(SIGTERM);
}

// For the data plane that starts next: what sizes it, as weir.yaml says by now. Nobody else looks
// at these while it is away.
void Supervisor::take_settings() {
  const auto next = read_config(config_path_, ConfigUse::kOffline);
  if (!next) {
    fmt::print(stderr, "weir-dataplane starts with the settings it had: {}\n",
               next.error().text());
    return;
  }
  before_ = config_.settings = segment_->settings();
  use_for_dataplane(settings_for_restart(config_, *next));
}

// It could not start with the new ones (memory that is not there, a CPU): the old ones did.
void Supervisor::give_settings_back() {
  fmt::print(stderr, "weir-dataplane does not start with what weir.yaml says by now: it goes on "
                     "with the settings it had\n");
  use_for_dataplane(*before_);
  before_.reset();
}

void Supervisor::use_for_dataplane(const Settings& settings) {
  segment_->header().settings = config_.settings = settings;
  begin_watches();
}

// A reload has changed what the data plane works by: the relays follow their wires' policies.
void Supervisor::follow_settings() {
  // acquire pairs with the data plane's release: the settings of that generation are there.
  const uint64_t generation =
      segment_->header().rules.loaded_generation.load(std::memory_order_acquire);
  if (generation == followed_ || generation == 0) return;
  followed_ = generation;
  const Settings before = config_.settings;
  config_.settings = with_live_part(config_.settings, segment_->settings());
  bool same = true;
  for (uint32_t w = 0; w < before.wires; ++w) {
    same = same && std::equal(std::begin(before.wire[w].fail), std::end(before.wire[w].fail),
                              std::begin(config_.settings.wire[w].fail));
  }
  if (!same) set_relays(away_);
}

// Nobody is bound to what was made anew.
void Supervisor::look_at_ports(TimeNs now) {
  constexpr TimeNs kEvery = 250 * kNsPerMs;
  if (now - ports_looked_ns_ < kEvery) return;
  ports_looked_ns_ = now;
  if (const std::string line = ports_.renamed(config_.settings); !line.empty()) {
    fmt::print(stderr, "{}\n", line);
  }
  const PortSettings* port = ports_.made_anew(config_.settings);
  if (port == nullptr) return;
  fmt::print(stderr, "port {} has been made anew\n", port->name);
  replace_dataplane();
}

void Supervisor::begin_watches() {
  constexpr TimeNs kLook = kLookEveryMs * kNsPerMs;
  constexpr TimeNs kLeast = 5 * kNsPerMs;
  // Two looks may pass between the last beat and the first look that sees none.
  whole_watch_ = StallWatch(std::max(kLeast, config_.settings.stall_ns - 2 * kLook), kLook);
  main_watch_ = StallWatch(kMainPatience, kLook);
}

void Supervisor::begin_guard() {
  begin_watches();
  for (uint32_t w = 0; w < config_.settings.wires; ++w) {
    if (config_.bypass[w].words.empty()) continue;
    hooks_.emplace_back(config_.bypass[w], config_.settings.wire[w].name,
                        segment_->header().guard.wire[w]);
    hook_wire_.push_back(w);
  }
}

// What is there from before (we were killed) is taken over.
void Supervisor::begin_relays() {
  for (uint32_t w = 0; w < config_.settings.wires; ++w) {
    const WireSettings& wire = config_.settings.wire[w];
    Relay relay(wire);
    const std::string obstacle = relay.obstacle();
    if (obstacle.empty()) {
      relays_.push_back(std::move(relay));
      relay_wire_.push_back(w);
      continue;
    }
    const bool closed = wire.on(FailCause::kStopping) == FailPolicy::kClosed;
    if (config_.bypass[w].words.empty() && wire.bypass_nic == 0 && !closed) {
      fmt::print("wire {}: no kernel relay ({}): without the data plane it is dead\n", wire.name,
                 obstacle);
    }
  }
}

void Supervisor::set_relays(FailCause cause) {
  for (size_t i = 0; i < relays_.size(); ++i) {
    const uint32_t w = relay_wire_[i];
    const bool open = config_.settings.wire[w].on(cause) == FailPolicy::kOpen;
    const auto done = open ? relays_[i].stand() : relays_[i].remove();
    if (!done) {
      fmt::print(stderr, "wire {}: kernel relay: {}\n", config_.settings.wire[w].name,
                 done.error().message);
    }
    segment_->header().guard.wire[w].kernel_relay.set(open && done ? 1 : 0);
  }
}

BypassHook::State Supervisor::relay_state(uint32_t wire, FailCause cause) const {
  const bool open = config_.settings.wire[wire].on(cause) == FailPolicy::kOpen;
  return open ? BypassHook::State::kOn : BypassHook::State::kOff;
}

void Supervisor::kill_stalled(const char* what, TimeNs for_ns) {
  segment_->header().guard.process_stalls.add();
  away_ = FailCause::kWorkerStalled;
  fmt::print(stderr, "weir-dataplane (pid {}): {} for {} ms: it is killed\n",
             dataplane_.child->pid(), what, for_ns / kNsPerMs);
  dataplane_.child->signal(SIGKILL);
  dataplane_.is_dying = true;
  whole_watch_.forget();
  main_watch_.forget();
}

// Whether the data plane runs, every worker has begun, and something of it moves.
bool Supervisor::is_forwarding(TimeNs now) {
  const Presence& p = presence(dataplane_);
  if (dataplane_.is_dying) return false;
  if (!dataplane_.child || p.state.load(std::memory_order_acquire) != ProgramState::kRunning) {
    whole_watch_.forget();
    main_watch_.forget();
    if (dataplane_.child && now - dataplane_.started_ns > kStartPatience) {
      dataplane_.started_ns = now;
      kill_stalled("it has not got ready", kStartPatience);
    }
    return false;
  }
  const auto main_beat = static_cast<uint64_t>(p.heartbeat_ns.load(std::memory_order_relaxed));
  uint64_t beats = main_beat;
  bool all_began = true;
  for (uint32_t i = 0; i < segment_->workers(); ++i) {
    const uint64_t loops = segment_->worker(i).stats.loops.get();
    beats += loops;
    all_began = all_began && loops != 0;
  }
  // Its CPU time is not asked for: the main thread may load rules while the workers wait for a CPU.
  // A single worker is the main thread's to watch.
  Pulse pulse{.beats = beats};
  if (main_watch_.is_silent(main_beat)) {
    const pid_t pid = dataplane_.child->pid();
    pulse = read_pulse(beats, pid, pid, kNoClock);
    if (pulse.state == 'X' || pulse.state == 'Z') {  // its exit takes a while: memory goes back
      dataplane_.is_dying = true;
      return false;
    }
  }
  if (const TimeNs t = whole_watch_.look(pulse, now); t != 0) {
    kill_stalled("nothing in it has moved", t);
    return false;
  }
  pulse.beats = main_beat;
  if (const TimeNs t = main_watch_.look(pulse, now); t != 0) {
    kill_stalled("its main thread has not moved", t);
    return false;
  }
  return all_began;
}

void Supervisor::guard() {
  const TimeNs now = monotonic();
  const bool forwarding = is_forwarding(now);
  for (size_t i = 0; i < hooks_.size(); ++i) {
    hooks_[i].want(forwarding ? BypassHook::State::kOff : relay_state(hook_wire_[i], away_));
    hooks_[i].step(now, forwarding && !whole_watch_.has_been_silent());
  }
  if (forwarding) {
    before_.reset();
    look_at_ports(now);
  }
  if (!forwarding || away_ == FailCause::kStopping) return;
  away_ = FailCause::kStopping;  // what the next end is, unless we learn better
  set_relays(away_);
}

void Supervisor::report_ready() {
  fmt::print("rules: {} in force{}\n", rules_count_,
             config_.rules.files.empty() ? " (no rule file is configured)" : "");
  fmt::print("logs: {0}/eve.json, {0}/weir.log; state: {1}/weir.db\n", config_.log_dir,
             config_.state_dir);
  if (!config_.metrics.host.empty()) {
    fmt::print("metrics: http://{}:{}/metrics\n", config_.metrics.host, config_.metrics.port);
  }
  const std::string where =
      config_.runtime_dir == kDefaultRuntimeDir ? "" : " --runtime-dir " + config_.runtime_dir;
  fmt::print(
      "ready. Look with: weir status{0}, weir alerts{0}, weir devices{0}; "
      "stop with Ctrl-C\n",
      where);
  std::fflush(stdout);
}

void Supervisor::report_end() {
  const Traffic traffic = read_traffic(*segment_);
  fmt::print("ended: received {} = sent {} + dropped {} + held {}{}\n",
             traffic.total.received.packets, traffic.total.sent.packets,
             traffic.total.dropped_packets(), traffic.total.held.packets,
             traffic.balanced ? "" : "  NOT BALANCED");
  std::fflush(stdout);
}

Result<void> Supervisor::run() {
  fmt::print("weir {}, instance {}\n", WEIR_VERSION, config_.settings.instance);
  if (user_ != config_.user) {
    fmt::print("there is no user '{}': weir-control runs as {}\n", config_.user, user_);
  }
  std::fflush(stdout);
  if (auto done = make_segment(); !done) return done;
  begin_guard();
  begin_relays();
  set_relays(FailCause::kStarting);
  if (auto done = start_first(dataplane_); !done) return done;
  if (auto done = start_first(control_); !done) return done;
  has_run_ = true;
  report_ready();
  for (;;) {
    const int asked = wait_for_news(kLookEveryMs);
    segment_->header().supervisor.heartbeat_ns.store(monotonic(), std::memory_order_relaxed);
    if (asked != 0) break;
    follow_settings();
    guard();
    watch(dataplane_);
    watch(control_);
  }
  stop();
  report_end();
  return {};
}

// The relays before all: what bypasses loses no packet. Then the data plane: the ends of its flows
// are still heard and written.
void Supervisor::stop() {
  for (size_t i = 0; i < hooks_.size(); ++i) {
    hooks_[i].want(relay_state(hook_wire_[i], FailCause::kStopping));
    hooks_[i].finish();
  }
  hooks_.clear();
  for (Program* program : {&dataplane_, &control_}) {
    if (!program->child) continue;
    program->child->signal(SIGTERM);
    program->child->end(kStopSeconds);
    program->child.reset();
  }
  for (size_t i = 0; segment_ && i < relays_.size(); ++i) {
    const WireSettings& wire = config_.settings.wire[relay_wire_[i]];
    // A wire that never was ours is left as it was found.
    const bool stays = has_run_ && wire.on(FailCause::kStopping) == FailPolicy::kOpen;
    const auto done = stays ? relays_[i].stand() : relays_[i].remove();
    if (!stays || !done) continue;
    fmt::print("wire {}: the kernel relays it from now on, uninspected; to end that: {}\n",
               wire.name, relays_[i].how_to_remove());
  }
  relays_.clear();
  if (segment_) restore_links(config_.settings, segment_->header().guard);
}

Supervisor::~Supervisor() {
  stop();
  if (lock_fd_ < 0) return;
  for (const char* name : {"/segment", "/control.sock", "/weir.pid"}) {
    unlink((config_.runtime_dir + name).c_str());
  }
  remove_matching(config_.runtime_dir, "rules-", ".img");
  close(lock_fd_);
  if (signal_fd_ >= 0) close(signal_fd_);
}

void add_run(CLI::App& app, Chosen& chosen) {
  auto config = std::make_shared<std::string>(kDefaultConfig);
  CLI::App* verb = app.add_subcommand("run", "run the appliance in the foreground until Ctrl-C");
  verb->add_option("--config", *config, "weir.yaml")->capture_default_str();
  verb->footer(
      "Example:\n  weir run --config weir.yaml\n"
      "SIGHUP reads rules and configuration again (weir reload), SIGUSR2 replaces the data plane\n"
      "by what is on disk (weir restart-dataplane).");
  verb->callback([&chosen, config] {
    chosen = [config] {
      auto supervisor = Supervisor::prepare(*config);
      if (!supervisor) return say_no(supervisor.error());
      const auto done = (*supervisor)->run();
      return done ? kExitGood : say_no(done.error());
    };
  });
}

}  // namespace weir
