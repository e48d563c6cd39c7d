// SPDX-License-Identifier: Apache-2.0
// `weir reload`: the running appliance reads weir.yaml and its rule files again; returns when what
// changed is in force, or when it was refused.
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "appliance/control_client.h"
#include "appliance/verb.h"

namespace weir {

namespace {

using Json = nlohmann::ordered_json;

constexpr auto kPatience = std::chrono::minutes(5);  // tens of thousands of rules take a while
constexpr auto kLookEvery = std::chrono::milliseconds(20);

void print_lines(const Json& reload, const char* key, const char* title) {
  for (const Json& line : reload[key]) fmt::print("{}{}\n", title, line.get<std::string>());
}

int print(const Json& reload, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", reload.dump());
    return kExitGood;
  }
  print_lines(reload, "changed", "");
  print_lines(reload, "waits_for_restart_dataplane", "waits for weir restart-dataplane: ");
  print_lines(reload, "waits_for_start", "waits until weir run is stopped and started: ");
  fmt::print("in force: the configuration, {} rules (generation {})\n", reload["rules"].dump(),
             reload["generation"].dump());
  return kExitGood;
}

int reload(const std::string& folder, bool as_json) {
  const ControlClient client(folder);
  auto state = client.post("/reload", "{}");
  if (!state) return say_no(state.error());
  const uint64_t asked = (*state)["number"].get<uint64_t>();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (state->value("busy", false) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLookEvery);
    state = client.get("/reload");
    if (!state) return say_no(state.error());
    if ((*state)["number"] != asked) return say_no("another reload took the place of this one");
  }
  if (state->value("busy", false)) {
    return say_no("the data plane has not taken it; what was in force before still is");
  }
  if (const std::string error = state->value("error", ""); !error.empty()) {
    return say_no("nothing has changed: " + error);
  }
  return print(*state, as_json);
}

}  // namespace

void add_reload(CLI::App& app, Chosen& chosen) {
  auto folder = std::make_shared<std::string>(kDefaultRuntimeDir);
  auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand(
      "reload", "read configuration and rules again; put in force what may change under way");
  verb->add_option("--runtime-dir", *folder, "where the running instance lives")
      ->capture_default_str();
  verb->add_flag("--json", *as_json, "JSON instead of sentences");
  verb->footer(
      "All of it or, where a word is wrong, nothing; no packet is lost. What has to wait for a\n"
      "restart is named. SIGHUP to `weir run` does the same and tells weir.log.\n"
      "Example:\n  weir check --config /etc/weir/weir.yaml && weir reload");
  verb->callback(
      [&chosen, folder, as_json] { chosen = [=] { return reload(*folder, *as_json); }; });
}

}  // namespace weir
