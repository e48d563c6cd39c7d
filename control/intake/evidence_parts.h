// SPDX-License-Identifier: Apache-2.0
// Private to intake: puts the records of an event together again. A worker writes them one right
// after the other; where one is missing (the ring was full) the event is given up and counted.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/contract/evidence.h"
#include "dataplane/contract/settings.h"

namespace weir {

class EvidenceParts {
 public:
  // The whole event if r is its last part, else null. false in `good`: r cannot be.
  const Evidence* take(const uint8_t* bytes, uint32_t length, bool& good);
  uint64_t broken() const noexcept { return broken_; }  // events of which parts were missing

 private:
  struct Open {
    uint32_t serial = 0;
    uint8_t parts = 0;  // 0: none is open
    std::vector<uint8_t> facts;
  };
  Open open_[kWorkersMax];
  Evidence whole_;
  uint64_t broken_ = 0;
};

}  // namespace weir
