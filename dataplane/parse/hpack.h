// SPDX-License-Identifier: Apache-2.0
// Private to parse: HPACK (RFC 7541), the header compression of HTTP/2. The dynamic table keeps the
// newest entries that fit. The values of fields that facts are made of have a room of their own, so
// that other fields, however many, push none of them out; of those, names and values are kept as
// long as their room lasts. What is gone, or was never seen, has no name. A value is cut at
// kHpackValueMax.
#pragma once

#include "dataplane/parse/http_fields.h"

namespace weir::parse {

constexpr size_t kHpackValueMax = kHttpUrlMax;
constexpr size_t kHpackNameMax = 64;
constexpr size_t kHpackRoom = kHpackNameMax + kHpackValueMax;

struct HeaderField {
  HttpField field = HttpField::kOther;
  uint8_t static_name = 0;  // its index in the static table; 0: elsewhere
  bool cut = false;         // the value, or the name
  Bytes name, value;        // no name: nobody knows what it was
};

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
  // name_bytes, value_bytes: as they were sent.
  void add(const HeaderField& f, size_t name_bytes, size_t value_bytes) noexcept;
  void resize(uint64_t bytes) noexcept { bytes_max_ = bytes; }
  // 0: the newest. false: it is not there (any more).
  bool find(uint64_t index, HeaderField& f, size_t& name_bytes) const noexcept;

 private:
  struct Entry {
    uint16_t at, bytes;  // of the value, or in others_ of name and value
    uint16_t name_bytes;
    HttpField field;
    uint8_t static_name;
  };
  static constexpr unsigned kEntriesMax = 64, kValuesBytes = 1024, kOthersBytes = 512;
  static constexpr uint16_t kLost = 0xffff;  // at: its bytes are gone
  static constexpr uint16_t kCut = 0x8000;   // in bytes
  uint16_t room_for(size_t bytes) noexcept;
  uint16_t room_for_other(size_t bytes) noexcept;
  void drop_oldest(unsigned n) noexcept;
  Entry& entry(unsigned i) noexcept { return entry_[(first_ + i) % kEntriesMax]; }

  uint64_t bytes_max_ = 4096;  // RFC 9113 section 6.5.2
  uint8_t first_ = 0, entries_ = 0;
  uint16_t next_ = 0, next_other_ = 0;  // in values_, others_: rings
  Entry entry_[kEntriesMax];
  uint8_t values_[kValuesBytes];
  uint8_t others_[kOthersBytes];
};

enum class HpackResult : uint8_t { kField, kEnd, kInvalid, kTooBig };
// The next field of a block. room: where its name and value are put together.
HpackResult next_header(HeaderBlock& block, HpackTable& table,
                        std::span<uint8_t, kHpackRoom> room, HeaderField& f) noexcept;
std::string_view hpack_static_name(unsigned index) noexcept;  // empty: there is none

}  // namespace weir::parse
