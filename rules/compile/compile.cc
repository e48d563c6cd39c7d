// SPDX-License-Identifier: Apache-2.0
#include "rules/compile/compile.h"

#include <algorithm>
#include <tuple>

#include "rules/compile/image_writer.h"

namespace weir {

namespace {

constexpr uint8_t kSeverityDefault = 3;  // of a rule that says neither class nor priority

const Classification* find_class(std::string_view name) noexcept {
  for (const Classification& c : classifications()) {
    if (c.name == name) return &c;
  }
  return nullptr;
}

// One rule on its way into the image.
struct Resolution {
  const ParsedRule* rule;
  const Classification* classification;
  uint8_t severity;
  ImageWriter::Header header;
};

class Compiler {
 public:
  Compiler(RuleSet& rules, const CompileSettings& settings)
      : rules_(rules), addresses_(settings.address_groups), ports_(settings.port_groups) {}

  void resolve_all() {
    for (const ParsedRule& rule : rules_.rules) {
      Resolution r{&rule, nullptr, kSeverityDefault, {}};
      classify(rule, r);
      const bool good = resolve(addresses_, rule.src, r.header.src) &
                        resolve(ports_, rule.src_ports, r.header.src_ports) &
                        resolve(addresses_, rule.dst, r.header.dst) &
                        resolve(ports_, rule.dst_ports, r.header.dst_ports);
      if (good) good_.push_back(std::move(r));
    }
  }

  // As Suricata orders them: by action, then by priority, then by number.
  void sort() {
    const auto rank = [](const Resolution& r) {
      return std::tuple(static_cast<unsigned>(r.rule->action), r.severity, r.rule->gid,
                        r.rule->sid);
    };
    std::stable_sort(good_.begin(), good_.end(), [rank](const Resolution& a, const Resolution& b) {
      return rank(a) < rank(b);
    });
  }

  Result<CompiledRules> write(uint64_t generation) {
    ImageWriter writer;
    CompiledRules out;
    out.catalog.generation = generation;
    for (const Resolution& r : good_) {
      writer.add(*r.rule, r.header);
      out.catalog.rules.push_back(catalog_rule(r));
    }
    auto image = writer.write(generation);
    if (!image) return tl::make_unexpected(image.error());
    out.image = std::move(*image);
    return out;
  }

 private:
  void tell(Severity severity, const SourcePlace& where, std::string message) {
    rules_.diagnostics.add(
        {severity, rules_.files[where.file], where.line, where.column, std::move(message)});
  }

  void classify(const ParsedRule& rule, Resolution& r) {
    if (!rule.classtype.empty()) {
      r.classification = find_class(rule.classtype);
      if (r.classification == nullptr) {
        tell(Severity::kWarning, rule.classtype_place,
             "class '" + rule.classtype + "' is not known here; the rule gets priority 3");
      } else {
        r.severity = r.classification->severity;
      }
    }
    r.severity = rule.priority.value_or(r.severity);
  }

  template <class Expr>
  bool resolve(GroupResolver<Expr>& resolver, const Expr& expr, Resolved<Expr>& out) {
    auto value = resolver.resolve(expr);
    if (!value) {
      tell(Severity::kError, expr.place, value.error().message);
      return false;
    }
    out = std::move(*value);
    return true;
  }

  CatalogRule catalog_rule(const Resolution& r) const {
    const ParsedRule& rule = *r.rule;
    CatalogRule out;
    out.sid = rule.sid;
    out.gid = rule.gid;
    out.rev = rule.rev;
    out.severity = r.severity;
    out.msg = rule.msg;
    out.classtype = rule.classtype;
    if (r.classification != nullptr) out.category = r.classification->description;
    out.file = rules_.files[rule.place.file];
    out.line = rule.place.line;
    out.text = rule.text;
    out.references = rule.references;
    out.metadata = rule.metadata;
    out.action = action_of(rule.action);
    return out;
  }

  RuleSet& rules_;
  GroupResolver<AddressExpr> addresses_;
  GroupResolver<PortExpr> ports_;
  std::vector<Resolution> good_;
};

}  // namespace

Result<CompiledRules> compile_rules(RuleSet& rules, const CompileSettings& settings) {
  Compiler compiler(rules, settings);
  compiler.resolve_all();
  const uint64_t errors = rules.diagnostics.errors();
  const Diagnostic* first = rules.diagnostics.first_error();
  if (errors != 0 && settings.bad_rules == BadRules::kRefuseAll) {
    if (first == nullptr) return fail("the rules have " + std::to_string(errors) + " errors");
    std::string message = first->message;
    if (errors > 1) message += " (and " + std::to_string(errors - 1) + " more errors)";
    return fail(Error{std::move(message), first->file, first->line, first->column});
  }
  compiler.sort();
  return compiler.write(settings.generation);
}

}  // namespace weir
