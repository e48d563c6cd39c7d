// SPDX-License-Identifier: Apache-2.0
#include "rules/language/language.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "rules/language/reader.h"

namespace weir {

std::string Diagnostic::text() const {
  const Error where{severity == Severity::kError ? "error: " + message : "warning: " + message,
                    file, line, column};
  return where.text();
}

void Diagnostics::add(Diagnostic d) {
  ++(d.severity == Severity::kError ? errors_ : warnings_);
  if (kept_.size() < kDiagnosticsMax) kept_.push_back(std::move(d));
}

const Diagnostic* Diagnostics::first_error() const noexcept {
  for (const Diagnostic& d : kept_) {
    if (d.severity == Severity::kError) return &d;
  }
  return nullptr;
}

namespace {

// The same (gid, sid) twice is an error that names the first place.
void check_unique(RuleReader& reader, const ParsedRule& rule, size_t sid_at, RuleSet& into) {
  const SourcePlace here = reader.place(sid_at);
  const auto [first, fresh] = into.seen.try_emplace({rule.gid, rule.sid}, here);
  if (fresh) return;
  const SourcePlace& there = first->second;
  reader.error(sid_at, "sid " + std::to_string(rule.sid) + " is taken since " +
                           into.files[there.file] + ":" + std::to_string(there.line) + ":" +
                           std::to_string(there.column) + "; expected one that is free");
}

void parse_rule(const RuleLine& line, RuleSet& into, uint32_t file) {
  RuleReader reader(line, into.files[file], into.diagnostics);
  ParsedRule rule;
  if (line.too_long()) {
    reader.error(0, "this rule is longer than " + std::to_string(kRuleBytesMax) + " bytes");
  } else if (read_header(reader, rule)) {
    size_t sid_at = 0;
    read_options(reader, rule, sid_at);
    if (rule.sid != 0 && sid_at != 0) check_unique(reader, rule, sid_at, into);
  }
  if (reader.errors() != 0) {
    ++into.refused;
    return;
  }
  rule.text = line.text();
  into.rules.push_back(std::move(rule));
}

}  // namespace

void parse_rules(std::string_view text, std::string_view file, RuleSet& into) {
  const auto index = static_cast<uint32_t>(into.files.size());
  into.files.emplace_back(file);
  RuleLines lines(text, index);
  RuleLine line;
  while (lines.next(line)) parse_rule(line, into, index);
}

Result<void> read_rules(const std::string& path, RuleSet& into) {
  const auto close = [](FILE* f) { std::fclose(f); };
  const std::unique_ptr<FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
  const auto unreadable = [&path](const char* why) {
    return fail(Error{.message = std::string("cannot read the rules: ") + why, .file = path});
  };
  if (file == nullptr) return unreadable(std::strerror(errno));
  std::string text;
  char chunk[65536];
  while (true) {
    const size_t got = std::fread(chunk, 1, sizeof chunk, file.get());
    if (got == 0) break;
    text.append(chunk, got);
    if (text.size() > kRuleFileBytesMax) return unreadable("longer than 256 MiB");
  }
  if (std::ferror(file.get()) != 0) return unreadable(std::strerror(errno));
  parse_rules(text, path, into);
  return {};
}

namespace {

template <class Expr>
Result<Expr> parse_group(std::string_view text, bool (*read)(RuleReader&, Expr&)) {
  Diagnostics told;
  const RuleLine line = RuleLine::alone(text);
  RuleReader reader(line, "", told);
  Expr expr;
  reader.skip_blanks();
  if (read(reader, expr)) {
    reader.skip_blanks();
    if (reader.at_end()) return expr;
    reader.error(reader.at(), "expected nothing more");
  }
  const Diagnostic* first = told.first_error();
  return fail(Error{.message = first->message, .line = first->line, .column = first->column});
}

}  // namespace

Result<AddressExpr> parse_address_group(std::string_view text) {
  return parse_group<AddressExpr>(text, read_addresses);
}

Result<PortExpr> parse_port_group(std::string_view text) {
  return parse_group<PortExpr>(text, read_ports);
}

}  // namespace weir
