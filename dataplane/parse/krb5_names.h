// SPDX-License-Identifier: Apache-2.0
// Private to parse: numbers of Kerberos (RFC 3961, 3962, 4120, 4556, 4757, 6803, 8009) and their
// names.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::parse {

// Empty: it has no name.
std::string_view encryption_name(int32_t type) noexcept;
std::string_view kerberos_error_name(int64_t code) noexcept;
// Whether it is none of the ciphers that RFC 8429 left standing.
bool is_weak_encryption(int32_t type) noexcept;

}  // namespace weir::parse
