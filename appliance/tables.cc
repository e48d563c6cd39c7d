// SPDX-License-Identifier: Apache-2.0
#include "appliance/tables.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>

#include <fmt/format.h>

namespace weir {

namespace {

// A member as text; empty where it is not there or null. Control characters (they may come from the
// network) are shown as '?', so that no answer can play with a terminal.
std::string get(const Json& j, const char* key) {
  const auto found = j.find(key);
  if (found == j.end() || found->is_null()) return "";
  std::string text = found->is_string() ? found->get<std::string>() : found->dump();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 127) c = '?';
  }
  return text;
}

uint64_t number(const Json& j, const char* key) {
  const auto found = j.find(key);
  return found != j.end() && found->is_number() ? found->get<uint64_t>() : 0;
}

const Json& part(const Json& j, const char* key) {
  static const Json kNone = Json::object();
  const auto found = j.find(key);
  return found != j.end() && !found->is_null() ? *found : kNone;
}

std::string grouped(uint64_t v) {  // 1,234,567
  std::string text = std::to_string(v);
  for (int i = static_cast<int>(text.size()) - 3; i > 0; i -= 3) text.insert(i, ",");
  return text;
}

std::string size_text(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double v = static_cast<double>(bytes);
  unsigned u = 0;
  for (; v >= 1000 && u < 4; ++u) v /= 1000;
  return u == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", v, kUnits[u]);
}

std::string span_text(int64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string micros_text(const Json& j, const char* key) {
  const auto found = j.find(key);
  if (found == j.end() || !found->is_number()) return "";
  const auto us = found->get<int64_t>();
  if (us < 1000) return fmt::format("{} us", us);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(us) / 1e3);
  return fmt::format("{:.1f} s", static_cast<double>(us) / 1e6);
}

// Seconds from now until a time of ours (negative: ago).
bool seconds_until(const std::string& timestamp, int64_t& seconds) {
  std::tm parts{};
  if (strptime(timestamp.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return false;
  seconds = static_cast<int64_t>(timegm(&parts) - std::time(nullptr));
  return true;
}
std::string age(const Json& j, const char* key) {
  int64_t s = 0;
  if (!seconds_until(get(j, key), s)) return "";
  return s > 0 ? "in " + span_text(s) : span_text(-s) + " ago";
}

std::string endpoint(const Json& j, const char* ip, const char* port) {
  const std::string address = get(j, ip);
  const std::string number_text = get(j, port);
  if (number_text.empty()) return address;
  const bool v6 = address.find(':') != std::string::npos;
  return v6 ? "[" + address + "]:" + number_text : address + ":" + number_text;
}

std::string joined(const Json& list, size_t most) {
  std::string out;
  size_t n = 0;
  for (const Json& item : list) {
    if (n++ == most) {
      out += fmt::format(" +{}", list.size() - most);
      break;
    }
    if (!out.empty()) out += ' ';
    out += item.is_string() ? item.get<std::string>() : item.dump();
  }
  return out;
}

std::string reasons_text(const Json& counters) {  // "verdict-drop 34, tx-full 2"
  std::string out;
  for (const auto& [name, count] : counters.items()) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, grouped(count.get<uint64_t>()));
  }
  return out;
}

uint64_t sum_of(const Json& counters) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counters.items()) sum += count.get<uint64_t>();
  return sum;
}

std::string program_text(const Json& p) {
  const std::string state = get(p, "state");
  if (state == "absent") return "absent";
  return fmt::format("{}, pid {}, up {}, start {}", state, get(p, "pid"),
                     span_text(static_cast<int64_t>(number(p, "uptime_seconds"))), get(p, "epoch"));
}

// "fail open; closed: overload, starting; uninspected: starting 12"
std::string fail_text(const Json& policies) {
  std::string closed, uninspected;
  size_t closed_count = 0;
  for (const auto& [cause, p] : policies.items()) {
    if (get(p, "policy") == "closed") {
      closed += (closed_count++ == 0 ? "" : ", ") + cause;
    }
    if (const uint64_t n = number(p, "uninspected"); n != 0) {
      uninspected += fmt::format("{}{} {}", uninspected.empty() ? "" : ", ", cause, grouped(n));
    }
  }
  std::string out = closed_count == 0                 ? "open"
                    : closed_count == policies.size() ? "closed"
                                                      : "open, but closed on " + closed;
  if (!uninspected.empty()) out += "; passed uninspected: " + uninspected;
  return out;
}

std::string balance_text(const Json& j) {
  const uint64_t dropped = sum_of(part(j, "dropped"));
  std::string out =
      fmt::format("received {} = sent {} + dropped {}", grouped(number(j, "received")),
                  grouped(number(j, "sent")), grouped(dropped));
  if (dropped != 0) out += " (" + reasons_text(part(j, "dropped")) + ")";
  out += fmt::format(" + held {}", grouped(number(j, "held")));
  if (!j.value("balanced", true)) out += fmt::format("  NOT BALANCED: {}", get(j, "unaccounted"));
  return out;
}

// Empty while there is nothing to tell.
std::string links_text(const Json& wire) {
  const std::string name = get(wire, "name");
  const uint64_t lost[] = {number(part(wire, "a"), "link_losses"),
                           number(part(wire, "b"), "link_losses")};
  std::string out;
  if (lost[0] + lost[1] != 0) {
    out += fmt::format("{}: link lost {} times by {}, {} by {}; partner taken down {} times\n",
                       name, grouped(lost[0]), get(part(wire, "a"), "port"), grouped(lost[1]),
                       get(part(wire, "b"), "port"), grouped(number(wire, "links_taken_down")));
  }
  if (wire.value("kernel_relay", false)) out += name + ": a kernel relay stands below it\n";
  if (part(wire, "bypass").value("on", false)) out += name + ": BYPASSED\n";
  return out;
}

// What of weir.yaml is not in force.
std::string reload_text(const Json& reload) {
  std::string out;
  if (const std::string error = get(reload, "error"); !error.empty()) {
    out += "config   LAST RELOAD CHANGED NOTHING: " + error + "\n";
  }
  const auto waits = [&](const char* key, const char* for_what) {
    for (const Json& line : part(reload, key)) {
      out += fmt::format("config   waits {}: {}\n", for_what, line.get<std::string>());
    }
  };
  waits("waits_for_restart_dataplane", "for weir restart-dataplane");
  waits("waits_for_start", "until weir run is stopped and started");
  return out;
}

}  // namespace

Table::Table(std::vector<std::string> heads) : heads_(std::move(heads)) {
  for (std::string& head : heads_) {
    right_.push_back(head.starts_with('>'));
    if (right_.back()) head.erase(0, 1);
  }
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(heads_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text(const std::string& otherwise) const {
  if (rows_.empty()) return otherwise + "\n";
  std::vector<size_t> width;
  for (const std::string& head : heads_) width.push_back(head.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i != 0) text += "  ";
      text += right_[i] ? fmt::format("{:>{}}", cells[i], width[i])
                        : fmt::format("{:<{}}", cells[i], width[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line(heads_);
  for (const auto& row : rows_) line(row);
  return out;
}

std::string status_text(const Json& s) {
  std::string out =
      fmt::format("weir {}, instance {}, up {}\n", get(s, "version"), get(s, "instance"),
                  span_text(static_cast<int64_t>(number(s, "uptime_seconds"))));
  out += "data plane  " + program_text(part(s, "dataplane")) + "\n";
  out += "control     " + program_text(part(s, "control")) + "\n";
  const Json& stalls = part(s, "stalls");
  if (number(stalls, "workers") + number(stalls, "process") != 0) {
    out += fmt::format("stalls      {} of a worker, {} of the whole data plane\n",
                       grouped(number(stalls, "workers")), grouped(number(stalls, "process")));
  }
  out += '\n';
  Table wires(
      {"wire", "mode", "port", "link", ">received", ">bytes", ">sent", ">bytes", ">missed"});
  for (const Json& wire : part(s, "wires")) {
    for (const char* side : {"a", "b"}) {
      const Json& p = part(wire, side);
      const bool first = *side == 'a';
      wires.row({first ? get(wire, "name") : "", first ? get(wire, "mode") : "", get(p, "port"),
                 p.value("held_down", false) ? "held"
                 : p.value("link", false)    ? "up"
                                             : "DOWN",
                 grouped(number(part(p, "received"), "packets")),
                 size_text(number(part(p, "received"), "bytes")),
                 grouped(number(part(p, "sent"), "packets")),
                 size_text(number(part(p, "sent"), "bytes")), grouped(number(p, "missed"))});
    }
  }
  out += wires.text("no wire") + "\n";
  for (const Json& wire : part(s, "wires")) {
    out += fmt::format("{}: {}\n", get(wire, "name"), balance_text(wire));
    out += fmt::format("{}: when something fails: {}\n", get(wire, "name"),
                       fail_text(part(wire, "fail")));
    out += links_text(wire);
    if (const Json& would = part(wire, "would_drop"); !would.empty()) {
      out += fmt::format("{}: would have dropped {}\n", get(wire, "name"), reasons_text(would));
    }
  }
  const Json& flows = part(s, "flows");
  const Json& rules = part(s, "rules");
  out += fmt::format("\nflows    {} active, {} created, {} evicted, {} refused\n",
                     grouped(number(flows, "active")), grouped(number(flows, "created")),
                     grouped(number(flows, "evicted")), grouped(number(flows, "refused")));
  out +=
      fmt::format("rules    {} in force, generation {}{}\n", grouped(number(rules, "count")),
                  get(rules, "generation"),
                  get(rules, "error").empty() ? "" : "; LAST LOAD FAILED: " + get(rules, "error"));
  out += reload_text(part(s, "reload"));
  out +=
      fmt::format("devices  {}   alerts {}   actions {}, {} standing\n",
                  grouped(number(s, "devices")), grouped(number(s, "alerts")),
                  grouped(number(s, "actions")), grouped(number(part(s, "verdicts"), "standing")));
  if (const uint64_t lost = number(part(s, "events"), "lost"); lost != 0) {
    out += fmt::format("events   {} LOST: the control plane did not keep up or was away\n",
                       grouped(lost));
  }
  if (const uint64_t lost = number(part(s, "logs"), "lost"); lost != 0) {
    out += fmt::format("logs     {} lines LOST: the disk did not take them\n", grouped(lost));
  }
  return out;
}

std::string flows_text(const Json& flows) {
  Table t({"flow", "from", "to", "proto", "app", "state", ">packets", ">bytes", "begun", "last"});
  for (const Json& f : flows) {
    const std::string state = get(f, "state") + (f.value("ended", false) ? ", ended" : "") +
                              (get(f, "action") == "drop" ? ", BLOCKED" : "");
    t.row({get(f, "flow_id"), endpoint(f, "src_ip", "src_port"),
           endpoint(f, "dest_ip", "dest_port"), get(f, "proto"), get(f, "app_proto"), state,
           grouped(number(f, "pkts_toserver") + number(f, "pkts_toclient")),
           size_text(number(f, "bytes_toserver") + number(f, "bytes_toclient")), age(f, "start"),
           age(f, "last")});
  }
  return t.text("no flow yet");
}

std::string devices_text(const Json& devices) {
  Table t({"device", "mac", "standing", ">flows", ">peers", "serves", "uses", "first seen",
           "last seen"});
  for (const Json& d : devices) {
    const std::string roles = joined(part(d, "roles"), 4);
    t.row({get(d, "address"), get(d, "mac"),
           get(d, "standing") + (roles.empty() ? "" : " (" + roles + ")"),
           grouped(number(d, "flows")), grouped(number(d, "peers")),
           joined(part(d, "ports_served"), 6), joined(part(d, "ports_used"), 6),
           age(d, "first_seen"), age(d, "last_seen")});
  }
  return t.text("no device yet: nothing inside HOME_NET was seen");
}

std::string alerts_text(const Json& alerts) {
  Table t({">alert", "when", "kind", "what", "from", "to", ">count", ">score", "blocked in",
           ">leaked", ">action"});
  for (const Json& a : alerts) {
    const double score = a.value("score", 0.0);
    t.row({get(a, "id"), age(a, "timestamp"), get(a, "kind"), get(a, "title"),
           endpoint(a, "src_ip", "src_port"), endpoint(a, "dest_ip", "dest_port"),
           grouped(number(a, "count")), score == 0 ? "" : fmt::format("{:.1f}", score),
           micros_text(a, "time_to_block_us"), get(a, "leaked_packets"), get(a, "action_id")});
  }
  return t.text("no alert");
}

std::string actions_text(const Json& actions) {
  Table t({">action", "by", "does", "to", "state", "until", ">packets", ">bytes", "in force after",
           "why"});
  for (const Json& a : actions) {
    const std::string state = get(a, "state");
    const bool runs = state == "standing" || state == "pending";
    const std::string mode = get(a, "mode") == "enforce" ? "" : " (" + get(a, "mode") + ")";
    t.row({get(a, "id"), get(a, "origin"), get(a, "action"), get(a, "target"), state + mode,
           runs ? age(a, "expires") : age(a, "ended"), grouped(number(a, "packets")),
           size_text(number(a, "bytes")), micros_text(a, "time_to_block_us"),
           get(a, "refusal").empty() ? get(a, "reason") : get(a, "refusal")});
  }
  return t.text("no action stands (--all shows those that ended)");
}

namespace {

// "1.2 k", "3.4 M"; counters begin anew with a data plane, so they may be less than before.
std::string rate_text(double before, double now, double seconds) {
  double v = seconds > 0 ? std::max(0.0, now - before) / seconds : 0;
  static constexpr const char* kUnits[] = {"", " k", " M", " G"};
  unsigned u = 0;
  for (; v >= 1000 && u < 3; ++u) v /= 1000;
  return fmt::format("{:.{}f}{}", v, u == 0 || v >= 100 ? 0 : 1, kUnits[u]);
}

double seconds_of(const std::string& timestamp) {  // with its fraction
  std::tm parts{};
  const char* rest = strptime(timestamp.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return 0;
  return static_cast<double>(timegm(&parts)) + (*rest == '.' ? std::strtod(rest, nullptr) : 0);
}

uint64_t bytes_of(const Json& flow) {
  return number(flow, "bytes_toserver") + number(flow, "bytes_toclient");
}

// Bits a second as of what was told of it last: since what was told before, or since it began.
// A moment counts as a second, and what was not heard of for long as silent.
double flow_rate(const Json* before, const Json& now) {
  constexpr double kSilent = 120;
  const double last = seconds_of(get(now, "last"));
  if (static_cast<double>(std::time(nullptr)) - last > kSilent) return 0;
  if (before != nullptr && bytes_of(*before) > bytes_of(now)) before = nullptr;  // another one
  if (before != nullptr && bytes_of(*before) == bytes_of(now)) {
    if (const auto known = before->find("rate"); known != before->end()) return *known;
    before = nullptr;
  }
  const double from = seconds_of(before != nullptr ? get(*before, "last") : get(now, "start"));
  const uint64_t bytes = bytes_of(now) - (before != nullptr ? bytes_of(*before) : 0);
  return static_cast<double>(bytes) * 8 / std::max(1.0, last - from);
}

void top_wires(const Json& before, const Json& now, double seconds, std::string& out) {
  Table t({"wire", "port", "link", ">in/s", ">bit/s", ">out/s", ">bit/s", ">missed/s",
           ">dropped/s"});
  const auto dropped = [](const Json& j) {
    return static_cast<double>(sum_of(part(j, "dropped")));
  };
  const Json& old = part(before, "wires");
  for (size_t w = 0; w < part(now, "wires").size(); ++w) {
    const Json& wire = part(now, "wires")[w];
    const Json& was = w < old.size() ? old[w] : wire;
    for (const char* side : {"a", "b"}) {
      const Json &p = part(wire, side), &q = part(was, side);
      const auto rate = [&](const char* way, const char* what, double times) {
        return rate_text(times * static_cast<double>(number(part(q, way), what)),
                         times * static_cast<double>(number(part(p, way), what)), seconds);
      };
      const bool first = *side == 'a';
      t.row({first ? get(wire, "name") : "", get(p, "port"), p.value("link", false) ? "up" : "DOWN",
             rate("received", "packets", 1), rate("received", "bytes", 8),
             rate("sent", "packets", 1), rate("sent", "bytes", 8),
             rate_text(static_cast<double>(number(q, "missed")),
                       static_cast<double>(number(p, "missed")), seconds),
             first ? rate_text(dropped(was), dropped(wire), seconds) : ""});
    }
  }
  out += t.text("no wire") + '\n';
}

void top_workers(const Json& before, const Json& now, double seconds, std::string& out) {
  Table t({"worker", ">cpu", ">flows", ">events/s", ">lost/s"});
  const Json& old = part(before, "workers");
  for (size_t i = 0; i < part(now, "workers").size(); ++i) {
    const Json& w = part(now, "workers")[i];
    const Json& was = i < old.size() ? old[i] : w;
    const auto grown = [&](const char* key) {
      return static_cast<double>(number(w, key) - std::min(number(was, key), number(w, key)));
    };
    t.row({std::to_string(i), fmt::format("{:.0f} %", grown("cpu_ns") / seconds / 1e7),
           grouped(number(w, "flows")), rate_text(0, grown("events"), seconds),
           rate_text(0, grown("events_lost"), seconds)});
  }
  out += t.text("no worker") + '\n';
}

}  // namespace

std::string top_text(const Json& before, Json& now, double seconds, size_t rows) {
  const Json& status = part(now, "status");
  std::string out = fmt::format("instance {}, up {}; {} flows, {} verdicts, {} alerts\n\n",
                                get(status, "instance"),
                                span_text(static_cast<int64_t>(number(status, "uptime_seconds"))),
                                grouped(number(part(status, "flows"), "active")),
                                grouped(number(part(status, "verdicts"), "standing")),
                                grouped(number(status, "alerts")));
  top_wires(part(before, "status"), status, seconds, out);
  top_workers(part(before, "status"), status, seconds, out);
  std::map<std::string, const Json*> old;
  for (const Json& f : part(before, "flows")) old[get(f, "flow_id")] = &f;
  std::vector<std::pair<double, const Json*>> flows;
  std::map<std::string, std::pair<double, size_t>> devices;  // rate, flows
  for (Json& f : now["flows"]) {
    const auto was = old.find(get(f, "flow_id"));
    // What has ended since is shown once more: it was on the wire in this time.
    const bool ended_before = was == old.end() || was->second->value("ended", false);
    if (f.value("ended", false) && ended_before) continue;
    const double rate = flow_rate(was == old.end() ? nullptr : was->second, f);
    f["rate"] = rate;
    flows.emplace_back(rate, &f);
    for (const char* end : {"src_ip", "dest_ip"}) {
      auto& device = devices[get(f, end)];
      device.first += rate;
      ++device.second;
    }
  }
  std::vector<std::pair<double, std::string>> by_rate;
  for (const auto& [address, what] : devices) by_rate.emplace_back(what.first, address);
  const auto more = [](const auto& a, const auto& b) { return a.first > b.first; };
  std::stable_sort(by_rate.begin(), by_rate.end(), more);
  std::stable_sort(flows.begin(), flows.end(), more);
  Table t({"device", ">bit/s", ">flows"});
  for (size_t i = 0; i < std::min(rows, by_rate.size()); ++i) {
    t.row({by_rate[i].second, rate_text(0, by_rate[i].first, 1),
           grouped(devices[by_rate[i].second].second)});
  }
  Table f({"from", "to", "app", ">bit/s", ">bytes", "last"});
  for (size_t i = 0; i < std::min(rows, flows.size()); ++i) {
    const Json& flow = *flows[i].second;
    f.row({endpoint(flow, "src_ip", "src_port"), endpoint(flow, "dest_ip", "dest_port"),
           get(flow, "app_proto"), rate_text(0, flows[i].first, 1), size_text(bytes_of(flow)),
           age(flow, "last")});
  }
  return out + t.text("no device talks") + '\n' + f.text("no flow lives");
}

std::string rules_text(const Json& answer) {
  Table t({">hits", ">sid", ">rev", "action", "what", "where"});
  for (const Json& r : part(answer, "rules")) {
    t.row({grouped(number(r, "hits")), get(r, "sid"), get(r, "rev"), get(r, "action"),
           get(r, "msg"), get(r, "file") + ":" + get(r, "line")});
  }
  std::string out = t.text("no rule is in force");
  if (const std::string error = get(answer, "error"); !error.empty()) {
    out += "the last load failed: " + error + "\n";
  }
  return out;
}

std::string action_line(const Json& a) {
  std::string out = fmt::format("action {}: {} {}, {}", get(a, "id"), get(a, "action"),
                                get(a, "target"), get(a, "state"));
  const std::string state = get(a, "state");
  if (state == "standing" || state == "pending") {
    int64_t s = 0;
    if (seconds_until(get(a, "expires"), s)) out += fmt::format(", for {}", span_text(s));
    out += fmt::format("; take it back with: weir undo {}", get(a, "id"));
  }
  if (!get(a, "refusal").empty()) out += ": " + get(a, "refusal");
  return out + "\n";
}

namespace {

// What it lost, by cause as workers told of it, and in the flows that are known.
std::string drops_text(const Json& answer) {
  std::string out;
  for (const Json& d : part(answer, "drops")) {
    std::string by;
    if (!get(d, "rule_sid").empty()) {
      by = fmt::format(" by rule {} \"{}\"", get(d, "rule_sid"), get(d, "msg"));
    } else if (!get(d, "verdict_id").empty()) {
      const std::string action = get(d, "action_id");
      by = action.empty() ? " by verdict " + get(d, "verdict_id") : " by action " + action;
    }
    out += fmt::format("{} {}{}: at least {} packets, {}; the last {}\n",
                       d.value("dropped", true) ? "dropped" : "would have dropped",
                       get(d, "reason"), by, grouped(number(d, "packets_told")),
                       size_text(number(d, "bytes_told")), age(d, "last"));
  }
  if (number(answer, "flows_dropped") != 0) {
    out += fmt::format(
        "{} of its flows lost {} packets, {}:\n", grouped(number(answer, "flows_dropped")),
        grouped(number(answer, "dropped_pkts")), size_text(number(answer, "dropped_bytes")));
    out += flows_text(part(answer, "flows"));
  }
  if (const Json& f = part(answer, "flow"); number(f, "dropped_pkts") != 0) {
    out +=
        fmt::format("{} packets of this flow were dropped{}\n", grouped(number(f, "dropped_pkts")),
                    get(f, "rule_sid").empty() ? "" : ", by rule " + get(f, "rule_sid"));
  }
  return out;
}

}  // namespace

std::string why_text(const Json& answer) {
  std::string out;
  const auto explain_alert = [&](const Json& a) {
    out += fmt::format("alert {}: {} ({}{}), {}, {} times\n", get(a, "id"), get(a, "title"),
                       get(a, "kind"),
                       get(a, "signature_id").empty() ? "" : " sid " + get(a, "signature_id"),
                       age(a, "timestamp"), grouped(number(a, "count")));
    out += fmt::format("  {} -> {}  {} {}\n", endpoint(a, "src_ip", "src_port"),
                       endpoint(a, "dest_ip", "dest_port"), get(a, "proto"), get(a, "app_proto"));
    for (const Json& r : part(a, "reasons")) {
      out += fmt::format("  because {}: {}; expected {}{} (probability {:.2g})\n", get(r, "what"),
                         get(r, "observed"), get(r, "expected"),
                         get(r, "compared_with").empty() ? "" : " of " + get(r, "compared_with"),
                         r.value("probability", 1.0));
    }
    if (!get(a, "packet_in").empty()) {
      out += fmt::format("  packet in {}, decided {}, enforced {}\n", get(a, "packet_in"),
                         get(a, "decided").empty() ? "-" : get(a, "decided"),
                         get(a, "enforced").empty() ? "-" : get(a, "enforced"));
    }
    if (const std::string time = micros_text(a, "time_to_block_us"); !time.empty()) {
      out += fmt::format("  blocked after {}, {} packets leaked\n", time, get(a, "leaked_packets"));
    }
  };
  const auto explain_action = [&](const Json& a) {
    out += fmt::format("action {} by {}: {} {}, {}{}\n", get(a, "id"), get(a, "origin"),
                       get(a, "action"), get(a, "target"), get(a, "state"),
                       get(a, "refusal").empty() ? "" : ": " + get(a, "refusal"));
    if (!get(a, "reason").empty()) out += "  because " + get(a, "reason") + "\n";
    out +=
        fmt::format("  decided {}, in force {}, {} {}; {} packets, {} stopped\n", age(a, "decided"),
                    get(a, "installed").empty() ? "not yet" : age(a, "installed"),
                    get(a, "ended").empty() ? "ends" : "ended",
                    get(a, "ended").empty() ? age(a, "expires") : age(a, "ended"),
                    grouped(number(a, "packets")), size_text(number(a, "bytes")));
  };
  if (answer.contains("device")) out += devices_text(Json::array({answer["device"]}));
  if (answer.contains("flow")) out += flows_text(Json::array({answer["flow"]}));
  if (answer.contains("action")) explain_action(answer["action"]);
  if (answer.contains("because_of")) explain_alert(answer["because_of"]);
  if (answer.contains("alert")) explain_alert(answer["alert"]);
  for (const Json& a : part(answer, "alerts")) explain_alert(a);
  for (const Json& a : part(answer, "actions")) explain_action(a);
  out += drops_text(answer);
  if (!answer.value("touched", true)) out += "nothing touched it\n";
  return out;
}

}  // namespace weir
