// SPDX-License-Identifier: Apache-2.0
// An array of fixed size in memory of its own, all bytes zero at first, which the kernel is asked
// to back with huge pages: a table that is hit at random then costs no TLB miss on top of each
// cache miss. Made at start.
#pragma once

#include <cstddef>
#include <type_traits>

namespace weir {

// kAtStart: the memory is there from then on. kWhenUsed: only addresses are, a page comes with its
// first use; for what most elements never need.
enum class Backing { kAtStart, kWhenUsed };

namespace detail {
void* map_zeroed(size_t bytes, Backing backing) noexcept;  // ends the program if there is no memory
void unmap(void* p, size_t bytes) noexcept;
}  // namespace detail

template <class T>
class HugeArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  explicit HugeArray(size_t size, Backing backing = Backing::kAtStart)
      : size_(size), data_(static_cast<T*>(detail::map_zeroed(size * sizeof(T), backing))) {}
  ~HugeArray() { detail::unmap(data_, size_ * sizeof(T)); }
  HugeArray(const HugeArray&) = delete;
  HugeArray& operator=(const HugeArray&) = delete;

  T& operator[](size_t i) noexcept { return data_[i]; }
  const T& operator[](size_t i) const noexcept { return data_[i]; }
  const T* data() const noexcept { return data_; }

 private:
  size_t size_;
  T* data_;
};

}  // namespace weir
