// SPDX-License-Identifier: Apache-2.0
// The compiled matcher against the obvious one: recursion over the syntax tree, one rule at a time,
// over random rules and packets made of so few letters, addresses and ports that they often meet.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/rules/packets.h"

namespace weir {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <class T, size_t N>
  const T& of(const T (&items)[N]) {
    return items[below(N)];
  }
  std::string letters(unsigned least, unsigned most) {
    static constexpr char kLetters[] = {'a', 'a', 'b', 'A', 'B', 'x'};
    std::string s;
    for (unsigned n = least + below(most - least + 1); n > 0; --n) s += of(kLetters);
    return s;
  }

 private:
  std::mt19937_64 random_;
};

constexpr const char* kAddresses[] = {"10.0.0.1", "10.0.0.2", "10.0.1.1", "fd00::1", "fd00::2"};
constexpr uint16_t kPorts[] = {79, 80, 81, 443};

std::string random_addresses(Dice& d) {
  static constexpr const char* kSets[] = {"any",
                                          "any",
                                          "10.0.0.1",
                                          "!10.0.0.1",
                                          "10.0.0.0/24",
                                          "[10.0.0.0/24,!10.0.0.2]",
                                          "fd00::/64",
                                          "[10.0.0.2,fd00::1]",
                                          "![10.0.0.0/24,fd00::2]",
                                          "10.0.0.2-10.0.1.1",
                                          "::/0",
                                          "$NET",
                                          "!$NET",
                                          "[$NET,!10.0.0.1]"};
  return d.of(kSets);
}

std::string random_ports(Dice& d) {
  static constexpr const char* kSets[] = {"any", "any",          "any",    "80",
                                          "!80", "[79,81]",      "80:81",  ":80",
                                          "81:", "[79:443,!80]", "$PORTS", "!$PORTS"};
  return d.of(kSets);
}

std::string random_content(Dice& d) {
  const std::string bytes = d.letters(1, 3);
  std::string out = std::string("content:") + (d.one_in(5) ? "!" : "") + "\"" + bytes + "\";";
  if (d.one_in(3)) out += " nocase;";
  const auto n = [&](int least, unsigned most) {
    return std::to_string(least + static_cast<int>(d.below(most)));
  };
  switch (d.below(8)) {
    case 0:
      out += " offset:" + n(0, 6) + ";";
      break;
    case 1:
      out += " depth:" + n(static_cast<int>(bytes.size()), 6) + ";";
      break;
    case 2:
      out += " startswith;";
      break;
    case 3:
      out += " distance:" + n(-3, 7) + ";";
      break;
    case 4:
      out += " within:" + n(static_cast<int>(bytes.size()), 6) + ";";
      break;
    case 5:
      out += " distance:" + n(-3, 7) + "; within:" + n(static_cast<int>(bytes.size()), 6) + ";";
      break;
    default:
      break;
  }
  if (d.one_in(8)) out += " endswith;";
  return out;
}

std::string random_rule(Dice& d, unsigned sid) {
  static constexpr const char* kActions[] = {"alert", "alert", "alert", "drop", "reject"};
  static constexpr const char* kProtocols[] = {"tcp", "tcp", "udp", "ip", "ip6", "ip4", "icmp"};
  const std::string protocol = d.of(kProtocols);
  const bool ports = protocol != "icmp";
  std::string out = d.one_in(60) ? "pass" : d.of(kActions);
  out += " " + protocol + " " + random_addresses(d) + " " + (ports ? random_ports(d) : "any") +
         (d.one_in(3) ? " <> " : " -> ") + random_addresses(d) + " " +
         (ports ? random_ports(d) : "any") + " (";
  for (unsigned n = d.below(5); n > 0; --n) out += random_content(d) + " ";
  if (d.one_in(6)) out += "dsize:>" + std::to_string(d.below(20)) + "; ";
  return out + "priority:" + std::to_string(1 + d.below(2)) + "; sid:" + std::to_string(sid) +
         ";)\n";
}

struct Groups {
  AddressExpr net = *parse_address_group("[10.0.0.0/24,fd00::1]");
  PortExpr ports = *parse_port_group("[80,443]");
  const AddressExpr& of(const AddressExpr&) const { return net; }
  const PortExpr& of(const PortExpr&) const { return ports; }
};

bool same_family(const AddressExpr& e, const IpAddress& a) {
  return e.first.is_v4() == a.is_v4();
}
bool same_family(const PortExpr&, uint16_t) {
  return true;
}

template <class Expr, class Value>
bool naive_in(const Expr& e, const Value& v, const Groups& groups) {
  bool in = false;
  switch (e.kind) {
    case Expr::Kind::kAny:
      in = true;
      break;
    case Expr::Kind::kRange:
      in = same_family(e, v) && e.first <= v && v <= e.last;
      break;
    case Expr::Kind::kGroup:
      in = naive_in(groups.of(e), v, groups);
      break;
    case Expr::Kind::kList: {
      bool any_plain = false, plain = false, negated = false;
      for (const Expr& m : e.members) {
        Expr bare = m;
        bare.negated = false;
        const bool member = naive_in(bare, v, groups);
        any_plain = any_plain || !m.negated;
        (m.negated ? negated : plain) |= member;
      }
      in = (plain || !any_plain) && !negated;
    }
  }
  return in != e.negated;
}

char folded(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool occurs_at(const Content& c, const std::string& payload, int at) {
  if (at < 0 || at + c.bytes.size() > payload.size()) return false;
  for (size_t i = 0; i < c.bytes.size(); ++i) {
    const char a = payload[at + i], b = c.bytes[i];
    if (c.nocase ? folded(a) != folded(b) : a != b) return false;
  }
  const int end = at + static_cast<int>(c.bytes.size());
  if (c.endswith && end != static_cast<int>(payload.size())) return false;
  return !c.startswith || at == 0;
}

bool placed(const Content& c, int at, int before) {
  const int end = at + static_cast<int>(c.bytes.size());
  if (c.distance || c.within) {
    const int from = before + c.distance.value_or(0);
    return at >= from && (!c.within || end <= from + *c.within);
  }
  const int from = c.offset.value_or(0);
  return at >= from && (!c.depth || end <= from + *c.depth);
}

bool naive_contents(const std::vector<Content>& all, size_t i, int before,
                    const std::string& payload) {
  if (i == all.size()) return true;
  const Content& c = all[i];
  bool found = false;
  for (int at = 0; at < static_cast<int>(payload.size()); ++at) {
    if (!occurs_at(c, payload, at) || !placed(c, at, before)) continue;
    found = true;
    const int end = at + static_cast<int>(c.bytes.size());
    if (!c.negated && naive_contents(all, i + 1, end, payload)) return true;
  }
  return c.negated && !found && naive_contents(all, i + 1, before, payload);
}

bool has_ports(uint8_t proto) {
  return proto == kProtoTcp || proto == kProtoUdp;
}

bool naive_protocol(RuleProtocol p, const Spec& s) {
  const bool v6 = s.src.find(':') != std::string::npos;
  switch (p) {
    case RuleProtocol::kTcp:
      return s.proto == kProtoTcp;
    case RuleProtocol::kUdp:
      return s.proto == kProtoUdp;
    case RuleProtocol::kIcmp:
      return s.proto == kProtoIcmp || s.proto == kProtoIcmp6;
    case RuleProtocol::kIp4:
      return !v6;
    case RuleProtocol::kIp6:
      return v6;
    default:
      return true;
  }
}

bool naive_match(const ParsedRule& r, const Spec& s, const Groups& groups) {
  if (!naive_protocol(r.protocol, s)) return false;
  const int size = static_cast<int>(s.payload.size());
  if (r.dsize && (size < r.dsize->min || size > r.dsize->max)) return false;
  if (!r.contents.empty() && size == 0) return false;
  const bool ports =
      r.src_ports.kind != PortExpr::Kind::kAny || r.dst_ports.kind != PortExpr::Kind::kAny;
  if (ports && !has_ports(s.proto)) return false;
  const IpAddress src = *parse_ip_address(s.src), dst = *parse_ip_address(s.dst);
  const auto ends = [&](const IpAddress& a, uint16_t ap, const IpAddress& b, uint16_t bp) {
    return naive_in(r.src, a, groups) && naive_in(r.dst, b, groups) &&
           (!ports || (naive_in(r.src_ports, ap, groups) && naive_in(r.dst_ports, bp, groups)));
  };
  if (!ends(src, s.src_port, dst, s.dst_port) &&
      !(r.direction == RuleDirection::kBoth && ends(dst, s.dst_port, src, s.src_port))) {
    return false;
  }
  return naive_contents(r.contents, 0, 0, s.payload);
}

std::vector<uint32_t> naive_sids(const RuleSet& set, const Spec& s, const Groups& groups) {
  std::vector<const ParsedRule*> found;
  for (const ParsedRule& r : set.rules) {
    if (naive_match(r, s, groups)) found.push_back(&r);
  }
  std::sort(found.begin(), found.end(), [](const ParsedRule* a, const ParsedRule* b) {
    return std::tuple(static_cast<int>(a->action), *a->priority, a->sid) <
           std::tuple(static_cast<int>(b->action), *b->priority, b->sid);
  });
  std::vector<uint32_t> sids;
  for (const ParsedRule* r : found) sids.push_back(r->sid);
  if (!found.empty() && found[0]->action == RuleAction::kPass) sids.resize(1);
  if (sids.size() > kHitsMax) sids.resize(kHitsMax);
  return sids;
}

Spec random_packet(Dice& d) {
  static constexpr uint8_t kProtos[] = {kProtoTcp, kProtoTcp, kProtoTcp, kProtoUdp, kProtoIcmp, 47};
  Spec s;
  s.payload = d.letters(0, d.one_in(4) ? 300 : 24);
  s.proto = d.of(kProtos);
  do {
    s.src = d.of(kAddresses);
    s.dst = d.of(kAddresses);
  } while ((s.src.find(':') == std::string::npos) != (s.dst.find(':') == std::string::npos));
  s.src_port = d.of(kPorts);
  s.dst_port = d.of(kPorts);
  s.inspect = Inspect::kFirstOfDirection;
  return s;
}

TEST(MatchDifferential, AgreesWithTheObviousWay) {
  const Groups groups;
  CompileSettings settings;
  settings.address_groups = {{"NET", "[10.0.0.0/24,fd00::1]"}};
  settings.port_groups = {{"PORTS", "[80,443]"}};
  size_t hits = 0, packets = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Dice d(seed);
    std::string text;
    const unsigned rules = seed % 10 == 0 ? 300 : 1 + d.below(40);
    for (unsigned sid = 1; sid <= rules; ++sid) text += random_rule(d, sid);
    const RuleBench bench(text, settings);
    ASSERT_EQ(bench.error, "") << "seed " << seed;
    ASSERT_EQ(bench.set.rules.size(), rules);
    for (int i = 0; i < 150; ++i, ++packets) {
      const Spec s = random_packet(d);
      const auto expected = naive_sids(bench.set, s, groups);
      hits += expected.size();
      ASSERT_EQ(bench.sids(s), expected)
          << "seed " << seed << " packet " << i << " proto " << int{s.proto} << " " << s.src << ":"
          << s.src_port << " -> " << s.dst << ":" << s.dst_port << " '" << s.payload << "'\n"
          << text;
    }
  }
  EXPECT_GT(hits, packets / 2) << "rules and packets that never meet prove nothing";
}

}  // namespace
}  // namespace weir
