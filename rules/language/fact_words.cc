// SPDX-License-Identifier: Apache-2.0
// Keywords that speak of a flow and of what is stated in it. Which facts there are, and which words
// of Suricata's name them, the contract's tables say; no fact is known here by name.
#include <algorithm>

#include "rules/language/options.h"

namespace weir {

namespace {

struct FactWord {
  std::string_view name;
  Fact fact;
  Sayer sayer;
};
constexpr FactWord kFactWords[] = {
#define KEYWORD(name, fact, sayer) {name, Fact::fact, Sayer::sayer},
#define MODIFIER(name, means)
#include "dataplane/contract/facts/keywords.def"
#undef KEYWORD
#undef MODIFIER
};

struct Modifier {
  std::string_view name, means;
};
constexpr Modifier kModifiers[] = {
#define KEYWORD(name, fact, sayer)
#define MODIFIER(name, means) {name, means},
#include "dataplane/contract/facts/keywords.def"
#undef KEYWORD
#undef MODIFIER
};

bool find_buffer(std::string_view name, FactBuffer& out) {
  for (const FactWord& w : kFactWords) {
    if (!same_word(w.name, name)) continue;
    out.name = w.name;
    out.sayer = w.sayer;
    out.facts.push_back(w.fact);
  }
  return !out.facts.empty();
}

constexpr EvidenceKind kind_of(Fact fact) noexcept {
  constexpr EvidenceKind kScopes[] = {
#define FACT(id, scope, type, path) EvidenceKind::scope,
#include "dataplane/contract/facts.def"
#undef FACT
  };
  return kScopes[static_cast<unsigned>(fact)];
}

constexpr bool words_fit() noexcept {
  for (const FactWord& w : kFactWords) {
    unsigned facts = 0;
    for (const FactWord& same : kFactWords) facts += same.name == w.name;
    if (facts > kBufferFactsMax) return false;
  }
  return true;
}
static_assert(words_fit());

// The events in which one of the buffer's facts stands; 0: any.
uint64_t events_of(const FactBuffer& b) noexcept {
  uint64_t kinds = 0;
  for (const Fact f : b.facts) {
    if (kind_of(f) == EvidenceKind::kAny) return 0;
    kinds |= uint64_t{1} << static_cast<unsigned>(kind_of(f));
  }
  return kinds;
}

std::string names_of(uint64_t kinds) {
  std::string names;
  for (unsigned i = 0; i < kEvidenceKinds; ++i) {
    if ((kinds >> i & 1) == 0) continue;
    names += (names.empty() ? "" : ", ") + std::string(evidence_name(static_cast<EvidenceKind>(i)));
  }
  return names;
}

void begin_buffer(Options& o, const Option& option, FactBuffer buffer) {
  buffer.at = option.name_at;
  o.rule.buffers.push_back(std::move(buffer));
  o.in_buffer = true;
}

// `content:"x"; http_uri;`
bool move_content(Options& o, const Option& option, std::string_view means) {
  std::vector<Content>& contents = o.rule.contents;
  if (o.in_buffer || contents.empty()) {
    return o.reader.error(option.name_at,
                          quoted(option.name) + " needs a content of the payload before it");
  }
  const auto same = std::find_if(
      o.rule.buffers.begin(), o.rule.buffers.end(),
      [means](const FactBuffer& b) { return b.by_modifier && b.name == means; });
  Content content = std::move(contents.back());
  contents.pop_back();
  if (same != o.rule.buffers.end()) {
    same->contents.push_back(std::move(content));
    return true;
  }
  FactBuffer buffer;
  find_buffer(means, buffer);
  buffer.at = option.name_at;
  buffer.by_modifier = true;
  buffer.contents.push_back(std::move(content));
  o.rule.buffers.push_back(std::move(buffer));
  return true;
}

// The buffer that a word is about. null: told.
FactBuffer* current(Options& o, const Option& option) {
  if (o.in_buffer) return &o.rule.buffers.back();
  o.reader.error(option.name_at, quoted(option.name) +
                                     " needs a buffer before it, such as dns.query or fact:<name>");
  return nullptr;
}

}  // namespace

std::string fact_keywords(Fact fact) {
  std::string words;
  for (const FactWord& w : kFactWords) {
    if (w.fact == fact) words += (words.empty() ? "" : " ") + std::string(w.name);
  }
  return words;
}

bool read_fact_word(Options& o, const Option& option, bool& told) {
  FactBuffer buffer;
  const auto* modifier =
      std::find_if(std::begin(kModifiers), std::end(kModifiers),
                   [&](const Modifier& m) { return same_word(m.name, option.name); });
  const bool moves = modifier != std::end(kModifiers);
  if (!moves && !find_buffer(option.name, buffer)) return false;
  told = option.has_value;
  if (told) {
    o.reader.error(option.value_at, quoted(option.name) + " takes no value; expected ';'");
  } else if (moves) {
    told = !move_content(o, option, modifier->means);
  } else {
    begin_buffer(o, option, std::move(buffer));
  }
  return true;
}

bool read_fact(Options& o, const Option& option) {
  FactBuffer buffer;
  buffer.name = option.value;
  for (unsigned i = 0; i < kFacts; ++i) {
    const auto fact = static_cast<Fact>(i);
    const FactInfo& info = fact_info(fact);
    if (info.type == FactType::kItem || fact_name(fact) != option.value) continue;
    if (!is_searchable(info.type)) {
      return o.reader.error(option.value_at,
                            quoted(option.value) + " is a " +
                                std::string(fact_type_name(info.type)) +
                                "; expected a fact that is a text, hex or a number");
    }
    if (buffer.facts.size() < kBufferFactsMax) buffer.facts.push_back(fact);
  }
  if (buffer.facts.empty()) return wrong_value(o, option);
  begin_buffer(o, option, std::move(buffer));
  return true;
}

bool read_payload(Options& o, const Option&) {
  o.in_buffer = false;
  return true;
}

bool read_bsize(Options& o, const Option& option) {
  FactBuffer* buffer = current(o, option);
  if (buffer == nullptr) return false;
  if (buffer->size) return o.reader.error(option.name_at, "this buffer already has a bsize");
  SizeRange range;
  if (!read_size_range(option.value, range)) return wrong_value(o, option);
  buffer->size = range;
  return true;
}

bool read_lower_case(Options& o, const Option& option) {
  FactBuffer* buffer = current(o, option);
  if (buffer != nullptr) buffer->lower_case = true;
  return buffer != nullptr;
}

bool read_dot_prefix(Options& o, const Option& option) {
  FactBuffer* buffer = current(o, option);
  if (buffer != nullptr) buffer->dot_prefix = true;
  return buffer != nullptr;
}

bool read_flow(Options& o, const Option& option) {
  static constexpr struct {
    std::string_view name;
    uint8_t flag;
  } kWords[] = {{"to_server", kFlowToServer},
                {"from_client", kFlowToServer},
                {"to_client", kFlowToClient},
                {"from_server", kFlowToClient},
                {"established", kFlowIsEstablished},
                {"not_established", kFlowNotEstablished},
                {"no_stream", kFlowPacketsAlone},
                {"stateless", 0}};
  std::string_view left = option.value;
  while (true) {
    const size_t comma = left.find(',');
    const std::string_view word = trimmed(left.substr(0, comma));
    const auto* known = std::find_if(std::begin(kWords), std::end(kWords),
                                     [word](const auto& w) { return same_word(w.name, word); });
    if (known == std::end(kWords)) return wrong_value(o, option);
    o.rule.flow |= known->flag;
    if (comma == std::string_view::npos) break;
    left.remove_prefix(comma + 1);
  }
  constexpr unsigned kBoth = kFlowToServer | kFlowToClient;
  constexpr unsigned kNever = kFlowIsEstablished | kFlowNotEstablished;
  if ((o.rule.flow & kBoth) == kBoth || (o.rule.flow & kNever) == kNever) {
    return o.reader.error(option.value_at, "no packet is both; expected one of the two");
  }
  return true;
}

void check_buffers(RuleReader& reader, const ParsedRule& rule) {
  constexpr auto kOfDns = uint64_t{1} << static_cast<unsigned>(EvidenceKind::kMdns) |
                          uint64_t{1} << static_cast<unsigned>(EvidenceKind::kLlmnr);
  if (rule.buffers.empty() && rule.applications != 0 && (rule.applications & ~kOfDns) == 0) {
    reader.error(0, names_of(rule.applications) +
                        " is told from dns by its events alone; expected a buffer in this rule");
  }
  uint64_t kinds = 0;  // of events in which all can stand
  for (const FactBuffer& b : rule.buffers) {
    check_contents(reader, b.contents);
    if (b.contents.empty() && !b.size) {
      reader.error(b.at, quoted(b.name) + " stands alone; expected a content or bsize behind it");
    }
    const uint64_t own = events_of(b);
    if (own == 0) continue;
    if (kinds != 0 && (kinds & own) == 0) {
      reader.error(b.at, quoted(b.name) + " is stated in an event of " + names_of(own) +
                             ", the buffers before it in one of " + names_of(kinds) +
                             "; expected buffers of one event");
      return;
    }
    kinds = kinds == 0 ? own : kinds & own;
  }
  if (!rule.buffers.empty() && !rule.contents.empty()) {
    reader.error(rule.contents[0].at,
                 "this content is of the payload, others of this rule are of what is stated; "
                 "expected them in rules of their own");
  }
  if (!rule.buffers.empty() && rule.dsize) {
    reader.error(rule.buffers[0].at,
                 "dsize speaks of a packet, buffers of what several may have brought; expected "
                 "bsize");
  }
  // Events that speak of a flow of another application's: logins, violations, transfers of FTP.
  constexpr auto kOfAll = uint64_t{1} << static_cast<unsigned>(EvidenceKind::kLogin) |
                          uint64_t{1} << static_cast<unsigned>(EvidenceKind::kViolation) |
                          uint64_t{1} << static_cast<unsigned>(EvidenceKind::kFtpData);
  const bool meets = (kinds & (rule.applications | kOfAll)) != 0;
  if (kinds != 0 && rule.applications != 0 && !meets) {
    reader.error(rule.buffers[0].at, quoted(rule.buffers[0].name) + " is never stated in " +
                                         names_of(rule.applications) + "; expected " +
                                         names_of(kinds) + " in the rule's header");
  }
}

}  // namespace weir
