// SPDX-License-Identifier: Apache-2.0
// Private to parse: a request's target as the author of a rule expects to find it.
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

struct Target {
  Bytes authority;  // "user@host:port" of "http://..."; empty: it has none
  Bytes path;       // with the query
};
Target split_target(Bytes target) noexcept;

// Percent-encoding (also %u00XX) is decoded once, in the query too. Of the path, backslashes become
// slashes, several slashes one, "." and ".." segments go. A scheme and authority are left out. What
// is no path ("*", "host:port" of CONNECT) stays as it is. At most room.size() bytes.
Bytes normalized_uri(Bytes target, std::span<uint8_t> room) noexcept;

}  // namespace weir::parse
