// SPDX-License-Identifier: Apache-2.0
// What of a changed weir.yaml takes effect when: asked by the control plane at a reload, by `weir
// run` when the data plane starts anew.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "control/operate/config_table.h"

namespace weir {

using operate::Row;

namespace {

// All else is taken over by a reload.
constexpr struct {
  std::string_view path;
  Takes takes;
} kLater[] = {{"instance", Takes::kStart},
              {"runtime_dir", Takes::kStart},
              {"state_dir", Takes::kStart},
              {"log_dir", Takes::kStart},
              {"user", Takes::kStart},
              {"workers.count", Takes::kStart},
              {"workers.cpus", Takes::kDataplane},
              {"workers.main_cpu", Takes::kDataplane},
              {"workers.stall_after", Takes::kDataplane},
              {"memory.hugepages", Takes::kDataplane},
              {"memory.megabytes", Takes::kDataplane},
              {"memory.frames", Takes::kDataplane},
              {"idle", Takes::kDataplane},
              {"flows.max", Takes::kDataplane},
              {"inspect.classify_flows", Takes::kDataplane},
              {"fragments.datagrams", Takes::kDataplane},
              {"streams.megabytes", Takes::kDataplane},
              {"streams.direction_kilobytes", Takes::kDataplane},
              {"parse.flows", Takes::kDataplane},
              {"parse.buffers", Takes::kDataplane},
              {"verdicts.max", Takes::kDataplane}};


// "flows.max: 1000 -> 2000"; of what is long or a list of lines its name alone.
std::string told(const Row& row, const Config& now, const Config& next) {
  constexpr size_t kLongest = 80;
  const std::string before = row.write(now), after = row.write(next);
  const bool plain = before.size() + after.size() < kLongest &&
                     (before + after).find('\n') == std::string::npos;
  return plain ? fmt::format("{}: {} -> {}", row.path, before, after) : row.path;
}

// Rows that are to stay as they are are written out of one Config and read into the other: the
// table knows no third way to get at a value.
void keep(const Row& row, const Config& from, Config& in) {
  row.read(YAML::Load(row.write(from)), in);
}

const WireSettings* same_wire(const Settings& in, const WireSettings& wire) {
  for (uint32_t i = 0; i < in.wires; ++i) {
    if (std::strcmp(in.wire[i].name, wire.name) == 0) return &in.wire[i];
  }
  return nullptr;
}

void tell_live(const WireSettings& now, const WireSettings& next, std::vector<std::string>& out) {
  if (now.mode != next.mode) {
    out.push_back(fmt::format("{}: mode {} -> {}", now.name, mode_name(now.mode),
                              mode_name(next.mode)));
  }
  const FailPolicy first = next.fail[0];
  const auto is_first = [first](FailPolicy p) { return p == first; };
  const auto is_other = [first](FailPolicy p) { return p != first; };
  const bool all = std::all_of(std::begin(next.fail), std::end(next.fail), is_first) &&
                   std::all_of(std::begin(now.fail), std::end(now.fail), is_other);
  if (all) out.push_back(fmt::format("{}: fail -> {}", now.name, fail_policy_name(first)));
  for (unsigned i = 0; i < kFailCauses && !all; ++i) {
    const auto cause = static_cast<FailCause>(i);
    if (now.on(cause) == next.on(cause)) continue;
    out.push_back(fmt::format("{}: fail {} {} -> {}", now.name, fail_cause_name(cause),
                              fail_policy_name(now.on(cause)), fail_policy_name(next.on(cause))));
  }
}

// What a data plane that starts anew takes of a wire.
void take_at_restart(WireSettings& wire, const WireSettings& next) {
  wire.uninspected = next.uninspected;
  wire.link_propagation = next.link_propagation;
  wire.link_debounce_ns = next.link_debounce_ns;
}

void tell_at_restart(const WireSettings& now, const WireSettings& next,
                     std::vector<std::string>& out) {
  const auto tell = [&](const char* key, auto before, auto after) {
    if (before == after) return;
    out.push_back(fmt::format("{}: {} {} -> {}", now.name, key, before, after));
  };
  tell("inspect", now.uninspected == 0, next.uninspected == 0);
  tell("link_propagation", now.link_propagation != 0, next.link_propagation != 0);
  tell("link_debounce_ms", now.link_debounce_ns / kNsPerMs, next.link_debounce_ns / kNsPerMs);
}

// Wires stay those that there are, in their order; what may change of each is found by its name.
// at_restart: what a restart of the data plane changes instead.
Settings wires_of(const Settings& now, const Settings& next, bool at_restart) {
  Settings wanted = now;
  for (uint32_t i = 0; i < now.wires; ++i) {
    const WireSettings* wire = same_wire(next, now.wire[i]);
    if (wire == nullptr) continue;
    if (at_restart) {
      take_at_restart(wanted.wire[i], *wire);
    } else {
      wanted.wire[i] = *wire;
    }
  }
  return at_restart ? wanted : with_live_part(now, wanted);
}

void take_wires(const Row& row, const Config& now, const Config& next, ConfigChanges& out) {
  const Settings wires = wires_of(now.settings, next.settings, false);
  std::copy(std::begin(wires.wire), std::end(wires.wire), out.accepted.settings.wire);
  out.accepted.settings.wires = now.settings.wires;
  std::copy(std::begin(now.bypass), std::end(now.bypass), out.accepted.bypass);
  Config restarted = out.accepted;
  for (uint32_t i = 0; i < now.settings.wires; ++i) {
    tell_live(now.settings.wire[i], wires.wire[i], out.taken);
    const WireSettings* wire = same_wire(next.settings, now.settings.wire[i]);
    if (wire == nullptr) continue;
    tell_at_restart(now.settings.wire[i], *wire, out.restart);
    take_at_restart(restarted.settings.wire[i], *wire);
  }
  if (row.write(restarted) != row.write(next)) {
    out.start.push_back("wires: their names, ports, order or bypass");
  }
}

}  // namespace

Takes takes_effect(std::string_view key) {
  const auto later = std::find_if(std::begin(kLater), std::end(kLater),
                                  [key](const auto& entry) { return entry.path == key; });
  return later == std::end(kLater) ? Takes::kNow : later->takes;
}

ConfigChanges changes_between(const Config& now, const Config& next) {
  ConfigChanges out{.accepted = next};
  for (const Row& row : operate::config_rows()) {
    if (row.write(now) == row.write(next)) continue;
    if (row.path == "wires") {
      take_wires(row, now, next, out);
    } else if (takes_effect(row.path) == Takes::kNow) {
      out.taken.push_back(told(row, now, next));
    } else {
      keep(row, now, out.accepted);
      const bool at_start = takes_effect(row.path) == Takes::kStart;
      (at_start ? out.start : out.restart).push_back(told(row, now, next));
    }
  }
  return out;
}

Settings settings_for_restart(const Config& now, const Config& next) {
  Config restarted = next;
  for (const Row& row : operate::config_rows()) {
    if (takes_effect(row.path) == Takes::kStart) keep(row, now, restarted);
  }
  const Settings wires = wires_of(now.settings, next.settings, true);
  std::copy(std::begin(wires.wire), std::end(wires.wire), restarted.settings.wire);
  restarted.settings.wires = now.settings.wires;
  return with_live_part(restarted.settings, now.settings);
}

}  // namespace weir
