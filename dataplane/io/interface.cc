// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/interface.h"

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir {

namespace {

// A socket to ask the kernel through, about one interface.
class Asker {
 public:
  explicit Asker(const std::string& name) noexcept
      : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
  }
  ~Asker() {
    if (fd_ >= 0) close(fd_);
  }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;
  bool ask(unsigned long what) noexcept { return ioctl(fd_, what, &request) == 0; }

  ifreq request{};

 private:
  int fd_;
};

Error unusable(const std::string& name) {
  return Error{"interface " + name + " cannot be used: " + std::strerror(errno)};
}

}  // namespace

Result<uint32_t> prepare_interface(const std::string& name) {
  Asker asker(name);
  if (!asker.ask(SIOCGIFMTU)) return fail(unusable(name));
  const auto mtu = static_cast<uint32_t>(asker.request.ifr_mtu);
  if (auto up = set_interface(name, InterfaceState::kUp); !up) return fail(up.error());
  return mtu;
}

uint32_t mtu_of(const std::string& name) noexcept {
  Asker asker(name);
  return asker.ask(SIOCGIFMTU) ? static_cast<uint32_t>(asker.request.ifr_mtu) : 0;
}

uint32_t interface_number(const std::string& name) noexcept {
  return if_nametoindex(name.c_str());
}

std::string interface_name(uint32_t number) {
  char name[IF_NAMESIZE] = {};
  return if_indextoname(number, name) != nullptr ? name : "";
}

bool has_link(const std::string& name) noexcept {
  Asker asker(name);
  ethtool_value value{.cmd = ETHTOOL_GLINK, .data = 0};
  asker.request.ifr_data = reinterpret_cast<char*>(&value);
  if (asker.ask(SIOCETHTOOL)) return value.data != 0;
  if (errno != EOPNOTSUPP) return false;
  // A driver without ethtool's question: what the kernel shows of it.
  return asker.ask(SIOCGIFFLAGS) && (asker.request.ifr_flags & IFF_UP) != 0 &&
         (asker.request.ifr_flags & IFF_RUNNING) != 0;
}

// The kernel's counters by netlink: sysfs shows those of whatever namespace it was mounted in.
uint64_t frames_lost_at(const std::string& name) noexcept {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return 0;
  struct {
    nlmsghdr head;
    ifinfomsg link;
  } ask{};
  ask.head = {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST};
  ask.link.ifi_index = static_cast<int>(if_nametoindex(name.c_str()));
  alignas(nlmsghdr) char answer[16'384];
  ssize_t got = 0;
  if (ask.link.ifi_index != 0 && send(fd, &ask, sizeof ask, 0) == sizeof ask) {
    got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);  // it is answered before send() returns
  }
  close(fd);
  const auto* head = reinterpret_cast<const nlmsghdr*>(answer);
  if (got <= 0 || !NLMSG_OK(head, static_cast<size_t>(got)) || head->nlmsg_type != RTM_NEWLINK) {
    return 0;
  }
  const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(head));
  auto left = static_cast<int>(IFLA_PAYLOAD(head));
  for (const rtattr* a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    rtnl_link_stats64 stats{};
    if (a->rta_type != IFLA_STATS64 || RTA_PAYLOAD(a) < sizeof stats) continue;
    std::memcpy(&stats, RTA_DATA(a), sizeof stats);
    return stats.rx_dropped;
  }
  return 0;
}

Result<void> set_interface(const std::string& name, InterfaceState state) {
  Asker asker(name);
  if (!asker.ask(SIOCGIFFLAGS)) return fail(unusable(name));
  const bool up = (asker.request.ifr_flags & IFF_UP) != 0;
  if (up == (state == InterfaceState::kUp)) return {};
  asker.request.ifr_flags = static_cast<short>(asker.request.ifr_flags ^ IFF_UP);
  if (!asker.ask(SIOCSIFFLAGS)) return fail(unusable(name));
  return {};
}

}  // namespace weir
