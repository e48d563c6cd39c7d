// SPDX-License-Identifier: Apache-2.0
#include "control/respond/ladder.h"

#include <algorithm>

namespace weir {

namespace {

constexpr TimeNs kHour = 3600 * kNsPerSecond;
constexpr uint32_t kCoursesMax = 65'536;

}  // namespace

VerdictMatch match_of(uint8_t rung, ScanShape shape, const Score& s) {
  VerdictMatch m;
  m.src = {s.source, 128};
  if (rung == kRungAll) m.either = true;
  if (rung != kRungNarrow) return m;
  switch (shape) {
    case ScanShape::kPorts: m.dst = {s.ends.dst, 128}; break;
    case ScanShape::kHosts: m.proto = s.ends.proto, m.dst_port = s.ends.dst_port; break;
    case ScanShape::kSweep: m.proto = s.ends.proto; break;
    default: break;
  }
  return m;
}

Ladder::Ladder(const RespondSettings& settings) : courses_(kCoursesMax) {
  use(settings);
}

void Ladder::use(const RespondSettings& settings) noexcept {
  duration_ns_ = settings.duration_ns;
  duration_max_ns_ = std::max(settings.duration_max_ns, settings.duration_ns);
  devices_per_hour_max_ = settings.devices_per_hour_max;
}

Ladder::Course& Ladder::course_of(const IpAddress& device) {
  auto* e = courses_.find(device);
  if (e == nullptr) e = &courses_.add(device);
  courses_.touch(*e);
  return e->value;
}

uint32_t Ladder::repeats(const IpAddress& device, TimeNs now) {
  const auto* e = courses_.find(device);
  if (e == nullptr || e->value.expires_ns == 0) return 0;
  if (now < e->value.expires_ns) return e->value.repeats;  // one is running: the same round
  if (now - e->value.expires_ns > duration_max_ns_) return 0;
  return e->value.repeats + 1;
}

TimeNs Ladder::duration_ns(uint32_t repeats) const {
  TimeNs d = duration_ns_;
  for (uint32_t i = 0; i < repeats && d < duration_max_ns_; ++i) {
    d = d > duration_max_ns_ / 2 ? duration_max_ns_ : d * 2;
  }
  return std::min(d, duration_max_ns_);
}

void Ladder::acted(const IpAddress& device, uint32_t repeats, TimeNs now, TimeNs expires_ns) {
  Course& c = course_of(device);
  c.repeats = repeats;
  c.expires_ns = std::max(c.expires_ns, expires_ns);
  const bool counted = std::any_of(this_hour_.begin(), this_hour_.end(),
                                   [&](const auto& p) { return p.second == device; });
  if (!counted) this_hour_.emplace_back(now, device);
}

bool Ladder::room_for(const IpAddress& device, TimeNs now) {
  while (!this_hour_.empty() && now - this_hour_.front().first >= kHour) this_hour_.pop_front();
  if (this_hour_.size() < devices_per_hour_max_) return true;
  return std::any_of(this_hour_.begin(), this_hour_.end(),
                     [&](const auto& p) { return p.second == device; });
}

bool Ladder::tell_refusal(const IpAddress& device, TimeNs now) {
  Course& c = course_of(device);
  if (c.refusal_told && now - c.refusal_told_ns < kHour) return false;
  c.refusal_told = true;
  c.refusal_told_ns = now;
  return true;
}

}  // namespace weir
