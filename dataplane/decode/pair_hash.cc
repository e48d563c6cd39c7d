// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <bit>
#include <cstring>

#include "dataplane/decode/decode.h"

namespace weir {

namespace {

// Toeplitz with the key 0x6d5a over and over: because the key repeats every 16 bits, a 16-bit word
// adds the same wherever it stands, so the hash is that of the XOR of all words. [0]: of the upper
// byte of that XOR, [1]: of the lower.
constexpr std::array<std::array<uint32_t, 256>, 2> kToeplitz = [] {
  std::array<std::array<uint32_t, 256>, 2> table{};
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        if ((byte & (0x80u >> bit)) != 0) {
          table[half][byte] ^= std::rotl(0x6d5a6d5au, static_cast<int>(half * 8 + bit));
        }
      }
    }
  }
  return table;
}();

uint64_t words_of(const IpAddress& a) noexcept {
  uint64_t w[2];
  std::memcpy(w, a.bytes.data(), sizeof w);
  return w[0] ^ w[1];
}

}  // namespace

bool pair_hash(const Headers& h, uint32_t& hash) noexcept {
  if (!h.has(kHasIp)) return false;
  // An error goes where the flow is that it tells of. Without a readable quote it
  // tells of none.
  const bool quotes = h.has(kIcmpError) && h.quoted_src != IpAddress{};
  uint64_t x =
      quotes ? words_of(h.quoted_src) ^ words_of(h.quoted_dst) : words_of(h.src) ^ words_of(h.dst);
  x ^= x >> 32;
  x ^= x >> 16;
  // Memory order: the byte at the lower address is the upper half of the word on the wire.
  const auto upper = static_cast<uint8_t>(std::endian::native == std::endian::little ? x : x >> 8);
  const auto lower = static_cast<uint8_t>(std::endian::native == std::endian::little ? x >> 8 : x);
  hash = kToeplitz[0][upper] ^ kToeplitz[1][lower];
  return true;
}

}  // namespace weir
