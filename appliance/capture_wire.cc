// SPDX-License-Identifier: Apache-2.0
#include "appliance/capture_wire.h"

#include <algorithm>

namespace weir {

CaptureWire::CaptureWire(CaptureReader& reader, CaptureWriter* writer, TimeNs burst_span_ns)
    : reader_(reader), writer_(writer), burst_span_ns_(burst_span_ns), next_(reader.next()) {
  if (next_) link_ = next_->link;
}

std::optional<TimeNs> CaptureWire::next_time() {
  if (!next_) return std::nullopt;
  latest_ns_ = std::max(latest_ns_, next_->time_ns);  // a clock that was set back stands still
  return latest_ns_;
}

uint16_t CaptureWire::receive(Side side, TimeNs, std::span<PacketView> packets) {
  if (side != Side::kA || !next_) return 0;
  link_ = next_->link;
  uint16_t n = 0;
  const TimeNs first_ns = next_->time_ns;
  const auto is_near = [&](const CapturedFrame& f) {
    return burst_span_ns_ == 0 || f.time_ns - first_ns <= burst_span_ns_;
  };
  while (next_ && n < packets.size() && n < kBurstMax && next_->link == link_ && is_near(*next_)) {
    burst_[n] = *next_;
    latest_ns_ = std::max(latest_ns_, next_->time_ns);
    packets[n] = {.data = next_->bytes.data(),
                  .bytes = static_cast<uint32_t>(next_->bytes.size()),
                  .wire_bytes = next_->wire_bytes,
                  .time_ns = latest_ns_,
                  .handle = &burst_[n],
                  .side = side};
    ++n;
    next_ = reader_.next();
  }
  return n;
}

void CaptureWire::transmit(Side, std::span<const PacketView> packets, std::span<Reason> reasons) {
  if (writer_ == nullptr) return;
  for (size_t i = 0; i < packets.size(); ++i) {
    const auto* frame = static_cast<const CapturedFrame*>(packets[i].handle);
    writer_->copy(*frame, reasons[i] == Reason::kNone);
  }
  for (const Own& own : own_) writer_->add(reader_, own.frame, own.time_ns);
  own_.clear();
}

bool CaptureWire::inject(Side, std::span<const uint8_t> frame, TimeNs now) {
  if (writer_ != nullptr) own_.push_back({{frame.begin(), frame.end()}, now});
  return true;
}

}  // namespace weir
