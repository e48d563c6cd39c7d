// SPDX-License-Identifier: Apache-2.0
// Every order and overlap of up to three fragments with differing content, against receivers of
// every taste: what any of them puts together is what was inspected.
#include <gtest/gtest.h>

#include <map>

#include "dataplane/flow/defragment.h"
#include "tests/support/frames.h"

namespace weir {
namespace {

using testing::Frame;

struct Piece {
  uint16_t begin, end;  // in units of 8 bytes
  char fill;
  bool last;
};

Frame frame_of(const Piece& p, bool v6, uint16_t id = 7) {
  const std::string data(static_cast<size_t>(p.end - p.begin) * 8, p.fill);
  if (!v6) {
    const auto field = static_cast<uint16_t>(p.begin | (p.last ? 0 : 0x2000));
    Frame f = Frame().ethernet().ipv4("10.0.0.1", "10.0.0.2", 253, field).text(data).seal();
    return f.at(18, static_cast<uint8_t>(id >> 8)).at(19, static_cast<uint8_t>(id));
  }
  const auto field = static_cast<uint16_t>(p.begin * 8 | (p.last ? 0 : 1));
  return Frame()
      .ethernet(0x86dd)
      .ipv6("fd00::1", "fd00::2", 44)
      .raw({253, 0})
      .u16(field)
      .u32(id)
      .text(data)
      .seal();
}

// A host that puts together what it was sent: `prefers_new` where pieces overlap. Empty: not whole.
std::string receive(const std::vector<Piece>& sent, bool prefers_new) {
  std::map<uint16_t, char> units;
  uint16_t total = 0;
  for (const Piece& p : sent) {
    for (uint16_t u = p.begin; u < p.end; ++u) {
      if (prefers_new || !units.contains(u)) units[u] = p.fill;
    }
    if (p.last && (prefers_new || total == 0)) total = p.end;
  }
  std::string out;
  for (uint16_t u = 0; u < total; ++u) {
    if (!units.contains(u)) return "";
    out += std::string(8, units[u]);
  }
  return out;
}

void try_all(bool v6) {
  std::vector<Piece> pieces;
  for (uint16_t b = 0; b < 3; ++b) {
    for (uint16_t e = static_cast<uint16_t>(b + 1); e <= 3; ++e) {
      for (const char fill : {'a', 'b'}) {
        for (const bool last : {false, true}) pieces.push_back({b, e, fill, last});
      }
    }
  }
  uint64_t completed = 0, refused = 0;
  Defragmenter d({.datagrams_max = 64}, 1);
  uint16_t id = 0;
  for (const Piece& x : pieces) {
    for (const Piece& y : pieces) {
      for (const Piece& z : pieces) {
        std::vector<Piece> sent;
        ++id;
        for (const Piece* p : {&x, &y, &z}) {
          const Frame f = frame_of(*p, v6, id);
          const PacketView view = f.view(id * 100 * kNsPerSecond);
          Headers h = f.headers();
          ASSERT_TRUE(h.has(kFragment) || (p->begin == 0 && p->last));
          if (!h.has(kFragment)) break;  // a whole packet is none of ours
          PacketView whole;
          const FragmentFate fate = d.add(view, 0, 0, h, whole);
          if (fate == FragmentFate::kConflict) {
            ++refused;
            continue;
          }
          sent.push_back(*p);
          ASSERT_NE(fate, FragmentFate::kNoRoom);
          const std::string first = receive(sent, false), last = receive(sent, true);
          if (fate == FragmentFate::kWaits) {
            ASSERT_TRUE(first.empty() && last.empty()) << "somebody has it already";
            continue;
          }
          ASSERT_FALSE(h.has(kFragment));
          const std::string seen(whole.data + h.payload_offset,
                                 whole.data + h.payload_offset + h.payload_bytes);
          ASSERT_EQ(seen, first);
          ASSERT_EQ(seen, last);
          ASSERT_EQ(h.anomaly, Anomaly::kNone);
          ASSERT_EQ(checksum_anomaly(whole, h), Anomaly::kNone);
          d.release(0);
          ++completed;
          break;
        }
        d.expire((id * 100 + 99) * kNsPerSecond, 64);
      }
    }
  }
  EXPECT_GT(completed, 500u);
  EXPECT_GT(refused, 1000u);
  EXPECT_EQ(d.waiting(), 0u);
}

TEST(Defragment, EveryReceiverSeesWhatWasInspectedV4) {
  try_all(false);
}
TEST(Defragment, EveryReceiverSeesWhatWasInspectedV6) {
  try_all(true);
}

FragmentFate add(Defragmenter& d, const Frame& f, TimeNs now = 0) {
  Headers h = f.headers();
  PacketView whole;
  return d.add(f.view(now), 0, 0, h, whole);
}

TEST(Defragment, WhatNoReceiverTakesIsRefused) {
  Defragmenter d({.datagrams_max = 64}, 1);
  EXPECT_EQ(add(d, frame_of({8189, 8193, 'x', true}, false)), FragmentFate::kConflict)
      << "past 65,535: the ping of death";
  const Frame odd = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", 17, 0x2000).text("12345").seal();
  EXPECT_EQ(add(d, odd), FragmentFate::kConflict);
  const Frame empty = Frame().ethernet().ipv4("1.1.1.1", "2.2.2.2", 17, 0x2001).seal();
  EXPECT_EQ(add(d, empty), FragmentFate::kConflict);
  EXPECT_EQ(d.waiting(), 0u);
}

// Its receiver has the rest of it, and would be content with a copy of what was refused.
TEST(Defragment, NothingMoreIsTakenOfWhatWasRefused) {
  Defragmenter d({.datagrams_max = 64}, 1);
  const Frame first = frame_of({0, 1, 'x', false}, false);
  const Frame last = frame_of({1, 2, 'y', true}, false);
  EXPECT_EQ(add(d, first), FragmentFate::kWaits);
  EXPECT_EQ(add(d, last), FragmentFate::kComplete);
  EXPECT_EQ(add(d, last), FragmentFate::kComplete) << "in the same burst it is judged likewise";
  d.release(1);
  for (const Frame* f : {&last, &first}) {
    EXPECT_EQ(add(d, *f, kNsPerSecond), FragmentFate::kConflict);
  }
  EXPECT_EQ(add(d, last, 61 * kNsPerSecond), FragmentFate::kWaits) << "nobody has the rest now";
}

// The last one passed and may have died on its way: what comes in its place is judged with the
// first; and who only uses a number again is not hindered.
TEST(Defragment, WhatComesAfterAWholeOneIsJudgedWithWhatWasThere) {
  Defragmenter d({.datagrams_max = 64}, 1);
  const auto seen_after = [&](const Piece& piece, TimeNs now) {
    const Frame f = frame_of(piece, false);
    Headers h = f.headers();
    PacketView whole;
    const FragmentFate fate = d.add(f.view(now), 0, 0, h, whole);
    EXPECT_NE(fate, FragmentFate::kConflict);
    EXPECT_NE(fate, FragmentFate::kNoRoom);
    std::string seen;
    if (fate == FragmentFate::kComplete) {
      seen.assign(whole.data + h.payload_offset, whole.data + h.payload_offset + h.payload_bytes);
    }
    d.release(0);
    return seen;
  };
  const std::string a(8, 'a'), b(8, 'b'), c(8, 'c'), e(8, 'e'), g(8, 'g');
  EXPECT_EQ(seen_after({0, 1, 'a', false}, 1), "");
  EXPECT_EQ(seen_after({1, 2, 'b', true}, 2), a + b);
  EXPECT_EQ(d.waiting(), 0u);
  EXPECT_EQ(seen_after({1, 2, 'b', true}, 3), "") << "a copy";
  EXPECT_EQ(seen_after({1, 2, 'e', true}, 4), a + e);
  EXPECT_EQ(seen_after({0, 1, 'c', false}, 5), c + e);
  EXPECT_EQ(seen_after({1, 2, 'g', false}, 6), c + g);
  EXPECT_EQ(seen_after({2, 3, 'g', false}, 7), "") << "it is longer now";
  EXPECT_EQ(seen_after({3, 4, 'g', true}, 7), c + g + g + g);
  EXPECT_EQ(seen_after({1, 2, 'e', true}, 8), c + e) << "and shorter";
  EXPECT_EQ(d.waiting(), 0u);
}

// What passed makes room for what is new.
TEST(Defragment, WholeOnesTakeNobodysRoom) {
  Defragmenter d({.datagrams_max = 16}, 1);
  for (uint16_t id = 0; id < 200; ++id) {
    EXPECT_EQ(add(d, frame_of({0, 1, 'x', false}, false, id)), FragmentFate::kWaits);
    EXPECT_EQ(add(d, frame_of({1, 2, 'x', true}, false, id)), FragmentFate::kComplete);
    d.release(0);
  }
  EXPECT_EQ(d.waiting(), 0u);
}

TEST(Defragment, OneSourceCannotTakeAllTheRoom) {
  Defragmenter d({.datagrams_max = 64}, 1);
  unsigned kept = 0;
  for (uint16_t id = 0; id < 100; ++id) {
    kept += add(d, frame_of({0, 1, 'x', false}, false, id)) == FragmentFate::kWaits;
  }
  EXPECT_EQ(kept, 8u);
  EXPECT_EQ(add(d, frame_of({0, 1, 'x', false}, true)), FragmentFate::kWaits) << "another source";
}

TEST(Defragment, ALargeDatagramIsReadToItsEnd) {
  Defragmenter d({.datagrams_max = 16}, 1);
  FragmentFate fate = FragmentFate::kWaits;
  Headers h;
  PacketView whole;
  for (uint16_t u = 0; u < 8188; u = static_cast<uint16_t>(u + 178)) {
    const auto end = static_cast<uint16_t>(std::min(u + 178, 8188));
    const Frame f = frame_of({u, end, 'z', end == 8188}, false);
    h = f.headers();
    fate = d.add(f.view(), 0, 0, h, whole);
  }
  ASSERT_EQ(fate, FragmentFate::kComplete);
  EXPECT_EQ(h.payload_bytes, 8188 * 8);
}

}  // namespace
}  // namespace weir
