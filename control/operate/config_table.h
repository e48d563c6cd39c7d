// SPDX-License-Identifier: Apache-2.0
// The one table of what weir.yaml may hold. A row knows how to read its key into a Config and how
// to write it out of one, so that what is documented, accepted and defaulted cannot differ.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "control/operate/config.h"

namespace weir::operate {

// What is wrong with a value, and at which node of it.
struct Wrong {
  std::string wanted;  // "a whole number from 1 to 16"
  YAML::Mark mark{};
  std::string got = {};         // as the operator wrote it
  bool whole_sentence = false;  // `wanted` is the message itself
};
using Outcome = std::optional<Wrong>;  // empty: good

struct Row {
  std::string path;  // "flows.tcp_new"
  std::string help;  // one line
  std::function<Outcome(const YAML::Node&, Config&)> read;
  std::function<std::string(const Config&)> write;  // YAML behind the colon
};

// In the order in which `weir config --defaults` writes them; rows of a section are neighbours.
const std::vector<Row>& config_rows();

// Each row's place in the file just read (path, then mark), for checks that look at two of them.
using Places = std::map<std::string, YAML::Mark>;

// The wires, which are a list of their own little tables.
Outcome read_wires(const YAML::Node& node, Config& config);
std::string write_wires(const Config& config);
// There is a wire, and each of its ports is on this machine. node: the list as it stands.
Outcome check_ports_exist(const YAML::Node& node, const Config& config);

// "what the operator wrote" of a node, cut to a length that fits a sentence.
std::string spelled(const YAML::Node& node);

}  // namespace weir::operate
