// SPDX-License-Identifier: Apache-2.0
// Private to parse: what RDP's numbers mean.
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

std::string_view locale_name(uint32_t lcid) noexcept;    // MS-LCID; "unknown"
std::string_view windows_name(uint32_t build) noexcept;  // "unknown"
std::string_view rdp_version_name(uint32_t version) noexcept;

}  // namespace weir::parse
