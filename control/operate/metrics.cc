// SPDX-License-Identifier: Apache-2.0
// Every counter for Prometheus, in its text format 0.0.4: HELP, TYPE, samples.
#include "control/operate/answers.h"

namespace weir::operate {

namespace {

class MetricsText {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(out_), "# HELP weir_{0} {2}\n# TYPE weir_{0} {1}\n", name,
                   type, help);
    name_ = name;
  }
  // labels: "wire=\"wire0\"" or empty. Names of wires need no escaping (config allows none such).
  template <class Number>
  void sample(std::string_view labels, Number value) {
    if (labels.empty()) {
      fmt::format_to(std::back_inserter(out_), "weir_{} {}\n", name_, value);
    } else {
      fmt::format_to(std::back_inserter(out_), "weir_{}{{{}}} {}\n", name_, labels, value);
    }
  }
  template <class Number>
  void single(std::string_view name, std::string_view type, std::string_view help, Number value) {
    family(name, type, help);
    sample({}, value);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
  std::string_view name_;
};

struct PerPort {
  std::string_view name, help;
  uint64_t (*value)(const PortTraffic&);
};
constexpr PerPort kPerPort[] = {
    {"received_packets_total", "Frames that came in by this port",
     [](const PortTraffic& p) { return p.received.packets; }},
    {"received_bytes_total", "Their bytes, without FCS",
     [](const PortTraffic& p) { return p.received.bytes; }},
    {"sent_packets_total", "Frames that left by this port",
     [](const PortTraffic& p) { return p.sent.packets; }},
    {"sent_bytes_total", "Their bytes, without FCS",
     [](const PortTraffic& p) { return p.sent.bytes; }},
    {"injected_packets_total", "RST and ICMP of Weir's own",
     [](const PortTraffic& p) { return p.injected.packets; }},
    {"missed_packets_total", "Frames the port had no room to receive",
     [](const PortTraffic& p) { return p.missed; }},
};

void add_wires(MetricsText& m, const Segment& segment) {
  const Traffic traffic = read_traffic(segment);
  const auto each = [&](auto visit) {
    for (size_t w = 0; w < traffic.wires.size(); ++w) {
      visit(fmt::format("wire=\"{}\"", segment.settings().wire[w].name), traffic.wires[w]);
    }
  };
  for (const PerPort& row : kPerPort) {
    m.family(row.name, "counter", row.help);
    each([&](const std::string& wire, const WireTraffic& t) {
      m.sample(wire + ",side=\"a\"", row.value(t.side[0]));
      m.sample(wire + ",side=\"b\"", row.value(t.side[1]));
    });
  }
  m.family("link_up", "gauge", "1: the port has link");
  each([&](const std::string& wire, const WireTraffic& t) {
    m.sample(wire + ",side=\"a\"", t.side[0].link ? 1 : 0);
    m.sample(wire + ",side=\"b\"", t.side[1].link ? 1 : 0);
  });
  m.family("link_losses_total", "counter", "Times the port's link went");
  for (size_t w = 0; w < traffic.wires.size(); ++w) {
    const Guard::Wire& guard = segment.header().guard.wire[w];
    for (unsigned s = 0; s < 2; ++s) {
      m.sample(fmt::format("wire=\"{}\",side=\"{}\"", segment.settings().wire[w].name, "ab"[s]),
               guard.link_losses[s].get());
    }
  }
  const auto by_reason = [&](std::string_view name, std::string_view help, auto pick) {
    m.family(name, "counter", help);
    each([&](const std::string& wire, const WireTraffic& t) {
      for (unsigned r = 1; r < kReasonCount; ++r) {
        m.sample(fmt::format("{},reason=\"{}\"", wire, reason_name(static_cast<Reason>(r))),
                 pick(t)[r]);
      }
    });
  };
  by_reason("dropped_packets_total", "Frames that did not leave, by reason",
            [](const WireTraffic& t) { return t.dropped; });
  by_reason("dropped_bytes_total", "Their bytes",
            [](const WireTraffic& t) { return t.dropped_bytes; });
  by_reason("would_drop_packets_total", "Simulate mode: frames that would not have left",
            [](const WireTraffic& t) { return t.would_drop; });
  m.family("uninspected_packets_total", "counter",
           "Frames that a fail policy of 'open' let pass uninspected, by cause");
  each([&](const std::string& wire, const WireTraffic& t) {
    for (unsigned c = 0; c < kFailCauses; ++c) {
      m.sample(fmt::format("{},cause=\"{}\"", wire, fail_cause_name(static_cast<FailCause>(c))),
               t.fail_open[c]);
    }
  });
  m.family("held_packets", "gauge", "Frames in the workers' hands");
  each([&](const std::string& wire, const WireTraffic& t) { m.sample(wire, t.held.packets); });
}

struct PerWorker {
  std::string_view name, type, help;
  Counter StatsPage::*counter;
};
constexpr PerWorker kPerWorker[] = {
    {"flows_active", "gauge", "Flows in the table", &StatsPage::flows_active},
    {"flows_created_total", "counter", "Flows begun", &StatsPage::flows_created},
    {"flows_ended_total", "counter", "Flows ended", &StatsPage::flows_ended},
    {"flows_evicted_total", "counter", "Flows that gave way to others", &StatsPage::flows_evicted},
    {"flows_refused_total", "counter", "Flows without room", &StatsPage::flows_refused_full},
    {"events_written_total", "counter", "Event records told", &StatsPage::events_written},
    {"events_lost_total", "counter", "Event records without room", &StatsPage::events_lost},
    {"evidence_total", "counter", "Events that parsers stated", &StatsPage::evidence_events},
    {"evidence_lost_total", "counter", "Of them, without room", &StatsPage::evidence_lost},
    {"parsed_flows_total", "counter", "Flows that a parser took", &StatsPage::parse_flows},
    {"parse_malformed_total", "counter", "Flows given up: they violate their protocol",
     &StatsPage::parse_malformed},
    {"parse_evicted_total", "counter", "Parsers that gave way to others",
     &StatsPage::parse_evicted},
    {"parse_no_buffer_total", "counter", "Flows given up: no buffer", &StatsPage::parse_no_buffer},
    {"parse_gaps_total", "counter", "Flows given up: bytes were missed", &StatsPage::parse_gaps},
    {"inspected_bytes_total", "counter", "Payload that rules saw", &StatsPage::inspected_bytes},
    {"rule_hits_total", "counter", "Rules that matched", &StatsPage::rule_hits},
    {"classified_packets_total", "counter", "Packets that nDPI saw",
     &StatsPage::classified_packets},
    {"verdicts_standing", "gauge", "Verdicts in force", &StatsPage::verdicts_standing},
    {"verdicts_installed_total", "counter", "Verdicts taken", &StatsPage::verdicts_installed},
    {"verdicts_refused_total", "counter", "Verdicts without room", &StatsPage::verdicts_refused},
    {"bursts_total", "counter", "Bursts received", &StatsPage::bursts},
    {"sleeps_total", "counter", "Naps of an idle worker", &StatsPage::sleeps},
    {"cpu_nanoseconds_total", "counter", "CPU time of the worker", &StatsPage::cpu_ns},
    {"impossible_total", "counter", "Broken invariants that were survived", &StatsPage::impossible},
};

void add_workers(MetricsText& m, const Segment& segment) {
  for (const PerWorker& row : kPerWorker) {
    m.family(row.name, row.type, row.help);
    for (uint32_t i = 0; i < segment.workers(); ++i) {
      m.sample(fmt::format("worker=\"{}\"", i), (segment.worker(i).stats.*row.counter).get());
    }
  }
  m.family("anomalies_total", "counter", "Packets that violate their protocol, by kind");
  for (unsigned a = 1; a < static_cast<unsigned>(Anomaly::kCount); ++a) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < segment.workers(); ++i) {
      sum += segment.worker(i).stats.anomaly[a].get();
    }
    m.sample(fmt::format("kind=\"{}\"", anomaly_name(static_cast<Anomaly>(a))), sum);
  }
}

}  // namespace

std::string metrics_text(const Desk& d, TimeNs now) {
  MetricsText m;
  m.family("build_info", "gauge", "Always 1; the version is in the label");
  m.sample(fmt::format("version=\"{}\",instance=\"{}\"", WEIR_VERSION, d.config.settings.instance),
           1);
  const TimeNs since = d.segment.header().supervisor.started_ns.load(std::memory_order_relaxed);
  m.single("uptime_seconds", "gauge", "Since the appliance was started",
           since == 0 ? TimeNs{0} : (now - since) / kNsPerSecond);
  const auto& data_plane = d.segment.header().dataplane;
  m.single("dataplane_starts_total", "counter", "Starts of the data plane",
           data_plane.epoch.load(std::memory_order_relaxed));
  uint64_t stalls = d.segment.header().guard.process_stalls.get();
  for (const Counter& c : d.segment.header().guard.worker_stalls) stalls += c.get();
  m.single("stalls_total", "counter", "Times the data plane was replaced because it was stuck",
           stalls);
  add_wires(m, d.segment);
  add_workers(m, d.segment);
  m.single("control_records_total", "counter", "Event records taken", d.chain.intake().records());
  m.single("control_malformed_total", "counter", "Event records that were none",
           d.chain.intake().malformed());
  m.single("devices", "gauge", "Devices known", d.chain.intake().inventory().size());
  m.single("alerts_total", "counter", "Alerts raised since the control plane started",
           d.chain.detector().raised());
  m.single("scores_total", "counter", "Scores given", d.chain.learner().scores_given());
  m.single("actions_standing", "gauge", "Actions pending or in force",
           d.chain.responder().standing());
  m.single("rules", "gauge", "Rules in force",
           d.rules.current() != nullptr ? d.rules.current()->rules.size() : size_t{0});
  m.single("rules_generation", "gauge", "Their generation", d.rules.generation());
  m.single("log_lines_total", "counter", "Lines written to eve.json",
           d.log != nullptr ? d.log->lines_written() : uint64_t{0});
  m.single("log_lines_lost_total", "counter", "Lines the disk did not take",
           d.log != nullptr ? d.log->lines_lost() : uint64_t{0});
  return m.take();
}

}  // namespace weir::operate
