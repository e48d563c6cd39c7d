// SPDX-License-Identifier: Apache-2.0
// A wire whose one side is a capture and whose other side may be another: frames come in at side A
// by the capture's clock, what would leave is written. For replay; one thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "dataplane/io/capture.h"
#include "dataplane/io/io.h"

namespace weir {

class CaptureWire final : public WireIo {
 public:
  // writer may be null. burst_span_ns: how far apart the first and last frame of a burst may be by
  // their time stamps; 0: any. A live burst spans microseconds, so a replay that is to show when a
  // verdict takes effect must not put seconds of a quiet capture into one.
  CaptureWire(CaptureReader& reader, CaptureWriter* writer, TimeNs burst_span_ns);

  uint16_t receive(Side side, TimeNs now, std::span<PacketView> packets) override;
  void transmit(Side from, std::span<const PacketView> packets, std::span<Reason> reasons) override;
  bool inject(Side side, std::span<const uint8_t> frame, TimeNs now) override;
  LinkType link() const override { return link_; }

  // The packet clock before the next burst: the latest time stamp seen, the next frame's included.
  // nullopt: no frame is left.
  std::optional<TimeNs> next_time();

 private:
  CaptureReader& reader_;
  CaptureWriter* writer_;
  const TimeNs burst_span_ns_;
  std::optional<CapturedFrame> next_;
  CapturedFrame burst_[kBurstMax];
  LinkType link_ = LinkType::kUnknown;
  TimeNs latest_ns_ = 0;
  struct Own {
    std::vector<uint8_t> frame;
    TimeNs time_ns;
  };
  std::vector<Own> own_;  // frames of ours that follow the burst they answer
};

}  // namespace weir
