// SPDX-License-Identifier: Apache-2.0
// A conversation of any bytes through the parsers, as it is cut and again byte by byte: both state
// the same facts. FUZZ_KIND: only that parser takes the flow; without it all are asked.
// Input: [1 if UDP][server port, 2 bytes] then [direction in the top bit and length, 2
// bytes][bytes].
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/check.h"
#include "dataplane/parse/parse.h"

using namespace weir;

namespace {

struct Told final : EvidenceSink {
  std::vector<std::string> events, shown;
  void evidence(const Evidence& e) noexcept override {
    look_at(e);
    events.emplace_back(reinterpret_cast<const char*>(e.facts.data()), e.facts.size());
    events.back() += evidence_name(e.kind);
  }
  void under_way(const Evidence& e) noexcept override {
    look_at(e);
    shown.emplace_back(reinterpret_cast<const char*>(e.facts.data()), e.facts.size());
  }
  // What rules are said to have been shown they were shown, word for word; SMB's asked facts may
  // have become clearer by the answer.
  void look_at(const Evidence& e) noexcept {
    CHECK(e.facts.size() <= kFactBytesMax && e.shown <= e.facts.size());
    CHECK(each_fact(e.facts, [](const FactValue&) {}));
    if (e.shown == 0 || e.kind == EvidenceKind::kSmb) return;
    const std::string_view old(reinterpret_cast<const char*>(e.facts.data()), e.shown);
    CHECK(std::find(shown.begin(), shown.end(), old) != shown.end());
  }
};

struct Piece {
  uint8_t direction;
  std::vector<uint8_t> bytes;
};

uint8_t only_kind() {
#ifdef FUZZ_KIND
  for (unsigned i = 0; i < kEvidenceKinds; ++i) {
    if (evidence_name(static_cast<EvidenceKind>(i)) == FUZZ_KIND)
      return static_cast<uint8_t>(i + 1);
  }
  CHECK(false);
#endif
  return 0;
}

std::vector<std::string> run(bool udp, uint16_t port, const std::vector<Piece>& pieces,
                             bool byte_by_byte) {
  Told told;
  ProtocolParsers parsers({.flows_max = 4, .buffers = 4}, told);
  parsers.judge_kinds(~uint64_t{0});
  FlowTable flows({.flows_max = 16}, 0, 1);
  FlowKey key;
  key.proto = udp ? kProtoUdp : kProtoTcp;
  key.hi.bytes[0] = 1;
  key.lo_port = 40000;
  key.hi_port = port;
  const uint32_t index = flows.insert(key, flows.hash(key));
  Flow& f = flows.flow(index);
  f.flags |= kWantsParse | kInitiatorIsLo;
  f.protocol = only_kind();
  uint64_t at[2] = {};
  for (const Piece& p : pieces) {
    const Tracked t{.flow = &f, .index = index, .direction = p.direction};
    const size_t step = byte_by_byte && !udp ? 1 : p.bytes.size();
    for (size_t from = 0; from < p.bytes.size(); from += step) {
      if ((f.flags & kWantsParse) == 0) break;
      const std::vector<uint8_t> exact(p.bytes.begin() + static_cast<long>(from),
                                       p.bytes.begin() + static_cast<long>(from + step));
      if (udp) {
        Headers one;
        one.payload_bytes = static_cast<uint16_t>(exact.size());
        const PacketView view{.data = exact.data(), .bytes = static_cast<uint32_t>(exact.size())};
        parsers.datagram(view, one, t, flows);
      } else {
        parsers.stream({.bytes = exact, .at = at[p.direction]}, 0, t, flows);
      }
      at[p.direction] += exact.size();
    }
  }
  parsers.finish(f, 0);
  CHECK(f.parse_slot == kNoSlot);
  return std::move(told.events);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const bool udp = (data[0] & 1) != 0;
  const uint16_t port = load_be16(data + 1);
  std::vector<Piece> pieces;
  for (size_t at = 3; at + 2 <= size;) {
    const uint16_t head = load_be16(data + at);
    at += 2;
    const size_t n = std::min<size_t>(head & 0x7fff, size - at);
    if (n != 0) pieces.push_back({static_cast<uint8_t>(head >> 15), {data + at, data + at + n}});
    at += n;
  }
  const auto as_cut = run(udp, port, pieces, false);
  if (!udp) CHECK(as_cut == run(udp, port, pieces, true));
  return 0;
}
