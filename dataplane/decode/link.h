// SPDX-License-Identifier: Apache-2.0
// Private to decode: the link header of a frame, by link type, and what comes after it.
#pragma once

#include <cstdint>

#include "dataplane/decode/decode.h"

namespace weir {

enum class LinkNext : uint8_t { kNothing, kEthertype, kIpByVersion };

struct LinkHeader {
  LinkNext next = LinkNext::kNothing;
  bool has_mac = false;    // destination and source MAC are the first 12 bytes
  uint16_t ethertype = 0;  // kEthertype
  uint32_t offset = 0;     // where what follows begins
};

// data[0, end) can be read. Constant work, except radiotap and PPI, whose length field is bounded
// by end.
LinkHeader read_link(const uint8_t* data, uint32_t end, LinkType link) noexcept;

// An 802.11 frame as access points hand it to their controller: some exchange the two bytes of the
// frame control field.
LinkHeader read_tunnelled_80211(const uint8_t* data, uint32_t end) noexcept;

}  // namespace weir
