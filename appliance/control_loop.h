// SPDX-License-Identifier: Apache-2.0
// The life of weir-control: attaches to the segment, opens the control plane and its server, and
// steps them until SIGTERM, napping in between: short naps while records come (the time to block
// hangs on them), longer the longer nothing happens.
#pragma once

#include <memory>
#include <string>

#include "control/operate/operate.h"
#include "dataplane/contract/segment.h"

namespace spdlog {
class logger;
}

namespace weir {

class ControlLoop {
 public:
  static Result<std::unique_ptr<ControlLoop>> create(const std::string& segment_path,
                                                     const std::string& config_path);
  ~ControlLoop();
  void run();

 private:
  ControlLoop(Segment segment, Config config, std::shared_ptr<spdlog::logger> log);
  void beat();

  Segment segment_;
  Config config_;
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<ControlServer> server_;
};

}  // namespace weir
