// SPDX-License-Identifier: Apache-2.0
// What happened to flows and packets -> event records in the worker's ring. observe() is the last
// stage before sending; the worker calls the rest for flows that end between bursts. A ring that is
// full loses records, counted, and never holds a packet up.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "dataplane/contract/segment.h"
#include "dataplane/features/evidence_limit.h"
#include "dataplane/parse/parse.h"
#include "dataplane/verdict/verdict.h"

namespace weir {

class EventWriter final : public VerdictReports, public EvidenceSink {
 public:
  EventWriter(SpscByteRing ring, StatsPage& stats, uint8_t worker, const Settings& settings);

  void use(const Settings& settings) noexcept;  // from the next second on
  // Names the flow, which has just begun, as a whole. wire: index of the wire it is on.
  void flow_start(const Tracked& t, uint8_t wire, FlowTable& flows, TimeNs now);
  void flow_update(const FlowView& v, UpdateCause cause, TimeNs now);
  void flow_end(const FlowView& v, EndReason why, TimeNs now);
  void report(const VerdictReport& r) override;
  void evidence(const Evidence& e) noexcept override;
  void at_packet(uint64_t number) noexcept { packet_number_ = number; }  // what evidence speaks of
  // Counts of evidence that are due; all: every one, for the end.
  void tell_counted(TimeNs now, bool all);

  // Stage. transactions[i]: of the event that hits of rules over facts are of. packet_number: of
  // the first packet of the burst, counted from 1. rows: those of which there may be something to
  // tell.
  void observe(std::span<const PacketView> packets, std::span<const Headers> headers,
               std::span<const Tracked> tracked, std::span<const bool> became_known,
               std::span<const Hits> hits, std::span<const uint32_t> transactions,
               const LoadedRules* rules, std::span<const Decision> decisions, uint8_t wire,
               FlowTable& flows, uint64_t packet_number, Rows rows = kAllRows);
  // Stage, in place of observe() for packets that Verdicts::drop() dropped.
  void dropped(std::span<const PacketView> packets, std::span<const Headers> headers,
               std::span<const Tracked> tracked, std::span<const Reason> reasons, uint8_t wire,
               const FlowTable& flows, Rows rows);
  void anomaly(const PacketView& packet, const Headers& h, Anomaly what, uint8_t wire,
               uint64_t packet_number);

 private:
  // At most `per_second` a second, and how many were passed over since the last that was told.
  struct Sampler {
    uint32_t per_second = 0;
    uint32_t left = 0;
    TimeNs second_began_ns = 0;
    uint64_t passed_over = 0;
    // Whether it admits nothing up to `until`, and so none of these.
    bool pass_over(TimeNs until, Rows rows) noexcept {
      const bool none =
          left == 0 && until >= second_began_ns && until - second_began_ns < kNsPerSecond;
      if (none) passed_over += static_cast<unsigned>(std::popcount(rows));
      return none;
    }
    bool admit(TimeNs now) noexcept {
      if (now - second_began_ns >= kNsPerSecond || now < second_began_ns) {
        second_began_ns = now;
        left = per_second;
      }
      if (left == 0) {
        ++passed_over;
        return false;
      }
      --left;
      return true;
    }
  };
  struct Claim {
    IpAddress address;
    MacAddress mac;
    TimeNs told_ns = 0;
  };
  template <class Record, class Fill>  // fill(Record&)
  void put(RecordType type, uint8_t wire, TimeNs now, Fill&& fill);
  void put_evidence(const Evidence& e);
  void flow_report(FlowReport& r, const FlowView& v) const;
  void observe_flow(const Tracked& t, bool became_known, uint8_t wire, FlowTable& flows,
                    TimeNs now);
  void rule_hits(const PacketView& p, const Headers& h, const Tracked& t, const Hits& hits,
                 const LoadedRules& rules, const Decision& d, uint8_t wire, FlowTable& flows,
                 uint64_t packet_number, uint32_t transaction);
  void drop(const PacketView& p, const Headers& h, const Tracked& t, const Decision& d,
            uint8_t wire);
  void address_claim(const PacketView& p, const Headers& h, uint8_t wire);

  SpscByteRing ring_;
  StatsPage& stats_;
  uint8_t worker_;
  Sampler drops_, anomalies_;
  EvidenceLimit evidence_limit_;
  uint32_t evidence_serial_ = 0;
  uint64_t packet_number_ = 0;
  std::array<Claim, 1024> claims_{};  // direct-mapped by address: repeats are not told
};

}  // namespace weir
