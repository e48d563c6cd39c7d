// SPDX-License-Identifier: Apache-2.0
// Answers of the control plane as text for people: one row a thing, columns aligned, the newest
// first, times as ages. Takes the same JSON that --json prints.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace weir {

using Json = nlohmann::ordered_json;

// Columns aligned; numbers (columns whose head starts with '>') to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> heads);
  void row(std::vector<std::string> cells);
  // The heads and rows; where there are no rows, `otherwise`.
  std::string text(const std::string& otherwise) const;

 private:
  std::vector<std::string> heads_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

std::string status_text(const Json& status);
std::string flows_text(const Json& flows);
std::string devices_text(const Json& devices);
std::string alerts_text(const Json& alerts);
std::string actions_text(const Json& actions);
std::string rules_text(const Json& rules);
std::string why_text(const Json& answer);
// What moves now: of two looks, each {"status": ..., "flows": ...}, so many seconds apart. Of
// devices and flows the `rows` with most. Writes into each flow of now what its `rate` is, for the
// next call's before.
std::string top_text(const Json& before, Json& now, double seconds, size_t rows);
std::string action_line(const Json& action);  // what an order led to, one line

}  // namespace weir
