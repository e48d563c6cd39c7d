// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/digest.h"

// The low-level calls are deprecated in favour of ones that allocate.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <openssl/aes.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)

namespace {

// What libcrypto's low-level calls leave unused; the high-level ones allocate. Ten times as fast.
bool has_aes_instructions() noexcept {
  static const bool has = __builtin_cpu_supports("aes") != 0;
  return has;
}

constexpr unsigned kRounds = 10;

// FIPS 197 section 5.2. kConstant: Rcon of the round, an immediate of the instruction.
template <int kConstant>
__attribute__((target("aes"))) __m128i next_round_key(__m128i key) noexcept {
  const __m128i word = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kConstant), 0xff);
  for (unsigned i = 0; i < 3; ++i) key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  return _mm_xor_si128(key, word);
}

__attribute__((target("aes"))) void expand_key(const uint8_t* key, __m128i* rounds) noexcept {
  rounds[0] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key));
  rounds[1] = next_round_key<0x01>(rounds[0]);
  rounds[2] = next_round_key<0x02>(rounds[1]);
  rounds[3] = next_round_key<0x04>(rounds[2]);
  rounds[4] = next_round_key<0x08>(rounds[3]);
  rounds[5] = next_round_key<0x10>(rounds[4]);
  rounds[6] = next_round_key<0x20>(rounds[5]);
  rounds[7] = next_round_key<0x40>(rounds[6]);
  rounds[8] = next_round_key<0x80>(rounds[7]);
  rounds[9] = next_round_key<0x1b>(rounds[8]);
  rounds[10] = next_round_key<0x36>(rounds[9]);
}

__attribute__((target("aes"))) void encrypt_block(const __m128i* rounds, const uint8_t* in,
                                                  uint8_t* out) noexcept {
  __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  block = _mm_xor_si128(block, rounds[0]);
  for (unsigned i = 1; i < kRounds; ++i) block = _mm_aesenc_si128(block, rounds[i]);
  block = _mm_aesenclast_si128(block, rounds[kRounds]);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
}

}  // namespace

#endif

Aes128::Aes128(std::span<const uint8_t, 16> key) noexcept {
#if defined(__x86_64__)
  static_assert(sizeof(__m128i) * (kRounds + 1) <= sizeof context_);
  if (has_aes_instructions()) {
    expand_key(key.data(), reinterpret_cast<__m128i*>(context_));
    return;
  }
#endif
  AES_set_encrypt_key(key.data(), 128, context<AES_KEY>(context_));
}

void Aes128::encrypt(std::span<const uint8_t, 16> in, std::span<uint8_t, 16> out) const noexcept {
#if defined(__x86_64__)
  if (has_aes_instructions()) {
    return encrypt_block(reinterpret_cast<const __m128i*>(context_), in.data(), out.data());
  }
#endif
  AES_encrypt(in.data(), out.data(), reinterpret_cast<const AES_KEY*>(context_));
}

}  // namespace weir::parse
