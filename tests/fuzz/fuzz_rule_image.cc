// SPDX-License-Identifier: Apache-2.0
// Any bytes as a rule image: two of length, the image, then a payload. Length and checksum are made
// right first, or nothing would be reached behind them. What is believed is matched from.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "dataplane/match/match.h"

namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

void seal(std::vector<uint8_t>& image) {
  if (image.size() < sizeof(weir::ImageHeader)) return;
  const uint64_t bytes = image.size();
  std::memcpy(image.data() + offsetof(weir::ImageHeader, total_bytes), &bytes, sizeof bytes);
  const uint64_t sum = weir::image_checksum(image);
  std::memcpy(image.data() + offsetof(weir::ImageHeader, checksum), &sum, sizeof sum);
}

void ask(const weir::LoadedRules& rules, std::span<const uint8_t> payload, uint8_t proto, bool v6) {
  // A copy of its own, so that a byte read beyond it is seen.
  const std::vector<uint8_t> bytes(payload.begin(), payload.end());
  weir::PacketView view;
  view.data = bytes.data();
  view.bytes = view.wire_bytes = static_cast<uint32_t>(bytes.size());
  weir::Headers headers;
  headers.flags = weir::kHasIp | weir::kHasL4;
  headers.proto = proto;
  headers.ip_version = v6 ? 6 : 4;
  const uint8_t address[16] = {10, 0, 0, 1};
  headers.src = v6 ? weir::IpAddress::from_v6(address) : weir::IpAddress::from_v4(address);
  headers.dst = headers.src;
  headers.src_port = 1024;
  headers.dst_port = 80;
  headers.payload_bytes = static_cast<uint16_t>(bytes.size());
  weir::Inspect inspect = weir::Inspect::kFirstOfDirection;
  weir::Hits hits;
  weir::CycleBudget budget(0, 1);
  weir::match({&view, 1}, {&headers, 1}, {&inspect, 1}, rules, rules.matcher(0), budget,
              {&hits, 1});
  demand(hits.count <= weir::kHitsMax);
  for (unsigned i = 0; i < hits.count; ++i) {
    demand(hits.rule[i] < rules.count());
    demand(i == 0 || hits.rule[i - 1] < hits.rule[i]);
  }
}

// The payload as the facts of an event, of every kind.
void ask_stated(const weir::LoadedRules& rules, std::span<const uint8_t> payload) {
  const std::vector<uint8_t> bytes(payload.begin(), payload.end());
  weir::Headers headers;
  headers.flags = weir::kHasIp | weir::kHasL4;
  headers.proto = weir::kProtoTcp;
  headers.ip_version = 4;
  weir::CycleBudget budget(0, 1);
  for (unsigned kind = 0; kind < weir::kEvidenceKinds; ++kind) {
    weir::Evidence e;
    e.kind = static_cast<weir::EvidenceKind>(kind);
    e.facts = bytes;
    e.shown = static_cast<uint16_t>(bytes.size() / 2);
    const weir::FlowSide side{.applications = ~uint64_t{0}, .known = true, .established = true};
    weir::Hits hits;
    weir::match_stated(e, headers, side, rules, rules.matcher(0), budget, hits);
    demand(hits.count <= weir::kHitsMax);
    for (unsigned i = 0; i < hits.count; ++i) demand(hits.rule[i] < rules.count());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::span<const uint8_t> rest(data + 2, size - 2);
  const size_t image_bytes = std::min<size_t>(data[0] | data[1] << 8, rest.size());
  std::vector<uint8_t> image(rest.begin(), rest.begin() + image_bytes);
  seal(image);
  const auto rules = weir::LoadedRules::load(image, 1);
  if (!rules) {
    demand(!rules.error().message.empty());
    return 0;
  }
  const auto payload =
      rest.subspan(image_bytes).first(std::min<size_t>(rest.size() - image_bytes, 4096));
  for (const uint8_t proto : {weir::kProtoTcp, weir::kProtoUdp, weir::kProtoIcmp}) {
    for (const bool v6 : {false, true}) ask(**rules, payload, proto, v6);
  }
  ask_stated(**rules, payload);
  return 0;
}
