// SPDX-License-Identifier: Apache-2.0
// Private to parse: the one door to libcrypto: digests and the block cipher that fingerprints and
// QUIC's Initial packets take. Nothing allocates, nothing fails.
#pragma once

#include <array>

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

using Md5Digest = std::array<uint8_t, 16>;
using Sha1Digest = std::array<uint8_t, 20>;
using Sha256Digest = std::array<uint8_t, 32>;

class Md5 {
 public:
  Md5() noexcept;
  void add(Bytes bytes) noexcept;
  Md5Digest finish() noexcept;

 private:
  alignas(8) uint8_t context_[96];
};

class Sha256 {
 public:
  Sha256() noexcept;
  void add(Bytes bytes) noexcept;
  Sha256Digest finish() noexcept;

 private:
  alignas(8) uint8_t context_[112];
};

Md5Digest md5_of(Bytes bytes) noexcept;
Sha1Digest sha1(Bytes bytes) noexcept;
Sha256Digest hmac_sha256(Bytes key, Bytes message) noexcept;

class Aes128 {
 public:
  explicit Aes128(std::span<const uint8_t, 16> key) noexcept;
  void encrypt(std::span<const uint8_t, 16> in, std::span<uint8_t, 16> out) const noexcept;

 private:
  alignas(16) uint8_t context_[256];
};

}  // namespace weir::parse
