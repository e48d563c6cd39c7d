// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame of any link type: decode, track, judge, answer and the readers of ICMP and
// ARP never read outside, and what Headers says lies within the frame. First byte: link type;
// second: bit 0, cut capture.
#include <cstddef>
#include <memory>

#include "dataplane/base/check.h"
#include "dataplane/flow/flow.h"
#include "dataplane/parse/icmp.h"
#include "dataplane/verdict/verdict.h"
#include "tests/support/ends_ignored.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  static FlowTable flows{[] {
                           FlowSettings s;
                           s.flows_max = 64;
                           return s;
                         }(),
                         0, 1};
  static TrackStats stats;
  static TimeNs now = 1;
  if (size < 2) return 0;
  const auto link =
      static_cast<LinkType>(data[0] % (static_cast<unsigned>(LinkType::kUnknown) + 1));
  const auto bytes = static_cast<uint32_t>(size - 2);
  const auto copy = std::make_unique<uint8_t[]>(bytes);  // exactly as long: ASan sees one byte more
  std::copy_n(data + 2, bytes, copy.get());
  const PacketView p{.data = copy.get(),
                     .bytes = bytes,
                     .wire_bytes = bytes + (data[1] & 1u),
                     .time_ns = now += kNsPerMs};
  Headers h;
  decode_packet(p, link, h);
  CHECK(h.l3_offset + h.l3_bytes <= p.bytes);
  CHECK(h.payload_offset + h.payload_bytes <= p.bytes);
  checksum_anomaly(p, h);
  parse::FactList<kFactBytesMax> facts;
  Endpoints ends;
  if (h.has(kArp)) write_arp(facts, p, h, ends);
  if (h.has(kHasL4) && (h.proto == kProtoIcmp || h.proto == kProtoIcmp6)) write_icmp(facts, p, h);
  CHECK(each_fact(facts.facts(), [](const FactValue&) {}));
  Tracked t;
  EndsIgnored ended;
  track({&p, 1}, {&h, 1}, 0, flows, stats, {&t, 1}, ended);
  CHECK(t.flow == nullptr || h.has(kHasIp));
  if (h.has(kHasIp)) {
    Answer answers[2];
    const size_t n = make_answers(p, h, link, answers);
    for (size_t i = 0; i < n; ++i) CHECK(answers[i].bytes <= sizeof answers[i].frame);
  }
  return 0;
}
