// SPDX-License-Identifier: Apache-2.0
// Private to parse: the one door to libcrypto's digests. Fingerprints, never security.
#pragma once

#include <array>

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

std::array<uint8_t, 16> md5_of(Bytes bytes) noexcept;

}  // namespace weir::parse
