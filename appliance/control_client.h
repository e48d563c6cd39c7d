// SPDX-License-Identifier: Apache-2.0
// Asks the running control plane through its socket. Each call is one request; a control plane that
// is being restarted is waited for, a little.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "dataplane/base/result.h"

namespace weir {

class ControlClient {
 public:
  explicit ControlClient(std::string runtime_dir) : runtime_dir_(std::move(runtime_dir)) {}

  // path with its query: "/alerts?limit=10". The error is the control plane's own sentence, or why
  // it could not be asked.
  Result<nlohmann::ordered_json> get(const std::string& path) const;
  Result<nlohmann::ordered_json> post(const std::string& path, const std::string& body) const;

 private:
  Result<nlohmann::ordered_json> ask(const std::string& path, const std::string* body) const;
  std::string runtime_dir_;
};

}  // namespace weir
