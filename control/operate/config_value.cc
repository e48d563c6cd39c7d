// SPDX-License-Identifier: Apache-2.0
#include "control/operate/config_value.h"

#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include <fmt/format.h>

namespace weir::operate {

namespace {

struct Unit {
  std::string_view name;
  TimeNs ns;
};
constexpr Unit kUnits[] = {{"d", 86'400 * kNsPerSecond},
                           {"h", 3'600 * kNsPerSecond},
                           {"m", 60 * kNsPerSecond},
                           {"s", kNsPerSecond},
                           {"ms", kNsPerMs},
                           {"us", kNsPerUs},
                           {"ns", 1}};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// "0000:03:00.0" or "03:00.0"
bool is_pci_address(std::string_view text) {
  static constexpr std::string_view kShape = "hhhh:hh:hh.h";
  if (text.size() == kShape.size() - 5) return is_pci_address("0000:" + std::string(text));
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (kShape[i] == 'h' ? !is_hex(text[i]) : text[i] != kShape[i]) return false;
  }
  return true;
}

bool is_interface_name(std::string_view text) {
  if (text.empty() || text.size() >= IF_NAMESIZE || text == "." || text == "..") return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 127 && c != '/' && c != ':' && c != ','; });
}

// Optimal string alignment: a letter more, less, other, or two exchanged count one each.
unsigned edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<unsigned>> d(a.size() + 1, std::vector<unsigned>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = static_cast<unsigned>(i);
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = static_cast<unsigned>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const unsigned other = a[i - 1] == b[j - 1] ? 0u : 1u;
      d[i][j] = std::min({d[i - 1][j - 1] + other, d[i - 1][j] + 1, d[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::optional<int64_t> read_whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> read_fraction(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<bool> read_switch(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on"}) {  // YAML 1.1's words
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::optional<TimeNs> read_duration(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = read_whole_number(text.substr(0, digits));
  if (!count) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    if (*count > INT64_MAX / 4 / unit.ns) return std::nullopt;
    return *count * unit.ns;
  }
  return std::nullopt;
}

std::optional<unsigned> read_choice(std::string_view text,
                                    std::span<const std::string_view> names) {
  for (unsigned i = 0; i < names.size(); ++i) {
    if (names[i] == text) return i;
  }
  return std::nullopt;
}

std::string write_duration(TimeNs duration_ns) {
  if (duration_ns == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (duration_ns % unit.ns == 0) return fmt::format("{}{}", duration_ns / unit.ns, unit.name);
  }
  return fmt::format("{}ns", duration_ns);
}

std::string write_fraction(double value) {
  return fmt::format("{}", value);
}

std::string write_quoted(std::string_view text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '/' || c == '.' ||
           c == '-';
  });
  const bool null = text == "null" || text == "Null" || text == "NULL";
  if (plain && !null && text.front() != '-') return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 127) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string choice_of(std::span<const std::string_view> names) {
  std::string out = names.size() > 1 ? "one of " : "";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i != 0) out += i + 1 == names.size() ? " or " : ", ";
    out += names[i];
  }
  return out;
}

Result<PortSettings> read_port(std::string_view text) {
  PortSettings port;
  std::string name(text);
  if (text.starts_with("net_")) {
    port.kind = PortKind::kVdev;
  } else if (is_pci_address(text)) {
    port.kind = PortKind::kPci;
    if (name.size() < 12) name = "0000:" + name;
  } else {
    constexpr std::string_view kAfPacket = "af_packet:";
    if (text.starts_with(kAfPacket)) {
      port.kind = PortKind::kAfPacket;
      name.erase(0, kAfPacket.size());
    }
    if (!is_interface_name(name)) {
      return fail(
          fmt::format("an interface name such as eth1, af_packet:eth1, a PCI address such "
                      "as 0000:03:00.0 or a DPDK device such as net_tap0,iface=tap0"));
    }
  }
  if (name.size() >= sizeof port.name) {
    return fail(fmt::format("at most {} characters long", sizeof port.name - 1));
  }
  std::memcpy(port.name, name.data(), name.size());
  return port;
}

std::string write_port(const PortSettings& port) {
  return port.kind == PortKind::kAfPacket ? std::string("af_packet:") + port.name
                                          : std::string(port.name);
}

std::optional<std::string> nearest(std::string_view text, std::span<const std::string> known) {
  if (text.size() > 64) return std::nullopt;
  std::optional<std::string> best;
  unsigned best_distance = static_cast<unsigned>(std::max<size_t>(text.size() / 2, 1)) + 1;
  for (const std::string& name : known) {
    const unsigned distance = edit_distance(text, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace weir::operate
