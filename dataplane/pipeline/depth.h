// SPDX-License-Identifier: Apache-2.0
// Private to pipeline: how deep rules look into a flow. Up to its depth (by application, else one
// for all) every byte is looked at; from then on only windows at places that nobody outside can
// know, so that 'after the first N bytes' is no hiding place. The places follow from the flow's id
// and a secret, not from state: a settled flow pays one hash of what is already at hand.
#pragma once

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "dataplane/base/hash.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/segment.h"
#include "dataplane/flow/flow.h"

namespace weir {

// By nDPI's number of the application: payload bytes per direction that rules see; 0: all.
using AppDepths = std::array<uint64_t, kAppNamesMax>;

// names: of the applications, as nDPI knows them. Fails with the configured name that is not one.
inline Result<AppDepths> read_depths(const InspectSettings& settings, const AppNames& names) {
  AppDepths depths;
  depths.fill(settings.match_bytes);
  for (const AppDepth& wanted : settings.app_depth) {
    if (wanted.app[0] == '\0') continue;
    const auto found =
        std::find_if(std::begin(names.name), std::end(names.name),
                     [&](const auto& name) { return strcasecmp(name, wanted.app) == 0; });
    if (found == std::end(names.name)) {
      return fail(std::string("inspect.depths names '") + wanted.app +
                  "', which is no application that nDPI knows");
    }
    depths[static_cast<size_t>(found - std::begin(names.name))] = wanted.bytes;
  }
  return depths;
}

class InspectionDepth {
 public:
  explicit InspectionDepth(uint64_t secret) noexcept : secret_(secret) {}

  // From the next packet on. What is past its depth already stays so.
  void use(const InspectSettings& settings, const AppDepths& depths) noexcept {
    depth_ = depths;
    window_ = settings.sample_bytes;
    every_ = settings.sample_every_bytes;
  }

  // Whether rules look at this packet.
  bool wants(const FlowTable& flows, const Tracked& t) const noexcept {
    Flow& f = *t.flow;
    const auto deep = static_cast<uint16_t>(kDeepEnough << t.direction);
    if ((f.flags & deep) != 0) return is_sampled(f, t.direction);
    const uint64_t depth = depth_of(f);
    if (depth == 0) return true;
    if (flows.cold(t.index).matched_bytes[t.direction] < depth) return true;
    f.flags |= deep;
    return is_sampled(f, t.direction);
  }

  // Rules have looked at so many new bytes of its stream, or of its payload where there is none.
  static void looked_at(FlowTable& flows, const Tracked& t, size_t bytes) noexcept {
    uint32_t& seen = flows.cold(t.index).matched_bytes[t.direction];
    seen +=
        static_cast<uint32_t>(std::min<size_t>(bytes, std::numeric_limits<uint32_t>::max() - seen));
  }

 private:
  // The more exact name counts: DNS.Google before Google before DNS.
  uint64_t depth_of(const Flow& f) const noexcept {
    const auto of = [&](uint16_t id) { return depth_[id < kAppNamesMax ? id : 0]; };
    return f.app != 0 && of(f.app) != depth_[0] ? of(f.app) : of(f.app_master);
  }
  bool is_sampled(const Flow& f, unsigned direction) const noexcept {
    if (window_ == 0 || every_ <= window_) return window_ != 0;
    const uint64_t at = f.bytes[direction];
    const uint64_t place =
        hash_mix(f.id ^ secret_, at / every_ * 2 + direction) % (every_ - window_);
    return at % every_ - place < window_;
  }

  AppDepths depth_{};
  uint64_t window_ = 0, every_ = 0;
  const uint64_t secret_;
};

}  // namespace weir
