// SPDX-License-Identifier: Apache-2.0
// A rule's header: action, protocol, addresses and ports.
#include <algorithm>
#include <bit>

#include "dataplane/base/bytes.h"
#include "rules/language/options.h"

namespace weir {

namespace {

template <class Value>
struct Named {
  std::string_view name;
  Value value;
};

constexpr Named<RuleAction> kActions[] = {
    {"alert", RuleAction::kAlert},         {"drop", RuleAction::kDrop},
    {"reject", RuleAction::kReject},       {"pass", RuleAction::kPass},
    {"ratelimit", RuleAction::kRateLimit},
};

constexpr Named<RuleProtocol> kProtocols[] = {
    {"tcp", RuleProtocol::kTcp},      {"tcp-pkt", RuleProtocol::kTcpPacket},
    {"udp", RuleProtocol::kUdp},      {"sctp", RuleProtocol::kSctp},
    {"icmp", RuleProtocol::kIcmp},    {"icmpv4", RuleProtocol::kIcmp4},
    {"icmpv6", RuleProtocol::kIcmp6}, {"ip", RuleProtocol::kIp},
    {"ipv4", RuleProtocol::kIp4},     {"ip4", RuleProtocol::kIp4},
    {"ipv6", RuleProtocol::kIp6},     {"ip6", RuleProtocol::kIp6},
};

// Applications that a header may name: those that a parser of ours finds. Of what the others state
// rules learn all the same, by the facts.
bool is_application(EvidenceKind kind) noexcept {
  switch (kind) {
    case EvidenceKind::kFtpData:
    case EvidenceKind::kIcmp:
    case EvidenceKind::kArp:
    case EvidenceKind::kLogin:
    case EvidenceKind::kViolation:
      return false;
    default:
      return true;
  }
}

uint64_t find_application(std::string_view word) noexcept {
  if (same_word("ssl", word)) word = "tls";
  for (unsigned i = 0; i < kEvidenceKinds; ++i) {
    const auto kind = static_cast<EvidenceKind>(i);
    if (is_application(kind) && same_word(evidence_name(kind), word)) return uint64_t{1} << i;
  }
  return 0;
}

template <class Value, size_t N>
const Named<Value>* find_name(const Named<Value> (&table)[N], std::string_view word) noexcept {
  const auto* at = std::find_if(std::begin(table), std::end(table),
                                [word](const auto& row) { return same_word(row.name, word); });
  return at == std::end(table) ? nullptr : at;
}

// One address, prefix or range; one port or range. false: told.
bool read_value(RuleReader& reader, size_t at, std::string_view word, AddressExpr& out);
bool read_value(RuleReader& reader, size_t at, std::string_view word, PortExpr& out);

constexpr std::string_view expected_of(const AddressExpr&) noexcept {
  return "any, an address, address/prefix, $GROUP or [list]";
}
constexpr std::string_view expected_of(const PortExpr&) noexcept {
  return "any, a port, a range first:last, $GROUP or [list]";
}

bool name_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

template <class Expr>
bool read_list(RuleReader& reader, Expr& out, unsigned depth);

// The two kinds of sets share everything but what a single value looks like.
template <class Expr>
bool read_set(RuleReader& reader, Expr& out, unsigned depth) {
  out.place = reader.place(reader.at());
  if (reader.peek() == '!') {
    out.negated = true;
    reader.advance();
  }
  const size_t at = reader.at();
  if (reader.peek() == '[') return read_list(reader, out, depth);
  const std::string_view word = reader.take_word(",[]()");
  if (word.empty()) return reader.error(at, "expected " + std::string(expected_of(out)));
  if (word[0] == '$') {
    out.kind = Expr::Kind::kGroup;
    out.group = word.substr(1);
    if (!out.group.empty() && std::all_of(out.group.begin(), out.group.end(), name_char)) {
      return true;
    }
    return reader.error(at, quoted(word) +
                                " is not a group; expected $ and a name of letters, "
                                "digits, '_' and '-'");
  }
  if (same_word("any", word)) {
    out.kind = Expr::Kind::kAny;
    if (!out.negated) return true;
    return reader.error(at, "'!any' matches nothing; expected any, or what is not to match");
  }
  out.kind = Expr::Kind::kRange;
  return read_value(reader, at, word, out);
}

template <class Expr>
bool read_list(RuleReader& reader, Expr& out, unsigned depth) {
  if (depth >= kListDepthMax) {
    return reader.error(
        reader.at(), "lists may be nested " + std::to_string(kListDepthMax) + " deep, not deeper");
  }
  out.kind = Expr::Kind::kList;
  const size_t open_at = reader.at();
  reader.advance();
  while (true) {
    reader.skip_blanks();
    if (reader.at_end()) return reader.error(open_at, "this list is not closed; expected ']'");
    if (!read_set(reader, out.members.emplace_back(), depth + 1)) return false;
    reader.skip_blanks();
    if (reader.peek() == ']') {
      reader.advance();
      return true;
    }
    if (reader.peek() != ',') {
      return reader.at_end() ? reader.error(open_at, "this list is not closed; expected ']'")
                             : reader.error(reader.at(), "expected ',' or ']' in the list");
    }
    reader.advance();
  }
}

// last: of a prefix, first with all bits behind it set.
IpAddress last_of(const IpPrefix& p) noexcept {
  IpAddress a = p.address;
  for (unsigned bit = p.bits; bit < 128; ++bit) {
    a.bytes[bit / 8] = static_cast<uint8_t>(a.bytes[bit / 8] | (0x80 >> (bit % 8)));
  }
  return a;
}

// 255.255.255.0 -> "24"; anything else is left as it is.
std::string prefix_length_of(std::string_view mask) {
  const auto address = parse_ip_address(mask);
  if (!address || !address->is_v4()) return std::string(mask);
  const uint32_t bits = load_be32(address->bytes.data() + 12);
  const int ones = std::countl_one(bits);
  if (std::popcount(bits) != ones) return std::string(mask);
  return std::to_string(ones);
}

bool read_value(RuleReader& reader, size_t at, std::string_view word, AddressExpr& out) {
  const size_t dash = word.find('-');
  if (dash != std::string_view::npos) {
    const auto first = parse_ip_address(word.substr(0, dash));
    const auto last = parse_ip_address(word.substr(dash + 1));
    if (!first || !last || first->is_v4() != last->is_v4() || *last < *first) {
      return reader.error(at, quoted(word) +
                                  " is not an address range; expected first-last, both "
                                  "IPv4 or both IPv6");
    }
    out.first = *first;
    out.last = *last;
    return true;
  }
  const size_t slash = word.find('/');
  Result<IpPrefix> prefix = slash == std::string_view::npos
                                ? parse_ip_prefix(word)
                                : parse_ip_prefix(std::string(word.substr(0, slash + 1)) +
                                                  prefix_length_of(word.substr(slash + 1)));
  if (!prefix) {
    return reader.error(
        at, quoted(word) + " is not an address; expected " + std::string(expected_of(out)));
  }
  out.first = prefix->address;
  out.last = last_of(*prefix);
  return true;
}

bool read_value(RuleReader& reader, size_t at, std::string_view word, PortExpr& out) {
  const size_t colon = word.find(':');
  const std::string_view first = word.substr(0, colon);
  const std::string_view last = colon == std::string_view::npos ? first : word.substr(colon + 1);
  uint64_t low = 0, high = 65535;
  const bool open_both = first.empty() && last.empty();
  if (open_both || (!first.empty() && !read_number(first, 0, 65535, low)) ||
      (!last.empty() && !read_number(last, 0, 65535, high)) || low > high) {
    return reader.error(at, quoted(word) + " is not a port from 0 to 65535; expected " +
                                std::string(expected_of(out)));
  }
  out.first = static_cast<uint16_t>(low);
  out.last = static_cast<uint16_t>(high);
  return true;
}

bool read_direction(RuleReader& reader, ParsedRule& rule) {
  const size_t at = reader.at();
  const std::string_view word = reader.take_word("(");
  if (word == "->") {
    rule.direction = RuleDirection::kForward;
    return true;
  }
  if (word == "<>") {
    rule.direction = RuleDirection::kBoth;
    return true;
  }
  return reader.error(at, (word.empty() ? std::string("the rule ends too early")
                                        : quoted(word) + " is not a direction") +
                              "; expected -> or <>");
}

bool has_ports(RuleProtocol p) noexcept {
  return p != RuleProtocol::kIcmp && p != RuleProtocol::kIcmp4 && p != RuleProtocol::kIcmp6;
}

}  // namespace

bool read_addresses(RuleReader& reader, AddressExpr& out) {
  return read_set(reader, out, 0);
}
bool read_ports(RuleReader& reader, PortExpr& out) {
  return read_set(reader, out, 0);
}

bool read_header(RuleReader& reader, ParsedRule& rule) {
  reader.skip_blanks();
  const size_t start = reader.at();
  rule.place = reader.place(start);
  const std::string_view action = reader.take_word();
  const auto* known_action = find_name(kActions, action);
  if (known_action == nullptr) {
    return reader.error(start, quoted(action) +
                                   " is not an action known here; expected alert, "
                                   "drop, reject, pass or ratelimit");
  }
  rule.action = known_action->value;

  reader.skip_blanks();
  const size_t protocol_at = reader.at();
  const std::string_view protocol = reader.take_word();
  const auto* known_protocol = find_name(kProtocols, protocol);
  if (known_protocol != nullptr) {
    rule.protocol = known_protocol->value;
  } else if (rule.applications = find_application(protocol); rule.applications != 0) {
    rule.protocol = RuleProtocol::kApplication;
  } else {  // what follows is still a header
    reader.error(protocol_at,
                 quoted(protocol) +
                     " is not a protocol known here; expected tcp, tcp-pkt, udp, sctp, "
                     "icmp, icmpv4, icmpv6, ip, ipv4, ipv6, or an application such as dns, http "
                     "or tls (weir fields lists them before the dot)");
  }

  reader.skip_blanks();
  if (!read_addresses(reader, rule.src)) return false;
  reader.skip_blanks();
  const size_t src_ports_at = reader.at();
  if (!read_ports(reader, rule.src_ports)) return false;
  reader.skip_blanks();
  if (!read_direction(reader, rule)) return false;
  reader.skip_blanks();
  if (!read_addresses(reader, rule.dst)) return false;
  reader.skip_blanks();
  const size_t dst_ports_at = reader.at();
  if (!read_ports(reader, rule.dst_ports)) return false;

  if (known_protocol != nullptr && !has_ports(rule.protocol)) {
    const bool src = rule.src_ports.kind != PortExpr::Kind::kAny;
    if (src || rule.dst_ports.kind != PortExpr::Kind::kAny) {
      reader.warn(src ? src_ports_at : dst_ports_at,
                  "ICMP has no ports, so this rule never matches; expected any");
    }
  }
  return true;
}

}  // namespace weir
