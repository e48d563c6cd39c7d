// SPDX-License-Identifier: Apache-2.0
// `weir restart-dataplane`: asks `weir run` to replace the packet part by the program on disk, and
// returns when it forwards.
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "appliance/verb.h"
#include "dataplane/contract/segment.h"

namespace weir {

namespace {

constexpr auto kPatience = std::chrono::seconds(60);  // DPDK may have gigabytes to map
constexpr auto kLookEvery = std::chrono::milliseconds(10);

int restart_dataplane(const std::string& folder) {
  pid_t supervisor = 0;
  std::ifstream(folder + "/weir.pid") >> supervisor;
  if (supervisor <= 1) return say_no("no Weir runs with the runtime_dir " + folder);
  // Another build might not understand what the running programs share: said before it is too late.
  const auto segment = Segment::attach(folder + "/segment");
  if (!segment) {
    return say_no("the programs on disk do not go with the running ones (" +
                  segment.error().message + "): stop `weir run` and start it again");
  }
  const Presence& there = segment->header().dataplane;
  const uint64_t epoch = there.epoch.load(std::memory_order_acquire);
  const auto begun = std::chrono::steady_clock::now();
  if (kill(supervisor, SIGUSR2) != 0) {
    return say_no(fmt::format("cannot ask weir run (pid {}): {}", supervisor, strerror(errno)));
  }
  while (std::chrono::steady_clock::now() - begun < kPatience) {
    std::this_thread::sleep_for(kLookEvery);
    const bool runs = there.state.load(std::memory_order_acquire) == ProgramState::kRunning;
    if (!runs || there.epoch.load(std::memory_order_acquire) == epoch) continue;
    fmt::print("weir-dataplane is replaced: pid {}, {} ms\n",
               there.pid.load(std::memory_order_relaxed),
               std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now() - begun)
                   .count());
    return kExitGood;
  }
  return say_no("the data plane has not come back; what weir run prints says why");
}

}  // namespace

void add_restart(CLI::App& app, Chosen& chosen) {
  auto folder = std::make_shared<std::string>(kDefaultRuntimeDir);
  CLI::App* verb =
      app.add_subcommand("restart-dataplane", "replace the packet part by the program on disk");
  verb->add_option("--runtime-dir", *folder, "where the running instance lives")
      ->capture_default_str();
  verb->footer(
      "For an upgrade: install the new programs, then call this. Meanwhile the kernel relays "
      "AF_XDP\n"
      "wires uninspected where their policy for `reloading` is open; other wires are cut for that\n"
      "long. Verdicts and rules are put into force again.\n"
      "Example:\n  weir restart-dataplane");
  verb->callback([&chosen, folder] { chosen = [folder] { return restart_dataplane(*folder); }; });
}

}  // namespace weir
