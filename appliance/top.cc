// SPDX-License-Identifier: Apache-2.0
// weir top: what moves now, looked at again and again.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "appliance/control_client.h"
#include "appliance/tables.h"
#include "appliance/verb.h"

namespace weir {

namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kFlows = "/flows?limit=10000";  // as many as are asked for at a time

struct Watching {
  std::string runtime_dir = kDefaultRuntimeDir;
  double every_seconds = 2;
  uint32_t rows = 10;
  bool once = false;
};

struct Look {
  Json what;
  Clock::time_point at;
};

Result<Look> look(const ControlClient& client) {
  auto status = client.get("/status");
  if (!status) return tl::make_unexpected(status.error());
  const auto at = Clock::now();
  auto flows = client.get(kFlows);
  if (!flows) return tl::make_unexpected(flows.error());
  return Look{Json{{"status", std::move(*status)}, {"flows", std::move(*flows)}}, at};
}

// A control plane that is away for a moment is waited for, unless it is asked once.
int watch(const Watching& w) {
  const ControlClient client(w.runtime_dir);
  auto before = look(client);
  if (!before) return say_no(before.error());
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  for (;;) {
    std::this_thread::sleep_for(std::chrono::duration<double>(w.every_seconds));
    auto now = look(client);
    if (!now) {
      if (w.once) return say_no(now.error());
      say_no(now.error());
      continue;
    }
    const double seconds = std::chrono::duration<double>(now->at - before->at).count();
    const std::string text = (terminal && !w.once ? "\033[H\033[J" : "") +
                             top_text(before->what, now->what, seconds, w.rows) +
                             (terminal || w.once ? "" : "\n");
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) return kExitNo;  // nobody reads it any more
    if (w.once) return kExitGood;
    before = std::move(now);
  }
}

}  // namespace

void add_top(CLI::App& app, Chosen& chosen) {
  auto w = std::make_shared<Watching>();
  CLI::App* verb = app.add_subcommand("top", "what moves now: wires, workers, devices, flows");
  verb->add_option("--runtime-dir", w->runtime_dir, "where the running instance lives")
      ->capture_default_str();
  verb->add_option("--every", w->every_seconds, "seconds between two looks")
      ->check(CLI::Range(0.2, 60.0))
      ->capture_default_str();
  verb->add_option("--rows", w->rows, "devices and flows at most")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  verb->add_flag("--once", w->once, "two looks, one answer: for scripts");
  verb->footer(
      "Wires and workers are counted as it goes. A flow is told of when it begins, every\n"
      "flows.update_every and when it ends, and its rate is that of the time before; of the\n"
      "10,000 told of last. Ctrl-C ends it.");
  verb->callback([&chosen, w] { chosen = [w] { return watch(*w); }; });
}

}  // namespace weir
