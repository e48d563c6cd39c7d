// SPDX-License-Identifier: Apache-2.0
#include "control/operate/config_table.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "control/operate/config_value.h"

namespace weir::operate {

namespace {

constexpr std::string_view kHugepages[] = {"auto", "off", "required"};
constexpr std::string_view kIdle[] = {"auto", "sleep", "spin"};
constexpr std::string_view kChecksums[] = {"ignore", "verify"};
constexpr std::string_view kUrgent[] = {"clear", "keep"};
constexpr std::string_view kBadRules[] = {"refuse", "skip"};
constexpr std::string_view kEveTypes[] = {"alert", "drop", "flow", "stats", "anomaly"};
constexpr int64_t kCpuMost = 1023;
constexpr unsigned kListMax = 4096;  // entries of any list or map in the file

Wrong wrong(const YAML::Node& node, std::string wanted) {
  return Wrong{std::move(wanted), node.Mark(), spelled(node)};
}
Wrong sentence(const YAML::Node& node, std::string message) {
  return Wrong{std::move(message), node.Mark(), {}, true};
}

// Rows of one kind each. `at` picks the member out of a Config.
template <class At>
Row whole(std::string path, std::string help, int64_t least, int64_t most, At at) {
  const std::string wanted = fmt::format("a whole number from {} to {}", least, most);
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            const auto value = node.IsScalar() ? read_whole_number(node.Scalar()) : std::nullopt;
            if (!value || *value < least || *value > most) return wrong(node, wanted);
            auto& member = at(c);
            member = static_cast<std::decay_t<decltype(member)>>(*value);
            return {};
          },
          [=](const Config& c) { return fmt::format("{}", at(const_cast<Config&>(c))); }};
}

// none: what stands for auto.
template <class At>
Row auto_or_whole(std::string path, std::string help, int64_t least, int64_t most, int none,
                  At at) {
  const Row number = whole(path, help, least, most, at);
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            if (!node.IsScalar() || node.Scalar() != "auto") {
              Outcome bad = number.read(node, c);
              if (bad) bad->wanted = "auto or " + bad->wanted;
              return bad;
            }
            auto& member = at(c);
            member = static_cast<std::decay_t<decltype(member)>>(none);
            return {};
          },
          [=](const Config& c) {
            const auto value = static_cast<int64_t>(at(const_cast<Config&>(c)));
            return value == none ? "auto" : std::to_string(value);
          }};
}

template <class At>
Row fraction(std::string path, std::string help, At at) {
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            const auto value = node.IsScalar() ? read_fraction(node.Scalar()) : std::nullopt;
            if (!value || *value <= 0 || *value >= 1) {
              return wrong(node, "a number between 0 and 1, both excluded, such as 0.01 or 1e-5");
            }
            at(c) = *value;
            return {};
          },
          [=](const Config& c) { return write_fraction(at(const_cast<Config&>(c))); }};
}

template <class At>
Row duration(std::string path, std::string help, TimeNs least, TimeNs most, At at) {
  const std::string wanted = fmt::format("{}, from {} to {}", kDurationWanted,
                                         write_duration(least), write_duration(most));
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            const auto value = node.IsScalar() ? read_duration(node.Scalar()) : std::nullopt;
            if (!value || *value < least || *value > most) return wrong(node, wanted);
            at(c) = *value;
            return {};
          },
          [=](const Config& c) { return write_duration(at(const_cast<Config&>(c))); }};
}

template <class At>
Row on_off(std::string path, std::string help, At at) {
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            const auto value = node.IsScalar() ? read_switch(node.Scalar()) : std::nullopt;
            if (!value) return wrong(node, "true or false");
            at(c) = *value;
            return {};
          },
          [=](const Config& c) { return at(const_cast<Config&>(c)) ? "true" : "false"; }};
}

template <class At>
Row choice(std::string path, std::string help, std::span<const std::string_view> names, At at) {
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            const auto value = node.IsScalar() ? read_choice(node.Scalar(), names) : std::nullopt;
            if (!value) return wrong(node, choice_of(names));
            auto& member = at(c);
            member = static_cast<std::decay_t<decltype(member)>>(*value);
            return {};
          },
          [=](const Config& c) {
            return std::string(names[static_cast<unsigned>(at(const_cast<Config&>(c)))]);
          }};
}

Row folder(std::string path, std::string help, std::string Config::*member) {
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            const bool good = node.IsScalar() && node.Scalar().starts_with('/') &&
                              node.Scalar().size() < 80 &&  // a Unix socket's path ends at 107
                              node.Scalar().find('\0') == std::string::npos;
            if (!good) return wrong(node, "an absolute path of less than 80 characters");
            c.*member = node.Scalar();
            return {};
          },
          [=](const Config& c) { return write_quoted(c.*member); }};
}

bool is_name(std::string_view text, size_t most) {
  return !text.empty() && text.size() <= most && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
         });
}

Outcome read_instance(const YAML::Node& node, Config& c) {
  if (!node.IsScalar() || !is_name(node.Scalar(), sizeof c.settings.instance - 1)) {
    return wrong(node, "a name of at most 31 letters, digits, '-' or '_'");
  }
  std::fill(std::begin(c.settings.instance), std::end(c.settings.instance), '\0');
  std::copy(node.Scalar().begin(), node.Scalar().end(), c.settings.instance);
  return {};
}

Outcome read_user(const YAML::Node& node, Config& c) {
  if (!node.IsScalar() || !is_name(node.Scalar(), 32)) return wrong(node, "the name of a user");
  c.user = node.Scalar();
  return {};
}

Outcome read_cpus(const YAML::Node& node, Config& c) {
  auto& cpus = c.settings.worker_cpu;
  std::fill(std::begin(cpus), std::end(cpus), -1);
  if (node.IsScalar() && node.Scalar() == "auto") return {};
  if (!node.IsSequence() || node.size() == 0 || node.size() > kWorkersMax) {
    return wrong(node, "auto or a list of CPU numbers, one for each worker, such as [2, 3]");
  }
  for (size_t i = 0; i < node.size(); ++i) {
    const auto value = node[i].IsScalar() ? read_whole_number(node[i].Scalar()) : std::nullopt;
    if (!value || *value < 0 || *value > kCpuMost) return wrong(node[i], "the number of a CPU");
    cpus[i] = static_cast<int32_t>(*value);
    if (std::count(cpus, cpus + i, cpus[i]) != 0) {
      return sentence(node[i], fmt::format("CPU {} is given to two workers", cpus[i]));
    }
  }
  return {};
}

std::string write_cpus(const Config& c) {
  if (c.settings.worker_cpu[0] < 0) return "auto";
  std::string out = "[";
  for (const int32_t cpu : c.settings.worker_cpu) {
    if (cpu >= 0) out += fmt::format("{}{}", out.size() > 1 ? ", " : "", cpu);
  }
  return out + "]";
}

// A list of strings; each is given to `take`, which says what is wrong with it.
template <class Take>
Outcome read_list(const YAML::Node& node, std::string_view wanted, Take take) {
  if (!node.IsSequence()) return wrong(node, std::string(wanted));
  if (node.size() > kListMax) {
    return sentence(node, fmt::format("more than {} entries in one list", kListMax));
  }
  for (const YAML::Node& item : node) {
    if (!item.IsScalar()) return wrong(item, std::string(wanted));
    if (auto bad = take(item); bad) return bad;
  }
  return {};
}

Outcome read_rule_files(const YAML::Node& node, Config& c) {
  c.rules.files.clear();
  return read_list(node, "a list of file names", [&](const YAML::Node& item) -> Outcome {
    if (item.Scalar().empty()) return wrong(item, "a file name");
    c.rules.files.push_back(item.Scalar());
    return {};
  });
}

// The operator's groups are laid over the ones that rule files expect to find.
Row groups(std::string path, std::string help,
           std::map<std::string, std::string> RuleFiles::*member) {
  return {std::move(path), std::move(help),
          [=](const YAML::Node& node, Config& c) -> Outcome {
            if (!node.IsMap() || node.size() > kListMax) {
              return wrong(node,
                           "a map from group name to what is in it, such as "
                           "{HOME_NET: \"[10.0.0.0/8]\"}");
            }
            for (const auto& entry : node) {
              if (!entry.first.IsScalar() || !is_name(entry.first.Scalar(), 64)) {
                return wrong(entry.first, "a group name of letters, digits, '-' or '_'");
              }
              if (!entry.second.IsScalar() || entry.second.Scalar().empty()) {
                return wrong(entry.second, "text such as \"[10.0.0.0/8]\" or \"80\"");
              }
              (c.rules.*member)[entry.first.Scalar()] = entry.second.Scalar();
            }
            return {};
          },
          [=](const Config& c) {
            std::string out;
            for (const auto& [name, text] : c.rules.*member) {
              out += fmt::format("\n    {}: {}", write_quoted(name), write_quoted(text));
            }
            return out.empty() ? std::string("{}") : out;
          }};
}

// What is written of packets and flows, then what parsers state. A violation is an anomaly.
std::vector<std::string_view> record_types() {
  std::vector<std::string_view> types(std::begin(kEveTypes), std::end(kEveTypes));
  for (unsigned i = 0; i < static_cast<unsigned>(EvidenceKind::kViolation); ++i) {
    types.push_back(evidence_name(static_cast<EvidenceKind>(i)));
  }
  return types;
}

Outcome read_eve(const YAML::Node& node, Config& c) {
  std::fill(std::begin(c.logs.eve), std::end(c.logs.eve), false);
  c.logs.evidence.reset();
  const std::vector<std::string_view> types = record_types();
  const std::string wanted = "a list of record types, each " + choice_of(types);
  return read_list(node, wanted, [&](const YAML::Node& item) -> Outcome {
    const auto type = read_choice(item.Scalar(), types);
    if (!type) return wrong(item, choice_of(types));
    if (*type < std::size(kEveTypes)) {
      c.logs.eve[*type] = true;
    } else {
      c.logs.evidence.set(*type - std::size(kEveTypes));
    }
    return {};
  });
}

Outcome read_depths(const YAML::Node& node, Config& c) {
  auto& depths = c.settings.inspect.app_depth;
  if (!node.IsMap()) return wrong(node, "a map from application to bytes, such as {TLS: 65536}");
  if (node.size() > kAppDepthsMax) {
    return sentence(node, fmt::format("more than {} applications", kAppDepthsMax));
  }
  std::fill(std::begin(depths), std::end(depths), AppDepth{});
  size_t n = 0;
  for (const auto& entry : node) {
    AppDepth& depth = depths[n++];
    if (!entry.first.IsScalar() || entry.first.Scalar().empty() ||
        entry.first.Scalar().size() >= sizeof depth.app) {
      return wrong(entry.first, "an application's name of at most 23 characters");
    }
    const auto bytes =
        entry.second.IsScalar() ? read_whole_number(entry.second.Scalar()) : std::nullopt;
    if (!bytes || *bytes < 0 || *bytes > UINT32_MAX) return wrong(entry.second, "bytes; 0: all");
    std::copy(entry.first.Scalar().begin(), entry.first.Scalar().end(), depth.app);
    depth.bytes = static_cast<uint64_t>(*bytes);
  }
  return {};
}

std::string write_depths(const Config& c) {
  std::string out;
  for (const AppDepth& d : c.settings.inspect.app_depth) {
    if (d.app[0] == '\0') continue;
    out += fmt::format("{}{}: {}", out.empty() ? "{" : ", ", write_quoted(d.app), d.bytes);
  }
  return out.empty() ? "{}" : out + "}";
}

std::string write_list(std::span<const std::string> items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ", ";
    out += write_quoted(item);
  }
  return out + "]";
}

std::string write_eve(const Config& c) {
  std::vector<std::string> names;
  for (unsigned i = 0; i < std::size(kEveTypes); ++i) {
    if (c.logs.eve[i]) names.emplace_back(kEveTypes[i]);
  }
  for (unsigned i = 0; i < static_cast<unsigned>(EvidenceKind::kViolation); ++i) {
    const auto kind = static_cast<EvidenceKind>(i);
    if (c.logs.writes(kind)) names.emplace_back(evidence_name(kind));
  }
  return write_list(names);
}

Outcome read_listen(const YAML::Node& node, Config& c) {
  constexpr std::string_view kWanted = "off or address:port such as 127.0.0.1:9477 or [::1]:9477";
  if (!node.IsScalar()) return wrong(node, std::string(kWanted));
  const std::string& text = node.Scalar();
  c.metrics = {};
  if (text == "off") {
    c.metrics.host.clear();
    return {};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong(node, std::string(kWanted));
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = read_whole_number(std::string_view(text).substr(colon + 1));
  if (!parse_ip_address(host) || !port || *port < 1 || *port > 65535) {
    return wrong(node, std::string(kWanted));
  }
  c.metrics.host = host;
  c.metrics.port = static_cast<uint16_t>(*port);
  return {};
}

std::string write_listen(const Config& c) {
  if (c.metrics.host.empty()) return "off";
  const bool v6 = c.metrics.host.find(':') != std::string::npos;
  return write_quoted(v6 ? fmt::format("[{}]:{}", c.metrics.host, c.metrics.port)
                         : fmt::format("{}:{}", c.metrics.host, c.metrics.port));
}

constexpr TimeNs kDay = 86'400 * kNsPerSecond;

void add_program(std::vector<Row>& rows) {
  rows.push_back({"instance", "names this appliance in logs, metrics and DPDK's files",
                  read_instance,
                  [](const Config& c) { return write_quoted(c.settings.instance); }});
  rows.push_back(
      folder("runtime_dir", "segment, control socket, rule image, lock", &Config::runtime_dir));
  rows.push_back(folder("state_dir", "devices, alerts and actions (weir.db)", &Config::state_dir));
  rows.push_back(folder("log_dir", "eve.json and weir.log", &Config::log_dir));
  rows.push_back({"user", "weir-control runs as this user (nobody where there is none)", read_user,
                  [](const Config& c) { return write_quoted(c.user); }});
  rows.push_back({"wires", "", read_wires, write_wires});
}

void add_machine(std::vector<Row>& rows) {
  rows.push_back(whole(
      "workers.count", "packet threads; flows spread over them", 1, kWorkersMax,
      [](Config & c) -> auto& { return c.settings.workers; }));
  rows.push_back(
      {"workers.cpus", "auto, or one CPU number for each worker: [2, 3]", read_cpus, write_cpus});
  rows.push_back(auto_or_whole(
      "workers.main_cpu", "auto, or the CPU of the data plane's main thread", 0, kCpuMost, -1,
      [](Config & c) -> auto& { return c.settings.main_cpu; }));
  rows.push_back(duration(
      "workers.stall_after", "a worker that is stuck this long has the data plane replaced",
      25 * kNsPerMs, 10 * kNsPerSecond, [](Config & c) -> auto& { return c.settings.stall_ns; }));
  rows.push_back(choice(
      "memory.hugepages", "auto (where there are some), off or required", kHugepages,
      [](Config & c) -> auto& { return c.settings.hugepages; }));
  rows.push_back(auto_or_whole(
      "memory.megabytes", "auto (what wires, workers and MTU need), or DPDK's memory", 64, 65'536,
      0, [](Config & c) -> auto& { return c.settings.memory_mb; }));
  rows.push_back(whole(
      "memory.frames", "that a wire holds at a time; 0: what its ports' rings need", 0, 1 << 20,
      [](Config & c) -> auto& { return c.settings.frames_per_wire; }));
  rows.push_back(choice(
      "idle", "auto (spin on isolated CPUs only), sleep or spin", kIdle,
      [](Config & c) -> auto& { return c.settings.idle; }));
}

void add_flows(std::vector<Row>& rows) {
  const auto timeout = [&](const char* key, const char* help, TimeNs FlowSettings::*member) {
    rows.push_back(duration(
        std::string("flows.") + key, help, 100 * kNsPerMs,
        7 * kDay, [=](Config & c) -> auto& { return c.settings.flow.*member; }));
  };
  rows.push_back(whole(
      "flows.max", "per worker", 1024, 67'108'864,
      [](Config & c) -> auto& { return c.settings.flow.flows_max; }));
  timeout("tcp_embryonic", "a SYN without an answer counts as failed after this",
          &FlowSettings::tcp_embryonic_ns);
  timeout("tcp_new", "and is forgotten after this", &FlowSettings::tcp_new_ns);
  timeout("tcp_established", "silence that ends a connection", &FlowSettings::tcp_established_ns);
  timeout("tcp_closed", "after FIN or RST", &FlowSettings::tcp_closed_ns);
  timeout("udp_new", "nothing came back yet", &FlowSettings::udp_new_ns);
  timeout("udp_established", "both sides have spoken", &FlowSettings::udp_established_ns);
  timeout("other", "ICMP and all else", &FlowSettings::other_ns);
  timeout("update_every", "a living flow is reported this often", &FlowSettings::update_every_ns);
}

void add_inspection(std::vector<Row>& rows) {
  rows.push_back(choice(
      "inspect.checksums", "verify, or ignore what a checksum says", kChecksums,
      [](Config & c) -> auto& { return c.settings.inspect.verify_checksums; }));
  rows.push_back(choice(
      "inspect.urgent", "clear TCP's URG where Weir enforces: all read in line; or keep it",
      kUrgent, [](Config & c) -> auto& { return c.settings.inspect.keep_urgent; }));
  rows.push_back(whole(
      "inspect.classify_tcp_packets", "nDPI sees at most this many of a flow", 1, 1000,
      [](Config & c) -> auto& { return c.settings.inspect.classify_tcp_packets; }));
  rows.push_back(whole(
      "inspect.classify_udp_packets", "", 1, 1000,
      [](Config & c) -> auto& { return c.settings.inspect.classify_udp_packets; }));
  rows.push_back(whole(
      "inspect.classify_flows", "flows in nDPI at a time, per worker", 64, 4'194'304,
      [](Config & c) -> auto& { return c.settings.inspect.classify_flows_max; }));
  rows.push_back(whole(
      "inspect.match_bytes", "payload per direction that rules see; 0: all", 0, UINT32_MAX,
      [](Config & c) -> auto& { return c.settings.inspect.match_bytes; }));
  rows.push_back({"inspect.depths", "the same for single applications, by nDPI's name", read_depths,
                  write_depths});
  rows.push_back(whole(
      "inspect.sample_bytes", "past that depth rules see a window of this size; 0: nothing", 0,
      1 << 20, [](Config & c) -> auto& { return c.settings.inspect.sample_bytes; }));
  rows.push_back(whole(
      "inspect.sample_every_bytes", "one at a random place in each so many", 4096, 1 << 30,
      [](Config & c) -> auto& { return c.settings.inspect.sample_every_bytes; }));
  rows.push_back(duration(
      "inspect.burst_budget", "for nDPI and rules per 32 packets; over it, fail: overload; 0: none",
      0, kNsPerSecond, [](Config & c) -> auto& { return c.settings.inspect.burst_budget_ns; }));
  rows.push_back(whole(
      "fragments.datagrams", "incomplete IP datagrams at a time, per worker; an eighth per source",
      16, 65'536, [](Config & c) -> auto& { return c.settings.fragments.datagrams_max; }));
  rows.push_back(duration(
      "fragments.timeout", "no less than the hosts behind wait for the rest", kNsPerSecond,
      600 * kNsPerSecond, [](Config & c) -> auto& { return c.settings.fragments.timeout_ns; }));
  rows.push_back(whole(
      "streams.megabytes", "memory for TCP segments, per worker", 1, 65'536,
      [](Config & c) -> auto& { return c.settings.streams.megabytes; }));
  rows.push_back(whole(
      "streams.direction_kilobytes", "most of it for one direction of a connection", 128, 65'536,
      [](Config & c) -> auto& { return c.settings.streams.direction_kilobytes; }));
  rows.push_back(whole(
      "parse.flows", "protocol parsers at work at a time, per worker (8 KiB each); 0: none", 0,
      1'048'576, [](Config & c) -> auto& { return c.settings.parse.flows_max; }));
  rows.push_back(whole(
      "parse.buffers", "messages being put together, per worker (32 KiB each)", 16, 65'536,
      [](Config & c) -> auto& { return c.settings.parse.buffers; }));
  rows.push_back(whole(
      "parse.events_per_second", "events of one kind told per client; what is beyond is counted", 1,
      1'000'000, [](Config & c) -> auto& { return c.settings.evidence_per_second; }));
  rows.push_back(whole(
      "verdicts.max", "standing verdicts, per worker", 64, 1'048'576,
      [](Config & c) -> auto& { return c.settings.verdicts_max; }));
}

void add_rules(std::vector<Row>& rows) {
  rows.push_back({"rules.files", "in Suricata's rule language", read_rule_files,
                  [](const Config& c) { return write_list(c.rules.files); }});
  rows.push_back(choice(
      "rules.bad_rules", "refuse (change nothing) or skip (use the good ones)", kBadRules,
      [](Config & c) -> auto& { return c.rules.skip_bad; }));
  rows.push_back(groups("rules.address_groups", "laid over these", &RuleFiles::address_groups));
  rows.push_back(groups("rules.port_groups", "laid over these", &RuleFiles::port_groups));
}

void add_detection(std::vector<Row>& rows) {
  rows.push_back(on_off(
      "detect.scan.enabled", "threshold random walk over first contacts",
      [](Config & c) -> auto& { return c.scan.enabled; }));
  rows.push_back(fraction(
      "detect.scan.false_alarm", "accepted chance to call the innocent a scanner",
      [](Config & c) -> auto& { return c.scan.false_alarm; }));
  rows.push_back(fraction(
      "detect.scan.missed", "accepted chance to let a scanner pass",
      [](Config & c) -> auto& { return c.scan.missed; }));
  rows.push_back(fraction(
      "detect.scan.benign_success", "share of first contacts that are answered",
      [](Config & c) -> auto& { return c.scan.benign_success; }));
  rows.push_back(fraction(
      "detect.scan.scanner_success", "the same of a scanner",
      [](Config & c) -> auto& { return c.scan.scanner_success; }));
  rows.push_back(on_off(
      "detect.rarity.enabled", "new peers, ports and services; alerts only",
      [](Config & c) -> auto& { return c.rarity.enabled; }));
  rows.push_back(duration(
      "detect.rarity.learning", "silent this long at first", 0, 90 * kDay,
      [](Config & c) -> auto& { return c.rarity.learning_ns; }));
  rows.push_back(fraction(
      "detect.rarity.surprise", "what is less probable is told",
      [](Config & c) -> auto& { return c.rarity.surprise; }));
}

Outcome read_never_touch(const YAML::Node& node, Config& c) {
  c.respond.never_touch.clear();
  const std::string wanted = "a list of addresses or prefixes such as [10.0.0.1, 10.1.0.0/16]";
  return read_list(node, wanted, [&](const YAML::Node& item) -> Outcome {
    const auto prefix = parse_ip_prefix(item.Scalar());
    if (!prefix) return sentence(item, prefix.error().message);
    c.respond.never_touch.push_back(*prefix);
    return {};
  });
}

std::string write_never_touch(const Config& c) {
  std::vector<std::string> items;
  for (const IpPrefix& p : c.respond.never_touch) items.push_back(to_string(p));
  return write_list(items);
}

void add_response(std::vector<Row>& rows) {
  rows.push_back(on_off(
      "respond.enabled", "models may block; false: only the operator",
      [](Config & c) -> auto& { return c.respond.enabled; }));
  rows.push_back(on_off(
      "respond.pace_suspects", "first contacts of a failing source wait for the verdict",
      [](Config & c) -> auto& { return c.settings.pace_suspects; }));
  rows.push_back(duration(
      "respond.duration", "doubles with each repeat", kNsPerSecond, 90 * kDay,
      [](Config & c) -> auto& { return c.respond.duration_ns; }));
  rows.push_back(duration(
      "respond.duration_max", "up to this", kNsPerSecond, 90 * kDay,
      [](Config & c) -> auto& { return c.respond.duration_max_ns; }));
  rows.push_back(whole(
      "respond.devices_per_hour_max", "devices that models act on", 0, 65'536,
      [](Config & c) -> auto& { return c.respond.devices_per_hour_max; }));
  rows.push_back({"respond.never_touch", "addresses and prefixes that are never blocked or limited",
                  read_never_touch, write_never_touch});
}

void add_output(std::vector<Row>& rows) {
  rows.push_back({"logs.eve", "record types in eve.json", read_eve, write_eve});
  rows.push_back(duration(
      "logs.stats_every", "a stats record this often", kNsPerSecond, kDay,
      [](Config & c) -> auto& { return c.logs.stats_every_ns; }));
  rows.push_back({"logs.rotate_megabytes", "eve.json is set aside at this size; 0: never",
                  [](const YAML::Node& n, Config& c) -> Outcome {
                    const auto mb = n.IsScalar() ? read_whole_number(n.Scalar()) : std::nullopt;
                    if (!mb || *mb < 0 || *mb > 1'048'576) {
                      return wrong(n, "a whole number from 0 to 1048576");
                    }
                    c.logs.rotate_bytes = static_cast<uint64_t>(*mb) << 20;
                    return {};
                  },
                  [](const Config& c) { return std::to_string(c.logs.rotate_bytes >> 20); }});
  rows.push_back({"metrics.listen", "Prometheus /metrics here, or off", read_listen, write_listen});
}

}  // namespace

std::string spelled(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (!node.IsScalar()) return "nothing";
  std::string text;
  for (const char c : node.Scalar().substr(0, 40)) {
    text += static_cast<unsigned char>(c) < 0x20 || c == 127 ? '?' : c;
  }
  return "'" + text + (node.Scalar().size() > 40 ? "...'" : "'");
}

const std::vector<Row>& config_rows() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all;
    add_program(all);
    add_machine(all);
    add_flows(all);
    add_inspection(all);
    add_rules(all);
    add_detection(all);
    add_response(all);
    add_output(all);
    return all;
  }();
  return rows;
}

}  // namespace weir::operate

namespace weir {

std::string_view eve_type_name(EveType type) noexcept {
  return operate::kEveTypes[static_cast<unsigned>(type)];
}

}  // namespace weir
