// SPDX-License-Identifier: Apache-2.0
#include "dataplane/contract/cpu_plan.h"

#include <sched.h>

#include <algorithm>

namespace weir {

CpuPlan plan_cpus(const Settings& s) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> allowed;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int c = 0; c < CPU_SETSIZE; ++c) {
      if (CPU_ISSET(c, &set)) allowed.push_back(c);
    }
  }
  if (allowed.empty()) allowed.push_back(0);
  CpuPlan plan;
  plan.main = s.main_cpu >= 0 ? s.main_cpu : allowed[0];
  for (uint32_t i = 0; i < s.workers; ++i) {
    plan.workers.push_back(s.worker_cpu[i] >= 0 ? s.worker_cpu[i]
                                                : allowed[(i + 1) % allowed.size()]);
  }
  const auto& w = plan.workers;
  std::copy_if(allowed.begin(), allowed.end(), std::back_inserter(plan.others),
               [&w](int cpu) { return std::find(w.begin(), w.end(), cpu) == w.end(); });
  return plan;
}

}  // namespace weir
