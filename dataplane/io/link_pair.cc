// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/link_pair.h"

namespace weir {

void LinkPair::see(Link& link, bool up, TimeNs now) const noexcept {
  if (up != link.now_up) {
    link.now_up = up;
    link.changed_ns = now;
    if (!up) ++link.losses;
  }
  if (up) link.settled_ns = now;
  if (now - link.changed_ns < debounce_ns_ || now < link.settled_ns) return;
  link.counts_up = up;
}

std::optional<LinkOrder> LinkPair::look(bool a_up, bool b_up, TimeNs now) noexcept {
  const bool up[2] = {a_up, b_up};
  if (!started_) {
    started_ = true;
    for (unsigned s = 0; s < 2; ++s) {
      link_[s].now_up = up[s];
      link_[s].changed_ns = now;
      link_[s].settled_ns = now + kSettleNs;
    }
  }
  for (unsigned s = 0; s < 2; ++s) {
    if (!held_ || index(*held_) != s) see(link_[s], up[s], now);
  }
  if (!gives_orders_) return std::nullopt;
  if (held_) {
    if (!link_[index(other(*held_))].counts_up) return std::nullopt;
    const Side side = *held_;
    Link& back = link_[index(side)];
    back = {.now_up = false,
            .counts_up = true,
            .changed_ns = now,
            .settled_ns = now + kSettleNs,
            .losses = back.losses};
    held_.reset();
    return LinkOrder{side, LinkOrder::Act::kRestore};
  }
  if (link_[0].counts_up == link_[1].counts_up) return std::nullopt;
  held_ = link_[0].counts_up ? Side::kA : Side::kB;
  return LinkOrder{*held_, LinkOrder::Act::kTakeDown};
}

}  // namespace weir
