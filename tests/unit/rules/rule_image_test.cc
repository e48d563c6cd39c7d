// SPDX-License-Identifier: Apache-2.0
#include "dataplane/contract/rule_image.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "tests/unit/rules/packets.h"

namespace weir {
namespace {

constexpr const char* kRules =
    "drop tcp 10.0.0.0/8 [80,443] <> ![10.1.0.0/16,fd00::/8] any (content:\"one\"; "
    "content:\"two\"; "
    "nocase; distance:1; sid:1;)\n"
    "alert udp any any -> any 53 (content:!\"x\"; sid:2;)\n"
    "alert ip any any -> any any (sid:3;)\n"
    "ratelimit tcp any any -> any any (rate:9 mbps; sid:4;)\n";

// Gives a changed image a checksum that agrees, so that what lies behind it is checked.
void seal(std::vector<uint8_t>& image) {
  if (image.size() < sizeof(ImageHeader)) return;
  const uint64_t sum = image_checksum(image);
  std::memcpy(image.data() + offsetof(ImageHeader, checksum), &sum, sizeof sum);
}

ImageHeader header_of(const std::vector<uint8_t>& image) {
  ImageHeader h;
  std::memcpy(&h, image.data(), sizeof h);
  return h;
}

std::string refusal(const std::vector<uint8_t>& image) {
  const auto loaded = LoadedRules::load(image, 1);
  return loaded ? "" : loaded.error().message;
}

TEST(RuleImage, OpensWhatWasCompiled) {
  const RuleBench bench(kRules);
  ASSERT_EQ(bench.error, "");
  EXPECT_EQ(bench.loaded->count(), 4u);
  EXPECT_EQ(bench.loaded->image().patterns().size(), 1u);
  EXPECT_EQ(bench.loaded->generation(), 1u);
}

TEST(RuleImage, EveryChangedByteIsSeen) {
  const RuleBench bench(kRules);
  for (size_t at = 0; at < bench.image.size(); at += at < 2048 ? 1 : 97) {
    std::vector<uint8_t> image = bench.image;
    image[at] ^= 0x40;
    EXPECT_NE(refusal(image), "") << "byte " << at;
  }
}

TEST(RuleImage, EveryTruncationIsSeen) {
  const RuleBench bench(kRules);
  for (size_t bytes = 0; bytes < bench.image.size(); bytes += bytes < 1024 ? 1 : 331) {
    std::vector<uint8_t> image(bench.image.begin(), bench.image.begin() + bytes);
    seal(image);
    EXPECT_NE(refusal(image), "") << bytes << " bytes";
  }
  std::vector<uint8_t> longer = bench.image;
  longer.push_back(0);
  seal(longer);
  EXPECT_NE(refusal(longer).find("bytes long where it says"), std::string::npos);
}

TEST(RuleImage, SaysWhatIsWrong) {
  struct Case {
    const char* says;
    std::function<void(ImageHeader&, std::vector<uint8_t>&)> damage;
  } const cases[] = {
      {"not a rule image", [](ImageHeader& h, auto&) { h.magic ^= 1; }},
      {"version 2 where 1 is understood", [](ImageHeader& h, auto&) { h.version = 2; }},
      {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.count = UINT64_MAX / 56 + 2; }},
      {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.offset = UINT64_MAX - 7; }},
      {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.offset += 4; }},
      {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.offset = 0; }},
      {"its database lie outside", [](ImageHeader& h, auto&) { h.database.count += 1; }},
      {"a header list names no rule", [](ImageHeader& h, auto&) { h.header_lists.count -= 1; }},
      {"patterns and database", [](ImageHeader& h, auto&) { h.database.count = 0; }},
      {"its pattern database is damaged",
       [](ImageHeader& h, auto& image) { image[h.database.offset + 200] ^= 1; }},
      {"rule 0 is not whole",
       [](ImageHeader& h, auto& image) {
         image[h.rules.offset + offsetof(ImageRule, action)] = 9;
       }},
      {"rule 0 is not whole",
       [](ImageHeader& h, auto& image) {
         image[h.rules.offset + offsetof(ImageRule, src_set) + 1] = 9;
       }},
      {"rule 0 is not whole",
       [](ImageHeader& h, auto& image) {
         image[h.rules.offset + offsetof(ImageRule, contents_count) + 1] = 9;
       }},
      {"rule 0 is not whole",
       [](ImageHeader& h, auto& image) { image[h.rules.offset + offsetof(ImageRule, limit)] = 0; }},
      {"an address set is not whole",
       [](ImageHeader& h, auto& image) {
         image[h.address_sets.offset + offsetof(AddressSet, v4.count) + 2] = 9;
       }},
      {"an address set is not whole",
       [](ImageHeader& h, auto& image) { image[h.v4_ranges.offset + 3] = 0xff; }},
      {"a port set is not whole",
       [](ImageHeader& h, auto& image) { image[h.port_ranges.offset + 1] = 0xff; }},
      {"a content lies outside",
       [](ImageHeader& h, auto& image) { image[h.contents.offset + 2] = 9; }},
      {"a pattern names no rule",
       [](ImageHeader& h, auto& image) { image[h.pattern_rules.offset + 2] = 9; }},
      {"a header list names no rule",
       [](ImageHeader& h, auto& image) { image[h.header_rules.offset + 2] = 9; }},
  };
  const RuleBench bench(kRules);
  for (const Case& c : cases) {
    std::vector<uint8_t> image = bench.image;
    ImageHeader h = header_of(image);
    c.damage(h, image);
    std::memcpy(image.data(), &h, sizeof h);
    seal(image);
    EXPECT_NE(refusal(image).find(c.says), std::string::npos) << c.says << ": " << refusal(image);
  }
}

// Whatever is believed can be matched from. Run under ASan this is the proof of the checks.
TEST(RuleImage, DamagedImagesThatAreBelievedStayInside) {
  const RuleBench bench(kRules);
  const ImageHeader whole = header_of(bench.image);
  std::minstd_rand random(7);
  unsigned believed = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<uint8_t> image = bench.image;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      image[sizeof(uint64_t) * 5 + random() % (whole.database.offset - 40)] =
          static_cast<uint8_t>(random());
    }
    seal(image);
    const auto loaded = LoadedRules::load(image, 1);
    if (!loaded) continue;
    ++believed;
    for (const char* payload : {"one two", "ONE one tWo", "", "zzz"}) {
      const Packet packet({.payload = payload, .inspect = Inspect::kFirstOfDirection});
      Hits hits;
      Inspect inspect = packet.inspect;
      CycleBudget budget(0, 1);
      match({&packet.view, 1}, {&packet.headers, 1}, {&inspect, 1}, **loaded, (*loaded)->matcher(0),
            budget, {&hits, 1});
      ASSERT_LE(hits.count, kHitsMax);
      for (unsigned i = 0; i < hits.count; ++i) ASSERT_LT(hits.rule[i], (*loaded)->count());
    }
  }
  EXPECT_GT(believed, 100u);
}

}  // namespace
}  // namespace weir
