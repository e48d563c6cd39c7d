// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/parsers.h"

#include "dataplane/parse/dns.h"
#include "dataplane/parse/http.h"

namespace weir::parse {

namespace {

constexpr Parser kParsers[] = {
    parser_of<DnsParser>(),
    parser_of<HttpParser>(),
};
static_assert(std::size(kParsers) <= kParsersMax);

}  // namespace

std::span<const Parser> all_parsers() noexcept {
  return kParsers;
}

unsigned parser_for(EvidenceKind kind, uint8_t transport) noexcept {
  for (unsigned i = 0; i < std::size(kParsers); ++i) {
    if (kParsers[i].kind == kind && (kParsers[i].transports & transport) != 0) return i;
  }
  return kNoParser;
}

}  // namespace weir::parse
