// SPDX-License-Identifier: Apache-2.0
// Which CPUs the data plane runs on, by its settings and by what this process may use: the data
// plane goes there, the control plane keeps away. At start, main threads only.
#pragma once

#include <vector>

#include "dataplane/contract/settings.h"

namespace weir {

struct CpuPlan {
  int main = 0;
  std::vector<int> workers;  // by worker
  std::vector<int> others;   // allowed, and no worker's; may be empty
};
CpuPlan plan_cpus(const Settings& settings);

}  // namespace weir
