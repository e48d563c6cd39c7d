// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/tx_kick.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace weir {

namespace {

// The kernel sends 32 frames at most for one call and answers EAGAIN where there are more.
constexpr unsigned kTriesMax = 4;
thread_local unsigned tries = 0;

}  // namespace

thread_local bool tx_kick_refused = false;

}  // namespace weir

extern "C" ssize_t send(int socket, const void* bytes, size_t count, int flags) {
  const ssize_t sent = syscall(SYS_sendto, socket, bytes, count, flags, nullptr, 0);
  if (bytes != nullptr || count != 0 || flags != MSG_DONTWAIT) return sent;
  const bool again = sent < 0 && errno == EAGAIN;
  if (again && ++weir::tries < weir::kTriesMax) return sent;
  weir::tries = 0;
  weir::tx_kick_refused = again;
  if (again) errno = ENOBUFS;  // the driver leaves off
  return sent;
}
