// SPDX-License-Identifier: Apache-2.0
// Private to parse: what the interfaces of DCE/RPC and their operations are called, from the [MS-*]
// specifications and DCE 1.1; endpoints and operations spelled as Zeek spells them.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

constexpr uint8_t kUnknownInterface = 0xff;

// uuid: 16 bytes in the order in which they are written. kUnknownInterface: not in the table.
uint8_t rpc_interface(Bytes uuid) noexcept;
std::string_view rpc_endpoint(uint8_t interface) noexcept;                   // empty: unknown
std::string_view rpc_operation(uint8_t interface, uint16_t opnum) noexcept;  // empty: unknown
std::string_view rpc_pdu_name(uint8_t type) noexcept;                        // "BINDACK"
std::string_view rpc_auth_name(uint8_t type) noexcept;                       // "ntlmssp"
std::string_view rpc_level_name(uint8_t level) noexcept;                     // "privacy"

}  // namespace weir::parse
