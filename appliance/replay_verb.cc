// SPDX-License-Identifier: Apache-2.0
// Declares `weir replay`; what it does is in replay.h.
#include <memory>

#include <CLI/CLI.hpp>

#include "appliance/replay.h"
#include "appliance/verb.h"

namespace weir {

void add_replay(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<ReplayOptions>();
  auto checksums = std::make_shared<std::string>();
  CLI::App* verb =
      app.add_subcommand("replay", "run a capture through the sensor, by the capture's own clock");
  verb->add_option("capture", options->capture, "pcap or pcapng")->required();
  verb->add_option("--rules", options->rules, "a rule file, instead of those of the configuration");
  verb->add_option("--config", options->config, "weir.yaml (else every default)");
  verb->add_option("--mode", options->mode,
                   "what the wire does (else as configured; without a "
                   "configuration tap, with rules enforce)")
      ->check(CLI::IsMember({"tap", "simulate", "enforce"}));
  verb->add_option("--out", options->out, "folder for eve.json");
  verb->add_option("--write", options->write, "capture of what would have left");
  verb->add_option("-k", *checksums, "none: what a checksum says is ignored")
      ->check(CLI::IsMember({"none", "all"}));
  verb->add_flag("--json", options->json, "the summary as JSON");
  verb->footer("Example:\n  weir replay capture.pcap --rules local.rules --out logs");
  verb->callback([&chosen, options, checksums] {
    options->ignore_checksums = *checksums == "none";
    chosen = [options] { return replay_command(*options); };
  });
}

}  // namespace weir
