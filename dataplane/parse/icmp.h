// SPDX-License-Identifier: Apache-2.0
// Private to parse: what has no stream and no ports.
//
// icmp  type, code, echo's id and sequence; of an echo how long its payload is, how it is made
// (what
//       the ping of common systems writes, or `other`) and how much it looks like chance: what
//       a tunnel cannot hide; of an error the packet it complains of; of neighbour discovery who
//       says to have which address, and what a router announces.
// arp   the packet, Ethernet and IPv4 only.
#pragma once

#include "dataplane/base/packet_view.h"
#include "dataplane/decode/decode.h"
#include "dataplane/parse/fact_list.h"

namespace weir::parse {

void write_icmp(FactWriter& facts, const PacketView& packet, const Headers& h) noexcept;
// ends: who asks, and for whom.
void write_arp(FactWriter& facts, const PacketView& packet, const Headers& h,
               Endpoints& ends) noexcept;

}  // namespace weir::parse
