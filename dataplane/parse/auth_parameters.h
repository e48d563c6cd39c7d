// SPDX-License-Identifier: Apache-2.0
// Private to parse: the parameters of challenges and credentials as HTTP and SIP write them
// (RFC 9110 section 11.2, RFC 3261 section 20.7): `name=value`, or `name="value"`, with commas
// between. A comma inside quotes is none.
#pragma once

#include "dataplane/parse/cursor.h"

namespace weir::parse {

// What stands behind the scheme where it is this one; false: it is another.
bool has_auth_scheme(Bytes field, std::string_view scheme, Bytes& parameters) noexcept;
// The first value of that name without its quotes, escapes as they are. Empty: there is none.
Bytes auth_parameter(Bytes parameters, std::string_view name) noexcept;

}  // namespace weir::parse
