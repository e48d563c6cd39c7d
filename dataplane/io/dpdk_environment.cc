// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "dataplane/contract/cpu_plan.h"
#include "dataplane/io/dpdk.h"
#include "dataplane/io/dpdk_memory.h"
#include "dataplane/io/dpdk_names.h"

namespace weir {

namespace {

// CPUs in a kernel list such as "1-3,8".
std::vector<int> cpus_in(const std::string& list) {
  std::vector<int> cpus;
  for (size_t at = 0; at < list.size();) {
    char* end = nullptr;
    const long first = std::strtol(list.c_str() + at, &end, 10);
    if (end == list.c_str() + at) break;
    long last = first;
    if (*end == '-') last = std::strtol(end + 1, &end, 10);
    for (long c = first; c <= last && c < 4096; ++c) cpus.push_back(static_cast<int>(c));
    at = static_cast<size_t>(end - list.c_str()) + 1;
  }
  return cpus;
}

// The AF_XDP driver's libraries tell stderr of each way they try before the one that works; what in
// the end does not work comes back as an error of the port.
void quiet_bpf_libraries() {
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  libxdp_set_print([](libxdp_print_level, const char*, va_list) { return 0; });
}

uint64_t free_hugepage_mb() {
  uint64_t pages = 0;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") >> pages;
  return pages * 2;
}

struct Memory {
  Pages pages = Pages::kHuge;
  uint32_t mb = 0;
};

Result<Memory> find_memory(const Settings& s, std::string& note) {
  const uint64_t free_mb = free_hugepage_mb();
  const auto wanted_mb = memory_mb_of(s, Pages::kHuge);
  if (!wanted_mb) return tl::make_unexpected(wanted_mb.error());
  const bool enough = free_mb >= *wanted_mb;
  if (s.hugepages == HugepagesUse::kRequired && !enough) {
    return fail("memory.hugepages is 'required' and " + std::to_string(free_mb) + " MB of " +
                std::to_string(*wanted_mb) + " MB are free: set vm.nr_hugepages to at least " +
                std::to_string((*wanted_mb + 1) / 2));
  }
  if (s.hugepages != HugepagesUse::kOff && enough) {
    note = std::to_string(*wanted_mb) + " MB of hugepages";
    return Memory{Pages::kHuge, *wanted_mb};
  }
  const auto ordinary_mb = memory_mb_of(s, Pages::kOrdinary);
  if (!ordinary_mb) return tl::make_unexpected(ordinary_mb.error());
  note = std::to_string(*ordinary_mb) + " MB of ordinary memory (" +
         (s.hugepages == HugepagesUse::kOff
              ? "hugepages are switched off"
              : std::to_string(free_mb) + " MB of hugepages are free, " +
                    std::to_string(*wanted_mb) + " MB would be used") +
         "): works, but costs speed";
  return Memory{Pages::kOrdinary, *ordinary_mb};
}

}  // namespace

Result<std::unique_ptr<DpdkEnvironment>> DpdkEnvironment::start(const Settings& s,
                                                                std::string& note) {
  const CpuPlan plan = plan_cpus(s);
  std::string isolated_text;
  std::getline(std::ifstream("/sys/devices/system/cpu/isolated"), isolated_text);
  const std::vector<int> isolated = cpus_in(isolated_text);
  std::unique_ptr<DpdkEnvironment> env(new DpdkEnvironment);
  std::string lcores = "0@" + std::to_string(plan.main);
  for (uint32_t i = 0; i < s.workers; ++i) {
    const int cpu = plan.workers[i];
    lcores += "," + std::to_string(i + 1) + "@" + std::to_string(cpu);
    env->isolated_.push_back(std::find(isolated.begin(), isolated.end(), cpu) != isolated.end());
  }
  const auto memory = find_memory(s, note);
  if (!memory) return tl::make_unexpected(memory.error());
  std::vector<std::string> args = {"weir-dataplane",
                                   "--lcores",
                                   lcores,
                                   "--file-prefix",
                                   std::string("weir-") + s.instance,
                                   "-m",
                                   std::to_string(memory->mb),
                                   "--no-telemetry",
                                   "--log-level",
                                   "*:error"};
  if (memory->pages == Pages::kHuge) {
    args.push_back("--in-memory");  // no files left behind by a kill
  } else {
    args.insert(args.end(), {"--no-huge", "--no-shconf"});
  }
  bool pci = false;
  for (uint32_t w = 0; w < s.wires; ++w) {
    for (const Side side : {Side::kA, Side::kB}) {
      const PortSettings& p = s.wire[w].side[index(side)];
      if (p.kind == PortKind::kPci) {
        pci = true;
        args.insert(args.end(), {"-a", p.name});
      } else {
        args.insert(args.end(), {"--vdev", vdev_arguments(p, w, side)});
      }
    }
  }
  if (!pci) args.push_back("--no-pci");  // never go near a NIC that nobody named
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  quiet_bpf_libraries();
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    std::string line;
    for (const std::string& a : args) line += (line.empty() ? "" : " ") + a;
    return fail(std::string("DPDK does not start: ") + rte_strerror(rte_errno) + " (" + line + ")");
  }
  return env;
}

void DpdkEnvironment::launch_on(unsigned lcore) {
  rte_eal_remote_launch(
      [](void* self) {
        const auto* env = static_cast<const DpdkEnvironment*>(self);
        env->work_(env->context_, rte_lcore_id() - 1);
        return 0;
      },
      this, lcore);
}

void DpdkEnvironment::launch(void (*work)(void*, uint32_t), void* context) {
  work_ = work;
  context_ = context;
  unsigned lcore = 0;
  RTE_LCORE_FOREACH_WORKER(lcore) launch_on(lcore);
}

void DpdkEnvironment::run_on(uint32_t worker, void (*work)(void*, uint32_t), void* context) {
  work_ = work;
  context_ = context;
  launch_on(worker + 1);
  rte_eal_wait_lcore(worker + 1);
}

int DpdkEnvironment::node_here() noexcept {
  return static_cast<int>(rte_socket_id());
}

void DpdkEnvironment::wait() {
  rte_eal_mp_wait_lcore();
}

DpdkEnvironment::~DpdkEnvironment() {
  rte_eal_cleanup();
}

}  // namespace weir
