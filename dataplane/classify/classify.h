// SPDX-License-Identifier: Apache-2.0
// Flow -> application protocol. nDPI sees a flow's first packets until it is sure or its allowance
// is used up, then its state goes back to the pool. One Classifier per worker; nDPI modules are not
// shared. Flow structures come from a pool sized at start; nDPI itself still allocates small
// strings (host names, URLs) per flow while it looks, which ends with the flow's classification.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/cycle_budget.h"
#include "dataplane/base/result.h"
#include "dataplane/contract/segment.h"
#include "dataplane/flow/flow.h"

namespace weir {

struct ClassifyStats {
  uint64_t packets = 0;       // given to nDPI
  uint64_t refused_full = 0;  // flows that found no free state
  uint64_t active = 0;        // flows being looked at now
};

class Classifier {
 public:
  static Result<std::unique_ptr<Classifier>> create(const InspectSettings& settings);
  ~Classifier();
  static uint64_t bytes_for(const InspectSettings& settings) noexcept;

  // How many packets of a flow it sees; from the next one on. settings.classify_flows_max must be
  // the one it was made with.
  void use(const InspectSettings& settings) noexcept { settings_ = settings; }
  // Every protocol's name by its id.
  void write_names(AppNames& names) const;

  // The stage, for the packets whose flow still wants it. Writes Flow::app, app_master,
  // classify_slot and clears kWantsClassify when done. stopped[i]: a verdict drops the packet
  // whatever is in it. Once the budget is spent the rest waits for its next packet, or goes
  // unclassified. became_known[i] is true where this packet told what the flow is. Of
  // `rows` alone.
  void classify(std::span<const PacketView> packets, std::span<const Headers> headers,
                std::span<const Tracked> tracked, std::span<const bool> stopped, FlowTable& table,
                CycleBudget& budget, std::span<bool> became_known, Rows rows = kAllRows);

  // A flow ends: decides by what it has (guessing by port and address where nothing was said) and
  // gives the state back. For a flow without state this is nothing.
  void finish(Flow& flow);

  const ClassifyStats& stats() const noexcept { return stats_; }

 private:
  struct State;
  explicit Classifier(const InspectSettings& settings);
  uint32_t take_slot();
  void release_slot(uint32_t slot);
  bool inspect(const PacketView& packet, const Headers& headers, Flow& flow, FlowCold& cold);
  void conclude(Flow& flow);

  InspectSettings settings_;
  std::unique_ptr<State> state_;
  ClassifyStats stats_;
};

}  // namespace weir
