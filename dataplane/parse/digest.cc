// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/digest.h"

// The low-level calls are deprecated in favour of ones that allocate.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <openssl/aes.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

namespace weir::parse {

namespace {

template <class Context, size_t N>
Context* context(uint8_t (&room)[N]) noexcept {
  static_assert(sizeof(Context) <= N && alignof(Context) <= 8);
  return reinterpret_cast<Context*>(room);
}

}  // namespace

Md5::Md5() noexcept {
  MD5_Init(context<MD5_CTX>(context_));
}

void Md5::add(Bytes bytes) noexcept {
  MD5_Update(context<MD5_CTX>(context_), bytes.data(), bytes.size());
}

Md5Digest Md5::finish() noexcept {
  Md5Digest digest;
  MD5_Final(digest.data(), context<MD5_CTX>(context_));
  return digest;
}

Md5Digest md5_of(Bytes bytes) noexcept {
  Md5 sum;
  sum.add(bytes);
  return sum.finish();
}

Sha256::Sha256() noexcept {
  SHA256_Init(context<SHA256_CTX>(context_));
}

void Sha256::add(Bytes bytes) noexcept {
  SHA256_Update(context<SHA256_CTX>(context_), bytes.data(), bytes.size());
}

Sha256Digest Sha256::finish() noexcept {
  Sha256Digest digest;
  SHA256_Final(digest.data(), context<SHA256_CTX>(context_));
  return digest;
}

Sha1Digest sha1(Bytes bytes) noexcept {
  SHA_CTX c;
  SHA1_Init(&c);
  SHA1_Update(&c, bytes.data(), bytes.size());
  Sha1Digest digest;
  SHA1_Final(digest.data(), &c);
  return digest;
}

Sha256Digest hmac_sha256(Bytes key, Bytes message) noexcept {  // RFC 2104; short keys only
  std::array<uint8_t, 64> inner, outer;
  inner.fill(0x36);
  outer.fill(0x5c);
  for (size_t i = 0; i < std::min(key.size(), inner.size()); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  Sha256 first;
  first.add(inner);
  first.add(message);
  const Sha256Digest inside = first.finish();
  Sha256 second;
  second.add(outer);
  second.add(inside);
  return second.finish();
}

Aes128::Aes128(std::span<const uint8_t, 16> key) noexcept {
  AES_set_encrypt_key(key.data(), 128, context<AES_KEY>(context_));
}

void Aes128::encrypt(std::span<const uint8_t, 16> in, std::span<uint8_t, 16> out) const noexcept {
  AES_encrypt(in.data(), out.data(), reinterpret_cast<const AES_KEY*>(context_));
}

}  // namespace weir::parse
