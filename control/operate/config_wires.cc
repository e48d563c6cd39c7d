// SPDX-License-Identifier: Apache-2.0
// The wires: a list of {name, a, b, mode, inspect, fail, bypass, link_propagation,
// link_debounce_ms}.
#include <algorithm>
#include <cstring>
#include <set>

#include <net/if.h>
#include <unistd.h>

#include <fmt/format.h>

#include "control/operate/config_table.h"
#include "control/operate/config_value.h"

namespace weir::operate {

namespace {

constexpr std::string_view kModes[] = {"tap", "simulate", "enforce"};
constexpr std::string_view kSides[] = {"a", "b"};
constexpr std::string_view kPolicies[] = {"open", "closed"};

Wrong wrong(const YAML::Node& node, std::string wanted) {
  return Wrong{std::move(wanted), node.Mark(), spelled(node)};
}
Wrong sentence(const YAML::Mark& mark, std::string message) {
  return Wrong{std::move(message), mark, {}, true};
}

Outcome read_wire_name(const YAML::Node& node, WireSettings& wire) {
  const bool good =
      node.IsScalar() && !node.Scalar().empty() && node.Scalar().size() < sizeof wire.name &&
      std::all_of(node.Scalar().begin(), node.Scalar().end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
      });
  if (!good)
    return sentence(
        node.Mark(),
        fmt::format("a wire's 'name' must be at most 31 letters, digits, '-', '_' or '.', not {}",
                    spelled(node)));
  std::memcpy(wire.name, node.Scalar().data(), node.Scalar().size());
  return {};
}

std::vector<std::string> fail_causes() {
  std::vector<std::string> names;
  for (unsigned i = 0; i < kFailCauses; ++i) {
    names.emplace_back(fail_cause_name(static_cast<FailCause>(i)));
  }
  return names;
}

// `open`, `closed` or a map of causes.
Outcome read_fail(const YAML::Node& node, const YAML::Mark& mark, WireSettings& wire) {
  const auto policy_of = [](const YAML::Node& n) {
    return n.IsScalar() ? read_choice(n.Scalar(), kPolicies) : std::nullopt;
  };
  if (const auto all = policy_of(node)) {
    std::fill(std::begin(wire.fail), std::end(wire.fail), static_cast<FailPolicy>(*all));
    return {};
  }
  const std::vector<std::string> causes = fail_causes();
  if (!node.IsMap()) {
    return sentence(mark, fmt::format("a wire's 'fail' must be open, closed or a map of {} to one "
                                      "of the two, not {}",
                                      fmt::join(causes, ", "), spelled(node)));
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string cause = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const auto at = std::find(causes.begin(), causes.end(), cause);
    if (at == causes.end()) {
      const auto meant = nearest(cause, causes);
      return sentence(entry.first.Mark(),
                      fmt::format("unknown cause {} in a wire's 'fail'; {}", spelled(entry.first),
                                  meant ? "did you mean '" + *meant + "'?"
                                        : fmt::format("known: {}", fmt::join(causes, ", "))));
    }
    if (!seen.insert(cause).second) {
      return sentence(entry.first.Mark(), fmt::format("'{}' is there twice in one 'fail'", cause));
    }
    const auto policy = policy_of(entry.second);
    if (!policy) {
      return sentence(
          entry.second.Mark().is_null() ? entry.first.Mark() : entry.second.Mark(),
          fmt::format("'{}' must be open or closed, not {}", cause, spelled(entry.second)));
    }
    wire.fail[at - causes.begin()] = static_cast<FailPolicy>(*policy);
  }
  return {};
}

constexpr size_t kBypassWordsMax = 32;

Outcome read_command(const YAML::Node& node, const YAML::Mark& mark, BypassCommand& bypass) {
  constexpr std::string_view kWanted =
      "a list of words, the first one the absolute path of a program";
  if (!node.IsSequence() || node.size() == 0 || node.size() > kBypassWordsMax) {
    return sentence(mark,
                    fmt::format("a bypass 'command' must be {}, not {}", kWanted, spelled(node)));
  }
  for (const YAML::Node& word : node) {
    const bool good = word.IsScalar() && !word.Scalar().empty() &&
                      word.Scalar().find('\0') == std::string::npos &&
                      (!bypass.words.empty() || word.Scalar().starts_with('/'));
    if (!good) {
      return sentence(word.Mark(), fmt::format("a bypass 'command' must be {}, not {} here",
                                               kWanted, spelled(word)));
    }
    bypass.words.push_back(word.Scalar());
  }
  return {};
}

Outcome read_bypass_time(const std::string& key, const YAML::Node& node, const YAML::Mark& mark,
                         TimeNs least_ns, TimeNs& time_ns) {
  constexpr TimeNs kMost = 60 * kNsPerSecond;
  const auto value = node.IsScalar() ? read_duration(node.Scalar()) : std::nullopt;
  if (!value || (*value < least_ns && *value != 0) || *value > kMost ||
      (*value == 0 && key == "timeout")) {
    return sentence(
        mark, fmt::format("a bypass '{}' must be {}, from {} to {}{}, not {}", key, kDurationWanted,
                          write_duration(least_ns), write_duration(kMost),
                          key == "timeout" ? "" : ", or 0s", spelled(node)));
  }
  time_ns = *value;
  return {};
}

Outcome read_wire_switch(const std::string& key, const YAML::Node& node, const YAML::Mark& mark,
                         uint8_t& is_on) {
  const auto value = node.IsScalar() ? read_switch(node.Scalar()) : std::nullopt;
  if (!value) {
    return sentence(mark,
                    fmt::format("a wire's '{}' must be true or false, not {}", key, spelled(node)));
  }
  is_on = *value ? 1 : 0;
  return {};
}

Outcome unknown_wire_key(const YAML::Mark& at, const std::string& key, std::string_view where,
                         std::span<const std::string> known) {
  const auto meant = nearest(key, known);
  return sentence(at, fmt::format("unknown key {} in {}; {}", spelled(YAML::Node(key)), where,
                                  meant ? "did you mean '" + *meant + "'?"
                                        : fmt::format("known here: {}", fmt::join(known, ", "))));
}

Outcome read_bypass(const YAML::Node& node, const YAML::Mark& mark, WireSettings& wire,
                    BypassCommand& bypass) {
  static const std::vector<std::string> known = {"command", "timeout", "heartbeat", "nic"};
  if (!node.IsMap()) {
    return sentence(mark, fmt::format("a wire's 'bypass' must be a map such as {{command: "
                                      "[/usr/local/sbin/relay, eth1], timeout: 2s}}, not {}",
                                      spelled(node)));
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const YAML::Mark at = entry.second.Mark().is_null() ? entry.first.Mark() : entry.second.Mark();
    if (!seen.insert(key).second) {
      return sentence(entry.first.Mark(), fmt::format("'{}' is there twice in one 'bypass'", key));
    }
    Outcome bad;
    if (key == "command") {
      bad = read_command(entry.second, at, bypass);
    } else if (key == "timeout") {
      bad = read_bypass_time(key, entry.second, at, 100 * kNsPerMs, bypass.time_ns);
    } else if (key == "heartbeat") {
      bad = read_bypass_time(key, entry.second, at, 50 * kNsPerMs, bypass.beat_every_ns);
    } else if (key == "nic") {
      bad = read_wire_switch(key, entry.second, at, wire.bypass_nic);
    } else {
      bad = unknown_wire_key(entry.first.Mark(), key, "a wire's 'bypass'", known);
    }
    if (bad) return bad;
  }
  if (bypass.words.empty() && (seen.contains("timeout") || seen.contains("heartbeat"))) {
    return sentence(mark, "a bypass 'timeout' or 'heartbeat' needs a 'command'");
  }
  return {};
}

Outcome read_debounce(const YAML::Node& node, const YAML::Mark& mark, WireSettings& wire) {
  constexpr int64_t kMostMs = 60'000;
  const auto value = node.IsScalar() ? read_whole_number(node.Scalar()) : std::nullopt;
  if (!value || *value < 0 || *value > kMostMs) {
    return sentence(mark, fmt::format("a wire's 'link_debounce_ms' must be a whole number from 0 "
                                      "to {}, not {}",
                                      kMostMs, spelled(node)));
  }
  wire.link_debounce_ns = *value * kNsPerMs;
  return {};
}

Outcome read_wire_port(const std::string& key, const YAML::Node& node, const YAML::Mark& mark,
                       PortSettings& side) {
  auto port =
      node.IsScalar() ? read_port(node.Scalar()) : Result<PortSettings>(fail("the name of a port"));
  if (!port) {
    return sentence(mark, fmt::format("a wire's '{}' must be {}, not {}", key, port.error().message,
                                      spelled(node)));
  }
  side = *port;
  return {};
}

Outcome read_wire_key(const std::string& key, const YAML::Node& node, const YAML::Mark& at,
                      WireSettings& wire, BypassCommand& bypass) {
  static const std::vector<std::string> known = {"name",
                                                 "a",
                                                 "b",
                                                 "mode",
                                                 "inspect",
                                                 "fail",
                                                 "bypass",
                                                 "link_propagation",
                                                 "link_debounce_ms"};
  const YAML::Mark mark = node.Mark().is_null() ? at : node.Mark();
  if (key == "name") return read_wire_name(node, wire);
  if (key == "mode") {
    const auto mode = node.IsScalar() ? read_choice(node.Scalar(), kModes) : std::nullopt;
    if (!mode) {
      return sentence(mark, fmt::format("a wire's 'mode' must be {}, not {}", choice_of(kModes),
                                        spelled(node)));
    }
    wire.mode = static_cast<Mode>(*mode);
    return {};
  }
  if (key == "inspect") {
    uint8_t inspects = 1;
    const Outcome bad = read_wire_switch(key, node, mark, inspects);
    wire.uninspected = inspects == 0 ? 1 : 0;
    return bad;
  }
  if (key == "fail") return read_fail(node, mark, wire);
  if (key == "bypass") return read_bypass(node, mark, wire, bypass);
  if (key == "link_propagation") return read_wire_switch(key, node, mark, wire.link_propagation);
  if (key == "link_debounce_ms") return read_debounce(node, mark, wire);
  const auto side = read_choice(key, kSides);
  if (!side) return unknown_wire_key(at, key, "a wire", known);
  return read_wire_port(key, node, mark, wire.side[*side]);
}

Outcome read_wire(const YAML::Node& node, WireSettings& wire, BypassCommand& bypass) {
  if (!node.IsMap()) return wrong(node, "a list of wires, each {name: wire0, a: eth1, b: eth2}");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const YAML::Mark at = entry.first.Mark();
    if (!entry.first.IsScalar()) return sentence(at, "a key must be a word");
    const std::string& key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      return sentence(at, fmt::format("'{}' is there twice in one wire", key));
    }
    if (auto bad = read_wire_key(key, entry.second, at, wire, bypass); bad) return bad;
  }
  for (const char* key : {"name", "a", "b"}) {
    if (!seen.contains(key)) {
      return sentence(node.Mark(),
                      fmt::format("this wire has no '{}'; each needs name, a and b", key));
    }
  }
  return {};
}

bool same_port(const PortSettings& x, const PortSettings& y) {
  return std::strcmp(x.name, y.name) == 0;  // eth1 by AF_XDP and by AF_PACKET is one port
}

Outcome check_against_others(const YAML::Node& node, const Settings& settings, uint32_t i) {
  const WireSettings& wire = settings.wire[i];
  if (same_port(wire.side[0], wire.side[1])) {
    return sentence(node["b"].Mark(), fmt::format("wire '{}' has port {} on both sides", wire.name,
                                                  wire.side[0].name));
  }
  for (uint32_t other = 0; other < i; ++other) {
    const WireSettings& earlier = settings.wire[other];
    if (std::strcmp(earlier.name, wire.name) == 0) {
      return sentence(node["name"].Mark(), fmt::format("two wires are named '{}'", wire.name));
    }
    for (unsigned side = 0; side < 4; ++side) {
      if (!same_port(wire.side[side / 2], earlier.side[side % 2])) continue;
      return sentence(
          node[std::string(kSides[side / 2])].Mark(),
          fmt::format("port {} is already in wire '{}'", wire.side[side / 2].name, earlier.name));
    }
  }
  return {};
}

bool port_exists(const PortSettings& port) {
  switch (port.kind) {
    case PortKind::kAfXdp:
    case PortKind::kAfPacket:
      return if_nametoindex(port.name) != 0;
    case PortKind::kPci:
      return access((std::string("/sys/bus/pci/devices/") + port.name).c_str(), F_OK) == 0;
    case PortKind::kVdev:
      return true;  // DPDK makes it
  }
  return false;
}

std::string interfaces_here() {
  std::vector<std::string> names;
  struct if_nameindex* list = if_nameindex();
  for (auto* i = list; i != nullptr && i->if_index != 0 && names.size() < 16; ++i) {
    if (std::string_view(i->if_name) != "lo") names.emplace_back(i->if_name);
  }
  if (list != nullptr) if_freenameindex(list);
  return names.empty() ? "none but lo" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Outcome read_wires(const YAML::Node& node, Config& config) {
  config.settings.wires = 0;
  if (!node.IsSequence()) {
    return wrong(node, "a list of wires, each {name: wire0, a: eth1, b: eth2, mode: enforce}");
  }
  if (node.size() > kWiresMax) {
    return sentence(node[kWiresMax].Mark(), fmt::format("more than {} wires", kWiresMax));
  }
  for (size_t i = 0; i < node.size(); ++i) {
    auto& wire = config.settings.wire[i] = WireSettings{};
    auto& bypass = config.bypass[i] = BypassCommand{};
    if (auto bad = read_wire(node[i], wire, bypass); bad) return bad;
    if (auto bad = check_against_others(node[i], config.settings, static_cast<uint32_t>(i)); bad) {
      return bad;
    }
    ++config.settings.wires;
  }
  return {};
}

std::string write_wires(const Config& config) {
  if (config.settings.wires == 0) {
    return "[]\n"
           "# wires:\n"
           "#   - name: wire0\n"
           "#     a: eth1          # interface (AF_XDP), af_packet:eth1, PCI address, net_...\n"
           "#     b: eth2\n"
           "#     mode: enforce    # tap (never drops), simulate (says what it would), enforce\n"
           "#     inspect: true    # false: only forwards and counts, neither tracked nor told of\n"
           "#     fail: open       # what passes uninspected when something is wrong: open, "
           "closed, or\n"
           "#                      # {overload: closed, control-gone: open, ...}\n"
           "#     link_propagation: false  # a port without link takes the other one down\n"
           "#     link_debounce_ms: 100    # when it has been so for this long\n"
           "#     bypass: {nic: false}     # true: PCI cards with a relay (ixgbe); or a command, "
           "which gets on,\n"
           "#                      # off or beat: {command: [/usr/local/sbin/relay], timeout: 2s, "
           "heartbeat: 0s}";
  }
  std::string out;
  for (uint32_t i = 0; i < config.settings.wires; ++i) {
    const WireSettings& wire = config.settings.wire[i];
    out += fmt::format("\n  - name: {}\n    a: {}\n    b: {}\n    mode: {}\n    inspect: {}",
                       write_quoted(wire.name), write_quoted(write_port(wire.side[0])),
                       write_quoted(write_port(wire.side[1])), mode_name(wire.mode),
                       wire.uninspected == 0);
    for (unsigned cause = 0; cause < kFailCauses; ++cause) {
      out += fmt::format("{}{}: {}", cause == 0 ? "\n    fail: {" : ", ",
                         fail_cause_name(static_cast<FailCause>(cause)),
                         fail_policy_name(wire.fail[cause]));
    }
    out += fmt::format(
        "}}\n    link_propagation: {}\n    link_debounce_ms: {}\n    bypass: {{nic: {}",
        wire.link_propagation != 0, wire.link_debounce_ns / kNsPerMs, wire.bypass_nic != 0);
    if (const BypassCommand& bypass = config.bypass[i]; !bypass.words.empty()) {
      std::string words;
      for (const std::string& word : bypass.words) {
        words += (words.empty() ? "" : ", ") + write_quoted(word);
      }
      out += fmt::format(", command: [{}], timeout: {}, heartbeat: {}", words,
                         write_duration(bypass.time_ns), write_duration(bypass.beat_every_ns));
    }
    out += "}";
  }
  return out;
}

Outcome check_ports_exist(const YAML::Node& node, const Config& config) {
  if (config.settings.wires == 0) {
    return sentence(node ? node.Mark() : YAML::Mark(),
                    "there is no wire; give at least one under 'wires': "
                    "{name: wire0, a: eth1, b: eth2, mode: enforce}");
  }
  for (uint32_t i = 0; i < config.settings.wires; ++i) {
    for (unsigned side = 0; side < 2; ++side) {
      const PortSettings& port = config.settings.wire[i].side[side];
      if (port_exists(port)) continue;
      const YAML::Mark mark = node[i][std::string(kSides[side])].Mark();
      if (port.kind == PortKind::kPci) {
        return sentence(mark, fmt::format("there is no PCI device {} here", port.name));
      }
      return sentence(mark, fmt::format("there is no interface '{}' here; there is {}", port.name,
                                        interfaces_here()));
    }
  }
  return {};
}

}  // namespace weir::operate
