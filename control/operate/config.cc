// SPDX-License-Identifier: Apache-2.0
#include "control/operate/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <yaml-cpp/eventhandler.h>

#include "control/operate/config_table.h"
#include "control/operate/config_value.h"

namespace weir {

using operate::Outcome;
using operate::Row;
using operate::Wrong;

namespace {

// What is said at a place of the file: one line, whatever of the file it quotes. yaml-cpp counts
// from 0.
Error error_at(const std::string& file, const YAML::Mark& mark, std::string message) {
  constexpr size_t kLongest = 500;
  if (message.size() > kLongest) message = message.substr(0, kLongest) + "...";
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 127) c = '?';
  }
  const bool known = mark.line >= 0;
  return Error{std::move(message), file, known ? static_cast<uint32_t>(mark.line) + 1 : 0,
               known ? static_cast<uint32_t>(mark.column) + 1 : 0};
}

// Where a document begins; builds nothing.
class DocumentStart final : public YAML::EventHandler {
 public:
  YAML::Mark at = YAML::Mark::null_mark();

  void OnDocumentStart(const YAML::Mark& mark) override { at = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// The second document's place, or the null mark. (YAML::LoadAll() would do, but on some malformed
// text yaml-cpp 0.7 finds one empty document after the other for ever.)
YAML::Mark second_document(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStart first, second;
  if (!parser.HandleNextDocument(first) || !parser.HandleNextDocument(second)) {
    return YAML::Mark::null_mark();
  }
  return second.at;
}

class Reader {
 public:
  Reader(const std::string& file, Config& config) : file_(file), config_(config) {}

  // One map of the file: prefix is "" or "flows.".
  std::optional<Error> read_section(const YAML::Node& node, const std::string& prefix,
                                    const YAML::Mark& at) {
    if (node.IsNull()) return {};
    if (!node.IsMap()) {
      const std::string what =
          prefix.empty() ? "a configuration" : "'" + prefix.substr(0, prefix.size() - 1) + "'";
      return error_at(
          file_, node.Mark().is_null() ? at : node.Mark(),
          fmt::format("{} must be a map of keys, not {}", what, operate::spelled(node)));
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const YAML::Mark mark = entry.first.Mark();
      if (!entry.first.IsScalar()) return error_at(file_, mark, "a key must be a word");
      const std::string& key = entry.first.Scalar();
      if (!seen.insert(key).second) {
        return error_at(file_, mark, fmt::format("'{}{}' is there twice", prefix, key));
      }
      if (auto error = read_key(entry.second, prefix, key, mark); error) return error;
    }
    return {};
  }

  const operate::Places& places() const { return places_; }

 private:
  std::optional<Error> read_key(const YAML::Node& value, const std::string& prefix,
                                const std::string& key, const YAML::Mark& at) {
    const std::string path = prefix + key;
    const bool plain = key.find('.') == std::string::npos;
    for (const Row& row : operate::config_rows()) {
      if (!plain) break;
      if (row.path.starts_with(path + ".")) return read_section(value, path + ".", at);
      if (row.path != path) continue;
      places_[path] = value.IsNull() ? at : value.Mark();
      const Outcome wrong = row.read(value, config_);
      if (!wrong) return {};
      const YAML::Mark mark = value.IsNull() || wrong->mark.is_null() ? at : wrong->mark;
      if (wrong->whole_sentence) return error_at(file_, mark, wrong->wanted);
      return error_at(file_, mark,
                      fmt::format("'{}' must be {}, not {}", path, wrong->wanted, wrong->got));
    }
    return error_at(file_, at, unknown_key(prefix, key));
  }

  static std::string unknown_key(const std::string& prefix, const std::string& key) {
    std::vector<std::string> known;
    for (const Row& row : operate::config_rows()) {
      if (!row.path.starts_with(prefix)) continue;
      const std::string rest = row.path.substr(prefix.size());
      const std::string name = rest.substr(0, rest.find('.'));
      if (known.empty() || known.back() != name) known.push_back(name);
    }
    const std::string shown = operate::spelled(YAML::Node(key));
    const std::string where =
        prefix.empty() ? "" : " in '" + prefix.substr(0, prefix.size() - 1) + "'";
    if (const auto meant = operate::nearest(key, known); meant) {
      return fmt::format("unknown key {}{}; did you mean '{}'?", shown, where, *meant);
    }
    return fmt::format("unknown key {}{}; known here: {}", shown, where, fmt::join(known, ", "));
  }

  const std::string& file_;
  Config& config_;
  operate::Places places_;
};

// Each rule file can be read. node: the list as it stands; config: with its absolute paths.
Outcome check_rule_files(const YAML::Node& node, const Config& config) {
  for (size_t i = 0; i < config.rules.files.size(); ++i) {
    const std::string& path = config.rules.files[i];
    struct stat info {};
    std::string bad;
    if (stat(path.c_str(), &info) != 0 || access(path.c_str(), R_OK) != 0) {
      bad = fmt::format("cannot read the rule file {}: {}", path, std::strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
      bad = fmt::format("{} is a folder; a rule file is wanted", path);
    }
    if (!bad.empty()) return Wrong{std::move(bad), node[i].Mark(), {}, true};
  }
  return {};
}

// What no key can know by itself.
std::optional<Error> check_together(const Config& c, const operate::Places& places,
                                    const std::string& file) {
  const auto listed = static_cast<uint32_t>(std::count_if(std::begin(c.settings.worker_cpu),
                                                          std::end(c.settings.worker_cpu),
                                                          [](int32_t cpu) { return cpu >= 0; }));
  if (listed != 0 && listed != c.settings.workers) {
    return error_at(file, places.at("workers.cpus"),
                    fmt::format("'workers.cpus' lists {} CPUs for {} workers: one each is wanted",
                                listed, c.settings.workers));
  }
  if (c.respond.duration_ns > c.respond.duration_max_ns) {
    const auto place = places.find("respond.duration");
    return error_at(
        file, place != places.end() ? place->second : places.at("respond.duration_max"),
        fmt::format("'respond.duration' ({}) is longer than 'respond.duration_max' ({})",
                    operate::write_duration(c.respond.duration_ns),
                    operate::write_duration(c.respond.duration_max_ns)));
  }
  if (c.scan.scanner_success >= c.scan.benign_success) {
    const auto place = places.find("detect.scan.scanner_success");
    return error_at(file,
                    place != places.end() ? place->second : places.at("detect.scan.benign_success"),
                    fmt::format("'detect.scan.scanner_success' ({}) must be less than "
                                "'detect.scan.benign_success' ({})",
                                c.scan.scanner_success, c.scan.benign_success));
  }
  if (auto home = home_network(c.rules); !home) {
    const auto place = places.find("rules.address_groups");
    return error_at(file, place != places.end() ? place->second : YAML::Mark(),
                    "HOME_NET: " + home.error().message);
  }
  return {};
}

void make_paths_absolute(Config& c, const std::string& file) {
  const size_t slash = file.rfind('/');
  if (slash == std::string::npos) return;  // the current folder is where they start anyway
  for (std::string& path : c.rules.files) {
    if (!path.starts_with('/')) path = file.substr(0, slash + 1) + path;
  }
}

}  // namespace

Config::Config() {
  rules.address_groups = {
      {"HOME_NET", "[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,fe80::/10]"},
      {"EXTERNAL_NET", "!$HOME_NET"},
      {"HTTP_SERVERS", "$HOME_NET"},
      {"SMTP_SERVERS", "$HOME_NET"},
      {"SQL_SERVERS", "$HOME_NET"},
      {"DNS_SERVERS", "$HOME_NET"},
      {"TELNET_SERVERS", "$HOME_NET"},
      {"AIM_SERVERS", "$EXTERNAL_NET"},
      {"DC_SERVERS", "$HOME_NET"}};
  rules.port_groups = {{"HTTP_PORTS", "80"},     {"SHELLCODE_PORTS", "!80"},
                       {"ORACLE_PORTS", "1521"}, {"SSH_PORTS", "22"},
                       {"FTP_PORTS", "21"},      {"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"},
                       {"DNP3_PORTS", "20000"},  {"MODBUS_PORTS", "502"},
                       {"GENEVE_PORTS", "6081"}, {"VXLAN_PORTS", "4789"},
                       {"TEREDO_PORTS", "3544"}};
}

Result<Config> parse_config(std::string_view text, const std::string& name, ConfigUse use) {
  if (text.size() > kConfigBytesMax) {
    return fail(Error{
        fmt::format("longer than a configuration may be ({} KiB)", kConfigBytesMax / 1024), name});
  }
  Config config;
  config.file = name;
  try {  // the one door of yaml-cpp, which reports by exceptions
    const std::string copy(text);
    if (const YAML::Mark second = second_document(copy); !second.is_null()) {
      return fail(error_at(name, second, "a second document starts here; a configuration is one"));
    }
    const YAML::Node document = YAML::Load(copy);
    Reader reader(name, config);
    if (auto error = reader.read_section(document, "", {}); error) return fail(*error);
    if (auto error = check_together(config, reader.places(), name); error) return fail(*error);
    make_paths_absolute(config, name);
    if (use == ConfigUse::kRun) {
      const YAML::Node top = document.IsMap() ? document : YAML::Node(YAML::NodeType::Map);
      Outcome wrong = operate::check_ports_exist(top["wires"], config);
      if (!wrong && !config.rules.files.empty()) {
        wrong = check_rule_files(top["rules"]["files"], config);
      }
      if (wrong) return fail(error_at(name, wrong->mark, wrong->wanted));
    }
  } catch (const YAML::Exception& e) {
    return fail(error_at(name, e.mark,
                         "not YAML from here on (" + e.msg +
                             "): is a bracket or quote "
                             "before this place not closed, or the indentation not that of its "
                             "neighbours?"));
  } catch (const std::exception& e) {
    return fail(Error{std::string("cannot be read as YAML: ") + e.what(), name});
  }
  return config;
}

Result<Config> read_config(const std::string& path, ConfigUse use) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    const std::string hint =
        errno == ENOENT ? " (weir config --defaults prints one to begin with)" : "";
    return fail(Error{std::string("cannot read the configuration: ") + std::strerror(errno) + hint,
                      path});
  }
  if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) {
    return fail(Error{"cannot read the configuration: not a file", path});
  }
  std::ifstream in(path, std::ios::binary);
  std::string text(kConfigBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (!in.is_open())) {
    return fail(Error{std::string("cannot read the configuration: ") + std::strerror(errno), path});
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return parse_config(text, path, use);
}

std::string config_text(const Config& config) {
  std::string out =
      "# Weir's configuration: every key and its value. What is left out has its default.\n"
      "# Durations: 500ms 3s 10m 1h 7d.\n";
  std::string open;  // the section whose keys are being written, "detect.scan."
  for (const Row& row : operate::config_rows()) {
    const size_t dot = row.path.rfind('.');
    const std::string section = dot == std::string::npos ? "" : row.path.substr(0, dot + 1);
    for (size_t from = 0; from < section.size();) {
      const size_t to = section.find('.', from);
      if (!open.starts_with(section.substr(0, to + 1))) {
        const auto depth =
            static_cast<size_t>(std::count(section.begin(), section.begin() + from, '.'));
        out += std::string(2 * depth, ' ') + section.substr(from, to - from) + ":\n";
      }
      from = to + 1;
    }
    open = section;
    const auto depth = static_cast<size_t>(std::count(section.begin(), section.end(), '.'));
    const std::string key = std::string(2 * depth, ' ') +
                            (dot == std::string::npos ? row.path : row.path.substr(dot + 1));
    const std::string value = row.write(config);
    const std::string comment = row.help.empty() ? "" : "# " + row.help;
    if (value.starts_with('\n')) {
      out += fmt::format("{}:{}{}{}\n", key, comment.empty() ? "" : "  ", comment, value);
    } else if (comment.empty()) {
      out += fmt::format("{}: {}\n", key, value);
    } else {
      out += fmt::format("{:<36}  {}\n", key + ": " + value, comment);
    }
  }
  return out;
}

}  // namespace weir
