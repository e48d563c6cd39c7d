// SPDX-License-Identifier: Apache-2.0
#include "appliance/port_claims.h"

#include <net/if.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>

namespace weir {

namespace {

// 0: there is none, or the port is not the kernel's.
unsigned interface_index(const PortSettings& port) {
  const bool kernel = port.kind == PortKind::kAfXdp || port.kind == PortKind::kAfPacket;
  return kernel ? if_nametoindex(port.name) : 0;
}

}  // namespace

PortClaims::~PortClaims() {
  for (const int fd : sockets_) close(fd);
}

// A name in the abstract space belongs to a network namespace, as ports do, and goes with us.
Result<void> PortClaims::take(const Settings& settings) {
  for (uint32_t w = 0; w < settings.wires; ++w) {
    for (const PortSettings& port : settings.wire[w].side) {
      sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
      constexpr size_t kRoom = sizeof name.sun_path - 1;
      const auto end = fmt::format_to_n(name.sun_path + 1, kRoom, "weir-port/{}", port.name);
      const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                                std::min<size_t>(end.size, kRoom));
      sockets_.push_back(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (bind(sockets_.back(), reinterpret_cast<const sockaddr*>(&name), bytes) == 0) continue;
      const std::string why = errno == EADDRINUSE
                                  ? "is in the hands of another Weir that runs here"
                                  : std::string("cannot be claimed: ") + std::strerror(errno);
      return fail(fmt::format("port {} of wire {} {}", port.name, settings.wire[w].name, why));
    }
  }
  return {};
}

void PortClaims::note(const Settings& settings) {
  for (uint32_t w = 0; w < settings.wires; ++w) {
    for (unsigned s = 0; s < 2; ++s) index_[w][s] = interface_index(settings.wire[w].side[s]);
  }
}

std::string PortClaims::renamed(const Settings& settings) {
  for (uint32_t w = 0; w < settings.wires; ++w) {
    for (unsigned s = 0; s < 2; ++s) {
      const PortSettings& port = settings.wire[w].side[s];
      char text[IF_NAMESIZE] = {};
      if (index_[w][s] == 0 || if_indextoname(index_[w][s], text) == nullptr) continue;
      const std::string name = std::string(text) == port.name ? "" : text;
      if (name == other_name_[w][s]) continue;
      other_name_[w][s] = name;
      const std::string who =
          "port " + std::string(port.name) + " of wire " + settings.wire[w].name;
      if (name.empty()) return who + " has its name again";
      return who + " is called " + name + " by now: it goes on, but the next data plane and the " +
             "kernel's relay look for " + port.name + "; give it back its name, or change " +
             "weir.yaml and start weir run anew";
    }
  }
  return {};
}

const PortSettings* PortClaims::made_anew(const Settings& settings) const {
  for (uint32_t w = 0; w < settings.wires; ++w) {
    for (unsigned s = 0; s < 2; ++s) {
      const PortSettings& port = settings.wire[w].side[s];
      const unsigned index = interface_index(port);
      if (index != 0 && index != index_[w][s]) return &port;
    }
  }
  return nullptr;
}

}  // namespace weir
