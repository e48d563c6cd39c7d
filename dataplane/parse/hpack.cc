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

struct Name {
  HttpField field = HttpField::kOther;
  size_t bytes = 0;
  Bytes value;  // that stands with it in the table
};

// false: there is no such entry, and there cannot be.
bool look_up(const HpackTable& table, uint64_t index, Name& name) noexcept {
  if (index == 0) return false;
  if (index <= kStaticEntries) {
    const StaticEntry& e = kStatic[index - 1];
    name = {http_field(as_bytes(e.name)), e.name.size(), as_bytes(e.value)};
    return true;
  }
  if (const HpackTable::Entry* e = table.find(index - kStaticEntries - 1)) {
    name = {e->field, e->name_bytes, table.value(*e)};
  }
  return true;
}

}  // namespace

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
    unsigned i = 0;  // the oldest that has bytes at all
    while (i < entries_ && entry_[(first_ + i) % kEntriesMax].bytes == 0) ++i;
    if (i == entries_) break;
    const Entry& e = entry_[(first_ + i) % kEntriesMax];
    const bool meets = e.at < from + bytes && from < size_t{e.at} + e.bytes;
    if (!meets && e.at < behind) break;
    drop_oldest(i + 1);
  }
  next_ = static_cast<uint16_t>(from + bytes);
  return static_cast<uint16_t>(from);
}

void HpackTable::add(HttpField field, size_t name_bytes, Bytes value, size_t value_bytes) noexcept {
  if (name_bytes + value_bytes + 32 > bytes_max_) {  // section 4.4
    entries_ = 0;
    return;
  }
  const size_t kept = field == HttpField::kOther ? 0 : std::min(value.size(), kHttpFieldMax);
  const uint16_t at = kept == 0 ? uint16_t{0} : room_for(kept);
  std::copy_n(value.begin(), kept, values_ + at);
  if (entries_ == kEntriesMax) drop_oldest(1);
  entry_[(first_ + entries_) % kEntriesMax] = {
      at, static_cast<uint16_t>(kept), static_cast<uint16_t>(std::min<size_t>(name_bytes, 0xffff)),
      field};
  ++entries_;
}

HpackResult next_header(HeaderBlock& block, HpackTable& table, std::span<uint8_t> room,
                        HeaderField& f) noexcept {
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
    Name name;
    if (((first & 0x80) != 0 || number != 0) && !look_up(table, number, name)) {
      return HpackResult::kInvalid;
    }
    if ((first & 0x80) != 0) {
      f = {name.field, name.value};
      return HpackResult::kField;
    }
    if (number == 0) {
      Text text{room};
      r = read_string(block, text);
      if (r != HpackResult::kField) return r;
      name.field = http_field(text.kept());
      name.bytes = text.bytes;
    }
    Text value{room};
    r = read_string(block, value);
    if (r != HpackResult::kField) return r;
    f = {name.field, value.kept()};
    if (stored) table.add(name.field, name.bytes, f.value, value.bytes);
    return HpackResult::kField;
  }
  return HpackResult::kEnd;
}

}  // namespace weir::parse
