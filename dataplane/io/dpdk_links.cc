// SPDX-License-Identifier: Apache-2.0
// The links of a wire's ports: what they say, one following the other, and a card's bypass relay.
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "dataplane/io/dpdk.h"
#include "dataplane/io/dpdk_lane.h"
#include "dataplane/io/dpdk_names.h"
#include "dataplane/io/interface.h"

namespace weir {

namespace {

constexpr TimeNs kNever = INT64_MAX / 2;

}  // namespace

DpdkWire::DpdkWire(const WireSettings& settings, Guard::Wire& guard)
    : settings_(settings),
      guard_(guard),
      links_(settings.link_propagation != 0 ? settings.link_debounce_ns : kNever),
      ports_(std::make_unique<DpdkPort[]>(2)) {}

bool DpdkWire::read_link(const DpdkPort& port) const {
  // The AF_XDP driver calls every started port up; the kernel knows.
  if (is_kernel_port(port.kind)) return has_link(interface_name(port.number));
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port.id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

Result<void> DpdkWire::set_port(Side side, LinkOrder::Act act) {
  const DpdkPort& port = ports_[index(side)];
  const bool up = act == LinkOrder::Act::kRestore;
  if (is_kernel_port(port.kind)) {
    const std::string name = interface_name(port.number);
    return set_interface(name.empty() ? port.name : name,
                         up ? InterfaceState::kUp : InterfaceState::kDown);
  }
  const int code = up ? rte_eth_dev_set_link_up(port.id) : rte_eth_dev_set_link_down(port.id);
  if (code == 0) return {};
  return fail("port " + port.name + " does not go " + (up ? "up" : "down") + ": " +
              rte_strerror(-code));
}

std::string DpdkWire::follow_links(TimeNs now) {
  const bool up[2] = {read_link(ports_[0]), read_link(ports_[1])};
  for (unsigned s = 0; s < 2; ++s) ports_[s].link_up.store(up[s], std::memory_order_relaxed);
  const auto order = links_.look(up[0], up[1], now);
  for (const Side s : {Side::kA, Side::kB}) {
    guard_.link_losses[index(s)].add(links_.losses(s) - losses_told_[index(s)]);
    losses_told_[index(s)] = links_.losses(s);
  }
  if (!order) return {};
  const std::string port = ports_[index(order->side)].name;
  const std::string cause = ports_[index(other(order->side))].name;
  const std::string where = "wire " + std::string(settings_.name) + ": ";
  if (const auto done = set_port(order->side, order->act); !done) {
    links_.cannot();
    return where + "links are not propagated any more: " + done.error().message;
  }
  const bool taken = order->act == LinkOrder::Act::kTakeDown;
  guard_.held_down[index(order->side)].set(taken ? 1 : 0);
  if (taken) guard_.links_taken_down.add();
  return where + (taken ? cause + " has lost its link, so " + port + " is taken down"
                        : cause + " has its link back, so " + port + " is brought up");
}

Result<void> DpdkWire::begin() {
  for (const Side side : {Side::kA, Side::kB}) {  // what a predecessor held when it was killed
    Counter& held = guard_.held_down[index(side)];
    if (held.get() == 0) continue;
    if (auto up = set_port(side, LinkOrder::Act::kRestore); !up) return up;
    held.set(0);
  }
  if (settings_.bypass_nic == 0) return {};
  std::string why;
  for (const Side side : {Side::kA, Side::kB}) {  // one of the two has the relay's registers
    const DpdkPort& port = ports_[index(side)];
    auto nic = BypassNic::start(port.id, settings_, kIxgbeBypass);
    if (nic) {
      bypass_ = *nic;
      return {};
    }
    why += (why.empty() ? "" : "; ") + ("port " + port.name) + " " + nic.error().message;
  }
  return fail("wire " + std::string(settings_.name) + " has 'bypass: {nic: true}': " + why);
}

void DpdkWire::beat_bypass(TimeNs now) {
  if (!bypass_) return;
  const uint64_t before = bypass_->failures();
  bypass_->beat(now);
  guard_.bypass_failures.add(bypass_->failures() - before);
}

}  // namespace weir
