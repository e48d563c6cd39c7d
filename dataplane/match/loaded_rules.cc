// SPDX-License-Identifier: Apache-2.0
// Making a rule image ready to match from. Nothing here runs on the packet path.
#include <hs/hs_runtime.h>

#include <algorithm>
#include <cstring>

#include "dataplane/match/match.h"

namespace weir {

namespace {

constexpr size_t kPayloadMax = 65536;  // Headers::payload_bytes is 16 bits

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

int ignore_match(unsigned, unsigned long long, unsigned long long, unsigned, void*) noexcept {
  return 0;
}

}  // namespace

Matcher::~Matcher() {
  hs_free_scratch(scratch_);
}

LoadedRules::~LoadedRules() {
  hs_free_database(database_);
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

  const std::span<const uint8_t> stored = rules->image_.database();
  if (!stored.empty()) {
    const hs_error_t code = hs_deserialize_database(reinterpret_cast<const char*>(stored.data()),
                                                    stored.size(), &rules->database_);
    if (code != HS_SUCCESS) return fail(database_error(code));
  }
  const bool folds = any_content(rules->image_, kContentNocase);
  const bool chains = any_content(rules->image_, kContentRelative | kContentKeepEnds);
  rules->matchers_ = std::make_unique<Matcher[]>(workers);
  for (unsigned i = 0; i < workers; ++i) {
    Matcher& m = rules->matchers_[i];
    if (folds) m.lower_.resize(kPayloadMax);
    if (chains) {
      for (auto& ends : m.ends_) ends.resize(kPayloadMax);
    }
    if (rules->database_ == nullptr) continue;
    m.window_.resize(kPayloadMax);
    hs_error_t code = hs_alloc_scratch(rules->database_, &m.scratch_);
    // A database for streams would only be refused at the first packet: try it now.
    if (code == HS_SUCCESS) {
      code = hs_scan(rules->database_, "weir", 4, 0, m.scratch_, ignore_match, nullptr);
    }
    if (code != HS_SUCCESS) return fail(database_error(code));
  }
  return rules;
}

}  // namespace weir
