// SPDX-License-Identifier: Apache-2.0
// Rule text in the Suricata rule language -> syntax trees, for rules/compile and `weir check`. Runs
// in the control plane, on any thread, on text that nobody has looked at. Nothing is ignored: what
// is not understood is refused with file, line, column and what was expected there; the other rules
// of the file are read all the same. Names of groups and classes are looked up by compile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/base/ip_address.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/rule_image.h"

namespace weir {

constexpr size_t kRuleBytesMax = 64 * 1024;       // one rule, its continuation lines joined
constexpr size_t kRuleFileBytesMax = 256u << 20;
constexpr size_t kDiagnosticsMax = 1000;          // kept; the rest is only counted
constexpr unsigned kRuleErrorsMax = 16;           // told of one rule
constexpr unsigned kListDepthMax = 8;             // lists in lists

struct SourcePlace {
  uint32_t file = 0;    // index into RuleSet::files
  uint32_t line = 0;    // 1-based
  uint32_t column = 0;  // 1-based, in bytes
};

enum class Severity : uint8_t { kError, kWarning };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  uint32_t line = 0, column = 0;
  std::string message;

  std::string text() const;  // "file:line:column: error: message"
};

class Diagnostics {
 public:
  void add(Diagnostic d);
  const std::vector<Diagnostic>& kept() const noexcept { return kept_; }
  uint64_t errors() const noexcept { return errors_; }
  uint64_t warnings() const noexcept { return warnings_; }
  const Diagnostic* first_error() const noexcept;  // null: there is none

 private:
  std::vector<Diagnostic> kept_;
  uint64_t errors_ = 0, warnings_ = 0;
};

// Addresses or ports as they are written. A list means: what its plain members hold, or everything
// if it has none, without what its negated members hold.
template <class Value>
struct SetExpr {
  enum class Kind : uint8_t { kAny, kRange, kGroup, kList };
  Kind kind = Kind::kAny;
  bool negated = false;
  SourcePlace place;
  Value first{}, last{};           // kRange, inclusive
  std::string group;               // kGroup, without the $
  std::vector<SetExpr> members;    // kList
};
using AddressExpr = SetExpr<IpAddress>;  // a range is within one family
using PortExpr = SetExpr<uint16_t>;

enum class RuleAction : uint8_t { kPass, kDrop, kReject, kRateLimit, kAlert };
enum class RuleProtocol : uint8_t {
  kTcp, kTcpPacket, kUdp, kSctp, kIcmp, kIcmp4, kIcmp6, kIp, kIp4, kIp6,
  kApplication  // TCP or UDP; ParsedRule::applications says what is spoken over it
};
enum class RuleDirection : uint8_t { kForward, kBoth };  // ->, <>

struct RuleRate {
  uint64_t packets_per_second = 0;   // exactly one of the two is set
  uint64_t bits_per_second = 0;
  enum class Per : uint8_t { kRule, kFlow, kSource } per = Per::kRule;
};

struct Content {
  SourcePlace place;
  size_t at = 0;                     // of its keyword, in the rule as one line
  std::string bytes;                 // escapes and hex resolved; never empty
  bool negated = false, nocase = false;
  bool startswith = false, endswith = false;
  bool fast_pattern = false;
  uint16_t fast_offset = 0, fast_length = 0;  // length 0: the whole content
  std::optional<uint16_t> offset, depth;
  std::optional<int32_t> distance, within;
};

struct SizeRange { uint16_t min = 0, max = 65535; };  // inclusive

// What a parser must have stated: one of the facts, of that size, with those contents.
struct FactBuffer {
  std::string name;                  // as the rule says it
  size_t at = 0;                     // of its keyword, in the rule as one line
  std::vector<Fact> facts;           // any of them; at most kBufferFactsMax
  Sayer sayer = Sayer::kEither;
  bool lower_case = false, dot_prefix = false;
  bool by_modifier = false;          // of a content that a modifier moved here
  std::optional<SizeRange> size;
  std::vector<Content> contents;
};

struct ParsedRule {
  SourcePlace place;                 // of the action
  std::string text;                  // as one line
  RuleAction action = RuleAction::kAlert;
  RuleProtocol protocol = RuleProtocol::kIp;
  RuleDirection direction = RuleDirection::kForward;
  AddressExpr src, dst;
  PortExpr src_ports, dst_ports;
  uint32_t sid = 0, gid = 1, rev = 0;
  std::string msg;
  std::string classtype;
  SourcePlace classtype_place;
  std::optional<uint8_t> priority;
  std::optional<RuleRate> rate;      // set exactly for kRateLimit
  std::optional<SizeRange> dsize;
  uint64_t applications = 0;         // a bit per EvidenceKind; 0: any
  uint8_t flow = 0;                  // ImageFlowFlag
  std::vector<Content> contents;     // of the payload; empty where there are buffers
  std::vector<FactBuffer> buffers;   // all must hold within one event
  std::vector<std::string> references, metadata;  // as written
};

// What came of one or several files.
struct RuleSet {
  std::vector<std::string> files;
  std::vector<ParsedRule> rules;     // the good ones, in order
  uint64_t refused = 0;              // rules that had an error
  Diagnostics diagnostics;
  std::map<std::pair<uint32_t, uint32_t>, SourcePlace> seen;  // (gid, sid) -> where first
};

// Adds the rules of `text`; `file` is what diagnostics call it.
void parse_rules(std::string_view text, std::string_view file, RuleSet& into);

// Reads a file and adds its rules. Fails if it cannot be read; wrong rules are diagnostics.
Result<void> read_rules(const std::string& path, RuleSet& into);

// What rules call a fact beside fact:<its name>, with blanks between; empty: nothing.
std::string fact_keywords(Fact fact);

// The text of an address or port group, as in the rule header. The error's column counts in `text`.
Result<AddressExpr> parse_address_group(std::string_view text);
Result<PortExpr> parse_port_group(std::string_view text);

}  // namespace weir
