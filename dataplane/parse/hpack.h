// SPDX-License-Identifier: Apache-2.0
// Private to parse: HPACK (RFC 7541), the header compression of HTTP/2. The dynamic table keeps the
// newest entries that fit, and of an entry only what we tell about; of one that is gone, or that we
// never had, a reference says kOther. A value is cut at kHpackValueMax.
#pragma once

#include "dataplane/parse/http_fields.h"

namespace weir::parse {

constexpr size_t kHpackValueMax = kHttpUrlMax;

// A block of header fields that came in several frames.
class HeaderBlock {
 public:
  bool add(Bytes part) noexcept {  // false: too many parts
    if (parts_ == kPartsMax) return false;
    part_[parts_++] = part;
    return true;
  }
  bool empty() noexcept {
    while (at_ < parts_ && part_[at_].empty()) ++at_;
    return at_ == parts_;
  }
  uint8_t next() noexcept {  // not if empty()
    const uint8_t c = part_[at_][0];
    part_[at_] = part_[at_].subspan(1);
    return c;
  }

 private:
  static constexpr unsigned kPartsMax = 32;
  Bytes part_[kPartsMax];
  unsigned parts_ = 0, at_ = 0;
};

class HpackTable {
 public:
  struct Entry {
    uint16_t at, bytes;  // of the value
    uint16_t name_bytes;
    HttpField field;
  };
  void add(HttpField field, size_t name_bytes, Bytes value, size_t value_bytes) noexcept;
  void resize(uint64_t bytes) noexcept { bytes_max_ = bytes; }
  const Entry* find(uint64_t index) const noexcept {  // 0: the newest
    return index < entries_ ? &entry_[(first_ + entries_ - 1 - index) % kEntriesMax] : nullptr;
  }
  Bytes value(const Entry& e) const noexcept { return {values_ + e.at, e.bytes}; }

 private:
  static constexpr unsigned kEntriesMax = 64, kValuesBytes = 1024;
  uint16_t room_for(size_t bytes) noexcept;
  void drop_oldest(unsigned n) noexcept;

  uint64_t bytes_max_ = 4096;  // RFC 9113 section 6.5.2
  uint8_t first_ = 0, entries_ = 0;
  uint16_t next_ = 0;  // in values_, a ring
  Entry entry_[kEntriesMax];
  uint8_t values_[kValuesBytes];
};

struct HeaderField {
  HttpField field = HttpField::kOther;
  Bytes value;
};
enum class HpackResult : uint8_t { kField, kEnd, kInvalid, kTooBig };
// The next field of a block. room: where its value is put together.
HpackResult next_header(HeaderBlock& block, HpackTable& table, std::span<uint8_t> room,
                        HeaderField& f) noexcept;

}  // namespace weir::parse
