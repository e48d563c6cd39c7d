// SPDX-License-Identifier: Apache-2.0
// The verbs by which the operator acts: block limit keep allow undo.
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "appliance/control_client.h"
#include "appliance/tables.h"
#include "appliance/verb.h"

namespace weir {

namespace {

struct Order {
  std::string runtime_dir = kDefaultRuntimeDir;
  bool json = false;
  std::string target, to, proto, app, rate, per, duration, reason;
  uint32_t port = 0;
  bool reject = false;
  uint64_t action_id = 0;
};

void add_common(CLI::App& verb, Order& order) {
  verb.add_option("--runtime-dir", order.runtime_dir, "where the running instance lives")
      ->capture_default_str();
  verb.add_flag("--json", order.json, "JSON instead of a sentence");
}

void add_how_long(CLI::App& verb, Order& order) {
  verb.add_option("--for", order.duration, "how long: 30s, 10m, 2h, 7d (else as configured)");
  verb.add_option("--reason", order.reason, "kept with it, for whoever asks why");
}

int send(const Order& order, const std::string& path, const Json& body) {
  const auto answer = ControlClient(order.runtime_dir).post(path, body.dump());
  if (!answer) return say_no(answer.error());
  const std::string text = order.json ? answer->dump() + "\n" : action_line(*answer);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return answer->value("state", "") == "refused" ? kExitNo : kExitGood;
}

int send_order(const Order& order, const std::string& action) {
  Json body = {{"action", action}, {"target", order.target}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  add("to", order.to);
  add("proto", order.proto);
  add("app", order.app);
  add("rate", order.rate);
  add("per", order.per);
  add("for", order.duration);
  add("reason", order.reason);
  if (order.port != 0) body["port"] = order.port;
  return send(order, "/order", body);
}

CLI::App* declare(CLI::App& app, const char* name, const char* help, Order& order) {
  CLI::App* verb = app.add_subcommand(name, help);
  add_common(*verb, order);
  verb->add_option("target", order.target, "address, prefix or MAC, as source or destination")
      ->required();
  verb->add_option("--to", order.to, "only flows from the target to this address or prefix");
  verb->add_option("--port", order.port, "only this port of the service")
      ->check(CLI::Range(1, 65535));
  verb->add_option("--proto", order.proto, "only this protocol: tcp, udp, icmp, ...");
  verb->add_option("--app", order.app, "only this application: TLS, SSH, Netflix, ...");
  add_how_long(*verb, order);
  return verb;
}

}  // namespace

void add_ordering_verbs(CLI::App& app, Chosen& chosen) {
  auto block = std::make_shared<Order>();
  CLI::App* verb = declare(app, "block", "drop what an address or prefix sends and gets", *block);
  verb->add_flag("--reject", block->reject, "answer with RST or ICMP instead of silence");
  verb->footer(
      "Examples:\n  weir block 10.0.0.9 --for 1h --reason 'ticket 4711'\n"
      "  weir block 10.0.0.9 --to 10.0.0.5 --port 445 --proto tcp");
  verb->callback([&chosen, block] {
    chosen = [block] { return send_order(*block, block->reject ? "reject" : "block"); };
  });
  auto limit = std::make_shared<Order>();
  verb = declare(app, "limit", "drop what is over a rate", *limit);
  verb->add_option("--rate", limit->rate, "100pps, 2kpps, 500kbps, 1mbps, ...")->required();
  verb->add_option("--per", limit->per,
                   "what the rate is of: all of it (verdict), each source, each flow")
      ->check(CLI::IsMember({"verdict", "source", "flow"}));
  verb->footer(
      "Examples:\n  weir limit 10.0.0.9 --rate 1mbps --for 1h\n"
      "  weir limit 10.0.0.0/24 --rate 200pps --per source");
  verb->callback([&chosen, limit] { chosen = [limit] { return send_order(*limit, "limit"); }; });
  auto keep = std::make_shared<Order>();
  verb = app.add_subcommand("keep", "drop all but what an address has always done");
  add_common(*verb, *keep);
  verb->add_option("target", keep->target, "address")->required();
  add_how_long(*verb, *keep);
  verb->footer(
      "What it used before with success, and who used what of it, goes on, under the rules; so do\n"
      "DHCP and neighbour discovery. Everything else of it is dropped.\n"
      "Example:\n  weir keep 10.0.0.9 --for 1h");
  verb->callback([&chosen, keep] { chosen = [keep] { return send_order(*keep, "keep"); }; });
  auto allow = std::make_shared<Order>();
  verb = declare(app, "allow", "nothing that Weir decides touches it", *allow);
  verb->footer("Example:\n  weir allow 10.0.0.20 --for 7d --reason 'vulnerability scanner'");
  verb->callback([&chosen, allow] { chosen = [allow] { return send_order(*allow, "allow"); }; });
  auto undo = std::make_shared<Order>();
  verb = app.add_subcommand("undo", "take an action back; it is not taken again for its time");
  add_common(*verb, *undo);
  verb->add_option("action", undo->action_id, "number of the action, see `weir actions`")
      ->required();
  verb->callback([&chosen, undo] {
    chosen = [undo] { return send(*undo, "/undo", Json{{"id", undo->action_id}}); };
  });
}

}  // namespace weir
