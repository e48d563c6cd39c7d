// SPDX-License-Identifier: Apache-2.0
// Every order and overlap of up to three segments with differing content, against receivers of
// every taste and losses behind Weir: what any of them delivers is what was inspected. And the
// same bytes come out however they were cut, repeated and shuffled.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/support/segments.h"

namespace weir {
namespace {

using testing::Conversation;

constexpr StreamSettings kSmall{.megabytes = 2, .direction_kilobytes = 128};
constexpr uint32_t kIsn = 0xfffffffd;  // numbers wrap within the first bytes

// A host that delivers what is in order of what it was sent; of what overlaps, not delivered yet,
// it takes the first or the last. Bytes count from 0.
struct Receiver {
  bool prefers_new = false;
  std::map<uint64_t, char> waiting;
  std::string delivered;
  uint64_t fin = UINT64_MAX;
  bool has_fin = false;

  void take(uint64_t begin, const std::string& bytes, bool is_last) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const uint64_t at = begin + i;
      if (at < delivered.size()) continue;
      if (prefers_new || !waiting.contains(at)) waiting[at] = bytes[i];
    }
    const uint64_t end = begin + bytes.size();
    if (is_last && end >= delivered.size() && (prefers_new || !has_fin)) {
      has_fin = true;
      fin = end;
    }
    while (waiting.contains(delivered.size()) && delivered.size() < fin) {
      delivered.push_back(waiting[delivered.size()]);
    }
  }
};

struct Piece {
  unsigned begin, end;
  char fill;
  bool last;
};

std::vector<Piece> all_pieces(bool with_fin) {
  std::vector<Piece> pieces;
  for (unsigned b = 0; b < 3; ++b) {
    for (unsigned e = b + 1; e <= 3; ++e) {
      for (const char fill : {'a', 'b'}) {
        pieces.push_back({b, e, fill, false});
        if (with_fin) pieces.push_back({b, e, fill, true});
      }
    }
  }
  return pieces;
}

// unit: bytes of one place.
void try_all(unsigned unit, bool with_fin) {
  Reassembler r(kSmall, 1);
  const std::vector<Piece> pieces = all_pieces(with_fin);
  uint64_t refused = 0, whole = 0;
  const size_t n = pieces.size();
  for (size_t k = 0; k < n * n * n; ++k) {
    const Piece sent[] = {pieces[k / n / n], pieces[k / n % n], pieces[k % n]};
    Conversation c(r);
    c.add(0, kIsn, "", kTcpSyn);
    Receiver receivers[16];  // which of three are lost on the way, and which of two it prefers
    for (unsigned i = 0; i < 16; ++i) receivers[i].prefers_new = i >= 8;
    std::string inspected;
    bool ended = false;
    for (unsigned s = 0; s < 3; ++s) {
      const Piece& p = sent[s];
      const std::string bytes((p.end - p.begin) * unit, p.fill);
      const auto flags = static_cast<uint8_t>(kTcpAck | (p.last ? kTcpFin : 0));
      const SegmentFate fate = c.add(0, kIsn + 1 + p.begin * unit, bytes, flags);
      ASSERT_NE(fate, SegmentFate::kNoRoom);
      ASSERT_EQ(c.out.at, inspected.size());
      ASSERT_FALSE(c.out.gap);
      ASSERT_FALSE(ended && !c.told().empty());
      const size_t known = std::min<size_t>(inspected.size(), Reassembler::kBeforeBytes);
      if (!c.out.bytes.empty()) {
        ASSERT_EQ(c.before(), inspected.substr(inspected.size() - known));
      }
      inspected += c.told();
      ended = ended || c.out.end;
      if (fate == SegmentFate::kConflict) {
        ++refused;
        ASSERT_TRUE(c.told().empty());
        continue;
      }
      for (unsigned i = 0; i < 16; ++i) {
        if ((i >> s & 1) == 0) receivers[i].take(p.begin * unit, bytes, p.last);
      }
      for (const Receiver& x : receivers) {
        ASSERT_EQ(x.delivered, inspected.substr(0, x.delivered.size()));
      }
      for (const unsigned all : {0u, 8u}) ASSERT_EQ(receivers[all].delivered, inspected);
      ASSERT_EQ(ended, receivers[0].fin == inspected.size());
    }
    whole += inspected.size() == size_t{3} * unit;
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(whole, 100u);
  EXPECT_EQ(r.bytes_held(), 0u);
  EXPECT_EQ(r.streams_held(), 0u);
}

TEST(Reassemble, EveryReceiverDeliversWhatWasInspected) {
  try_all(1, false);
}
TEST(Reassemble, EveryReceiverDeliversWhatWasInspectedToItsEnd) {
  try_all(1, true);
}
TEST(Reassemble, EveryReceiverDeliversWhatWasInspectedOverBlocks) {
  try_all(1500, false);
}

std::string noise(size_t n, std::mt19937& random) {
  std::string s(n, ' ');
  for (char& c : s) c = static_cast<char>('a' + random() % 26);
  return s;
}

// A sender that cuts, repeats, shuffles and now and then lies; a receiver that loses some and
// acknowledges what it has. Both tastes deliver what was inspected, to the end.
void try_random(uint32_t seed) {
  std::mt19937 random(seed);
  Reassembler r(kSmall, 1);
  Conversation c(r);
  const auto isn = static_cast<uint32_t>(random());
  const uint32_t peer = 7777;
  const bool lies = seed % 2 == 0;
  const std::string text = noise(20'000 + random() % 200'000, random);
  Receiver receiver{.prefers_new = seed % 4 < 2};
  std::string inspected;
  c.add(0, isn, "", kTcpSyn);
  c.add(1, peer, "", kTcpSyn | kTcpAck, isn + 1);
  unsigned rounds = 0;
  while (receiver.delivered.size() < text.size()) {
    ASSERT_LT(++rounds, 200'000u);
    const uint64_t acked = receiver.delivered.size();
    const uint64_t back = std::min<uint64_t>(acked, random() % 3000);
    const uint64_t begin =
        random() % 3 == 0 ? acked
                          : std::min<uint64_t>(acked - back + random() % 40'000, text.size() - 1);
    std::string bytes = text.substr(begin, 1 + random() % 1460);
    const bool lie = lies && random() % 3 == 0;
    if (lie) bytes[random() % bytes.size()] = 'Z';
    const bool last = begin + bytes.size() == text.size() && random() % 2 == 0;
    const SegmentFate fate = c.add(0, isn + 1 + static_cast<uint32_t>(begin), bytes,
                                   static_cast<uint8_t>(kTcpAck | (last ? kTcpFin : 0)), peer + 1);
    ASSERT_NE(fate, SegmentFate::kNoRoom);
    if (!lies) {
      ASSERT_EQ(fate, SegmentFate::kTaken);
    }
    ASSERT_EQ(c.out.at, inspected.size());
    ASSERT_FALSE(c.out.gap);
    inspected += c.told();
    if (fate == SegmentFate::kTaken && random() % 4 != 0) receiver.take(begin, bytes, last);
    ASSERT_LE(receiver.delivered.size(), inspected.size());
    ASSERT_TRUE(inspected.compare(0, receiver.delivered.size(), receiver.delivered) == 0);
    if (random() % 2 == 0) {
      const auto has = static_cast<uint32_t>(receiver.delivered.size());
      c.add(1, peer + 1, "", kTcpAck, isn + 1 + has);
    }
    if (lies && rounds > 3000) break;  // who lies may stand in his own way for ever
  }
  if (!lies) {
    ASSERT_EQ(inspected, text);
  }
  EXPECT_LE(r.bytes_held(), 2u * 128 * 1024 + 3 * 2048);
}

TEST(Reassemble, AnySegmentationGivesTheSameBytes) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    try_random(seed);
    if (HasFatalFailure()) return;
  }
}

TEST(Reassemble, TheSegmentThatFillsTellsAllBehindIt) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add(0, 100, "ab");
  EXPECT_EQ(c.told(), "ab");
  c.add(0, 106, "gh", kTcpFin | kTcpAck);
  EXPECT_EQ(c.told(), "");
  c.add(0, 104, "ef");
  EXPECT_EQ(c.told(), "");
  EXPECT_FALSE(c.out.end);
  c.add(0, 101, "bcd");
  EXPECT_EQ(c.told(), "cdefgh");
  EXPECT_EQ(c.before(), "ab");
  EXPECT_EQ(c.out.at, 2u);
  EXPECT_TRUE(c.out.end);
  c.add(0, 108, "", kTcpFin | kTcpAck);
  EXPECT_FALSE(c.out.end) << "told once";
}

TEST(Reassemble, NothingFollowsAFin) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add(0, 102, "", kTcpFin);
  EXPECT_EQ(c.add(0, 100, "abc"), SegmentFate::kConflict);
  EXPECT_EQ(c.add(0, 103, "d"), SegmentFate::kConflict);
  EXPECT_EQ(c.add(0, 101, "", kTcpFin), SegmentFate::kConflict);
  EXPECT_EQ(c.add(0, 100, "ab"), SegmentFate::kTaken);
  EXPECT_TRUE(c.out.end);
}

// What its receiver has acknowledged it ignores when it comes again, whatever it says.
TEST(Reassemble, WhatIsAcknowledgedIsIgnored) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add(1, 500, "", kTcpSyn | kTcpAck, 100);
  c.add(0, 100, "abcd");
  EXPECT_EQ(c.add(0, 100, "abXX"), SegmentFate::kConflict);
  c.add(1, 501, "", kTcpAck, 103);
  EXPECT_EQ(c.add(0, 100, "YYY"), SegmentFate::kTaken);
  EXPECT_EQ(c.add(0, 100, "YYYY"), SegmentFate::kConflict) << "the last is not";
  EXPECT_EQ(c.add(0, 100, "YYYde"), SegmentFate::kTaken);
  EXPECT_EQ(c.told(), "e");
}

// Neither does a sender acknowledge its own data in the name of its peer, nor reset it.
TEST(Reassemble, ThePeerIsHeardFromItsOwnSideAlone) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add_from(Side::kA, 1, 7, "", kTcpSyn | kTcpAck, 100'000);
  c.add(1, 500, "", kTcpSyn | kTcpAck, 100);
  c.add(0, 100, "abcd", kTcpAck, 501);
  EXPECT_EQ(c.told(), "abcd");
  c.add_from(Side::kA, 1, 501, "", kTcpAck, 104);
  EXPECT_EQ(c.add(0, 100, "abXX", kTcpAck, 501), SegmentFate::kConflict);
  c.add_from(Side::kA, 1, 501, "", kTcpRst, 0);
  EXPECT_FALSE(c.accepts_reset);
  c.add(1, 501, "xy");
  EXPECT_EQ(c.told(), "xy") << "its own beginning counts";
}

TEST(Reassemble, AResetCountsWhereItIsExpected) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add(1, 500, "", kTcpSyn | kTcpAck, 100);
  c.add(0, 100, "abcd");
  const auto accepts = [&](uint32_t seq) {
    c.add(0, seq, "", kTcpRst);
    return c.accepts_reset;
  };
  EXPECT_TRUE(accepts(100));
  EXPECT_TRUE(accepts(104));
  EXPECT_FALSE(accepts(99));
  EXPECT_FALSE(accepts(105));
  EXPECT_FALSE(accepts(50'000)) << "in the window, but not exact: RFC 5961 asks first";
  c.add(0, 104, "ef");
  EXPECT_EQ(c.told(), "ef") << "and what goes on is read";
}

TEST(Reassemble, ASynInTheMiddleSaysNothing) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "hello", kTcpSyn);
  EXPECT_EQ(c.told(), "hello") << "data in a SYN, RFC 7413";
  c.add(0, 99, "hello", kTcpSyn);
  EXPECT_EQ(c.told(), "");
  EXPECT_EQ(c.add(0, 99, "jello", kTcpSyn), SegmentFate::kConflict);
  c.add(0, 5000, "evil", kTcpSyn);
  EXPECT_EQ(c.told(), "");
  c.add(0, 105, "there");
  EXPECT_EQ(c.told(), "there");
  EXPECT_EQ(c.before(), "hello");
}

// Met in the middle: from the first segment on; before it nothing is known.
TEST(Reassemble, MidstreamBeginsWithTheFirstSegment) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 1000, "abc", kTcpAck, 1);
  EXPECT_EQ(c.told(), "abc");
  EXPECT_FALSE(c.out.gap);
  EXPECT_EQ(c.add(0, 990, "old", kTcpAck, 1), SegmentFate::kTaken);
  EXPECT_EQ(c.told(), "");
  c.add(1, 1, "x", kTcpAck, 990);
  EXPECT_EQ(c.add(0, 998, "..abX", kTcpAck, 1), SegmentFate::kConflict);
  c.add(0, 998, "..abcd", kTcpAck, 1);
  EXPECT_EQ(c.told(), "d");
}

// What the peer has and we have not was missed: the stream goes on behind it.
TEST(Reassemble, AnAcknowledgedGapIsToldAndLeftBehind) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add(1, 500, "", kTcpSyn | kTcpAck, 100);
  c.add(0, 100, "abc");
  c.add(0, 110, "klm");
  c.add(0, 116, "qrs");
  EXPECT_EQ(c.told(), "");
  c.add(1, 501, "", kTcpAck, 113);
  c.add(0, 119, "tuv");
  EXPECT_EQ(c.told(), "klm");
  EXPECT_TRUE(c.out.gap);
  EXPECT_EQ(c.out.at, 10u);
  EXPECT_EQ(c.before(), "");
  c.add(1, 501, "", kTcpAck, 122);
  c.add(0, 122, "wxy");
  EXPECT_EQ(c.told(), "qrstuvwxy");
  EXPECT_TRUE(c.out.gap);
  EXPECT_EQ(r.stats().gaps, 2u);
}

// The peer's word on where it stands counts more than a SYN that it did not take.
TEST(Reassemble, TheStreamIsWhereItsReceiverIs) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 1'000'000, "", kTcpSyn);
  c.add(1, 500, "", kTcpAck, 100);  // as a challenge in an older connection says
  c.add(0, 100, "evil");
  EXPECT_EQ(c.told(), "evil");
  EXPECT_TRUE(c.out.gap);
}

// Only one direction is seen: a window is kept, and what is missed is given up in the end.
TEST(Reassemble, OneDirectionAloneIsReadInAWindow) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  const std::string part(1000, 'x');
  uint32_t seq = 1;
  for (int i = 0; i < 1000; ++i, seq += 1000) {
    ASSERT_EQ(c.add(0, seq, part), SegmentFate::kTaken);
    ASSERT_EQ(c.told(), part);
  }
  EXPECT_LE(r.bytes_held(), 128u * 1024 + 2 * 2048);
  EXPECT_EQ(c.add(0, seq - 10'000, std::string(1000, 'y')), SegmentFate::kConflict);
  EXPECT_EQ(c.add(0, seq - 500'000, std::string(1000, 'y')), SegmentFate::kNoRoom)
      << "long forgotten";
  size_t told = 0;
  bool gap = false;
  for (int i = 0; i < 100; ++i) {
    seq += 1000;
    ASSERT_EQ(c.add(0, seq, part), SegmentFate::kTaken);
    gap = gap || c.out.gap;
    told += c.out.bytes.size();
  }
  EXPECT_TRUE(gap);
  EXPECT_EQ(told, 100'000u);
}

// With its peer in sight nothing is given up; what is too far ahead finds no room, and does again
// when the gap is filled.
TEST(Reassemble, WhatIsTooFarAheadFindsNoRoom) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  const std::string part(1024, 'x');
  c.add(0, 99, "", kTcpSyn);
  c.add(1, 500, "", kTcpSyn | kTcpAck, 100);
  uint32_t seq = 100;
  for (int i = 1; i < 128; ++i) {
    ASSERT_EQ(c.add(0, seq + static_cast<uint32_t>(i) * 1024, part), SegmentFate::kTaken);
  }
  EXPECT_EQ(c.add(0, seq + 128 * 1024, part), SegmentFate::kNoRoom);
  EXPECT_EQ(c.add(0, seq, part), SegmentFate::kTaken);
  EXPECT_EQ(c.out.bytes.size(), 128u * 1024);
  EXPECT_EQ(c.add(0, seq + 128 * 1024, part), SegmentFate::kTaken);
  EXPECT_EQ(c.told(), part);
  EXPECT_EQ(r.stats().refused_full, 1u);
}

// All memory in use: who waits for nothing gives way, who waits does not, until it is silent for
// long; what was given up is known.
TEST(Reassemble, MemoryIsBoundedAndGoesToWhoNeedsIt) {
  constexpr uint32_t kFlows = 2000, kBlocks = 1024 - 512;
  Reassembler r({.megabytes = 1, .direction_kilobytes = 128}, kFlows);
  std::vector<std::unique_ptr<Conversation>> all;
  const auto open = [&](bool quiet) {
    all.push_back(std::make_unique<Conversation>(r, static_cast<uint32_t>(all.size())));
    Conversation& c = *all.back();
    c.add(0, 99, "", kTcpSyn);
    c.add(1, 500, "", kTcpSyn | kTcpAck, 100);
    const SegmentFate fate = c.add(0, 100, "abc");
    if (quiet) c.add(1, 501, "", kTcpAck, 103);
    return fate;
  };
  for (uint32_t i = 0; i < 2 * kBlocks; ++i) ASSERT_EQ(open(true), SegmentFate::kTaken) << i;
  EXPECT_EQ(r.bytes_held(), 1u << 20);
  Conversation& first = *all.front();
  EXPECT_EQ(first.add(0, 103, "def"), SegmentFate::kTaken);
  EXPECT_EQ(first.told(), "def");
  EXPECT_EQ(first.before(), "") << "gave way, and goes on";
  unsigned full = 0;
  for (uint32_t i = 0; i < kBlocks + 10; ++i) full += open(false) == SegmentFate::kNoRoom;
  EXPECT_GE(full, 10u);
  EXPECT_LE(full, 12u);
  all.push_back(std::make_unique<Conversation>(r, static_cast<uint32_t>(all.size())));
  all.back()->now = 20 * kNsPerSecond;
  EXPECT_EQ(all.back()->add(0, 1, "abc"), SegmentFate::kTaken);
  all.clear();
  EXPECT_EQ(r.bytes_held(), 0u);
}

// Data with a SYN: told of its packet at once, and again as what the connection opened with as soon
// as one of its ends goes on with it.
TEST(Reassemble, WhatCameWithASynIsToldAgainWhenTheConnectionGoesOn) {
  const auto opening = [](const Conversation& c) {
    return std::string(c.out.opening.begin(), c.out.opening.end());
  };
  const std::string hello(1400, 'h');
  Reassembler r(kSmall, 8);
  for (unsigned how = 0; how < 5; ++how) {
    Conversation c(r, how);
    c.add(0, kIsn, hello, kTcpSyn);
    EXPECT_EQ(c.told(), hello);
    EXPECT_EQ(opening(c), "");
    c.add(0, kIsn, hello, kTcpSyn);
    EXPECT_EQ(c.told() + opening(c), "") << "sent again";
    const bool taken = how != 1;
    if (how < 3) c.add(1, 500, "", kTcpSyn | kTcpAck, kIsn + 1 + (taken ? 1400 : 0));
    if (how == 3) c.add(1, 500, "answer", kTcpSyn | kTcpAck, kIsn + 1);
    if (how == 0 || how == 2 || how == 3) {
      EXPECT_EQ(opening(c), hello) << how;
      EXPECT_EQ(c.out.opening_direction, 0);
      EXPECT_EQ(c.told(), how == 3 ? "answer" : "");
    } else {
      EXPECT_EQ(opening(c), "") << how << ": nobody has taken it yet";
      c.add(0, kIsn + 1, hello + "more", kTcpAck, 501);
      EXPECT_EQ(opening(c), hello);
      EXPECT_EQ(c.told(), "more");
    }
    c.add(0, kIsn + 1401, "more", kTcpAck, 501);
    EXPECT_EQ(opening(c), "") << "once";
    c.add(0, kIsn, hello, kTcpSyn);
    c.add(0, kIsn + 1405, "!", kTcpAck, 501);
    EXPECT_EQ(opening(c), "") << "a late copy of the SYN changes nothing";
  }
}

// Anyone can send a SYN: what came with those that nobody answers gives way first.
TEST(Reassemble, AFloodOfSynsWithDataTakesNoMemoryFromOthers) {
  constexpr uint32_t kFlood = 2000;
  Reassembler r({.megabytes = 1, .direction_kilobytes = 128}, kFlood + 1);
  Conversation honest(r, kFlood);
  std::vector<std::unique_ptr<Conversation>> all;
  for (uint32_t i = 0; i < kFlood; ++i) {
    all.push_back(std::make_unique<Conversation>(r, i));
    ASSERT_EQ(all.back()->add(0, 99, "abc", kTcpSyn), SegmentFate::kTaken) << i;
  }
  honest.add(0, 99, "", kTcpSyn);
  EXPECT_EQ(honest.add(0, 100, "abc"), SegmentFate::kTaken);
  EXPECT_EQ(all.front()->add(0, 103, "def"), SegmentFate::kTaken);
  EXPECT_TRUE(all.front()->out.opening.empty()) << "given up";
  EXPECT_EQ(all.front()->told(), "def");
}

TEST(Reassemble, WhatIsForgottenBeginsAnew) {
  Reassembler r(kSmall, 1);
  Conversation c(r);
  c.add(0, 99, "", kTcpSyn);
  c.add(0, 100, "abc");
  r.forget(c.flow, 0, 0);
  EXPECT_EQ(r.bytes_held(), 0u);
  c.add(0, 50'000, "xyz");
  EXPECT_EQ(c.told(), "xyz");
  EXPECT_TRUE(c.out.gap);
  EXPECT_EQ(c.before(), "");
  EXPECT_EQ(c.out.at, 3u);
}

}  // namespace
}  // namespace weir
