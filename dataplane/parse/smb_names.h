// SPDX-License-Identifier: Apache-2.0
// Private to parse: names and numbers of SMB, as Suricata spells them.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::parse {

// Empty: unknown.
std::string_view smb1_command_name(uint8_t command) noexcept;
std::string_view smb2_command_name(uint16_t command) noexcept;
std::string_view smb2_dialect_name(uint16_t dialect) noexcept;
std::string_view nt_status_name(uint32_t status) noexcept;
std::string_view dos_error_name(uint8_t cls, uint16_t code) noexcept;
std::string_view fsctl_name(uint32_t code) noexcept;
std::string_view file_info_name(uint8_t cls) noexcept;

}  // namespace weir::parse
