// SPDX-License-Identifier: Apache-2.0
// Part of the rule image: what rules ask of facts that parsers state.
#pragma once

#include <cstdint>

#include "dataplane/contract/evidence.h"

namespace weir {

struct ImageSpan { uint32_t first = 0, count = 0; };

// Who states a fact, where that makes a difference: the question stands in a DNS answer as well.
enum class Sayer : uint8_t { kEither, kClient, kServer };

enum ImageBufferFlag : uint8_t {
  kBufferLowerCase = 1u << 0,  // to_lowercase: seen in lower case
  kBufferDotPrefix = 1u << 1,  // dotprefix: seen with a '.' before it
};

// One thing that a rule wants to be stated: one of these facts, of such a size, with such contents.
// All of a rule's buffers must hold within one event.
constexpr unsigned kBufferFactsMax = 4;
constexpr uint16_t kNoFact = 0xffff;
struct ImageBuffer {
  uint16_t fact[kBufferFactsMax] = {kNoFact, kNoFact, kNoFact, kNoFact};  // any of them
  uint32_t contents = 0;                                                  // first
  uint16_t contents_count = 0;
  uint16_t size_min = 0, size_max = 65535;  // bsize, bytes, inclusive
  Sayer sayer = Sayer::kEither;
  uint8_t flags = 0;  // ImageBufferFlag
};
static_assert(sizeof(ImageBuffer) == 20);

// A pattern of the facts' database: the rules it leads to when it stands in that fact.
struct FactPattern { uint32_t fact = 0; ImageSpan rules; };

// Whether rules can bind contents to such a fact: it is a text, or has one plain way to be written.
bool is_searchable(FactType type) noexcept;

}  // namespace weir
