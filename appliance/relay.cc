// SPDX-License-Identifier: Apache-2.0
#include "appliance/relay.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "dataplane/base/clock.h"

extern char** environ;

namespace weir {

namespace {

using Words = std::vector<std::string>;

constexpr TimeNs kToolPatience = 5 * kNsPerSecond;
constexpr size_t kToolTextMax = 1u << 16;  // what tc lists; the rest of a longer answer is not read
constexpr uint32_t kQueuesBound = 1;       // AF_XDP sockets per port that the data plane opens

// "weir", then what is to be undone with it: +1 we made the port promiscuous, +2 we made its
// clsact.
constexpr std::string_view kCookie = "776569720";
constexpr unsigned kMadePromiscuous = 1, kMadeClsact = 2;
const std::string kPreference = "30565";

struct ToolAnswer {
  int code = -1;
  std::string text;  // stdout and stderr
};

// Reads until the other end closes, the time is over or enough was said.
void read_all(int fd, std::string& text) {
  const TimeNs end = clock_ns(CLOCK_MONOTONIC) + kToolPatience;
  char piece[4096];
  while (text.size() < kToolTextMax) {
    const TimeNs left = end - clock_ns(CLOCK_MONOTONIC);
    pollfd watch{fd, POLLIN, 0};
    if (left <= 0 || poll(&watch, 1, static_cast<int>(left / kNsPerMs) + 1) == 0) return;
    const ssize_t n = read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.append(piece, static_cast<size_t>(n));
  }
}

ToolAnswer run_tool(const Words& words) {
  int pipe_fd[2];
  if (pipe2(pipe_fd, O_CLOEXEC) != 0) return {-1, std::strerror(errno)};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], 1);
  posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(pipe_fd[1]);
  ToolAnswer answer;
  if (failed != 0) {
    answer.text = "cannot run " + words[0] + " (package iproute2): " + std::strerror(failed);
  } else {
    read_all(pipe_fd[0], answer.text);
    kill(pid, SIGKILL);  // it has said all, or will not: a zombie does not mind
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  close(pipe_fd[0]);
  return answer;
}

Error failed(const Words& words, const ToolAnswer& answer) {
  return Error{fmt::format(
      "{}: {}", fmt::join(words, " "),
      answer.text.empty() ? "no answer" : answer.text.substr(0, answer.text.find('\n')))};
}

// An ioctl of the interface on a socket of its own; false: errno says why.
bool ask_interface(const std::string& port, unsigned long request, ifreq& frame) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  port.copy(frame.ifr_name, IFNAMSIZ - 1);
  const bool good = ioctl(fd, request, &frame) == 0;
  close(fd);
  return good;
}

bool is_promiscuous(const std::string& port) {
  ifreq frame{};
  return ask_interface(port, SIOCGIFFLAGS, frame) && (frame.ifr_flags & IFF_PROMISC) != 0;
}

Result<void> set_promiscuous(const std::string& port, bool wanted) {
  ifreq frame{};
  bool good = ask_interface(port, SIOCGIFFLAGS, frame);
  const int want = wanted ? frame.ifr_flags | IFF_PROMISC | IFF_UP : frame.ifr_flags & ~IFF_PROMISC;
  frame.ifr_flags = static_cast<short>(want);
  good = good && ask_interface(port, SIOCSIFFLAGS, frame);
  if (!good) return fail("promiscuous mode of " + port + ": " + std::strerror(errno));
  return {};
}

// Receive queues in use; 0: the driver does not say.
uint32_t receive_queues(const std::string& port) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq frame{};
  frame.ifr_data = reinterpret_cast<char*>(&channels);
  if (!ask_interface(port, SIOCETHTOOL, frame)) return 0;
  return channels.combined_count + channels.rx_count;
}

std::string obstacle_at(const std::string& port) {
  const ToolAnswer link = run_tool({"ip", "-o", "link", "show", "dev", port});
  if (link.code != 0) return failed({"ip", "link", "show", port}, link).message;
  if (link.text.find(" master ") != std::string::npos) {
    return "port " + port + " belongs to a bridge or bond";
  }
  // Not link-local: those the kernel gives to every interface.
  const ToolAnswer address =
      run_tool({"ip", "-o", "address", "show", "dev", port, "scope", "global"});
  if (address.code != 0 || !address.text.empty()) return "port " + port + " has an address";
  // A queue without a socket would fall through all the time, past the inspection.
  if (const uint32_t queues = receive_queues(port); queues > kQueuesBound) {
    return fmt::format(
        "port {0} has {1} receive queues and {2} is inspected; ethtool -L {0} "
        "combined {2}",
        port, queues, kQueuesBound);
  }
  return {};
}

std::string filters_of(const std::string& port) {
  return run_tool({"tc", "filter", "show", "dev", port, "ingress", "pref", kPreference}).text;
}

// The last digit of our cookie there, or -1: none of ours.
int undo_of(const std::string& filters) {
  const size_t at = filters.find(kCookie);
  if (at == std::string::npos || at + kCookie.size() >= filters.size()) return -1;
  return filters[at + kCookie.size()] - '0';
}

Result<void> stand_at(const std::string& port, const std::string& other) {
  const std::string there = filters_of(port);
  unsigned undo = 0;
  if (const int ours = undo_of(there); ours >= 0) {
    if (there.find("to device " + other + ")") != std::string::npos) {
      return set_promiscuous(port, true);
    }
    undo = static_cast<unsigned>(ours);  // of another wire that this port was in
    run_tool({"tc", "filter", "del", "dev", port, "ingress", "pref", kPreference});
  } else if (there.find("filter") != std::string::npos) {
    return fail("a filter with preference " + kPreference + " that is not ours is on " + port);
  } else {
    if (!is_promiscuous(port)) undo |= kMadePromiscuous;
    const ToolAnswer qdiscs = run_tool({"tc", "qdisc", "show", "dev", port});
    if (qdiscs.text.find("qdisc clsact") == std::string::npos) {
      const Words add = {"tc", "qdisc", "add", "dev", port, "clsact"};
      if (const ToolAnswer a = run_tool(add); a.code != 0)
        return tl::make_unexpected(failed(add, a));
      undo |= kMadeClsact;
    }
  }
  if (auto done = set_promiscuous(port, true); !done) return done;
  ToolAnswer answer;
  Words add;
  for (const Words& match : {Words{"matchall"}, Words{"u32", "match", "u32", "0", "0"}}) {
    add = {"tc", "filter", "add", "dev", port, "ingress", "pref", kPreference, "protocol", "all"};
    add.insert(add.end(), match.begin(), match.end());
    for (const char* word : {"action", "mirred", "egress", "redirect", "dev"}) add.push_back(word);
    add.insert(add.end(), {other, "cookie", std::string(kCookie) + std::to_string(undo)});
    answer = run_tool(add);
    if (answer.code == 0) return {};
  }
  return tl::make_unexpected(failed(add, answer));
}

Result<void> remove_at(const std::string& port) {
  const int undo = undo_of(filters_of(port));
  if (undo < 0) return {};
  const Words remove = {"tc", "filter", "del", "dev", port, "ingress", "pref", kPreference};
  if (const ToolAnswer a = run_tool(remove); a.code != 0) {
    return tl::make_unexpected(failed(remove, a));
  }
  if ((static_cast<unsigned>(undo) & kMadeClsact) != 0) {
    std::string others;
    for (const char* way : {"ingress", "egress"}) {
      others += run_tool({"tc", "filter", "show", "dev", port, way}).text;
    }
    if (others.empty()) run_tool({"tc", "qdisc", "del", "dev", port, "clsact"});
  }
  if ((static_cast<unsigned>(undo) & kMadePromiscuous) != 0) return set_promiscuous(port, false);
  return {};
}

}  // namespace

Relay::Relay(const WireSettings& wire) : port_{wire.side[0].name, wire.side[1].name} {
  kernel_ports_ = wire.side[0].kind == PortKind::kAfXdp && wire.side[1].kind == PortKind::kAfXdp;
  af_packet_ = wire.side[0].kind == PortKind::kAfPacket || wire.side[1].kind == PortKind::kAfPacket;
}

std::string Relay::obstacle() const {
  if (af_packet_) return "AF_PACKET copies frames, so a relay under it would send each twice";
  if (!kernel_ports_) return "the kernel does not see its ports";
  for (const std::string& port : port_) {
    if (std::string why = obstacle_at(port); !why.empty()) return why;
  }
  return {};
}

Result<void> Relay::stand() {
  for (unsigned side = 0; side < 2; ++side) {
    if (auto done = stand_at(port_[side], port_[1 - side]); !done) {
      static_cast<void>(remove());
      return done;
    }
  }
  return {};
}

Result<void> Relay::remove() {
  if (!kernel_ports_) return {};
  auto first = remove_at(port_[0]);
  auto second = remove_at(port_[1]);
  return first ? second : first;
}

std::string Relay::how_to_remove() const {
  std::string out;
  for (const std::string& port : port_) {
    out += fmt::format("{}tc filter del dev {} ingress pref {}", out.empty() ? "" : "; ", port,
                       kPreference);
  }
  return out;
}

}  // namespace weir
