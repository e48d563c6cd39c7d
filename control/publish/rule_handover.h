// SPDX-License-Identifier: Apache-2.0
// Brings a compiled rule image, and the settings that go with it, to the data plane and its answer
// back. Live: the file
// <runtime dir>/rules-<generation>.img, complete and on disk before the segment names it; replaced
// files go once every worker uses a newer one. In one process (replay, tests): a function that
// takes the bytes. Control thread; never parses the image.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/segment.h"

namespace weir {

struct RuleAnswer {
  uint64_t generation = 0;
  std::string refusal;  // empty: in use
};

class RuleHandover {
 public:
  // Puts an image into use at once; returns why not, or nothing.
  using Loader = std::function<std::string(uint64_t generation, std::span<const uint8_t> image)>;

  RuleHandover(Segment& segment, std::string runtime_dir);
  RuleHandover(Segment& segment, Loader loader);

  // The number the next image must carry: above every one this segment has heard of.
  uint64_t next_generation() const noexcept;
  // Offers an image of that generation, and settings of which the live part takes effect with it
  // (in one process: the image alone). An error: it could not be written; nothing changed.
  Result<void> offer(uint64_t generation, std::span<const uint8_t> image, const Settings& settings);
  // The data plane's answer to the latest offer, once. After a refusal a data plane that starts
  // anew is offered what was in force before.
  std::optional<RuleAnswer> poll();
  bool waiting() const noexcept { return offered_ != 0; }
  // It waits, and there is no data plane that could answer.
  bool waits_in_vain() const noexcept;
  // Removes images that no worker uses and nobody asked for (also those of an earlier run).
  void remove_old();

 private:
  std::string path_of(uint64_t generation) const;
  void withdraw() noexcept;
  Segment& segment_;
  std::string runtime_dir_;
  Loader loader_;
  uint64_t offered_ = 0;  // not yet answered; 0: none
  std::optional<RuleAnswer> answer_;
};

}  // namespace weir
