// SPDX-License-Identifier: Apache-2.0
// The verbs that work without a running instance: check, config and fields.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "appliance/verb.h"
#include "control/operate/operate.h"
#include "rules/language/language.h"

namespace weir {

int say_no(const std::string& sentence) {
  std::fprintf(stderr, "weir: %s\n", sentence.c_str());
  return kExitNo;
}
int say_no(const Error& error) {
  return say_no(error.text());
}

namespace {

struct Checking {
  std::string config;
  std::vector<std::string> rules;
};

// Every rule that is wrong is told, not only the first.
int check_rules(RuleFiles files) {
  const bool may_skip = files.skip_bad;
  files.skip_bad = true;
  const RuleBuild build = build_rules(files, 1);
  for (const Diagnostic& d : build.diagnostics.kept()) {
    std::fprintf(stderr, "%s\n", d.text().c_str());
  }
  const uint64_t errors = build.diagnostics.errors();
  if (errors > build.diagnostics.kept().size()) {
    std::fprintf(stderr, "and more: %llu errors in all\n", static_cast<unsigned long long>(errors));
  }
  if (!build.compiled) return say_no(build.compiled.error());
  fmt::print("{} rules are good{}\n", build.compiled->catalog.rules.size(),
             errors == 0 ? "" : fmt::format(", {} are refused", build.refused));
  return errors == 0 || may_skip ? kExitGood : kExitNo;
}

int check(const Checking& what) {
  Config config;
  if (!what.config.empty()) {
    auto read = read_config(what.config, ConfigUse::kRun);
    if (!read) return say_no(read.error());
    config = std::move(*read);
    fmt::print("{} is good: {} wire{}\n", what.config, config.settings.wires,
               config.settings.wires == 1 ? "" : "s");
  }
  if (!what.rules.empty()) config.rules.files = what.rules;
  return config.rules.files.empty() ? kExitGood : check_rules(config.rules);
}

}  // namespace

void add_check(CLI::App& app, Chosen& chosen) {
  auto what = std::make_shared<Checking>();
  CLI::App* verb =
      app.add_subcommand("check", "judge a configuration and rule files; change nothing");
  verb->add_option("--config", what->config,
                   fmt::format("weir.yaml (without --rules: {})", kDefaultConfig));
  verb->add_option("--rules", what->rules, "a rule file, instead of those of the configuration");
  verb->footer("Examples:\n  weir check --config weir.yaml\n  weir check --rules new.rules");
  verb->callback([&chosen, what] {
    if (what->config.empty() && what->rules.empty()) what->config = kDefaultConfig;
    chosen = [what] { return check(*what); };
  });
}

void add_config(CLI::App& app, Chosen& chosen) {
  struct Showing {
    std::string config;
    bool defaults = false;
  };
  auto what = std::make_shared<Showing>();
  CLI::App* verb = app.add_subcommand("config", "print a configuration with every key in it");
  CLI::Option* file = verb->add_option("--config", what->config, "weir.yaml to complete");
  verb->add_flag("--defaults", what->defaults, "every default")->excludes(file);
  verb->require_option(1);
  verb->footer("Examples:\n  weir config --defaults > weir.yaml\n  weir config --config weir.yaml");
  verb->callback([&chosen, what] {
    chosen = [what] {
      Config config;
      if (!what->config.empty()) {
        auto read = read_config(what->config, ConfigUse::kOffline);
        if (!read) return say_no(read.error());
        config = std::move(*read);
      }
      fmt::print("{}", config_text(config));
      return kExitGood;
    };
  });
}

void add_fields(CLI::App& app, Chosen& chosen) {
  auto* verb = app.add_subcommand(
      "fields", "list every fact that parsers state, its type, and other names rules have for it");
  verb->callback([&chosen] {
    chosen = [] {
      for (unsigned i = 0; i < kFacts; ++i) {
        const auto fact = static_cast<Fact>(i);
        const FactType type = fact_info(fact).type;
        if (type == FactType::kItem) continue;
        const std::string words = fact_keywords(fact);
        fmt::print("{:<60} {:<{}}{}\n", fact_name(fact), fact_type_name(type),
                   words.empty() ? 0 : 16, words);
      }
      return kExitGood;
    };
  });
}

}  // namespace weir
