// SPDX-License-Identifier: Apache-2.0
#include "appliance/privileges.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace weir {

namespace {

struct Needed {
  unsigned number;
  const char* name;
  bool for_xdp;  // by AF_XDP ports alone
};
// The kernel's programs of XDP are looked up by number, which CAP_BPF does not allow.
constexpr Needed kNeeded[] = {
    {CAP_CHOWN, "CAP_CHOWN", false},         {CAP_KILL, "CAP_KILL", false},
    {CAP_SETGID, "CAP_SETGID", false},       {CAP_SETUID, "CAP_SETUID", false},
    {CAP_NET_ADMIN, "CAP_NET_ADMIN", false}, {CAP_NET_RAW, "CAP_NET_RAW", false},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", true},  {CAP_IPC_LOCK, "CAP_IPC_LOCK", true},
};

// Bit n: capability n is in effect. All of them where the kernel does not say.
uint64_t capabilities() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;) {
    if (word != "CapEff:") continue;
    uint64_t mask = 0;
    if (in >> std::hex >> mask) return mask;
  }
  return UINT64_MAX;
}

bool may_lock_all() {
  rlimit limit{};
  return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

}  // namespace

Result<void> check_privileges(const Settings& settings) {
  bool has_xdp = false;
  for (uint32_t w = 0; w < settings.wires; ++w) {
    const auto& side = settings.wire[w].side;
    has_xdp = has_xdp || std::any_of(std::begin(side), std::end(side), [](const PortSettings& p) {
                return p.kind == PortKind::kAfXdp;
              });
  }
  const uint64_t mine = capabilities();
  std::string missing;
  for (const Needed& n : kNeeded) {
    if ((mine >> n.number & 1) != 0 || (n.for_xdp && !has_xdp)) continue;
    if (n.number == CAP_IPC_LOCK && may_lock_all()) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(n.name);
  }
  if (missing.empty()) return {};
  return fail("weir run is root without " + missing +
              ": give it these as well (a container's --cap-add, a unit's CapabilityBoundingSet)");
}

}  // namespace weir
