// SPDX-License-Identifier: Apache-2.0
// A link layer address (EUI-48). All zero: none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

using MacAddress = std::array<uint8_t, 6>;

std::string mac_text(const MacAddress& m);  // "02:00:5e:00:53:01"; "" for none
// Six pairs of hexadecimal digits with ':' or '-' between them. Nothing for what is not that, or
// is all zero.
std::optional<MacAddress> parse_mac(std::string_view text) noexcept;

}  // namespace weir
