// SPDX-License-Identifier: Apache-2.0
// A verb of `weir` (status, run, ...): a function that declares its subcommand and options and, if
// that is what was typed, leaves in `chosen` what to do. main.cc lists them all and runs the one.
#pragma once

#include <functional>
#include <string>

#include "dataplane/base/result.h"

namespace CLI {
class App;
}

namespace weir {

// What the programs tell the shell.
constexpr int kExitGood = 0;   // done, or the answer is yes
constexpr int kExitNo = 1;     // the answer is no, or it failed
constexpr int kExitUsage = 2;  // that is not how it is called

using Chosen = std::function<int()>;  // returns the exit code

constexpr const char* kDefaultConfig = "/etc/weir/weir.yaml";
constexpr const char* kDefaultRuntimeDir = "/run/weir";

// The error's one sentence on stderr; returns kExitNo.
int say_no(const Error& error);
int say_no(const std::string& sentence);

void add_run(CLI::App& app, Chosen& chosen);
void add_check(CLI::App& app, Chosen& chosen);
void add_config(CLI::App& app, Chosen& chosen);
void add_replay(CLI::App& app, Chosen& chosen);
void add_fields(CLI::App& app, Chosen& chosen);
void add_reload(CLI::App& app, Chosen& chosen);
void add_restart(CLI::App& app, Chosen& chosen);
// status flows devices alerts actions why rules
void add_asking_verbs(CLI::App& app, Chosen& chosen);
void add_top(CLI::App& app, Chosen& chosen);
// block limit keep allow undo
void add_ordering_verbs(CLI::App& app, Chosen& chosen);

}  // namespace weir
