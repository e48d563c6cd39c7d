// SPDX-License-Identifier: Apache-2.0
// Syntax trees -> the rule image that the data plane matches from, and the catalog that says to
// people what rule an index of that image is. Called by the control plane at start and reload, by
// `weir check` and `weir replay`; takes seconds for tens of thousands of rules, so off every loop.
// It installs nothing: if it fails, what is in force stays in force.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/contract/verdict.h"
#include "rules/language/language.h"

namespace weir {

// One kind of attack that rules name with classtype. Severity 1 is the worst.
struct Classification {
  std::string_view name;         // "attempted-recon"
  std::string_view description;  // "Attempted Information Leak"; EVE calls it category
  uint8_t severity = 3;
};
std::span<const Classification> classifications() noexcept;

struct CatalogRule {
  uint32_t sid = 0, gid = 1, rev = 0;
  Action action = Action::kAlert;
  uint8_t severity = 3;  // priority: the rule's own, else its class's, else 3
  std::string msg;
  std::string classtype, category;
  std::string file;
  uint32_t line = 0;
  std::string text;
  std::vector<std::string> references, metadata;
};

// rules[i] is rule i of the image of that generation.
struct RuleCatalog {
  uint64_t generation = 0;
  std::vector<CatalogRule> rules;
};

enum class BadRules : uint8_t {
  kRefuseAll,  // one error, and nothing is compiled
  kLeaveOut,   // compile the good ones
};

struct CompileSettings {
  uint64_t generation = 1;
  std::map<std::string, std::string> address_groups;  // name without $ -> text
  std::map<std::string, std::string> port_groups;
  BadRules bad_rules = BadRules::kRefuseAll;
};

struct CompiledRules {
  std::vector<uint8_t> image;
  RuleCatalog catalog;
};

// Adds what is wrong to rules.diagnostics. Fails with the first error and how many there are (see
// BadRules), or if libhs cannot compile the patterns.
Result<CompiledRules> compile_rules(RuleSet& rules, const CompileSettings& settings);

}  // namespace weir
