// SPDX-License-Identifier: Apache-2.0
// Brings requests to the control plane: HTTP over a Unix socket (group may use it: mode 0660), and
// /metrics alone over TCP for Prometheus. Its threads only read and write sockets; each request
// waits in a short queue until the control thread answers it between two steps, so nothing is
// locked and no client, however slow, holds up the loop. Bounded: bodies 64 KiB, 32 requests
// waiting, 5 s.
#pragma once

#include <memory>
#include <string>

#include "control/operate/control_plane.h"

namespace weir {

class ControlServer {
 public:
  // Listens on config.socket_path(), replacing a stale socket there, and on config.metrics. A port
  // that is taken is told to the operator and does not stop the sensor.
  static Result<std::unique_ptr<ControlServer>> open(const Config& config,
                                                     const ControlOptions& options);
  ~ControlServer();

  // Control thread: /metrics moves where it is configured by now. A port that is taken is told.
  void follow(const MetricsSettings& metrics);
  // Control thread: answers what waits. Returns how many.
  int do_work(ControlPlane& plane, TimeNs now);

 private:
  struct Parts;
  explicit ControlServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir
