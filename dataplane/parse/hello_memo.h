// SPDX-License-Identifier: Apache-2.0
// Private to parse: what earlier ClientHellos came to. A client says nearly the same hello each
// time, and the digests of its fingerprints take longer than all else that is read of it.
#pragma once

#include <memory>

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

// All of a hello that its fingerprints depend on, and nothing else, as one string of bytes.
class HelloKey {
 public:
  void byte(uint8_t v) noexcept {
    if (used_ < kBytesMax) bytes_[used_] = v;
    ++used_;
  }
  void number(uint16_t v) noexcept {
    byte(static_cast<uint8_t>(v >> 8));
    byte(static_cast<uint8_t>(v));
  }
  // Between lists, so that what moves from one to the next is another key. No number that is put
  // in may look like it.
  void next_list() noexcept { number(kNoNumber); }
  bool fits() const noexcept { return used_ <= kBytesMax; }
  Bytes bytes() const noexcept { return {bytes_, used_}; }  // where it fits

  static constexpr size_t kBytesMax = 384;
  static constexpr uint16_t kNoNumber = 0x0a0a;  // RFC 8701: reserved for meaning nothing

 private:
  size_t used_ = 0;
  uint8_t bytes_[kBytesMax];
};

// Direct-mapped: one that shares another's place takes it. Nothing is allocated after construction.
class HelloMemo {
 public:
  HelloMemo() : places_(std::make_unique<Place[]>(kPlaces)) {}

  // The facts that were kept for `key`, good until the next keep(). Empty: none.
  Bytes find(const HelloKey& key) const noexcept;
  // What is longer than there is room for is not kept.
  void keep(const HelloKey& key, Bytes facts) noexcept;

 private:
  static constexpr size_t kPlaces = 64, kFactBytes = 640;
  struct Place {
    uint16_t key_bytes = 0, fact_bytes = 0;
    uint8_t key[HelloKey::kBytesMax];
    uint8_t facts[kFactBytes];
  };
  Place& place_of(const HelloKey& key) const noexcept;

  std::unique_ptr<Place[]> places_;
};

}  // namespace weir::parse
