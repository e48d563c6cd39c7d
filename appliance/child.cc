// SPDX-License-Identifier: Apache-2.0
#include "appliance/child.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr int kPriority = -15;

// Between fork and exec: only what is safe there. Returns the step that failed, for the message.
const char* become(const std::optional<UserIds>& ids, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A packet waits for the one, a verdict for the other: neither queues behind what else this
  // machine does. Not being allowed to is no reason not to start.
  static_cast<void>(setpriority(PRIO_PROCESS, 0, kPriority));
  if (ids) {
    if (setgroups(1, &ids->gid) != 0) return "setgroups";
    if (setresgid(ids->gid, ids->gid, ids->gid) != 0) return "setresgid";
    if (setresuid(ids->uid, ids->uid, ids->uid) != 0) return "setresuid";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  }
  // After the change of user, which would clear it.
  if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) return "parent death signal";
  if (getppid() != parent) _exit(0);  // it died before we asked to be told
  return nullptr;
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& words, std::optional<UserIds> ids,
                           ChildGroup group) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return fail("cannot start " + words[0] + ": " + std::strerror(errno));
  if (pid == 0) {
    if (group == ChildGroup::kOwn) static_cast<void>(setpgid(0, 0));
    const char* failed = become(ids, parent);
    if (failed == nullptr) {
      execv(argv[0], argv.data());
      failed = "exec";
    }
    dprintf(STDERR_FILENO, "weir: cannot start %s: %s: %s\n", argv[0], failed,
            std::strerror(errno));
    _exit(127);
  }
  // Here too: whichever of us comes first. EACCES: it has already done so and become its program.
  if (group == ChildGroup::kOwn) static_cast<void>(setpgid(pid, pid));
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) {
    const int code = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return fail(std::string("cannot watch a program (pidfd_open): ") + std::strerror(code));
  }
  return Child(pid, fd, group);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      fd_(std::exchange(other.fd_, -1)),
      group_(other.group_) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(fd_, other.fd_);
  std::swap(group_, other.group_);
  return *this;
}

Child::~Child() {
  if (pid_ > 0) {
    signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (fd_ >= 0) close(fd_);
}

void Child::signal(int number) const {
  if (pid_ > 0) kill(group_ == ChildGroup::kOwn ? -pid_ : pid_, number);
}

std::string Child::reap() {
  if (pid_ <= 0) return "not started";
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return {};
  pid_ = -1;
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

void Child::end(int seconds) {
  if (pid_ <= 0) return;
  pollfd watch{fd_, POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&watch, 1, seconds * 1000);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace weir
