// SPDX-License-Identifier: Apache-2.0
// weir.yaml: what is refused and where, what is accepted, and that the printed defaults are the
// ones in force.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "control/operate/config_value.h"
#include "control/operate/operate.h"

namespace weir {
namespace {

std::string error_of(const std::string& text, ConfigUse use = ConfigUse::kOffline) {
  const auto config = parse_config(text, "w.yaml", use);
  return config ? "" : config.error().text();
}

struct Refused {
  const char* text;
  std::string error;
};

// Every record type, as a sentence lists them.
std::string record_types() {
  std::string names = "alert, drop, flow, stats, anomaly";
  const auto last = static_cast<unsigned>(EvidenceKind::kLogin);
  for (unsigned i = 0; i <= last; ++i) {
    names += i == last ? " or " : ", ";
    names += evidence_name(static_cast<EvidenceKind>(i));
  }
  return names;
}

TEST(Config, SaysWhereAndWhatWouldBeRight) {
  const Refused cases[] = {
      {"flwos: {max: 1}\n", "w.yaml:1:1: unknown key 'flwos'; did you mean 'flows'?"},
      {"flows: {mxa: 1}\n", "w.yaml:1:9: unknown key 'mxa' in 'flows'; did you mean 'max'?"},
      {"idle:\n  deep: 1\n", "w.yaml:2:3: 'idle' must be one of auto, sleep or spin, not a map"},
      {"flows: 3\n", "w.yaml:1:8: 'flows' must be a map of keys, not '3'"},
      {"\nflows:\n  max: abc\n",
       "w.yaml:3:8: 'flows.max' must be a whole number from 1024 to 67108864, not 'abc'"},
      {"flows:\n  max:\n",
       "w.yaml:2:3: 'flows.max' must be a whole number from 1024 to 67108864, not nothing"},
      {"flows: {tcp_new: 60}\n",
       "w.yaml:1:18: 'flows.tcp_new' must be a duration such as 500ms, 3s, 10m, 1h or 7d, from "
       "100ms to 7d, not '60'"},
      {"instance: x\ninstance: y\n", "w.yaml:2:1: 'instance' is there twice"},
      {"instance: ../x\n",
       "w.yaml:1:11: 'instance' must be a name of at most 31 letters, digits, '-' or '_', not "
       "'../x'"},
      {"runtime_dir: run\n",
       "w.yaml:1:14: 'runtime_dir' must be an absolute path of less than 80 characters, not 'run'"},
      {"[a, b]\n", "w.yaml:1:1: a configuration must be a map of keys, not a list"},
      {"instance: a\n---\ninstance: b\n",
       "w.yaml:2:1: a second document starts here; a configuration is one"},
      {"workers: {count: 2, cpus: [1]}\n",
       "w.yaml:1:27: 'workers.cpus' lists 1 CPUs for 2 workers: one each is wanted"},
      {"workers: {count: 2, cpus: [1, 1]}\n", "w.yaml:1:31: CPU 1 is given to two workers"},
      {"logs: {eve: [alert, dorp]}\n",
       std::string("w.yaml:1:21: 'logs.eve' must be one of ") + record_types() + ", not 'dorp'"},
      {"metrics: {listen: 9}\n",
       "w.yaml:1:19: 'metrics.listen' must be off or address:port such as 127.0.0.1:9477 or "
       "[::1]:9477, not '9'"},
      {"respond: {never_touch: [10.0.0.0/40]}\n",
       "w.yaml:1:25: '10.0.0.0/40': the prefix length must be 0 to 32"},
      {"respond: {duration: 2h, duration_max: 1h}\n",
       "w.yaml:1:21: 'respond.duration' (2h) is longer than 'respond.duration_max' (1h)"},
      {"detect: {scan: {scanner_success: 0.9}}\n",
       "w.yaml:1:34: 'detect.scan.scanner_success' (0.9) must be less than "
       "'detect.scan.benign_success' (0.8)"},
      {"detect: {scan: {missed: 0}}\n",
       "w.yaml:1:25: 'detect.scan.missed' must be a number between 0 and 1, both excluded, such as "
       "0.01 or 1e-5, not '0'"},
      {"rules: {address_groups: {HOME_NET: $NONE}}\n",
       "w.yaml:1:25: HOME_NET: there is no address group NONE"},
  };
  for (const Refused& c : cases) EXPECT_EQ(error_of(c.text), c.error);
}

TEST(Config, SaysWhatIsWrongWithWires) {
  const Refused cases[] = {
      {"wires: eth1\n",
       "w.yaml:1:8: 'wires' must be a list of wires, each {name: wire0, a: eth1, b: eth2, mode: "
       "enforce}, not 'eth1'"},
      {"wires:\n  - {name: a, a: eth1, b: eth1}\n",
       "w.yaml:2:27: wire 'a' has port eth1 on both sides"},
      {"wires:\n  - {name: a, a: eth1, b: eth2}\n  - {name: c, a: eth3, b: \"af_packet:eth2\"}\n",
       "w.yaml:3:27: port eth2 is already in wire 'a'"},
      {"wires:\n  - {name: a, a: eth1, b: eth2}\n  - {name: a, a: eth3, b: eth4}\n",
       "w.yaml:3:12: two wires are named 'a'"},
      {"wires:\n  - {name: a, a: eth1, b: eth2, mod: tap}\n",
       "w.yaml:2:33: unknown key 'mod' in a wire; did you mean 'mode'?"},
      {"wires:\n  - {name: a, a: eth1}\n",
       "w.yaml:2:5: this wire has no 'b'; each needs name, a and b"},
      {"wires:\n  - {name: a, a: eth1, b: eth2, fail: {overlod: open}}\n",
       "w.yaml:2:40: unknown cause 'overlod' in a wire's 'fail'; did you mean 'overload'?"},
      {"wires:\n  - {name: a, a: eth1, b: eth2, fail: {overload: ajar}}\n",
       "w.yaml:2:50: 'overload' must be open or closed, not 'ajar'"},
      {"inspect: {depths: {TLS: lots}}\n",
       "w.yaml:1:25: 'inspect.depths' must be bytes; 0: all, not 'lots'"},
      {"wires:\n  - {name: a, a: eth1, b: eth2, mode: enforced}\n",
       "w.yaml:2:39: a wire's 'mode' must be one of tap, simulate or enforce, not 'enforced'"},
  };
  for (const Refused& c : cases) EXPECT_EQ(error_of(c.text), c.error);
}

TEST(Config, LooksForPortsOnlyWhenToldTo) {
  const std::string text = "wires:\n  - {name: a, a: lo, b: nowhere0}\n";
  EXPECT_EQ(error_of(text), "");
  EXPECT_EQ(error_of(text, ConfigUse::kRun).substr(0, 49),
            "w.yaml:2:25: there is no interface 'nowhere0' her");
  EXPECT_EQ(error_of("instance: x\n", ConfigUse::kRun).substr(0, 28),
            "w.yaml:1:1: there is no wire");
  EXPECT_EQ(error_of("wires:\n  - {name: a, a: lo, b: net_null0}\nrules: {files: [/nowhere/r]}\n",
                     ConfigUse::kRun),
            "w.yaml:3:17: cannot read the rule file /nowhere/r: No such file or directory");
}

TEST(Config, EndsWithOddText) {
  EXPECT_EQ(error_of(""), "");
  EXPECT_NE(error_of(std::string(kConfigBytesMax + 1, ' ')), "");
  EXPECT_NE(error_of(std::string(100'000, '[')), "");
  EXPECT_NE(error_of("a: &a [*a]\n"), "");
  EXPECT_NE(error_of(std::string("\0\1\2", 3)), "");
  std::string bomb = "a0: &a0 [x]\n";  // 2^40 leaves if aliases were copied
  for (int i = 1; i <= 40; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
            ", *a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_NE(error_of(bomb + "wires: *a40\n"), "");
}

// Everything that differs from its default, so that a row whose reader and writer disagree shows.
constexpr const char* kFull = R"(
instance: lab-7
runtime_dir: /tmp/run
state_dir: /tmp/state
log_dir: /tmp/log
user: somebody
wires:
  - {name: w0, a: eth1, b: "af_packet:eth2", mode: tap, fail: {overload: closed},
     link_propagation: true,
     link_debounce_ms: 250, inspect: false,
     bypass: {command: [/sbin/relay, "eth 1"], timeout: 3s, heartbeat: 200ms, nic: true}}
  - {name: w1, a: "03:00.0", b: "net_tap0,iface=tap0", mode: simulate}
workers: {count: 2, cpus: [4, 5], main_cpu: 3, stall_after: 70ms}
memory: {hugepages: required, megabytes: 512, frames: 4096}
idle: spin
flows: {max: 65536, tcp_embryonic: 500ms, tcp_new: 30s, tcp_established: 2h, tcp_closed: 5s,
        udp_new: 7s, udp_established: 9m, other: 90s, update_every: 15s}
inspect: {checksums: ignore, urgent: keep, classify_tcp_packets: 10, classify_udp_packets: 5,
          classify_flows: 1000, match_bytes: 4096, depths: {HTTP: 8192}, sample_bytes: 100,
          sample_every_bytes: 5000, burst_budget: 2ms}
fragments: {datagrams: 99, timeout: 31s}
streams: {megabytes: 3, direction_kilobytes: 200}
parse: {flows: 100, buffers: 50, events_per_second: 7}
verdicts: {max: 128}
rules:
  files: [/a/b.rules, "/with space.rules"]
  bad_rules: skip
  address_groups: {HOME_NET: "[10.0.0.0/8,!10.1.0.0/16]", DMZ: 192.0.2.0/24}
  port_groups: {HTTP_PORTS: "[80,8080]"}
detect:
  scan: {enabled: false, false_alarm: 1e-6, missed: 0.02, benign_success: 0.7,
         scanner_success: 0.1}
  rarity: {enabled: false, learning: 1h, surprise: 1e-3}
respond: {enabled: false, pace_suspects: no, duration: 1m, duration_max: 1h,
          devices_per_hour_max: 3, never_touch: [10.0.0.1, "fd00::/64"]}
logs: {eve: [alert, flow], stats_every: 10s, rotate_megabytes: 7}
metrics: {listen: "[::1]:9000"}
)";

TEST(Config, ReadsEveryKey) {
  const auto c = parse_config(kFull, "/etc/w.yaml", ConfigUse::kOffline);
  ASSERT_TRUE(c) << c.error().text();
  EXPECT_EQ(c->settings.wire[0].uninspected, 1);
  EXPECT_EQ(c->settings.wire[1].uninspected, 0);
  EXPECT_STREQ(c->settings.instance, "lab-7");
  EXPECT_EQ(c->segment_path(), "/tmp/run/segment");
  ASSERT_EQ(c->settings.wires, 2u);
  EXPECT_EQ(c->settings.wire[0].side[0].kind, PortKind::kAfXdp);
  EXPECT_EQ(c->settings.wire[0].side[1].kind, PortKind::kAfPacket);
  EXPECT_STREQ(c->settings.wire[0].side[1].name, "eth2");
  EXPECT_EQ(c->settings.wire[0].mode, Mode::kTap);
  EXPECT_EQ(c->settings.wire[0].link_propagation, 1);
  EXPECT_EQ(c->settings.wire[0].link_debounce_ns, 250 * kNsPerMs);
  EXPECT_EQ(c->settings.wire[0].bypass_nic, 1);
  EXPECT_EQ(c->bypass[0].words, (std::vector<std::string>{"/sbin/relay", "eth 1"}));
  EXPECT_EQ(c->bypass[0].time_ns, 3 * kNsPerSecond);
  EXPECT_EQ(c->bypass[0].beat_every_ns, 200 * kNsPerMs);
  EXPECT_TRUE(c->bypass[1].words.empty());
  EXPECT_EQ(c->settings.stall_ns, 70 * kNsPerMs);
  EXPECT_EQ(c->settings.wire[1].side[0].kind, PortKind::kPci);
  EXPECT_STREQ(c->settings.wire[1].side[0].name, "0000:03:00.0");
  EXPECT_EQ(c->settings.wire[1].side[1].kind, PortKind::kVdev);
  EXPECT_EQ(c->settings.workers, 2u);
  EXPECT_EQ(c->settings.worker_cpu[1], 5);
  EXPECT_EQ(c->settings.worker_cpu[2], -1);
  EXPECT_EQ(c->settings.main_cpu, 3);
  EXPECT_EQ(c->settings.hugepages, HugepagesUse::kRequired);
  EXPECT_EQ(c->settings.idle, IdlePolicy::kSpin);
  EXPECT_EQ(c->settings.flow.tcp_embryonic_ns, 500 * kNsPerMs);
  EXPECT_EQ(c->settings.flow.udp_established_ns, 540 * kNsPerSecond);
  EXPECT_EQ(c->settings.inspect.verify_checksums, 0);
  EXPECT_EQ(c->settings.inspect.match_bytes, 4096u);
  EXPECT_STREQ(c->settings.inspect.app_depth[0].app, "HTTP");
  EXPECT_EQ(c->settings.inspect.app_depth[0].bytes, 8192u);
  EXPECT_EQ(c->settings.inspect.burst_budget_ns, 2 * kNsPerMs);
  EXPECT_EQ(c->settings.wire[0].on(FailCause::kOverload), FailPolicy::kClosed);
  EXPECT_EQ(c->settings.wire[0].on(FailCause::kStarting), FailPolicy::kOpen);
  EXPECT_TRUE(c->rules.skip_bad);
  EXPECT_EQ(c->rules.address_groups.at("DMZ"), "192.0.2.0/24");
  EXPECT_EQ(c->rules.address_groups.at("EXTERNAL_NET"), "!$HOME_NET");  // laid over, not replaced
  EXPECT_EQ(c->scan.scanner_success, 0.1);
  EXPECT_EQ(c->rarity.learning_ns, 3600 * kNsPerSecond);
  ASSERT_EQ(c->respond.never_touch.size(), 2u);
  EXPECT_EQ(to_string(c->respond.never_touch[1]), "fd00::/64");
  EXPECT_TRUE(c->logs.writes(EveType::kFlow));
  EXPECT_FALSE(c->logs.writes(EveType::kStats));
  EXPECT_EQ(c->logs.rotate_bytes, 7u << 20);
  EXPECT_EQ(c->metrics.host, "::1");
  EXPECT_EQ(c->metrics.port, 9000);
}

TEST(Config, WhatIsWrittenReadsBackToTheSame) {
  for (const char* text : {"", kFull, "metrics: {listen: off}\nlogs: {eve: []}\n"}) {
    const auto first = parse_config(text, "/etc/w.yaml", ConfigUse::kOffline);
    ASSERT_TRUE(first) << first.error().text();
    const std::string written = config_text(*first);
    const auto second = parse_config(written, "/etc/w.yaml", ConfigUse::kOffline);
    ASSERT_TRUE(second) << second.error().text() << "\n" << written;
    EXPECT_EQ(config_text(*second), written);
  }
  // And the file that says nothing has what a Config begins with.
  EXPECT_EQ(config_text(*parse_config("", "w.yaml", ConfigUse::kOffline)), config_text(Config{}));
  EXPECT_NE(config_text(*parse_config(kFull, "w.yaml", ConfigUse::kOffline)),
            config_text(Config{}));
}

TEST(Config, MemoryAndCpusMayBeLeftToWeir) {
  EXPECT_EQ(Config{}.settings.memory_mb, 0u);
  const auto c = parse_config("memory: {megabytes: auto}\nworkers: {main_cpu: auto}\n", "w.yaml",
                              ConfigUse::kOffline);
  ASSERT_TRUE(c) << c.error().text();
  EXPECT_EQ(c->settings.memory_mb, 0u);
  EXPECT_EQ(c->settings.main_cpu, -1);
  const std::string bad = error_of("memory: {megabytes: 63}\n");
  EXPECT_NE(bad.find("auto or a whole number from 64 to 65536"), std::string::npos) << bad;
}

TEST(Config, EveryKeyOfTheFullFileMakesADifference) {
  const auto full = parse_config(kFull, "/etc/w.yaml", ConfigUse::kOffline);
  ASSERT_TRUE(full);
  std::istringstream with(config_text(*full)), without(config_text(Config{}));
  std::set<std::string> defaults;
  for (std::string line; std::getline(without, line);) defaults.insert(line);
  for (std::string line; std::getline(with, line);) {
    const size_t colon = line.find(": ");
    const bool value = colon != std::string::npos && line[colon + 2] != ' ' && line[0] != '#';
    const bool group = line.find("$") != std::string::npos ||
                       line.find("_PORTS: ") != std::string::npos;  // the defaults stay under them
    EXPECT_FALSE(value && !group && defaults.contains(line)) << line;
  }
}

TEST(Config, RuleFilesStandBesideTheConfiguration) {
  const auto c = parse_config("rules: {files: [a.rules, /b.rules]}\n", "/etc/weir/w.yaml",
                              ConfigUse::kOffline);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->rules.files, (std::vector<std::string>{"/etc/weir/a.rules", "/b.rules"}));
}

TEST(Config, ReadsDurationsAndRefusesTheRest) {
  using operate::read_duration;
  EXPECT_EQ(read_duration("500ms"), 500 * kNsPerMs);
  EXPECT_EQ(read_duration("7d"), 7 * 86'400 * kNsPerSecond);
  for (const char* text : {"", "s", "1", "-1s", "1.5s", "1 s", "1w", "99999999999999999999s",
                           "9223372036854775807d"}) {
    EXPECT_FALSE(read_duration(text)) << text;
  }
  for (const TimeNs ns :
       {TimeNs{0}, TimeNs{1}, kNsPerUs, 90 * kNsPerSecond, 7'200 * kNsPerSecond}) {
    EXPECT_EQ(read_duration(operate::write_duration(ns)), ns);
  }
}

TEST(HomeNetwork, IsWhatTheGroupSays) {
  RuleFiles rules;
  rules.address_groups = {{"HOME_NET", "[$A,!10.9.0.0/16,fd00::/8]"},
                          {"A", "[10.0.0.0/8,192.0.2.3-192.0.2.9]"}};
  const auto home = home_network(rules);
  ASSERT_TRUE(home) << home.error().text();
  const auto inside = [&](const char* text) { return home->contains(*parse_ip_address(text)); };
  EXPECT_TRUE(inside("10.0.0.1"));
  EXPECT_TRUE(inside("fd00::1"));
  EXPECT_FALSE(inside("10.9.3.4"));
  EXPECT_FALSE(inside("11.0.0.0"));
  EXPECT_FALSE(inside("2001:db8::1"));
  EXPECT_FALSE(inside("192.0.2.2"));
  EXPECT_TRUE(inside("192.0.2.3"));
  EXPECT_TRUE(inside("192.0.2.9"));
  EXPECT_FALSE(inside("192.0.2.10"));
  rules.address_groups["HOME_NET"] = "any";
  EXPECT_TRUE(home_network(rules)->contains(*parse_ip_address("8.8.8.8")));
  rules.address_groups["HOME_NET"] = "[$A";
  EXPECT_FALSE(home_network(rules));
  rules.address_groups["HOME_NET"] = "$HOME_NET";
  EXPECT_FALSE(home_network(rules));
}

}  // namespace
}  // namespace weir
