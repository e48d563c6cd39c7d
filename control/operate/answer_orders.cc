// SPDX-License-Identifier: Apache-2.0
// What the operator orders: block, limit, keep, allow, undo. Each is on disk before it is
// confirmed.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "control/operate/answer_parts.h"
#include "control/operate/config_value.h"
#include "control/operate/kept_records.h"

namespace weir::operate {

namespace {

using nlohmann::json;

// A member that must be text if it is there. null: it is not there.
Result<std::string> text_of(const json& order, const char* key) {
  const auto found = order.find(key);
  if (found == order.end() || found->is_null()) return std::string();
  if (!found->is_string()) return fail(fmt::format("'{}' must be text", key));
  return found->get<std::string>();
}

Result<Action> action_of(std::string_view name) {
  if (name == "drop" || name == "block") return Action::kDrop;
  if (name == "reject") return Action::kReject;
  if (name == "limit" || name == "ratelimit") return Action::kRateLimit;
  if (name == "keep") return Action::kKeep;
  if (name == "pass" || name == "allow") return Action::kPass;
  return fail("'action' must be one of block, reject, limit, keep or allow");
}

Result<void> read_match(const json& order, OperatorOrder& out) {
  for (const char* key : {"target", "to"}) {
    const auto text = text_of(order, key);
    if (!text) return fail(text.error());
    if (text->empty()) continue;
    if (const auto mac = parse_mac(*text); mac && key[1] == 'a') {
      out.mac = *mac;
      continue;
    }
    const auto prefix = parse_ip_prefix(*text);
    if (!prefix) return fail(prefix.error());
    constexpr uint8_t kAllOfIpv4 = 96;
    if (prefix->bits == 0 || (prefix->address.is_v4() && prefix->bits <= kAllOfIpv4)) {
      return fail(fmt::format("'{}' would be every address", *text));
    }
    (key[1] == 'a' ? out.target : out.to) = *prefix;
  }
  if (out.target.bits == 0 && out.mac == MacAddress{}) {
    return fail("it must say whom it is about: an address, a prefix or a MAC");
  }
  if (const auto port = order.find("port"); port != order.end()) {
    if (!port->is_number_unsigned() || *port < 1u || *port > 65535u) {
      return fail("'port' must be a whole number from 1 to 65535");
    }
    out.port = port->get<uint16_t>();
  }
  const auto proto = text_of(order, "proto");
  if (!proto) return fail(proto.error());
  if (!proto->empty()) {
    const auto number = proto_of_name(*proto);
    if (!number)
      return fail("'proto' must be tcp, udp or another IP protocol, not '" + *proto + "'");
    out.proto = *number;
  }
  return {};
}

Result<void> read_per(const json& order, OperatorOrder& out) {
  const auto per = text_of(order, "per");
  if (!per) return fail(per.error());
  if (per->empty()) return {};
  if (out.action != Action::kRateLimit) return fail("only a limit is per something");
  if (*per == "source") {
    out.limit.per = RateLimit::Per::kSource;
  } else if (*per == "flow") {
    out.limit.per = RateLimit::Per::kFlow;
  } else if (*per != "verdict") {
    return fail("'per' must be verdict, source or flow, not '" + per->substr(0, 40) + "'");
  }
  return {};
}

Result<void> read_app(const json& order, const AppNames& names, OperatorOrder& out) {
  const auto app = text_of(order, "app");
  if (!app) return fail(app.error());
  if (app->empty()) return {};
  out.app = app_of_name(names, *app);
  if (out.app == 0) return fail("there is no application '" + app->substr(0, 40) + "'");
  return {};
}

Result<OperatorOrder> read_order(const std::string& body, const AppNames& names) {
  const json order = json::parse(body, nullptr, false);
  if (!order.is_object()) return fail("an order is a JSON object");
  for (const auto& [key, value] : order.items()) {
    static constexpr std::string_view kKnown[] = {"action", "target", "to",  "port", "proto",
                                                  "app",    "rate",   "per", "for",  "reason"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown)) {
      return fail("an order has no '" + key.substr(0, 40) + "'");
    }
  }
  OperatorOrder out;
  const auto name = text_of(order, "action");
  if (!name) return fail(name.error());
  const auto action = action_of(*name);
  if (!action) return fail(action.error());
  out.action = *action;
  if (auto match = read_match(order, out); !match) return fail(match.error());
  const auto rate = text_of(order, "rate");
  if (!rate) return fail(rate.error());
  if (rate->empty() != (out.action != Action::kRateLimit)) {
    return fail(out.action == Action::kRateLimit ? "a limit needs a rate such as 100pps or 1mbps"
                                                 : "only a limit has a rate");
  }
  if (!rate->empty()) {
    const auto limit = read_rate(*rate);
    if (!limit) return fail(limit.error());
    out.limit = *limit;
  }
  if (const auto per = read_per(order, out); !per) return fail(per.error());
  if (const auto app = read_app(order, names, out); !app) return fail(app.error());
  const auto duration = text_of(order, "for");
  if (!duration) return fail(duration.error());
  if (!duration->empty()) {
    const auto value = read_duration(*duration);
    constexpr TimeNs kLongest = 365 * 86'400 * kNsPerSecond;
    if (!value || *value < kNsPerSecond || *value > kLongest) {
      return fail(fmt::format("'for' must be {}, from 1s to 365d, not '{}'", kDurationWanted,
                              duration->substr(0, 40)));
    }
    out.duration_ns = *value;
  }
  const auto reason = text_of(order, "reason");
  if (!reason) return fail(reason.error());
  constexpr size_t kReasonMax = 1000;
  out.reason = reason->substr(0, kReasonMax);
  return out;
}

ControlReply confirmed(const Desk& d, const ActionRecord& a) {
  if (d.store != nullptr) {
    d.store->put_action(a.id, kept_text(a));
    if (!d.store->commit()) {
      return refusal(500,
                     fmt::format("action {} is in force, but cannot be kept over a restart: the "
                                 "database does not take it",
                                 a.id));
    }
  }
  JsonText text;
  text.open();
  write_action(text, a);
  text.close();
  return {200, std::string(text.text())};
}

}  // namespace

Result<RateLimit> read_rate(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t packets, bits;
  };
  static constexpr Unit kUnits[] = {{"pps", 1, 0},          {"kpps", 1000, 0},
                                    {"bps", 0, 1},          {"kbps", 0, 1000},
                                    {"mbps", 0, 1'000'000}, {"gbps", 0, 1'000'000'000}};
  uint64_t count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  constexpr uint64_t kMost = 1'000'000'000'000;  // 1 Tbit/s
  for (const Unit& u : kUnits) {
    if (code != std::errc{} || unit != u.name || count == 0) continue;
    if (count > kMost / (u.packets + u.bits)) break;
    RateLimit limit;
    limit.packets_per_second = count * u.packets;
    limit.bits_per_second = count * u.bits;
    return limit;
  }
  return fail(
      "a rate is a whole number with pps, kpps, bps, kbps, mbps or gbps, such as 100pps or "
      "1mbps, not '" +
      std::string(text.substr(0, 40)) + "'");
}

ControlReply take_order(const Desk& d, const std::string& body, TimeNs now) {
  const auto order = read_order(body, d.lines.names());
  if (!order) return refusal(400, order.error().text());
  const auto made = d.chain.order(*order, now);
  if (!made) return refusal(409, made.error().text());
  return confirmed(d, **made);
}

ControlReply take_undo(const Desk& d, const std::string& body, TimeNs now) {
  const json order = json::parse(body, nullptr, false);
  if (!order.is_object() || !order.contains("id") || !order["id"].is_number_unsigned()) {
    return refusal(400, "an undo says which action: {\"id\": 7}");
  }
  const auto undone = d.chain.undo(order["id"].get<uint64_t>(), now);
  if (!undone) return refusal(409, undone.error().text());
  return confirmed(d, **undone);
}

}  // namespace weir::operate
