// SPDX-License-Identifier: Apache-2.0
// The queues between the planes. Also built with ThreadSanitizer.
#include "dataplane/base/spsc_ring.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "dataplane/contract/segment.h"
#include "dataplane/pipeline/published.h"

namespace weir {
namespace {

struct Record {
  uint16_t type = 1;
  uint16_t bytes = 0;
  uint32_t number = 0;
  uint64_t body[30] = {};
};

TEST(SpscByteRing, RecordsOfAllLengthsComeOutWholeAndInOrder) {
  alignas(64) static uint8_t data[4096];
  RingIndexes indexes;
  constexpr uint32_t kRecords = 200'000;
  std::thread producer([&] {
    SpscByteRing ring(&indexes, data, sizeof data);
    Record r;
    for (uint32_t n = 0; n < kRecords;) {
      r.number = n;
      r.bytes = static_cast<uint16_t>(8 + 8 * (n % 30));
      for (uint64_t& w : r.body) w = n;
      if (ring.push(&r, r.bytes))
        ++n;
      else
        std::this_thread::yield();
    }
  });
  SpscByteRing ring(&indexes, data, sizeof data);
  uint32_t expected = 0;
  bool good = true;
  while (expected < kRecords) {
    const uint32_t taken = ring.pop(64, [&](const uint8_t* bytes, uint32_t length) {
      Record r;
      std::memcpy(&r, bytes, length);
      good = good && r.number == expected && length == 8 + 8 * (expected % 30);
      for (uint32_t i = 0; i < (length - 8) / 8; ++i) good = good && r.body[i] == expected;
      ++expected;
    });
    if (taken == 0) std::this_thread::yield();
  }
  producer.join();
  EXPECT_TRUE(good);
  EXPECT_EQ(ring.corruptions(), 0u);
}

TEST(SpscByteRing, AFullRingRefusesAndLosesNothingItTook) {
  alignas(64) static uint8_t data[256];
  RingIndexes indexes;
  SpscByteRing ring(&indexes, data, sizeof data);
  Record r{.bytes = 48};
  uint32_t taken = 0;
  while (ring.push(&r, 48)) r.number = ++taken;
  EXPECT_EQ(taken, 5u);
  EXPECT_EQ(ring.pop(100, [](const uint8_t*, uint32_t) {}), 5u);
  EXPECT_TRUE(ring.push(&r, 48));
}

TEST(SpscByteRing, AHostileProducerIsSurvived) {
  alignas(64) static uint8_t data[256];
  RingIndexes indexes;
  SpscByteRing ring(&indexes, data, sizeof data);
  const auto nothing = [](const uint8_t*, uint32_t) {};
  indexes.tail.store(1'000'000);  // more than the ring holds
  EXPECT_EQ(ring.pop(100, nothing), 0u);
  indexes.tail.store(1'000'064);
  std::memset(data, 0xff, sizeof data);  // a length that leads outside
  EXPECT_EQ(ring.pop(100, nothing), 0u);
  EXPECT_EQ(ring.corruptions(), 2u);
  EXPECT_EQ(ring.used_bytes(), 0u);
}

TEST(SpscMailbox, CommandsComeOutInOrderAndFullRefuses) {
  auto mailbox = std::make_unique<SpscMailbox<uint64_t, 16>>();
  std::thread producer([&] {
    for (uint64_t n = 0; n < 100'000;) {
      if (mailbox->push(n))
        ++n;
      else
        std::this_thread::yield();
    }
  });
  bool good = true;
  for (uint64_t expected = 0; expected < 100'000;) {
    uint64_t got = 0;
    if (mailbox->pop(got))
      good = good && got == expected++;
    else
      std::this_thread::yield();
  }
  producer.join();
  EXPECT_TRUE(good);
  for (uint64_t n = 0; n < 16; ++n) EXPECT_TRUE(mailbox->push(n));
  EXPECT_FALSE(mailbox->push(16));
}

// A reader never sees an object after the writer was told that all have moved on.
TEST(Published, OldObjectsAreFreedOnlyWhenNobodyHoldsThem) {
  struct Object {
    std::vector<uint64_t> words;
  };
  Published<Object> published;
  Quiescence quiescence;
  published.replace(new Object{std::vector<uint64_t>(64, 0)});
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> torn{0}, rounds{0};
  std::vector<std::thread> workers;
  for (uint32_t i = 0; i < 2; ++i) {
    quiescence.join(i);
    workers.emplace_back([&, i] {
      while (!stop.load(std::memory_order_relaxed)) {
        const Object* o = published.acquire();
        for (const uint64_t w : o->words) torn += w != o->words[0] ? 1 : 0;
        quiescence.quiescent(i);
        ++rounds;
      }
      quiescence.leave(i);
    });
  }
  for (uint64_t n = 1; n <= 300; ++n) {
    const Object* old = published.replace(new Object{std::vector<uint64_t>(64, n)});
    const uint64_t era = quiescence.advance();
    while (!quiescence.has_passed(era)) std::this_thread::yield();
    delete old;
  }
  while (rounds.load() < 10) std::this_thread::yield();
  stop = true;
  for (std::thread& w : workers) w.join();
  delete published.replace(nullptr);
  EXPECT_EQ(torn.load(), 0u);
}

TEST(Segment, ForeignAndOlderSegmentsAreRefused) {
  Settings settings;
  const std::string path = ::testing::TempDir() + "weir-segment-test";
  {
    auto made = Segment::create(path, settings, 0);
    ASSERT_TRUE(made) << made.error().text();
    ASSERT_TRUE(Segment::attach(path));
    made->header().version = kSegmentVersion + 1;
    const auto other = Segment::attach(path);
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().text().find("another version"), std::string::npos);
    made->header().version = kSegmentVersion;
    made->header().settings.workers = 9;
    EXPECT_FALSE(Segment::attach(path));
  }
  std::remove(path.c_str());
  EXPECT_FALSE(Segment::attach(path));
}

}  // namespace
}  // namespace weir
