// SPDX-License-Identifier: Apache-2.0
// The answer to `why`: which rule, verdict, policy or score touched a flow, a device, an alert's or
// an action's subject, when, and how many packets. From the store (alerts), the actions, the book
// of flows and what workers told of drops.
#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "control/operate/answer_parts.h"

namespace weir::operate {

namespace {

constexpr unsigned kRowsMax = 50;  // alerts, actions and flows in one answer, of each

// "10.0.0.1:22", "[fe80::1]:22", "10.0.0.1", "fe80::1". port 0: any.
struct End {
  IpAddress address;
  uint16_t port = 0;
};
std::optional<End> end_of_text(std::string_view text) {
  if (const auto whole = parse_ip_address(text); whole) return End{*whole, 0};
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, std::min(colon, text.size()));
  if (host.starts_with('[') && text.ends_with(']')) host = text;  // an address, no port
  const bool has_port = host.size() < text.size();
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  End end;
  const auto address = parse_ip_address(host);
  if (!address) return std::nullopt;
  end.address = *address;
  if (!has_port) return end;
  const std::string_view digits = text.substr(colon + 1);
  const auto [rest, code] = std::from_chars(digits.data(), digits.data() + digits.size(), end.port);
  if (code != std::errc{} || rest != digits.data() + digits.size()) return std::nullopt;
  return end;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// The lately most reported flow between two ends, whichever protocol it has and whoever began it.
const BookedFlow* flow_of_ends(const Desk& d, std::string_view text) {
  const size_t arrow = text.find("->");
  if (arrow == std::string_view::npos) return nullptr;
  const auto src = end_of_text(trimmed(text.substr(0, arrow)));
  const auto dst = end_of_text(trimmed(text.substr(arrow + 2)));
  if (!src || !dst) return nullptr;
  const auto is_at = [](const End& end, const IpAddress& a, uint16_t port) {
    return end.address == a && (end.port == 0 || end.port == port);
  };
  const BookedFlow* found = nullptr;
  const auto look = [&](const BookedFlow& f) {
    const Endpoints& e = f.report.ends;
    const bool same = (is_at(*src, e.src, e.src_port) && is_at(*dst, e.dst, e.dst_port)) ||
                      (is_at(*src, e.dst, e.dst_port) && is_at(*dst, e.src, e.src_port));
    if (same) found = &f;
    return found == nullptr;
  };
  d.chain.intake().flows().each_live(look);
  if (found == nullptr) d.chain.intake().flows().each_ended(look);
  return found;
}

std::optional<uint64_t> number_of_text(std::string_view text) {
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Every address seen with this MAC, last seen first.
std::vector<IpAddress> addresses_of_mac(const Desk& d, const MacAddress& mac) {
  std::vector<IpAddress> found;
  d.chain.intake().inventory().each([&](const Device& device) {
    if (device.mac == mac) found.push_back(device.address);
    return found.size() < kRowsMax;
  });
  return found;
}

std::optional<std::string> alert_of(const Desk& d, uint64_t id) {
  if (const Alert* a = d.chain.detector().find(id); a != nullptr) {
    return alert_text(*a, rule_of(d, *a), d.lines, mode_of_wire(d, a->wire));
  }
  return d.store != nullptr ? d.store->alert(id) : std::nullopt;
}

// Whether an alert's text (ours, so written in just this way) has the field with this value.
bool has_field(std::string_view text, std::string_view key, std::string_view value) {
  const std::string field = fmt::format("\"{}\":{}", key, value);
  const size_t at = text.find(field);
  if (at == std::string_view::npos) return false;
  const size_t end = at + field.size();
  return end < text.size() && (text[end] == ',' || text[end] == '}');
}
bool tells_of(std::string_view text, const IpAddress& address) {
  const std::string quoted = "\"" + to_string(address) + "\"";
  return has_field(text, "device", quoted) || has_field(text, "src_ip", quoted) ||
         has_field(text, "dest_ip", quoted);
}

bool is_about(const Desk& d, const ActionRecord& a, const IpAddress& address) {
  if (a.match.mac != MacAddress{}) {
    const Device* device = d.chain.intake().inventory().find(address);
    return device != nullptr && device->mac == a.match.mac;
  }
  return a.device == address || (a.match.src.bits != 0 && a.match.src.contains(address)) ||
         (a.match.dst.bits != 0 && a.match.dst.contains(address));
}

// In force at some time while the flow was there, and it falls under it.
bool touched(const ActionRecord& a, const BookedFlow& f, TimeNs now) {
  const FlowReport& r = f.report;
  if (a.state == ActionState::kRefused) return false;
  const TimeNs last = f.ended ? r.last_ns : now;
  if (a.decided_ns > last || (a.ended_ns != 0 && a.ended_ns < r.first_ns)) return false;
  return r.verdict != 0 && r.verdict == a.verdict ? true : falls_under(a, r);
}

// Collects the parts of an answer.
class Explanation {
 public:
  Explanation(const Desk& d, TimeNs now) : desk_(d), now_(now) { json_.open(); }

  bool add_alert(uint64_t id) {
    const auto text = alert_of(desk_, id);
    if (!text) return false;
    told_alert_ = touched_ = true;
    json_.raw("alert", *text);
    desk_.chain.responder().each([&](const ActionRecord& a) {
      if (a.alert == id) add_action(a.id);
      return !told_action_;
    });
    return true;
  }
  bool add_action(uint64_t id) {
    const ActionRecord* a = desk_.chain.responder().find(id);
    if (a == nullptr || told_action_) return a != nullptr;
    told_action_ = touched_ = true;
    json_.open("action");
    write_action(json_, *a);
    json_.close();
    if (a->alert == 0 || told_alert_) return true;
    if (const auto text = alert_of(desk_, a->alert); text) json_.raw("because_of", *text);
    return true;
  }
  bool add_flow(const BookedFlow* f) {
    if (f == nullptr) return false;
    json_.open("flow");
    write_flow(json_, *f, desk_);
    json_.close();
    std::set<AlertId> because;
    add_actions([&](const ActionRecord& a) {
      const bool is = touched(a, *f, now_);
      if (is && a.alert != 0) because.insert(a.alert);
      return is;
    });
    const std::string flow_id = std::to_string(f->report.flow);
    add_alerts([&](std::string_view text) {
      return has_field(text, "flow_id", flow_id) ||
             std::any_of(because.begin(), because.end(),
                         [&](AlertId id) { return has_field(text, "id", std::to_string(id)); });
    });
    add_drops(desk_.drops.of(f->report.flow));
    if (f->report.counters.dropped_packets != 0) touched_ = true;
    return true;
  }
  bool add_device(const std::vector<IpAddress>& addresses) {
    bool known = false;
    for (const IpAddress& address : addresses) {
      const Device* device = desk_.chain.intake().inventory().find(address);
      if (device == nullptr || known) continue;
      known = true;
      json_.open("device");
      write_device(json_, *device, desk_);
      json_.close();
    }
    const auto any_of = [&addresses](auto&& is) {
      return std::any_of(addresses.begin(), addresses.end(), is);
    };
    add_actions([&](const ActionRecord& a) {
      return any_of([&](const IpAddress& address) { return is_about(desk_, a, address); });
    });
    add_alerts([&](std::string_view text) {
      return any_of([&](const IpAddress& address) { return tells_of(text, address); });
    });
    std::vector<DropCause> drops;
    for (const IpAddress& address : addresses) {
      const auto of = desk_.drops.of(address);
      drops.insert(drops.end(), of.begin(), of.end());
    }
    add_drops(drops);
    return add_flows(any_of) || known || touched_;
  }
  ControlReply finish() {
    json_.field("touched", touched_);
    json_.close();
    return {200, std::string(json_.text())};
  }

 private:
  template <class Is>
  void add_actions(Is&& is) {
    unsigned n = 0;
    json_.open_list("actions");
    desk_.chain.responder().each([&](const ActionRecord& a) {
      if (!is(a)) return true;
      json_.open_item();
      write_action(json_, a);
      json_.close();
      return ++n < kRowsMax;
    });
    json_.close_list();
    touched_ = touched_ || n != 0;
  }
  template <class Is>
  void add_alerts(Is&& is) {
    unsigned n = 0;
    json_.open_list("alerts");
    each_alert_text(desk_, kAnswerRowsMax, [&](std::string_view text) {
      if (n == kRowsMax || !is(text)) return;
      json_.raw({}, text);
      ++n;
    });
    json_.close_list();
    touched_ = touched_ || n != 0;
  }
  void add_drops(std::span<const DropCause> drops) {
    json_.open_list("drops");
    for (const DropCause& c : drops) {
      json_.open_item();
      json_.field("reason", reason_name(c.reason));
      json_.field("dropped", !c.would);
      if (c.rule_sid != 0) {
        const CatalogRule* rule = desk_.rules.rule_of_sid(c.rule_sid);
        json_.field("rule_sid", c.rule_sid);
        json_.field("msg", rule != nullptr ? rule->msg : std::string());
      }
      if (c.verdict != 0) {
        json_.field("verdict_id", c.verdict);
        write_action_id(c.verdict);
      }
      json_.field("packets_told", c.packets);
      json_.field("bytes_told", c.bytes);
      write_time(json_, "first", c.first_ns);
      write_time(json_, "last", c.last_ns);
      json_.close();
    }
    json_.close_list();
    if (desk_.drops.untold() != 0) json_.field("drops_untold", desk_.drops.untold());
    touched_ = touched_ || !drops.empty();
  }
  void write_action_id(VerdictId verdict) {
    desk_.chain.responder().each([&](const ActionRecord& a) {
      const bool is = a.verdict == verdict ||
                      std::any_of(a.companions.begin(), a.companions.end(),
                                  [&](const Companion& c) { return c.verdict == verdict; });
      if (is) json_.field("action_id", a.id);
      return !is;
    });
  }
  // Flows of the device that lost packets, and how many all of them lost; exact, as far as the book
  // of flows goes back.
  template <class AnyOf>
  bool add_flows(AnyOf&& any_of) {
    unsigned n = 0;
    uint64_t flows = 0, packets = 0, bytes = 0;
    json_.open_list("flows");
    const auto visit = [&](const BookedFlow& f) {
      const FlowReport& r = f.report;
      if (r.counters.dropped_packets == 0) return true;
      if (!any_of([&](const IpAddress& a) { return r.ends.src == a || r.ends.dst == a; })) {
        return true;
      }
      ++flows;
      packets += r.counters.dropped_packets;
      bytes += r.counters.dropped_bytes;
      if (n == kRowsMax) return true;
      ++n;
      json_.open_item();
      write_flow(json_, f, desk_);
      json_.close();
      return true;
    };
    desk_.chain.intake().flows().each_live(visit);
    desk_.chain.intake().flows().each_ended(visit);
    json_.close_list();
    json_.field("flows_dropped", flows);
    json_.field("dropped_pkts", packets);
    json_.field("dropped_bytes", bytes);
    touched_ = touched_ || flows != 0;
    return flows != 0;
  }

  const Desk& desk_;
  const TimeNs now_;
  JsonText json_;
  bool told_alert_ = false, told_action_ = false;
  bool touched_ = false;
};

}  // namespace

ControlReply why(const Desk& d, std::string_view about, TimeNs now) {
  const size_t colon = about.find(':');
  const std::string_view kind = colon == std::string_view::npos ? "" : about.substr(0, colon);
  const bool named = kind == "alert" || kind == "action" || kind == "flow";
  const std::string_view rest = named ? about.substr(colon + 1) : about;
  Explanation explanation(d, now);
  bool found = false;
  if (const auto id = number_of_text(rest); id) {
    if (kind.empty() || kind == "alert") found |= explanation.add_alert(*id);
    if (kind.empty() || kind == "action") found |= explanation.add_action(*id);
    if ((kind.empty() && !found) || kind == "flow") {
      found |= explanation.add_flow(d.chain.intake().flows().find(*id));
    }
  } else if (const auto address = parse_ip_address(rest); address) {
    found = explanation.add_device({*address});
  } else if (const auto mac = parse_mac(rest); mac) {
    const auto addresses = addresses_of_mac(d, *mac);
    found = !addresses.empty() && explanation.add_device(addresses);
  } else {
    found = explanation.add_flow(flow_of_ends(d, rest));
  }
  if (!found) {
    return refusal(404, fmt::format("nothing is known of '{}'; give the number of an alert, action "
                                    "or flow, an address, a MAC, or src[:port]->dst[:port]",
                                    about.substr(0, 100)));
  }
  return explanation.finish();
}

}  // namespace weir::operate
