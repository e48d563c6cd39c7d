// SPDX-License-Identifier: Apache-2.0
// Any bytes as rule text, and as the text of a group. What is accepted must compile to an image
// that its own checker believes; every complaint must have a place.
#include <cstdint>
#include <cstdlib>

#include "dataplane/match/match.h"
#include "rules/compile/compile.h"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

// libhs takes milliseconds per database, so that only small sets are compiled here.
constexpr size_t kCompiledRulesMax = 8;

void compile(weir::RuleSet& set, const std::string& group) {
  weir::CompileSettings settings;
  settings.bad_rules = weir::BadRules::kLeaveOut;
  settings.address_groups = {{"HOME_NET", "[10.0.0.0/8,fd00::/8]"},
                             {"EXTERNAL_NET", "!$HOME_NET"},
                             {"A", group},
                             {"B", "[$A,!$B]"}};
  settings.port_groups = {{"HTTP_PORTS", "[80,8080:8090]"}, {"P", group}};
  const size_t rules = set.rules.size();
  const auto compiled = weir::compile_rules(set, settings);
  demand(compiled.has_value());
  demand(compiled->catalog.rules.size() <= rules);
  const auto loaded = weir::LoadedRules::load(compiled->image, 1);
  demand(loaded.has_value() && (*loaded)->count() == compiled->catalog.rules.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto addresses = weir::parse_address_group(text);
  demand(addresses.has_value() || addresses.error().column != 0);
  const auto ports = weir::parse_port_group(text);
  demand(ports.has_value() || ports.error().column != 0);

  weir::RuleSet set;
  weir::parse_rules(text, "fuzz.rules", set);
  demand(set.diagnostics.kept().size() <= weir::kDiagnosticsMax);
  demand((set.refused == 0) == (set.diagnostics.errors() == 0));
  if (set.rules.size() <= kCompiledRulesMax) compile(set, text.substr(0, text.find('\n')));
  for (const weir::Diagnostic& d : set.diagnostics.kept()) {
    demand(d.line >= 1 && d.column >= 1 && !d.message.empty() && d.file == "fuzz.rules");
  }
  return 0;
}
