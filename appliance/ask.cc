// SPDX-License-Identifier: Apache-2.0
// The verbs that ask the running control plane: status flows devices alerts actions why rules.
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

struct Asking {
  std::string runtime_dir = kDefaultRuntimeDir;
  bool json = false;
  uint32_t limit = 0;  // 0: not said
  bool all = false;
  std::string about;
};

CLI::App* declare(CLI::App& app, const char* name, const char* help, Asking& asking) {
  CLI::App* verb = app.add_subcommand(name, help);
  verb->add_option("--runtime-dir", asking.runtime_dir, "where the running instance lives")
      ->capture_default_str();
  verb->add_flag("--json", asking.json, "JSON instead of a table");
  return verb;
}

int print(const Asking& asking, const std::string& path, std::string (*table)(const Json&)) {
  const auto answer = ControlClient(asking.runtime_dir).get(path);
  if (!answer) return say_no(answer.error());
  const std::string text = asking.json ? answer->dump() + "\n" : table(*answer);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kExitGood;
}

// kExitNo where the control plane knows whom it is about and nothing touched them.
int print_why(const Asking& asking, const std::string& path) {
  const auto answer = ControlClient(asking.runtime_dir).get(path);
  if (!answer) return say_no(answer.error());
  const std::string text = asking.json ? answer->dump() + "\n" : why_text(*answer);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return answer->value("touched", false) ? kExitGood : kExitNo;
}

std::string escaped(const std::string& text) {  // for a query
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

int print_rules(const Asking& asking) {
  const auto answer = ControlClient(asking.runtime_dir).get("/rules");
  if (!answer) return say_no(answer.error());
  const std::string text = asking.json ? (*answer)["rules"].dump() + "\n" : rules_text(*answer);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kExitGood;
}

// Returns when the data plane uses the new rules, or when they were refused.
int reload_rules(const Asking& asking) {
  const ControlClient client(asking.runtime_dir);
  const auto begun = client.post("/rules/reload", "{}");
  if (!begun) return say_no(begun.error());
  constexpr auto kPatience = std::chrono::minutes(5);  // tens of thousands of rules take a while
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    const auto state = client.get("/status");
    if (!state) return say_no(state.error());
    const Json& rules = (*state)["rules"];
    if (!rules.value("loading", false)) {
      if (const std::string error = rules.value("error", ""); !error.empty()) return say_no(error);
      const std::string text = asking.json
                                   ? rules.dump() + "\n"
                                   : fmt::format("{} rules in force, generation {}\n",
                                                 rules["count"].dump(), rules["generation"].dump());
      std::fwrite(text.data(), 1, text.size(), stdout);
      return kExitGood;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return say_no("the data plane has not taken the new rules; the old ones are in force");
}

void add_rules(CLI::App& app, Chosen& chosen) {
  auto asking = std::make_shared<Asking>();
  CLI::App* rules = declare(app, "rules", "rules in force and how often each has hit", *asking);
  CLI::App* reload = rules->add_subcommand("reload", "read the rule files again and use them");
  reload->add_option("--runtime-dir", asking->runtime_dir, "where the running instance lives");
  reload->add_flag("--json", asking->json, "JSON instead of a sentence");
  rules->callback([&chosen, asking, reload] {
    const bool again = reload->parsed();
    chosen = [asking, again] { return again ? reload_rules(*asking) : print_rules(*asking); };
  });
}

void add_list(CLI::App& app, Chosen& chosen, const char* name, const char* help,
              std::string (*table)(const Json&), uint32_t rows) {
  auto asking = std::make_shared<Asking>();
  asking->limit = rows;
  CLI::App* verb = declare(app, name, help, *asking);
  verb->add_option("--limit", asking->limit, "at most so many, the latest first")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  const bool actions = std::string_view(name) == "actions";
  if (actions) verb->add_flag("--all", asking->all, "also those that ended or were refused");
  verb->callback([&chosen, asking, table, path = std::string("/") + name] {
    chosen = [=] {
      return print(*asking,
                   fmt::format("{}?limit={}{}", path, asking->limit, asking->all ? "&all=1" : ""),
                   table);
    };
  });
}

}  // namespace

void add_asking_verbs(CLI::App& app, Chosen& chosen) {
  auto status = std::make_shared<Asking>();
  declare(app, "status", "programs, wires, and whether every packet is accounted for", *status)
      ->callback([&chosen, status] {
        chosen = [status] { return print(*status, "/status", status_text); };
      });
  add_list(app, chosen, "flows", "flows, live and lately ended", flows_text, 100);
  add_list(app, chosen, "devices", "who is there and what each normally does", devices_text, 1000);
  add_list(app, chosen, "alerts", "what rules and models have found", alerts_text, 100);
  add_list(app, chosen, "actions", "what Weir does about it, and what you told it to", actions_text,
           1000);
  auto why = std::make_shared<Asking>();
  CLI::App* verb = declare(app, "why", "what touched a flow or a device, and why", *why);
  verb->add_option("about", why->about,
                   "number of an alert, action or flow (alert:7, action:7, flow:7 say which), an "
                   "address or MAC, or src[:port]->dst[:port]")
      ->required();
  verb->footer(
      "Examples:\n  weir why 7\n  weir why 10.0.0.9\n"
      "  weir why '10.0.0.9:51432->10.0.0.5:22'\nExit code 1: nothing touched it.");
  verb->callback([&chosen, why] {
    chosen = [why] { return print_why(*why, "/why?about=" + escaped(why->about)); };
  });
  add_rules(app, chosen);
}

}  // namespace weir
