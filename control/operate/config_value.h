// SPDX-License-Identifier: Apache-2.0
// Text of one setting <-> value: what config_table.cc is made of. Pure functions; a reader returns
// the value or what the text should have been ("a duration such as 500ms, 3s, 10m, 1h or 7d").
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/operate/config.h"

namespace weir::operate {

std::optional<int64_t> read_whole_number(std::string_view text);
std::optional<double> read_fraction(std::string_view text);
std::optional<bool> read_switch(std::string_view text);  // true or false
std::optional<TimeNs> read_duration(std::string_view text);
// Which of names the text is.
std::optional<unsigned> read_choice(std::string_view text, std::span<const std::string_view> names);

std::string write_duration(TimeNs duration_ns);   // "90s", "10m"; reads back to the same value
std::string write_fraction(double value);         // "0.01", "1e-05"; reads back to the same value
std::string write_quoted(std::string_view text);  // a YAML scalar, quoted where it has to be

// "one of a, b or c"
std::string choice_of(std::span<const std::string_view> names);

constexpr std::string_view kDurationWanted = "a duration such as 500ms, 3s, 10m, 1h or 7d";

// A port of a wire as the operator names it: interface, "af_packet:eth1", PCI address, "net_...".
Result<PortSettings> read_port(std::string_view text);
std::string write_port(const PortSettings& port);

// The name in `known` that is nearest to `text` by edit distance, if near enough to be meant.
std::optional<std::string> nearest(std::string_view text, std::span<const std::string> known);

}  // namespace weir::operate
