// SPDX-License-Identifier: Apache-2.0
// The kernel's own path under a wire of two AF_XDP ports: a `tc` redirect of each into the other,
// below the XDP program. While the data plane has its sockets bound no frame gets that far; when it
// dies, stops or is not up yet, frames fall through to it at once, uninspected.
//
// It belongs to the kernel, not to us: it goes on when we are killed, and the next `weir run` takes
// it over. It is ours by the cookie of its action; what others have on the interface stays. Used by
// the supervisor and by `weir relay`, on one thread, never on the packet path: it runs tc and ip
// (iproute2) and waits at most some seconds for them.
#pragma once

#include <string>

#include "dataplane/base/result.h"
#include "dataplane/contract/settings.h"

namespace weir {

class Relay {
 public:
  explicit Relay(const WireSettings& wire);

  // Why there can be none under this wire, in words ("port d0 has an address"); empty: there can.
  // Looks at the machine again each time.
  std::string obstacle() const;

  // Both directions stand, or none does (on error as far as it could be taken away). Makes the
  // interfaces promiscuous as long as it stands: a card would keep the others' frames to itself.
  Result<void> stand();
  // Takes ours away, if there, and with it what only we needed: clsact, promiscuous mode.
  Result<void> remove();
  // For people: the commands that do the same as remove().
  std::string how_to_remove() const;

 private:
  std::string port_[2];
  bool kernel_ports_ = false;  // both AF_XDP
  bool af_packet_ = false;     // one is AF_PACKET
};

}  // namespace weir
