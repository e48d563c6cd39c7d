// SPDX-License-Identifier: Apache-2.0
#include "control/operate/answers.h"

#include <algorithm>
#include <charconv>

#include "control/operate/answer_parts.h"

namespace weir::operate {

namespace {

std::string_view state_text(ProgramState s) {
  static constexpr std::string_view kNames[] = {"absent", "starting", "running", "stopping"};
  const auto i = static_cast<unsigned>(s);
  return i < std::size(kNames) ? kNames[i] : "absent";
}

void write_program(JsonText& json, std::string_view key, const Presence& p, TimeNs now) {
  // It says so itself at least twice a second; who has been silent for this long is gone.
  constexpr TimeNs kSilence = 2 * kNsPerSecond;
  const auto state = p.state.load(std::memory_order_acquire);
  const bool silent =
      clock_ns(CLOCK_MONOTONIC) - p.heartbeat_ns.load(std::memory_order_relaxed) > kSilence;
  const bool gone = state == ProgramState::kAbsent || silent;
  const TimeNs started = p.started_ns.load(std::memory_order_relaxed);
  json.open(key);
  json.field("state", gone ? "absent" : state_text(state));
  json.field("pid", gone ? 0u : p.pid.load(std::memory_order_relaxed));
  json.field("epoch", p.epoch.load(std::memory_order_relaxed));
  json.field("uptime_seconds",
             gone || started == 0 ? TimeNs{0} : std::max<TimeNs>(0, now - started) / kNsPerSecond);
  json.close();
}

void write_amount(JsonText& json, std::string_view key, const PacketsBytes& v) {
  json.open(key);
  json.field("packets", v.packets);
  json.field("bytes", v.bytes);
  json.close();
}

void write_fail_policies(JsonText& json, const WireSettings& settings, const WireTraffic& wire) {
  json.open("fail");
  for (unsigned i = 0; i < kFailCauses; ++i) {
    const auto cause = static_cast<FailCause>(i);
    json.open(fail_cause_name(cause));
    json.field("policy", fail_policy_name(settings.on(cause)));
    json.field("uninspected", wire.fail_open[i]);
    json.close();
  }
  json.close();
}

void write_wire(JsonText& json, const WireSettings& settings, const Guard::Wire& guard,
                const WireTraffic& wire) {
  json.open_item();
  json.field("name", settings.name);
  json.field("mode", mode_name(settings.mode));
  for (unsigned s = 0; s < 2; ++s) {
    const PortTraffic& side = wire.side[s];
    json.open(s == 0 ? "a" : "b");
    json.field("port", settings.side[s].name);
    json.field("link", side.link);
    json.field("link_losses", guard.link_losses[s].get());
    json.field("held_down", guard.held_down[s].get() != 0);
    write_amount(json, "received", side.received);
    write_amount(json, "sent", side.sent);
    write_amount(json, "injected", side.injected);
    json.field("missed", side.missed);
    json.close();
  }
  json.field("received", wire.received.packets);
  json.field("sent", wire.sent.packets);
  json.field("held", wire.held.packets);
  write_drops(json, "dropped", wire.dropped);
  write_drops(json, "would_drop", wire.would_drop);
  write_fail_policies(json, settings, wire);
  json.field("unaccounted", wire.unaccounted());
  json.field("balanced", wire.balanced);
  json.field("links_taken_down", guard.links_taken_down.get());
  json.field("kernel_relay", guard.kernel_relay.get() != 0);
  json.open("bypass");
  json.field("on", guard.bypass_on.get() != 0);
  json.field("calls", guard.bypass_calls.get());
  json.field("failures", guard.bypass_failures.get());
  json.close();
  json.close();
}

void write_workers(JsonText& json, const Desk& d) {
  json.open_list("workers");
  for (uint32_t i = 0; i < d.segment.workers(); ++i) {
    const StatsPage& s = d.segment.worker(i).stats;
    json.open_item();
    json.field("cpu_ns", s.cpu_ns.get());
    json.field("flows", s.flows_active.get());
    json.field("events", s.events_written.get());
    json.field("events_lost", s.events_lost.get());
    json.close();
  }
  json.close_list();
}

void write_tables(JsonText& json, const Desk& d) {
  const auto total = [&](Counter StatsPage::*c) { return d.segment.sum(c); };
  json.open("flows");
  json.field("active", total(&StatsPage::flows_active));
  json.field("created", total(&StatsPage::flows_created));
  json.field("ended", total(&StatsPage::flows_ended));
  json.field("evicted", total(&StatsPage::flows_evicted));
  json.field("refused", total(&StatsPage::flows_refused_full));
  json.field("table_bytes", total(&StatsPage::flow_table_bytes));
  json.close();
  json.open("evidence");
  json.field("events", total(&StatsPage::evidence_events));
  json.field("lost", total(&StatsPage::evidence_lost));
  json.field("flows", total(&StatsPage::parse_flows));
  json.field("malformed", total(&StatsPage::parse_malformed));
  json.field("evicted", total(&StatsPage::parse_evicted));
  json.field("no_buffer", total(&StatsPage::parse_no_buffer));
  json.field("gaps", total(&StatsPage::parse_gaps));
  json.close();
  json.open("streams");
  json.field("held", total(&StatsPage::streams_held));
  json.field("bytes_held", total(&StatsPage::stream_bytes_held));
  json.field("gaps", total(&StatsPage::stream_gaps));
  json.field("conflicts", total(&StatsPage::stream_conflicts));
  json.field("refused", total(&StatsPage::stream_refused_full));
  json.close();
  json.open("events");
  json.field("written", total(&StatsPage::events_written));
  json.field("lost", total(&StatsPage::events_lost));
  json.field("malformed", d.chain.intake().malformed());
  json.close();
  json.open("rules");
  json.field("generation", d.rules.generation());
  json.field("count", d.rules.current() != nullptr ? d.rules.current()->rules.size() : size_t{0});
  json.field("error", d.rules.error());
  json.field("loading", d.rules.busy());
  json.close();
  json.open("verdicts");
  json.field("standing", d.chain.responder().standing());
  json.field("waiting", d.chain.publisher().waiting());
  json.close();
  json.open("logs");
  json.field("written", d.log != nullptr ? d.log->lines_written() : uint64_t{0});
  json.field("lost", d.log != nullptr ? d.log->lines_lost() : uint64_t{0});
  json.close();
}

void write_lines(JsonText& json, std::string_view key, const std::vector<std::string>& lines) {
  json.open_list(key);
  for (const std::string& line : lines) json.item(line);
  json.close_list();
}

void write_reload(JsonText& json, const Desk& d) {
  json.field("number", d.reload.number);
  json.field("busy", d.reload.busy);
  json.field("error", d.reload.error);
  write_lines(json, "changed", d.reload.taken);
  write_lines(json, "waits_for_restart_dataplane", d.reload.restart);
  write_lines(json, "waits_for_start", d.reload.start);
}

ControlReply status(const Desk& d, TimeNs now) {
  const Traffic traffic = read_traffic_live(d.segment);
  JsonText json;
  json.open();
  json.field("instance", d.config.settings.instance);
  json.field("version", WEIR_VERSION);
  const auto& header = d.segment.header();
  const TimeNs since = header.supervisor.started_ns.load(std::memory_order_relaxed);
  json.field("uptime_seconds", since == 0 ? TimeNs{0} : (now - since) / kNsPerSecond);
  write_program(json, "dataplane", header.dataplane, now);
  write_program(json, "control", header.control, now);
  uint64_t worker_stalls = 0;
  for (const Counter& c : header.guard.worker_stalls) worker_stalls += c.get();
  json.open("stalls");
  json.field("workers", worker_stalls);
  json.field("process", header.guard.process_stalls.get());
  json.close();
  json.open_list("wires");
  for (size_t w = 0; w < traffic.wires.size(); ++w) {
    write_wire(json, d.segment.settings().wire[w], header.guard.wire[w], traffic.wires[w]);
  }
  json.close_list();
  json.open("total");
  json.field("received", traffic.total.received.packets);
  json.field("sent", traffic.total.sent.packets);
  json.field("held", traffic.total.held.packets);
  write_drops(json, "dropped", traffic.total.dropped);
  write_drops(json, "would_drop", traffic.total.would_drop);
  json.field("unaccounted", traffic.total.unaccounted());
  json.field("balanced", traffic.balanced);
  json.close();
  write_workers(json, d);
  write_tables(json, d);
  json.open("reload");
  write_reload(json, d);
  json.close();
  json.field("devices", d.chain.intake().inventory().size());
  json.field("alerts", d.store != nullptr ? d.store->alerts() : d.chain.detector().raised());
  uint64_t actions = 0;
  d.chain.responder().each([&](const ActionRecord&) { return ++actions != 0; });
  json.field("actions", actions);
  json.close();
  return {200, std::string(json.text())};
}

ControlReply flows(const Desk& d, uint64_t most) {
  JsonText json;
  json.open_document_list();
  uint64_t n = 0;
  const auto visit = [&](const BookedFlow& f) {
    if (n++ >= most) return false;
    json.open_item();
    write_flow(json, f, d);
    json.close();
    return n < most;
  };
  d.chain.intake().flows().each_live(visit);
  if (n < most) d.chain.intake().flows().each_ended(visit);
  json.close_list();
  return {200, std::string(json.text())};
}

ControlReply devices(const Desk& d, uint64_t most) {
  JsonText json;
  json.open_document_list();
  uint64_t n = 0;
  d.chain.intake().inventory().each([&](const Device& device) {
    json.open_item();
    write_device(json, device, d);
    json.close();
    return ++n < most;
  });
  json.close_list();
  return {200, std::string(json.text())};
}

ControlReply alerts(const Desk& d, uint64_t most) {
  std::string body = "[";
  const auto add = [&](std::string_view text) {
    if (body.size() > 1) body += ',';
    body += text;
  };
  each_alert_text(d, most, add);
  return {200, body + "]"};
}

ControlReply actions(const Desk& d, bool all, uint64_t most) {
  JsonText json;
  json.open_document_list();
  uint64_t n = 0;
  d.chain.responder().each([&](const ActionRecord& a) {
    const bool stands = a.state == ActionState::kPending || a.state == ActionState::kStanding;
    if (!all && !stands) return true;
    json.open_item();
    write_action(json, a);
    json.close();
    return ++n < most;
  });
  json.close_list();
  return {200, std::string(json.text())};
}

ControlReply rules(const Desk& d) {
  JsonText json;
  json.open();
  json.field("generation", d.rules.generation());
  json.field("error", d.rules.error());
  json.field("loading", d.rules.busy());
  json.open_list("rules");
  if (const RuleCatalog* catalog = d.rules.current(); catalog != nullptr) {
    for (const CatalogRule& r : catalog->rules) {
      json.open_item();
      json.field("gid", r.gid);
      json.field("sid", r.sid);
      json.field("rev", r.rev);
      json.field("action", action_name(r.action));
      json.field("msg", r.msg);
      json.field("category", r.category);
      json.field("severity", unsigned{r.severity});
      json.field("hits", d.rules.hits_of(r));
      json.field("file", r.file);
      json.field("line", r.line);
      json.close();
    }
  }
  json.close_list();
  json.close();
  return {200, std::string(json.text())};
}

ControlReply reload_state(const Desk& d) {
  JsonText json;
  json.open();
  write_reload(json, d);
  json.field("rules", d.rules.current() != nullptr ? d.rules.current()->rules.size() : size_t{0});
  json.field("generation", d.rules.generation());
  json.close();
  return {200, std::string(json.text())};
}

Result<uint64_t> limit_of(const ControlRequest& request, uint64_t otherwise) {
  const auto found = request.params.find("limit");
  if (found == request.params.end()) return otherwise;
  uint64_t value = 0;
  const std::string& text = found->second;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value == 0) {
    return fail("the limit must be a whole number from 1");
  }
  return std::min(value, kAnswerRowsMax);
}

ControlReply get(const Desk& d, const ControlRequest& r, TimeNs now) {
  constexpr uint64_t kRows = 1000;  // where nobody said how many
  const auto limit = limit_of(r, kRows);
  if (!limit) return refusal(400, limit.error().message);
  if (r.path == "/status") return status(d, now);
  if (r.path == "/flows") return flows(d, *limit);
  if (r.path == "/devices") return devices(d, *limit);
  if (r.path == "/alerts") return alerts(d, *limit);
  if (r.path == "/actions") return actions(d, r.params.contains("all"), *limit);
  if (r.path == "/rules") return rules(d);
  if (r.path == "/reload") return reload_state(d);
  if (r.path == "/metrics") return {200, metrics_text(d, now), "text/plain; version=0.0.4"};
  if (r.path == "/why") {
    const auto about = r.params.find("about");
    if (about == r.params.end()) return refusal(400, "it must say what it is about: ?about=ID");
    return why(d, about->second, now);
  }
  return refusal(404, "there is no " + r.path.substr(0, 100));
}

ControlReply post(const Desk& d, const ControlRequest& r, TimeNs now) {
  if (r.path == "/order") return take_order(d, r.body, now);
  if (r.path == "/undo") return take_undo(d, r.body, now);
  if (r.path == "/rules/reload") {
    d.rules.reload();
    JsonText json;
    json.open();
    json.field("loading", d.rules.busy());
    json.close();
    return {202, std::string(json.text())};
  }
  return refusal(404, "there is no " + r.path.substr(0, 100));
}

}  // namespace

ControlReply refusal(int status, std::string_view sentence) {
  JsonText json;
  json.open();
  json.field("error", sentence);
  json.close();
  return {status, std::string(json.text())};
}

ControlReply answer(const Desk& desk, const ControlRequest& request, TimeNs now) {
  if (request.method == "GET") return get(desk, request, now);
  if (request.method == "POST") return post(desk, request, now);
  return refusal(405, "only GET and POST");
}

}  // namespace weir::operate
