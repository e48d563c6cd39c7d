// SPDX-License-Identifier: Apache-2.0
// Whose the ports are, for `weir run`: opening one that another instance carries would take it from
// that one, and its relay with it. And which interfaces they were when the data plane was started:
// one that is deleted and made again has the same name and is another.
#pragma once

#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "dataplane/contract/settings.h"

namespace weir {

class PortClaims {
 public:
  PortClaims() = default;
  PortClaims(const PortClaims&) = delete;
  PortClaims& operator=(const PortClaims&) = delete;
  ~PortClaims();

  // All ports of all wires, or the sentence why not. For as long as this lives, however it ends.
  Result<void> take(const Settings& settings);

  // What the kernel's interfaces are now, and the first that is there and is another by now.
  void note(const Settings& settings);
  const PortSettings* made_anew(const Settings& settings) const;
  // Once for each port that has another name by now, and once when it has its own again: a line.
  std::string renamed(const Settings& settings);

 private:
  std::vector<int> sockets_;
  unsigned index_[kWiresMax][2] = {};
  std::string other_name_[kWiresMax][2];  // as last told; empty: its own
};

}  // namespace weir
