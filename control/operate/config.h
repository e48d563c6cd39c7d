// SPDX-License-Identifier: Apache-2.0
// weir.yaml: read, checked and turned into what the parts take. One table (config_table.cc) says
// which keys exist, what they may hold and what they are when they are not there; the reader and
// `weir config --defaults` both come from it. Read by every program before anything is started;
// a mistake is one sentence with file, line and column, and nothing is half-read. Never watches,
// never writes the file.
#pragma once

#include <bitset>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/respond/respond.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/evidence.h"
#include "dataplane/contract/settings.h"

namespace weir {

// Which records go into eve.json.
enum class EveType : unsigned { kAlert = 0, kDrop, kFlow, kStats, kAnomaly, kCount };
std::string_view eve_type_name(EveType type) noexcept;  // "alert" ...

struct RuleFiles {
  std::vector<std::string> files;                     // relative: to the folder of weir.yaml
  std::map<std::string, std::string> address_groups;  // HOME_NET and the like, as rules spell them
  std::map<std::string, std::string> port_groups;
  bool skip_bad = false;  // else one bad rule refuses them all
};

struct LogSettings {
  bool eve[static_cast<unsigned>(EveType::kCount)] = {true, true, true, true, true};
  TimeNs stats_every_ns = 60 * kNsPerSecond;
  uint64_t rotate_bytes = 1024ull << 20;                                       // 0: never
  std::bitset<kEvidenceKinds> evidence = std::bitset<kEvidenceKinds>().set();  // of parsers
  bool writes(EvidenceKind kind) const noexcept { return evidence[static_cast<size_t>(kind)]; }
  bool writes(EveType type) const noexcept { return eve[static_cast<unsigned>(type)]; }
};

struct MetricsSettings {
  std::string host = "127.0.0.1";  // empty: off
  uint16_t port = 9477;
  bool operator==(const MetricsSettings&) const = default;
};

// The command that switches a wire's bypass relay: words..., then on, off or beat. Run by `weir
// run`.
struct BypassCommand {
  std::vector<std::string> words;     // empty: none. words[0] is an absolute path
  TimeNs time_ns = 2 * kNsPerSecond;  // a call that takes longer is killed
  TimeNs beat_every_ns = 0;           // while the workers move; 0: no heartbeat
};

struct Config {
  std::string file;  // where it was read from
  std::string runtime_dir = "/run/weir";
  std::string state_dir = "/var/lib/weir";
  std::string log_dir = "/var/log/weir";
  std::string user = "weir";  // what weir-control runs as
  Settings settings;          // the data plane's part, wires included
  BypassCommand bypass[kWiresMax];
  RuleFiles rules;
  ScanSettings scan;
  RaritySettings rarity;
  RespondSettings respond;  // what weir.yaml says of it; the rest at start
  LogSettings logs;
  MetricsSettings metrics;

  Config();  // every default
  std::string segment_path() const { return runtime_dir + "/segment"; }
  std::string socket_path() const { return runtime_dir + "/control.sock"; }
};

// kOffline: the file alone is judged. kRun: there is at least one wire, and the ports and rule
// files that are named exist here.
enum class ConfigUse { kOffline, kRun };

// HOME_NET: whose behaviour is learned.
Result<NetworkSet> home_network(const RuleFiles& rules);

constexpr size_t kConfigBytesMax = 256 * 1024;

Result<Config> read_config(const std::string& path, ConfigUse use);
// name: what errors call the file, and where relative paths start.
Result<Config> parse_config(std::string_view text, const std::string& name, ConfigUse use);

// When a changed value takes effect.
enum class Takes : uint8_t {
  kNow = 0,        // by a reload
  kDataplane = 1,  // when the data plane starts anew: it sizes a table or places a thread
  kStart = 2,      // when all of Weir does
};
Takes takes_effect(std::string_view key);  // "flows.max"; not for "wires", which differs by wire

// What of a changed weir.yaml takes effect when. Pure.
// One line each: "flows.tcp_new: 60s -> 30s", "wire0: mode enforce -> simulate", "rules.files".
struct ConfigChanges {
  Config accepted;                   // `now` with all of `next` that takes effect by a reload
  std::vector<std::string> taken;    // by this reload
  std::vector<std::string> restart;  // waits for weir restart-dataplane
  std::vector<std::string> start;    // waits until weir run is stopped and started
};
ConfigChanges changes_between(const Config& now, const Config& next);

// The settings of a data plane that starts anew: what sizes it from `next`; from `now` what a
// reload may change, and what only a start of all does.
Settings settings_for_restart(const Config& now, const Config& next);

// A weir.yaml that says all of `config`, with a word on each key. Reads back to the same.
std::string config_text(const Config& config);

}  // namespace weir
