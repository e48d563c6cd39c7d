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
    "ratelimit tcp any any -> any any (rate:9 mbps; sid:4;)\n"
    "drop http any any -> any any (http.host; content:\"evil\"; nocase; http.uri; dotprefix; "
    "to_lowercase; content:\"a\"; content:\"b\"; distance:1; sid:5;)\n"
    "alert tls any any -> any any (tls.sni; bsize:>9; sid:6;)\n";

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
  EXPECT_EQ(bench.loaded->count(), 6u);
  EXPECT_EQ(bench.loaded->image().fact_patterns().size(), 1u);
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

struct Damage {
  const char* says;
  std::function<void(ImageHeader&, std::vector<uint8_t>&)> done;
} const kDamages[] = {
    {"not a rule image", [](ImageHeader& h, auto&) { h.magic ^= 1; }},
    {"version 1 where 2 is understood", [](ImageHeader& h, auto&) { h.version = 1; }},
    {"its rules lie outside",
     [](ImageHeader& h, auto&) { h.rules.count = UINT64_MAX / sizeof(ImageRule) + 2; }},
    {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.offset = UINT64_MAX - 7; }},
    {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.offset += 4; }},
    {"its rules lie outside", [](ImageHeader& h, auto&) { h.rules.offset = 0; }},
    {"its database lie outside", [](ImageHeader& h, auto&) { h.database.count = UINT32_MAX; }},
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
    {"its buffers lie outside", [](ImageHeader& h, auto&) { h.buffers.count = UINT32_MAX; }},
    {"a buffer is not whole",
     [](ImageHeader& h, auto& image) { image[h.buffers.offset + 1] = 0x7f; }},
    {"a buffer is not whole",
     [](ImageHeader& h, auto& image) {  // an item has no text
       image[h.buffers.offset] = static_cast<uint8_t>(Fact::kDnsQuery);
       image[h.buffers.offset + 1] = 0;
     }},
    {"a buffer is not whole",
     [](ImageHeader& h, auto& image) {
       image[h.buffers.offset + offsetof(ImageBuffer, contents_count) + 1] = 9;
     }},
    {"a buffer is not whole",
     [](ImageHeader& h, auto& image) {
       image[h.buffers.offset + offsetof(ImageBuffer, sayer)] = 3;
     }},
    {"a pattern of a fact is not whole",
     [](ImageHeader& h, auto& image) { image[h.fact_patterns.offset + 2] = 9; }},
    {"a pattern of a fact is not whole",
     [](ImageHeader& h, auto& image) {
       image[h.fact_patterns.offset + offsetof(FactPattern, rules.count) + 2] = 9;
     }},
    {"a fact's pattern names no rule",
     [](ImageHeader& h, auto& image) { image[h.fact_pattern_rules.offset + 2] = 9; }},
    {"a fact's pattern names no rule",  // one without buffers
     [](ImageHeader& h, auto& image) { image[h.fact_pattern_rules.offset] = 0; }},
    {"a list by fact names no rule", [](ImageHeader& h, auto&) { h.fact_lists.count -= 1; }},
    {"a list by fact names no rule",
     [](ImageHeader& h, auto& image) { image[h.fact_rules.offset + 2] = 9; }},
    {"patterns and database of facts", [](ImageHeader& h, auto&) { h.fact_database.count = 0; }},
    {"its pattern database is damaged",
     [](ImageHeader& h, auto& image) { image[h.fact_database.offset + 200] ^= 1; }},
    {"is not whole",  // buffers beside contents
     [](ImageHeader& h, auto& image) {
       image[h.rules.offset + offsetof(ImageRule, buffers_count)] = 1;
     }},
};

TEST(RuleImage, SaysWhatIsWrong) {
  const RuleBench bench(kRules);
  for (const Damage& c : kDamages) {
    std::vector<uint8_t> image = bench.image;
    ImageHeader h = header_of(image);
    c.done(h, image);
    std::memcpy(image.data(), &h, sizeof h);
    seal(image);
    EXPECT_NE(refusal(image).find(c.says), std::string::npos) << c.says << ": " << refusal(image);
  }
}

// Says `text` as a fact of every kind that there is.
void ask_stated(const LoadedRules& rules, const Packet& packet, std::string_view text, Hits& hits) {
  CycleBudget budget(0, 1);
  for (unsigned f = 0; f < kFacts; ++f) {
    std::vector<uint8_t> facts(4);
    const uint16_t head[] = {static_cast<uint16_t>(f), static_cast<uint16_t>(text.size())};
    std::memcpy(facts.data(), head, sizeof head);
    facts.insert(facts.end(), text.begin(), text.end());
    Evidence e;
    e.kind = fact_info(static_cast<Fact>(f)).scope;
    if (e.kind == EvidenceKind::kAny) e.kind = EvidenceKind::kSmb;
    e.facts = facts;
    const FlowSide side{.applications = ~uint64_t{0}, .known = true, .established = true};
    match_stated(e, packet.headers, side, rules, rules.matcher(0), budget, hits);
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
      // Anywhere but in the databases, which libhs itself guards.
      size_t at = sizeof(uint64_t) * 5 + random() % (whole.fact_database.offset - 40);
      if (at >= whole.database.offset && at < whole.buffers.offset) {
        at = whole.buffers.offset + at % (whole.fact_database.offset - whole.buffers.offset);
      }
      image[at] = static_cast<uint8_t>(random());
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
      ask_stated(**loaded, packet, payload, hits);
      ASSERT_LE(hits.count, kHitsMax);
      for (unsigned i = 0; i < hits.count; ++i) ASSERT_LT(hits.rule[i], (*loaded)->count());
    }
  }
  EXPECT_GT(believed, 100u);
}

}  // namespace
}  // namespace weir
