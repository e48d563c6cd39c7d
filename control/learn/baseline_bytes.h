// SPDX-License-Identifier: Apache-2.0
// Writing and reading baselines as bytes: little-endian plain structs, one counted list after the
// other. A reader that runs out says so once, at the end. Private to learn.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace weir {

class BaselineWriter {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>);
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  // A list: what `each(add)` adds, its length before it.
  template <class T, class Each>
  void put_list(Each&& each) {
    const size_t at = bytes_.size();
    uint32_t count = 0;
    put(count);
    each([&](const T& item) {
      put(item);
      ++count;
    });
    std::memcpy(bytes_.data() + at, &count, sizeof count);
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

class BaselineReader {
 public:
  explicit BaselineReader(std::span<const uint8_t> bytes) : rest_(bytes) {}
  template <class T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    if (rest_.size() < sizeof value) {
      good_ = false;
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }
  template <class T>
  std::vector<T> get_list() {
    const auto count = get<uint32_t>();
    if (!good_ || count > rest_.size() / sizeof(T)) {
      good_ = false;
      return {};
    }
    std::vector<T> items(count);
    if (count != 0) std::memcpy(items.data(), rest_.data(), count * sizeof(T));
    rest_ = rest_.subspan(count * sizeof(T));
    return items;
  }
  bool whole() const { return good_ && rest_.empty(); }

 private:
  std::span<const uint8_t> rest_;
  bool good_ = true;
};

}  // namespace weir
