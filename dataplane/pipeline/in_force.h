// SPDX-License-Identifier: Apache-2.0
// What all workers go by: the rules, and the settings that may change while packets flow. Made off
// the packet path, then only read; one pointer replaces both at once, between two bursts.
#pragma once

#include <memory>

#include "dataplane/match/match.h"
#include "dataplane/pipeline/depth.h"

namespace weir {

struct InForce {
  // What changed settings are, once looked up and ready to be copied.
  struct Live {
    Settings settings;
    AppDepths depths;
  };
  uint64_t generation = 0;  // never twice the same in a process
  std::unique_ptr<const LoadedRules> rules;  // null: none
  std::unique_ptr<const Live> live;          // null: what the worker was made with
};

}  // namespace weir
