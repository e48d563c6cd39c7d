// SPDX-License-Identifier: Apache-2.0
// Private to parse: the endpoint mapper of DCE/RPC (DCE 1.1 appendices I, L and O): stub data of
// ept_map and ept_lookup, in NDR and NDR64: which interface was asked for, which addresses and
// ports it is at. Limits: the first fragment of an answer, 16 towers.
#pragma once

#include "dataplane/parse/cursor.h"

namespace weir::parse {

constexpr uint16_t kEptLookup = 2, kEptMap = 3;

struct NdrStyle {
  bool little, wide;  // wide: NDR64
};

void write_map_request(FactWriter& facts, Bytes stub, NdrStyle style) noexcept;
void write_map_response(FactWriter& facts, Bytes stub, NdrStyle style, uint16_t opnum) noexcept;

}  // namespace weir::parse
