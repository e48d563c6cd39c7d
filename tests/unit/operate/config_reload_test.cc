// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "control/operate/config_table.h"

namespace weir {
namespace {

using operate::Row;

// What some key or other takes.
constexpr const char* kValues[] = {
    "1",     "2",      "0",       "8",       "64",     "100",    "128",         "2048",  "70000",
    "1s",    "90s",    "1h",      "200ms",   "0.5",    "0.25",   "true",        "false", "off",
    "on",    "sleep",  "ignore",  "keep",    "skip",   "[1]",    "/some/where", "other", "{TLS: 1}",
    "[x]",   "{A: 1}", "[alert]", "[1.2.3.4]", "\"127.0.0.1:9999\""};

std::optional<Config> with(const std::string& path, const std::string& value) {
  std::string text, indent;
  for (size_t from = 0; from <= path.size();) {
    const size_t to = std::min(path.find('.', from), path.size());
    text += indent + path.substr(from, to - from) + ":" + (to == path.size() ? " " + value : "\n");
    indent += "  ";
    from = to + 1;
  }
  auto config = parse_config(text, "weir.yaml", ConfigUse::kOffline);
  return config ? std::optional(std::move(*config)) : std::nullopt;
}

// Each key by itself: it is told of once, in the right list; accepted is as the list says; and the
// data plane's own list of what may change agrees.
TEST(ConfigReload, EveryKeyTakesEffectWhenTheTableSays) {
  const Config now = *parse_config("", "weir.yaml", ConfigUse::kOffline);
  for (const Row& row : operate::config_rows()) {
    if (row.path == "wires") continue;
    std::optional<Config> next;
    for (const char* value : kValues) {
      next = with(row.path, value);
      if (next && row.write(*next) != row.write(now)) break;
      next.reset();
    }
    ASSERT_TRUE(next) << "no other value is known here for " << row.path;
    const ConfigChanges c = changes_between(now, *next);
    const Takes takes = takes_effect(row.path);
    const auto& list = takes == Takes::kNow         ? c.taken
                       : takes == Takes::kDataplane ? c.restart
                                                    : c.start;
    EXPECT_EQ(c.taken.size() + c.restart.size() + c.start.size(), 1u) << row.path;
    ASSERT_EQ(list.size(), 1u) << row.path;
    EXPECT_TRUE(list[0].starts_with(row.path)) << list[0];
    const bool taken = takes == Takes::kNow;
    EXPECT_EQ(config_text(c.accepted), config_text(taken ? *next : now)) << row.path;
    Config live = c.accepted;
    live.settings = with_live_part(now.settings, next->settings);
    EXPECT_EQ(config_text(live), config_text(c.accepted)) << "live_settings.cc: " << row.path;
    Config restarted = now;
    restarted.settings = settings_for_restart(now, *next);
    const bool sized = takes == Takes::kDataplane;
    EXPECT_EQ(row.write(restarted), row.write(sized ? *next : now)) << row.path;
  }
}

constexpr const char* kTwo =
    "wires:\n"
    "  - {name: one, a: eth1, b: eth2, mode: enforce}\n"
    "  - {name: two, a: eth3, b: eth4, mode: tap}\n";

TEST(ConfigReload, WiresKeepTheirPlacesAndChangeTheirWays) {
  const Config now = *parse_config(kTwo, "weir.yaml", ConfigUse::kOffline);
  const Config next = *parse_config(
      "wires:\n"
      "  - {name: two, a: eth9, b: eth4, mode: simulate, fail: closed}\n"
      "  - {name: one, a: eth1, b: eth2, mode: enforce, inspect: false, link_propagation: true}\n",
      "weir.yaml", ConfigUse::kOffline);
  const ConfigChanges c = changes_between(now, next);
  const WireSettings* wire = c.accepted.settings.wire;
  EXPECT_STREQ(wire[0].name, "one");
  EXPECT_EQ(wire[0].link_propagation, 0);
  EXPECT_EQ(wire[0].uninspected, 0);
  EXPECT_EQ(wire[1].mode, Mode::kSimulate);
  EXPECT_EQ(wire[1].on(FailCause::kOverload), FailPolicy::kClosed);
  EXPECT_STREQ(wire[1].side[0].name, "eth3");
  const std::vector<std::string> taken = {"two: mode tap -> simulate", "two: fail -> closed"};
  const std::vector<std::string> restart = {"one: inspect true -> false",
                                            "one: link_propagation false -> true"};
  EXPECT_EQ(c.taken, taken);
  EXPECT_EQ(c.restart, restart);
  EXPECT_EQ(c.start, std::vector<std::string>{"wires: their names, ports, order or bypass"});
  const Settings restarted = settings_for_restart(now, next);
  EXPECT_EQ(restarted.wire[0].uninspected, 1);
  EXPECT_EQ(restarted.wire[0].link_propagation, 1);
  EXPECT_EQ(restarted.wire[1].mode, Mode::kTap) << "that is a reload's";
  EXPECT_STREQ(restarted.wire[1].side[0].name, "eth3");
}

TEST(ConfigReload, WhatIsTheSameChangesNothing) {
  const Config now = *parse_config(kTwo, "weir.yaml", ConfigUse::kOffline);
  const ConfigChanges c = changes_between(now, now);
  EXPECT_TRUE(c.taken.empty() && c.restart.empty() && c.start.empty());
  EXPECT_EQ(config_text(c.accepted), config_text(now));
}

}  // namespace
}  // namespace weir
