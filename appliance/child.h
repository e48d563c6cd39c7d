// SPDX-License-Identifier: Apache-2.0
// One program that `weir run` keeps: starts it, as another user if told so, and knows by a pidfd
// when it has died. It dies with its parent: two of a kind on the same ports would be worse than
// none.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/result.h"

namespace weir {

struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
};

// kOwn: signals reach what it has started as well, and the terminal's Ctrl-C does not reach it.
enum class ChildGroup : uint8_t { kParents, kOwn };

class Child {
 public:
  // ids: what it runs as, without any capability and without a way to get one; empty: as we do.
  static Result<Child> start(const std::vector<std::string>& words, std::optional<UserIds> ids,
                             ChildGroup group = ChildGroup::kParents);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();  // kills it if it still lives

  pid_t pid() const { return pid_; }
  int fd() const { return fd_; }  // readable once it has died
  void signal(int number) const;
  // How it ended, in words ("exit code 1", "signal 9 (Killed)"); empty: it lives.
  std::string reap();
  // Waits at most so long for it to end by itself, then kills it.
  void end(int seconds);

 private:
  Child(pid_t pid, int fd, ChildGroup group) : pid_(pid), fd_(fd), group_(group) {}
  pid_t pid_ = -1;
  int fd_ = -1;
  ChildGroup group_ = ChildGroup::kParents;
};

}  // namespace weir
