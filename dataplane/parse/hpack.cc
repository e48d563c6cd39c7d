// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/hpack.h"

#include <array>

namespace weir::parse {

namespace {

constexpr unsigned kSymbols = 257, kEndOfString = 256, kCodeBitsMax = 30, kCodeBitsMin = 5;

// RFC 7541 appendix B: how long each symbol's code is. The codes themselves follow from that: they
// count up by length, and by symbol within a length.
constexpr uint8_t kCodeBits[kSymbols] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30};

struct Huffman {
  uint64_t limit[kCodeBitsMax + 1] = {};  // codes of up to so many bits are below, at 32 bits
  uint32_t first[kCodeBitsMax + 1] = {};  // code of that length
  uint16_t index[kCodeBitsMax + 1] = {};  // of its symbol
  uint16_t symbol[kSymbols] = {};
};

constexpr Huffman make_huffman() noexcept {
  Huffman h;
  uint32_t code = 0;
  uint16_t n = 0;
  for (unsigned bits = 1; bits <= kCodeBitsMax; ++bits) {
    code <<= 1;
    h.first[bits] = code;
    h.index[bits] = n;
    for (uint16_t s = 0; s < kSymbols; ++s) {
      if (kCodeBits[s] != bits) continue;
      h.symbol[n++] = s;
      ++code;
    }
    h.limit[bits] = uint64_t{code} << (32 - bits);
  }
  return h;
}
constexpr Huffman kHuffman = make_huffman();
static_assert(kHuffman.limit[kCodeBitsMax] == uint64_t{1} << 32, "the code is complete");

// RFC 7541 appendix A.
struct StaticEntry {
  std::string_view name, value;
};
constexpr StaticEntry kStatic[] = {{":authority", ""},
                                   {":method", "GET"},
                                   {":method", "POST"},
                                   {":path", "/"},
                                   {":path", "/index.html"},
                                   {":scheme", "http"},
                                   {":scheme", "https"},
                                   {":status", "200"},
                                   {":status", "204"},
                                   {":status", "206"},
                                   {":status", "304"},
                                   {":status", "400"},
                                   {":status", "404"},
                                   {":status", "500"},
                                   {"accept-charset", ""},
                                   {"accept-encoding", "gzip, deflate"},
                                   {"accept-language", ""},
                                   {"accept-ranges", ""},
                                   {"accept", ""},
                                   {"access-control-allow-origin", ""},
                                   {"age", ""},
                                   {"allow", ""},
                                   {"authorization", ""},
                                   {"cache-control", ""},
                                   {"content-disposition", ""},
                                   {"content-encoding", ""},
                                   {"content-language", ""},
                                   {"content-length", ""},
                                   {"content-location", ""},
                                   {"content-range", ""},
                                   {"content-type", ""},
                                   {"cookie", ""},
                                   {"date", ""},
                                   {"etag", ""},
                                   {"expect", ""},
                                   {"expires", ""},
                                   {"from", ""},
                                   {"host", ""},
                                   {"if-match", ""},
                                   {"if-modified-since", ""},
                                   {"if-none-match", ""},
                                   {"if-range", ""},
                                   {"if-unmodified-since", ""},
                                   {"last-modified", ""},
                                   {"link", ""},
                                   {"location", ""},
                                   {"max-forwards", ""},
                                   {"proxy-authenticate", ""},
                                   {"proxy-authorization", ""},
                                   {"range", ""},
                                   {"referer", ""},
                                   {"refresh", ""},
                                   {"retry-after", ""},
                                   {"server", ""},
                                   {"set-cookie", ""},
                                   {"strict-transport-security", ""},
                                   {"transfer-encoding", ""},
                                   {"user-agent", ""},
                                   {"vary", ""},
                                   {"via", ""},
                                   {"www-authenticate", ""}};
constexpr size_t kStaticEntries = std::size(kStatic);
static_assert(kStaticEntries == 61);

// Section 5.1. false: it does not end or is absurd.
HpackResult read_integer(HeaderBlock& block, uint8_t first, unsigned bits, uint64_t& v) noexcept {
  const unsigned mask = (1u << bits) - 1;
  v = first & mask;
  if (v != mask) return HpackResult::kField;
  for (unsigned shift = 0; shift <= 28; shift += 7) {
    if (block.empty()) return HpackResult::kInvalid;
    const uint8_t c = block.next();
    v += uint64_t{c & 0x7fu} << shift;
    if ((c & 0x80) == 0) return HpackResult::kField;
  }
  return HpackResult::kTooBig;
}

struct Text {
  std::span<uint8_t> room;
  size_t bytes = 0;  // of the text; more than room.size(): it is cut
  void add(uint8_t c) noexcept {
    if (bytes < room.size()) room[bytes] = c;
    ++bytes;
  }
  Bytes kept() const noexcept { return room.first(std::min(bytes, room.size())); }
};

struct Decoder {
  uint64_t window = 0;
  unsigned bits = 0;
  // Adds a byte and writes the symbols that are complete. false: no text has such a code.
  bool add(uint8_t c, Text& to) noexcept {
    window = window << 8 | c;
    bits += 8;
    while (bits >= kCodeBitsMin) {
      const uint32_t left = bits >= 32 ? static_cast<uint32_t>(window >> (bits - 32))
                                       : static_cast<uint32_t>(window << (32 - bits));
      unsigned n = kCodeBitsMin;
      while (n < kCodeBitsMax && left >= kHuffman.limit[n]) ++n;
      if (n > bits) break;
      const uint32_t offset = (left >> (32 - n)) - kHuffman.first[n];
      const uint32_t at = kHuffman.index[n] + offset;
      if (at >= kSymbols || kHuffman.symbol[at] == kEndOfString) return false;
      to.add(static_cast<uint8_t>(kHuffman.symbol[at]));
      bits -= n;
    }
    return true;
  }
};

// Section 5.2.
HpackResult read_string(HeaderBlock& block, Text& text) noexcept {
  if (block.empty()) return HpackResult::kInvalid;
  const uint8_t first = block.next();
  uint64_t length = 0;
  const HpackResult r = read_integer(block, first, 7, length);
  if (r != HpackResult::kField) return r;
  Decoder decoder;
  for (; length != 0; --length) {
    if (block.empty()) return HpackResult::kInvalid;
    const uint8_t c = block.next();
    if ((first & 0x80) == 0) {
      text.add(c);
    } else if (!decoder.add(c, text)) {
      return HpackResult::kInvalid;
    }
  }
  return HpackResult::kField;
}

// false: there is no such entry, and there cannot be. name_bytes: as the name was sent.
bool look_up(const HpackTable& table, uint64_t index, HeaderField& f, size_t& name_bytes) noexcept {
  if (index == 0) return false;
  if (index <= kStaticEntries) {
    const StaticEntry& e = kStatic[index - 1];
    f.name = as_bytes(e.name);
    f.value = as_bytes(e.value);
    f.field = http_field(f.name);
    f.static_name = static_cast<uint8_t>(index);
    name_bytes = e.name.size();
    return true;
  }
  if (!table.find(index - kStaticEntries - 1, f, name_bytes)) f = {};
  return true;
}

}  // namespace

std::string_view hpack_static_name(unsigned index) noexcept {
  return index == 0 || index > kStaticEntries ? std::string_view() : kStatic[index - 1].name;
}

void HpackTable::drop_oldest(unsigned n) noexcept {
  first_ = static_cast<uint8_t>((first_ + n) % kEntriesMax);
  entries_ = static_cast<uint8_t>(entries_ - n);
}

// Where so many bytes fit, entries that stand there gone. 0 < bytes <= kValuesBytes.
uint16_t HpackTable::room_for(size_t bytes) noexcept {
  const bool wraps = next_ + bytes > kValuesBytes;
  const size_t from = wraps ? 0 : next_;
  const size_t behind = wraps ? next_ : kValuesBytes;  // what is left free at the end
  for (;;) {
    unsigned i = 0;  // the oldest that has bytes there at all
    const auto none = [](const Entry& e) {
      return e.field == HttpField::kOther || (e.bytes & ~kCut) == 0;
    };
    while (i < entries_ && none(entry(i))) ++i;
    if (i == entries_) break;
    const Entry& e = entry(i);
    const bool meets = e.at < from + bytes && from < size_t{e.at} + (e.bytes & ~kCut);
    if (!meets && e.at < behind) break;
    drop_oldest(i + 1);
  }
  next_ = static_cast<uint16_t>(from + bytes);
  return static_cast<uint16_t>(from);
}

// The same of others_, but an entry that stood there stays, without its texts.
uint16_t HpackTable::room_for_other(size_t bytes) noexcept {
  const size_t from = next_other_ + bytes > kOthersBytes ? 0 : next_other_;
  for (unsigned i = 0; i < entries_; ++i) {
    Entry& e = entry(i);
    if (e.field != HttpField::kOther || e.at == kLost) continue;
    if (e.at < from + bytes && from < size_t{e.at} + (e.bytes & ~kCut)) e.at = kLost;
  }
  next_other_ = static_cast<uint16_t>(from + bytes);
  return static_cast<uint16_t>(from);
}

void HpackTable::add(const HeaderField& f, size_t name_bytes, size_t value_bytes) noexcept {
  if (name_bytes + value_bytes + 32 > bytes_max_) {  // section 4.4
    entries_ = 0;
    return;
  }
  constexpr size_t kOtherValueMax = 192;
  const bool other = f.field == HttpField::kOther;
  if (entries_ == kEntriesMax) drop_oldest(1);
  Entry e{0, 0, static_cast<uint16_t>(std::min<size_t>(name_bytes, 0xffff)), f.field,
          f.static_name};
  const size_t kept = std::min(f.value.size(), other ? kOtherValueMax : kHttpFieldMax);
  const size_t named = other && f.static_name == 0 ? f.name.size() : 0;
  e.bytes = static_cast<uint16_t>(named + kept);
  if (other && f.name.empty()) {
    e.at = kLost;
  } else if (e.bytes != 0) {
    e.at = other ? room_for_other(e.bytes) : room_for(e.bytes);
    uint8_t* to = (other ? others_ : values_) + e.at;
    std::copy_n(f.value.begin(), kept, std::copy_n(f.name.begin(), named, to));
  }
  if (f.cut || kept < f.value.size()) e.bytes |= kCut;
  entry(entries_++) = e;
}

bool HpackTable::find(uint64_t index, HeaderField& f, size_t& name_bytes) const noexcept {
  if (index >= entries_) return false;
  const Entry& e = entry_[(first_ + entries_ - 1 - index) % kEntriesMax];
  name_bytes = e.name_bytes;
  f = {e.field, e.static_name, (e.bytes & kCut) != 0, {}, {}};
  if (e.at == kLost) return true;
  const bool other = e.field == HttpField::kOther;
  const Bytes text{(other ? others_ : values_) + e.at, size_t{e.bytes} & ~kCut};
  const size_t named =
      other && e.static_name == 0 ? std::min<size_t>(e.name_bytes, kHpackNameMax) : 0;
  f.value = text.subspan(named);
  f.name = named != 0           ? text.first(named)
           : e.static_name != 0 ? as_bytes(hpack_static_name(e.static_name))
                                : as_bytes(http_field_name(e.field));
  return true;
}

HpackResult next_header(HeaderBlock& block, HpackTable& table,
                        std::span<uint8_t, kHpackRoom> room, HeaderField& f) noexcept {
  while (!block.empty()) {
    const uint8_t first = block.next();
    const bool resize = (first & 0xe0) == 0x20;
    const bool stored = (first & 0xc0) == 0x40;
    uint64_t number = 0;
    const unsigned bits = (first & 0x80) != 0 ? 7 : stored ? 6 : resize ? 5 : 4;
    HpackResult r = read_integer(block, first, bits, number);
    if (r != HpackResult::kField) return r;
    if (resize) {
      table.resize(number);
      continue;
    }
    f = {};
    size_t name_bytes = 0;
    if (((first & 0x80) != 0 || number != 0) && !look_up(table, number, f, name_bytes)) {
      return HpackResult::kInvalid;
    }
    if ((first & 0x80) != 0) return HpackResult::kField;
    Text name{room.first(kHpackNameMax)};
    if (number == 0) {
      r = read_string(block, name);
      if (r != HpackResult::kField) return r;
      name_bytes = name.bytes;
      f.name = name.kept();
      f.field = http_field(f.name);
    } else if (number > kStaticEntries) {  // what it stands in may be given to the value
      for (const uint8_t c : f.name) name.add(c);
      f.name = name.kept();
    }
    Text value{room.subspan(kHpackNameMax)};
    r = read_string(block, value);
    if (r != HpackResult::kField) return r;
    f.value = value.kept();
    f.cut = value.bytes > f.value.size() || name_bytes > kHpackNameMax;
    if (stored) table.add(f, name_bytes, value.bytes);
    return HpackResult::kField;
  }
  return HpackResult::kEnd;
}

}  // namespace weir::parse
