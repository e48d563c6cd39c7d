// SPDX-License-Identifier: Apache-2.0
#include "control/operate/drop_tally.h"

#include <algorithm>

namespace weir::operate {

namespace {

constexpr uint32_t kAddressesMax = 8192;
constexpr uint32_t kFlowsMax = 8192;

bool is_same(const DropCause& c, const Drop& r) noexcept {
  return c.reason == r.reason && c.would == (r.would != 0) && c.verdict == r.verdict &&
         c.rule_sid == r.rule_sid;
}

template <class Table, class Key>
auto& entry_of(Table& table, const Key& key) {
  auto* e = table.find(key);
  if (e == nullptr) e = &table.add(key);
  table.touch(*e);
  return e->value;
}

}  // namespace

void DropTally::Causes::add(const Drop& r) noexcept {
  size_t at = 0;
  while (at < count && !is_same(cause[at], r)) ++at;
  if (at == count) {
    at = std::min(count, kCausesMax - 1);
    count = at + 1;
    cause[at] = {.reason = r.reason,
                 .would = r.would != 0,
                 .verdict = r.verdict,
                 .rule_sid = r.rule_sid,
                 .first_ns = r.header.time_ns};
  }
  std::rotate(cause.begin(), cause.begin() + static_cast<ptrdiff_t>(at),
              cause.begin() + static_cast<ptrdiff_t>(at) + 1);
  DropCause& c = cause[0];
  ++c.packets;
  c.bytes += r.packet_bytes;
  c.last_ns = r.header.time_ns;
}

DropTally::DropTally(uint64_t hash_seed)
    : addresses_(kAddressesMax, AddressHash{hash_seed}), flows_(kFlowsMax, FlowIdHash{hash_seed}) {}

void DropTally::take(const Drop& r) {
  untold_ += r.since_last;
  entry_of(addresses_, r.ends.src).add(r);
  if (r.ends.dst != r.ends.src) entry_of(addresses_, r.ends.dst).add(r);
  if (r.flow != 0) entry_of(flows_, r.flow).add(r);
}

std::span<const DropCause> DropTally::of(const IpAddress& address) const noexcept {
  const auto* e = addresses_.find(address);
  if (e == nullptr) return {};
  return {e->value.cause.data(), e->value.count};
}

std::span<const DropCause> DropTally::of(FlowId flow) const noexcept {
  const auto* e = flows_.find(flow);
  if (e == nullptr) return {};
  return {e->value.cause.data(), e->value.count};
}

}  // namespace weir::operate
