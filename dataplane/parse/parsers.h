// SPDX-License-Identifier: Apache-2.0
// Private to parse: the table of all parsers. To add one: its header, its line in parsers.cc.
#pragma once

#include <memory>
#include <span>

#include "dataplane/parse/parser.h"

namespace weir::parse {

struct Parser {
  EvidenceKind kind;
  uint8_t transports;
  Probe (*probe)(const ProbeInput&);
  void (*start)(void* state);
  Step (*parse)(void* state, const Input&, Output&);
  void (*end)(void* state, Output&);
};

template <class P>
constexpr Parser parser_of() noexcept {
  static_assert(sizeof(P) <= kStateBytes && alignof(P) <= 16);
  static_assert(std::is_trivially_destructible_v<P>, "its slot is simply given to another flow");
  return {P::kKind,
          P::kTransports,
          &P::probe,
          // Not P(): that would first make all of its bytes zero, rooms for texts too.
          [](void* state) { std::uninitialized_default_construct_n(static_cast<P*>(state), 1); },
          [](void* state, const Input& in, Output& out) {
            return static_cast<P*>(state)->parse(in, out);
          },
          [](void* state, Output& out) { static_cast<P*>(state)->end(out); }};
}

constexpr unsigned kParsersMax = 64;  // candidates of a flow are a bit each
constexpr unsigned kNoParser = 0xff;

// In order of priority: where two are certain, the first takes the flow.
std::span<const Parser> all_parsers() noexcept;
unsigned parser_for(EvidenceKind kind, uint8_t transport) noexcept;  // kNoParser: there is none
uint64_t parsers_over(uint8_t transport) noexcept;                   // a bit per parser
// A bit per parser over that transport whose probe does not say no to everything beginning so.
uint64_t parsers_beginning_with(uint8_t first, uint8_t transport) noexcept;

}  // namespace weir::parse
