// SPDX-License-Identifier: Apache-2.0
// weir-bench: one trial of the whole worker, its outcome as one line of JSON.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/replay/trial.h"

namespace weir::bench {

namespace {

nlohmann::ordered_json as_json(const TrialResult& r) {
  const auto packets = static_cast<double>(r.packets);
  return {{"packets", r.packets},
          {"bytes", r.bytes},
          {"sent", r.sent},
          {"dropped", r.dropped},
          {"cpu_seconds", r.cpu_seconds},
          {"wall_seconds", r.wall_seconds},
          {"packets_per_cpu_second", r.cpu_seconds > 0 ? packets / r.cpu_seconds : 0},
          {"cycles_p10", r.cycles_p10},
          {"cycles_p50", r.cycles_p50},
          {"tsc_per_second", r.tsc_per_second},
          {"gaps_10us", r.gaps_10us},
          {"gaps_100us", r.gaps_100us},
          {"gaps_1ms", r.gaps_1ms},
          {"stolen_share", r.wall_seconds > 0 ? 1 - r.cpu_seconds / r.wall_seconds : 0},
          {"inspected_bytes", r.inspected_bytes},
          {"classified_packets", r.classified_packets},
          {"rule_hits", r.rule_hits},
          {"flows_active", r.flows_active},
          {"flows_created", r.flows_created},
          {"flows_evicted", r.flows_evicted},
          {"flows_refused", r.flows_refused},
          {"events_written", r.events_written},
          {"events_lost", r.events_lost},
          {"verdicts_standing", r.verdicts_standing},
          {"reloads", r.reloads},
          {"flow_table_bytes", r.flow_table_bytes},
          {"flow_bytes_most", r.flow_bytes_most},
          {"worker_bytes", r.worker_bytes},
          {"established", r.established},
          {"established_lost", r.established_lost},
          {"established_dropped", r.established_dropped},
          {"packets_warming", r.packets_warming},
          {"pages", r.pages},
          {"compiler", __VERSION__}};
}

int write_frames(const TrialSettings& t, const std::string& path) {
  const auto written = Traffic::synthetic(t.synthetic).write_pcap(path);
  if (written) return 0;
  std::fprintf(stderr, "weir-bench: %s\n", written.error().text().c_str());
  return 1;
}

int run(int argc, char** argv) {
  TrialSettings t;
  std::string pcap_out;
  std::vector<std::string> ports;
  CLI::App app("One trial of the whole worker over frames in memory, as JSON.");
  app.add_option("captures", t.captures, "pcap or pcapng; none: synthetic traffic");
  app.add_option("--flows", t.synthetic.flows, "settled flows of the synthetic traffic");
  app.add_option("--frame-bytes", t.synthetic.frame_bytes, "without FCS")
      ->check(CLI::Range(54, 1514));
  app.add_option("--new-share", t.synthetic.new_share, "share of packets that begin a UDP flow");
  app.add_option("--syn-share", t.synthetic.syn_share, "share of packets: SYN of a new flow");
  app.add_flag("--beside", t.synthetic.beside,
               "these SYNs flood a table that the flows fill, established before; fails if one of "
               "them is lost");
  app.add_flag("--syn-data", t.synthetic.syn_data, "these SYNs carry data");
  app.add_option("--frames", t.synthetic.frames, "in memory, per side, at least")
      ->check(CLI::Range(32u, 1u << 24));
  app.add_option("--payload-byte", t.synthetic.payload,
                 "what the frames carry: 0 could be many a protocol");
  app.add_option("--seed", t.synthetic.seed, "of the order of packets");
  app.add_option("--verdicts", t.verdicts, "standing verdicts");
  app.add_option("--blocked-share", t.blocked_share, "share of the flows they block");
  app.add_option("--rules", t.rules, "rule file");
  app.add_option("--match-bytes", t.match_bytes, "payload per direction that rules see; 0: all");
  app.add_flag("!--no-checksums", t.verify_checksums, "match whatever the checksums say");
  app.add_flag("--ndpi", t.classifies, "classify by nDPI");
  app.add_flag("!--no-parse", t.parses, "no protocol is parsed");
  app.add_flag("--reload", t.reloads, "publish the rules anew all the time");
  app.add_option("--drain", t.drain, "who takes event records: none, thread, control")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Drain>{
          {"none", Drain::kNone}, {"thread", Drain::kThread}, {"control", Drain::kControl}}));
  app.add_option("--flows-max", t.flows_max, "size of the flow table; 0: as the traffic needs");
  app.add_option("--seconds", t.seconds, "at most so long")->check(CLI::Range(0.01, 600.0));
  app.add_option("--packets", t.packets, "exactly so many, instead of --seconds; captures: once");
  app.add_flag("--transparent", t.is_transparent, "the wire is not inspected");
  app.add_flag("--ceiling", t.is_ceiling, "receive and transmit alone");
  app.add_option("--ports", ports, "two DPDK vdev strings instead of memory")->expected(2);
  app.add_option("--flows-out", t.flows_out, "what each flow was taken for");
  app.add_option("--write-pcap", pcap_out, "write side A's synthetic frames and end");
  CLI11_PARSE(app, argc, argv);
  if (t.synthetic.beside && !(t.synthetic.syn_share > 0 && t.synthetic.syn_share <= 0.99)) {
    std::fprintf(stderr, "weir-bench: --beside wants a --syn-share above 0, of at most 0.99\n");
    return 1;
  }
  if (!pcap_out.empty()) return write_frames(t, pcap_out);
  for (size_t i = 0; i < ports.size(); ++i) t.ports[i] = ports[i];
  const auto result = run_trial(t);
  if (!result) {
    std::fprintf(stderr, "weir-bench: %s\n", result.error().text().c_str());
    return 1;
  }
  std::cout << as_json(*result).dump() << '\n';
  return result->established_lost + result->established_dropped == 0 ? 0 : 2;
}

}  // namespace

}  // namespace weir::bench

int main(int argc, char** argv) {
  return weir::bench::run(argc, argv);
}
