// SPDX-License-Identifier: Apache-2.0
// Making a rule image ready to match from. Nothing here runs on the packet path.
#include <hs/hs_runtime.h>

#include <algorithm>
#include <cstring>

#include "dataplane/match/match.h"

namespace weir {

namespace {

constexpr size_t kPayloadMax = 65536;  // Headers::payload_bytes is 16 bits
constexpr size_t kStatedMax = kFactBytesMax / kFactHeadBytes;
constexpr size_t kStatedBytesMax = 3 * kFactBytesMax + 32 * kStatedMax;  // in hex, with colons

const char* database_error(hs_error_t code) noexcept {
  switch (code) {
    case HS_DB_VERSION_ERROR:
      return "rule image: its patterns were compiled by another version of libhs; compile it anew";
    case HS_DB_PLATFORM_ERROR:
      return "rule image: its patterns were compiled for another processor; compile it anew here";
    case HS_NOMEM:
      return "rule image: no memory for its patterns";
    case HS_ARCH_ERROR:
      return "this processor is too old for libhs: it needs SSSE3";
    default:
      return "rule image: its pattern database is damaged";
  }
}

bool any_content(const RuleImage& image, uint16_t flag) noexcept {
  return std::any_of(image.contents().begin(), image.contents().end(),
                     [flag](const ImageContent& c) { return (c.flags & flag) != 0; });
}

Result<void> read_database(std::span<const uint8_t> stored, hs_database*& out) {
  if (stored.empty()) return {};
  const hs_error_t code = hs_deserialize_database(reinterpret_cast<const char*>(stored.data()),
                                                  stored.size(), &out);
  if (code != HS_SUCCESS) return fail(database_error(code));
  return {};
}

int ignore_match(unsigned, unsigned long long, unsigned long long, unsigned, void*) noexcept {
  return 0;
}

}  // namespace

Matcher::~Matcher() {
  hs_free_scratch(scratch_);
}

LoadedRules::~LoadedRules() {
  hs_free_database(database_);
  hs_free_database(fact_database_);
}

Result<std::unique_ptr<LoadedRules>> LoadedRules::load(std::span<const uint8_t> image,
                                                       unsigned workers) {
  if (image.size() > kRuleImageBytesMax) return fail("rule image: longer than 1 GiB");
  auto rules = std::make_unique<LoadedRules>(Key{});
  rules->bytes_.resize((image.size() + 7) / 8);
  if (!image.empty()) std::memcpy(rules->bytes_.data(), image.data(), image.size());
  auto opened =
      RuleImage::open({reinterpret_cast<const uint8_t*>(rules->bytes_.data()), image.size()});
  if (!opened) return tl::make_unexpected(opened.error());
  rules->image_ = *opened;

  if (auto read = read_database(rules->image_.database(), rules->database_); !read) {
    return tl::make_unexpected(read.error());
  }
  if (auto read = read_database(rules->image_.fact_database(), rules->fact_database_); !read) {
    return tl::make_unexpected(read.error());
  }
  rules->note_wanted();
  rules->matchers_ = std::make_unique<Matcher[]>(workers);
  for (unsigned i = 0; i < workers; ++i) {
    if (auto ready = rules->make_ready(rules->matchers_[i]); !ready) {
      return tl::make_unexpected(ready.error());
    }
  }
  return rules;
}

Result<void> LoadedRules::make_ready(Matcher& m) const {
  const bool lowers = std::any_of(
      image_.buffers().begin(), image_.buffers().end(),
      [](const ImageBuffer& b) { return (b.flags & kBufferLowerCase) != 0; });
  if (lowers || any_content(image_, kContentNocase)) m.room_.lower.resize(kPayloadMax);
  if (any_content(image_, kContentRelative | kContentKeepEnds)) {
    for (auto& ends : m.room_.ends) ends.resize(kPayloadMax);
  }
  if (database_ != nullptr) m.window_.resize(kPayloadMax);
  if (!image_.buffers().empty()) {
    m.stated_.reserve(kStatedMax);
    m.text_.resize(kStatedBytesMax);
    m.asked_.resize(count());
  }
  for (const hs_database* database : {database_, fact_database_}) {
    if (database == nullptr) continue;
    hs_error_t code = hs_alloc_scratch(database, &m.scratch_);
    // A database for streams would only be refused at the first packet: try it now.
    if (code == HS_SUCCESS) {
      code = hs_scan(database, "weir", 4, 0, m.scratch_, ignore_match, nullptr);
    }
    if (code != HS_SUCCESS) return fail(database_error(code));
  }
  return {};
}

void LoadedRules::note_wanted() noexcept {
  for (const ImageBuffer& b : image_.buffers()) {
    for (const uint16_t fact : b.fact) {
      if (fact == kNoFact) continue;
      const EvidenceKind kind = fact_info(static_cast<Fact>(fact)).scope;
      wanted_facts_.set(fact);
      wanted_kinds_ |= kind == EvidenceKind::kAny ? ~uint64_t{0}
                                                  : uint64_t{1} << static_cast<unsigned>(kind);
    }
  }
}

}  // namespace weir
