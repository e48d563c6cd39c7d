// SPDX-License-Identifier: Apache-2.0
// Integers as they stand on the wire. A be16 does not convert to uint16_t by itself, so a port
// that was never byte-swapped does not compile. Loads are unaligned-safe; bounds are the caller's.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace weir {

namespace detail {
template <class T>
constexpr T swap_to_big(T v) noexcept {
  if constexpr (std::endian::native == std::endian::big) return v;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(v));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(v));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(v));
}
}  // namespace detail

template <class T>
class BigEndian {
 public:
  constexpr BigEndian() noexcept = default;
  static constexpr BigEndian from_host(T v) noexcept {
    BigEndian b;
    b.raw_ = detail::swap_to_big(v);
    return b;
  }
  constexpr T host() const noexcept { return detail::swap_to_big(raw_); }
  constexpr bool operator==(const BigEndian&) const noexcept = default;

 private:
  T raw_ = 0;
};

using be16 = BigEndian<uint16_t>;
using be32 = BigEndian<uint32_t>;
using be64 = BigEndian<uint64_t>;
static_assert(sizeof(be16) == 2 && sizeof(be32) == 4 && sizeof(be64) == 8);

// Host-order value of the big-endian integer at p.
inline uint16_t load_be16(const uint8_t* p) noexcept {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return detail::swap_to_big(v);
}
inline uint32_t load_be32(const uint8_t* p) noexcept {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return detail::swap_to_big(v);
}
inline uint64_t load_be64(const uint8_t* p) noexcept {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return detail::swap_to_big(v);
}
inline void store_be16(uint8_t* p, uint16_t v) noexcept {
  v = detail::swap_to_big(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be32(uint8_t* p, uint32_t v) noexcept {
  v = detail::swap_to_big(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be64(uint8_t* p, uint64_t v) noexcept {
  v = detail::swap_to_big(v);
  std::memcpy(p, &v, sizeof v);
}

}  // namespace weir
