// SPDX-License-Identifier: Apache-2.0
// weir: the command line. Each verb is declared in a file of its own.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "appliance/verb.h"

int main(int argc, char** argv) {
  CLI::App app("Weir: a self-learning inline network sensor.", "weir");
  app.set_version_flag("--version", "weir " WEIR_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 good, 1 the answer is no, 2 wrong usage.\n"
      "Begin with: weir config --defaults > weir.yaml, then weir check --config weir.yaml");
  weir::Chosen chosen;
  weir::add_run(app, chosen);
  weir::add_check(app, chosen);
  weir::add_config(app, chosen);
  weir::add_reload(app, chosen);
  weir::add_restart(app, chosen);
  weir::add_replay(app, chosen);
  weir::add_fields(app, chosen);
  weir::add_asking_verbs(app, chosen);
  weir::add_top(app, chosen);
  weir::add_ordering_verbs(app, chosen);
  // CLI11 says of an unknown verb only that there is none.
  const auto is_named = [&](const CLI::App* verb) { return verb->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_named).empty()) {
    std::fprintf(stderr, "weir: there is no verb '%.40s' (see weir --help)\n", argv[1]);
    return weir::kExitUsage;
  }
  try {  // the door of CLI11, which reports by exceptions
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    const auto verbs = app.get_subcommands();
    const std::string verb = verbs.empty() ? "" : " " + verbs.front()->get_name();
    std::fprintf(stderr, "weir: %s (see weir%s --help)\n", e.what(), verb.c_str());
    return weir::kExitUsage;
  }
  return chosen ? chosen() : weir::kExitUsage;
}
