// SPDX-License-Identifier: Apache-2.0
// Frames in memory for a measurement: made once, before the clock runs, in one block that has
// hugepages where the machine gives them. Every arm that runs in this process reads the same ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/base/link_type.h"
#include "dataplane/base/packet_view.h"
#include "dataplane/base/result.h"

namespace weir::bench {

// Zeroed memory of fixed size that only grows up to it.
class Arena {
 public:
  explicit Arena(uint64_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  uint8_t* take(uint64_t bytes);  // 64-byte aligned; the sum of all must be within the size
  const char* pages() const { return pages_; }

 private:
  uint8_t* memory_ = nullptr;
  uint64_t bytes_, used_ = 0;
  const char* pages_ = "";  // "hugetlb", "transparent" or "ordinary"
};

struct PreparedFrame {
  uint8_t* data = nullptr;
  uint32_t bytes = 0, wire_bytes = 0;
  TimeNs time_ns = 0;  // 0: the moment it is received
  LinkType link = LinkType::kEthernet;
  bool fresh = false;  // each time it is received it is the first packet of another flow
};

struct SyntheticTraffic {
  uint32_t flows = 65'536;
  uint32_t frame_bytes = 60;  // without FCS: a 64-byte frame
  double new_share = 0;       // of the packets: first of a new UDP flow
  double syn_share = 0;       // of the packets: SYN of a new TCP flow, as floods send them: bare
  bool syn_data = false;      // they carry the payload all the same
  bool beside = false;        // so many SYNs beside one frame of each flow from either end
  uint32_t frames = 65'536;   // per side, at least: more than the caches near the core hold
  uint8_t payload = 0xaa;     // each byte of it: no protocol begins so; 0: many could
  uint64_t seed = 1;
};

class Traffic {
 public:
  static Traffic synthetic(const SyntheticTraffic& settings);
  static Result<Traffic> captures(const std::vector<std::string>& paths);

  std::span<const PreparedFrame> side(Side s) const { return side_[index(s)]; }
  const char* pages() const { return arena_->pages(); }
  uint64_t packets() const { return side_[0].size() + side_[1].size(); }
  Result<void> write_pcap(const std::string& path) const;  // side A's frames

 private:
  std::unique_ptr<Arena> arena_;
  std::vector<PreparedFrame> side_[2];
};

// The address that flow n of synthetic traffic begins at, as four bytes.
void synthetic_source(uint32_t n, uint8_t (&address)[4]);

}  // namespace weir::bench
