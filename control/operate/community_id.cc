// SPDX-License-Identifier: Apache-2.0
#include "control/operate/community_id.h"

#include <netinet/in.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <utility>

#include "dataplane/base/bytes.h"
#include "dataplane/base/check.h"

namespace weir::operate {

namespace {

// ICMP messages that are one half of an exchange, with the other half. Messages of all other types
// go one way, and their ends keep the order of the packet.
constexpr std::pair<uint8_t, uint8_t> kIcmpPairs[] = {
    {0, 8}, {9, 10}, {13, 14}, {15, 16}, {17, 18}};
constexpr std::pair<uint8_t, uint8_t> kIcmp6Pairs[] = {{128, 129}, {130, 131}, {133, 134},
                                                       {135, 136}, {139, 140}, {144, 145}};

template <size_t N>
bool is_pair(const std::pair<uint8_t, uint8_t> (&pairs)[N], uint16_t x, uint16_t y) {
  for (const auto& [low, high] : pairs) {
    if ((x == low && y == high) || (x == high && y == low)) return true;
  }
  return false;
}

bool goes_one_way(const Endpoints& e) {
  if (e.proto == IPPROTO_ICMP) return !is_pair(kIcmpPairs, e.src_port, e.dst_port);
  if (e.proto == IPPROTO_ICMPV6) return !is_pair(kIcmp6Pairs, e.src_port, e.dst_port);
  return false;
}

bool has_ports(uint8_t proto) {
  return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
         proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

void append_base64(std::string& out, const uint8_t* data, size_t bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes; i += 3) {
    const size_t n = bytes - i;
    const uint32_t v = uint32_t{data[i]} << 16 | (n > 1 ? uint32_t{data[i + 1]} << 8 : 0u) |
                       (n > 2 ? uint32_t{data[i + 2]} : 0u);
    out += kDigits[v >> 18];
    out += kDigits[v >> 12 & 63];
    out += n > 1 ? kDigits[v >> 6 & 63] : '=';
    out += n > 2 ? kDigits[v & 63] : '=';
  }
}

}  // namespace

struct CommunityId::Digest {
  EVP_MD* sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Digest() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(sha1);
  }
};

CommunityId::CommunityId() : digest_(std::make_unique<Digest>()) {
  CHECK(digest_->sha1 != nullptr && digest_->context != nullptr);
}
CommunityId::~CommunityId() = default;

std::string CommunityId::of(const Endpoints& ends) {
  const bool ports = has_ports(ends.proto);
  const int order = std::memcmp(ends.src.bytes.data(), ends.dst.bytes.data(), 16);
  const bool ordered = order < 0 || (order == 0 && (!ports || ends.src_port <= ends.dst_port));
  const bool swap = !ordered && !goes_one_way(ends);
  const IpAddress& first = swap ? ends.dst : ends.src;
  const IpAddress& second = swap ? ends.src : ends.dst;

  std::array<uint8_t, 40> input;  // seed 2, addresses 2 x 16, protocol, zero, ports 2 x 2
  size_t n = 0;
  const auto put = [&](const void* data, size_t bytes) {
    std::memcpy(input.data() + n, data, bytes);
    n += bytes;
  };
  static constexpr uint8_t kSeed[2] = {0, 0};
  put(kSeed, 2);
  const size_t skip = ends.mapped == 0 && first.is_v4() && second.is_v4() ? 12 : 0;
  put(first.bytes.data() + skip, 16 - skip);
  put(second.bytes.data() + skip, 16 - skip);
  const uint8_t proto_and_zero[2] = {ends.proto, 0};
  put(proto_and_zero, 2);
  if (ports) {
    store_be16(input.data() + n, swap ? ends.dst_port : ends.src_port);
    store_be16(input.data() + n + 2, swap ? ends.src_port : ends.dst_port);
    n += 4;
  }
  uint8_t hash[EVP_MAX_MD_SIZE];
  unsigned hash_bytes = 0;
  CHECK(EVP_DigestInit_ex(digest_->context, digest_->sha1, nullptr) == 1 &&
        EVP_DigestUpdate(digest_->context, input.data(), n) == 1 &&
        EVP_DigestFinal_ex(digest_->context, hash, &hash_bytes) == 1);
  std::string text = "1:";
  append_base64(text, hash, hash_bytes);
  return text;
}

}  // namespace weir::operate
