// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/quic_packet.h"

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/digest.h"
#include "dataplane/parse/quic_varint.h"

namespace weir::parse::quic {

namespace {

using std::literals::operator""sv;

constexpr uint32_t kQ050 = 0x51303530, kT050 = 0x54303530, kT051 = 0x54303531;

// RFC 9001 section 5.2, RFC 9369 section 3.3.1, the drafts before, and Google's.
std::string_view salt_of(uint32_t version) noexcept {
  constexpr auto kDraft22 =
      "\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a"sv;
  constexpr auto kDraft23 =
      "\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"sv;
  constexpr auto kDraft29 =
      "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"sv;
  constexpr auto kOne =
      "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"sv;
  constexpr auto kTwo =
      "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"sv;
  if (version >> 8 == 0xff0000) {
    const unsigned draft = version & 0xff;
    if (draft == 21 || draft == 22) return kDraft22;
    if (draft >= 23 && draft <= 28) return kDraft23;
    if (draft >= 29 && draft <= 32) return kDraft29;
    return draft == 33 || draft == 34 ? kOne : std::string_view();
  }
  switch (version) {
    case kVersion1:
      return kOne;
    case kVersion2:
      return kTwo;
    case kQ050:
      return "\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45"sv;
    case kT050:
      return "\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10"sv;
    case kT051:
      return "\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d"sv;
    case 0xfaceb001:
      return kDraft22;
    case 0xfaceb002:
    case 0xfaceb00e:
      return kDraft23;
    default:
      return {};
  }
}

Bytes raw(std::string_view s) noexcept {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

// HKDF-Expand-Label (RFC 8446 section 7.1) of at most one block.
Sha256Digest expand(Bytes secret, std::string_view label, uint8_t bytes) noexcept {
  uint8_t info[64];
  size_t n = 0;
  info[n++] = 0;
  info[n++] = bytes;
  info[n++] = static_cast<uint8_t>(6 + label.size());
  for (const std::string_view part : {"tls13 "sv, label}) {
    std::memcpy(info + n, part.data(), part.size());
    n += part.size();
  }
  info[n++] = 0;  // no context
  info[n++] = 1;  // the first block
  return hmac_sha256(secret, Bytes(info, n));
}

struct Keys {
  Sha256Digest key, iv, header;
};

Keys keys_of(uint32_t version, Bytes id, bool from_client) noexcept {
  const bool two = version == kVersion2;
  const Sha256Digest initial = hmac_sha256(raw(salt_of(version)), id);
  const Sha256Digest secret = expand(initial, from_client ? "client in" : "server in", 32);
  return {expand(secret, two ? "quicv2 key" : "quic key", 16),
          expand(secret, two ? "quicv2 iv" : "quic iv", 12),
          expand(secret, two ? "quicv2 hp" : "quic hp", 16)};
}

std::span<const uint8_t, 16> block(const Sha256Digest& d) noexcept {
  return std::span<const uint8_t, 32>(d).first<16>();
}

// The counter mode under GCM (NIST SP 800-38D section 6.5): block 1 makes the tag.
void decrypt(const Keys& keys, uint64_t number, Bytes sealed, uint8_t* to) noexcept {
  uint8_t counter[16] = {}, stream[16];
  std::memcpy(counter, keys.iv.data(), 12);
  for (unsigned i = 0; i < 4; ++i) counter[11 - i] ^= static_cast<uint8_t>(number >> 8 * i);
  const Aes128 aes(block(keys.key));
  uint32_t n = 2;
  for (size_t at = 0; at < sealed.size(); at += 16, ++n) {
    store_be32(counter + 12, n);
    aes.encrypt(counter, stream);
    const size_t end = std::min<size_t>(sealed.size() - at, 16);
    for (size_t i = 0; i < end; ++i) to[at + i] = sealed[at + i] ^ stream[i];
  }
}

bool read_id(Cursor& c, ConnectionId& id) noexcept {
  const uint8_t n = c.u8();
  if (n > kConnectionIdMax) return false;
  const Bytes b = c.bytes(n);
  std::copy(b.begin(), b.end(), id.byte);
  id.size = static_cast<uint8_t>(b.size());
  return c.ok();
}

}  // namespace

bool is_google(uint32_t version) noexcept {
  return version >> 16 == 0x5130 && (version >> 8 & 0xff) >= '0' && (version >> 8 & 0xff) <= '9' &&
         (version & 0xff) >= '0' && (version & 0xff) <= '9';
}

bool is_reserved(uint32_t version) noexcept {
  return (version & 0x0f0f0f0f) == 0x0a0a0a0a;
}

bool is_known(uint32_t version) noexcept {
  return is_reserved(version) || !salt_of(version).empty();
}

bool read_long_header(Bytes datagram, LongHeader& h) noexcept {
  h = {};
  Cursor c(datagram);
  const uint8_t first = c.u8();
  h.version = c.be32();
  if (!c.ok() || (first & 0x80) == 0 || !is_known(h.version)) return false;
  if (!read_id(c, h.destination) || !read_id(c, h.source)) return false;
  const unsigned type = first >> 4 & 3, initial = h.version == kVersion2 ? 1 : 0;
  h.initial = type == initial;
  if (type == (initial + 3) % 4) return false;  // Retry
  if (h.initial) c.skip(read_varint(c));        // token
  const uint64_t length = read_varint(c);
  h.number_at = c.at();
  if (!c.ok() || length > c.left() || length < 20) return false;
  h.end = h.number_at + static_cast<size_t>(length);
  return true;
}

bool open_initial(Bytes datagram, const LongHeader& h, const ConnectionId& id, bool from_client,
                  Plain& plain) noexcept {
  const Keys keys = keys_of(h.version, id.bytes(), from_client);
  uint8_t mask[16];
  Aes128(block(keys.header))
      .encrypt(std::span<const uint8_t, 16>(&datagram[h.number_at + 4], 16), mask);
  const uint8_t first = datagram[0] ^ (mask[0] & 0x0f);
  if ((first & 0x0c) != 0) return false;  // reserved
  const unsigned width = (first & 3) + 1;
  uint64_t number = 0;
  for (unsigned i = 0; i < width; ++i) {
    number = number << 8 | static_cast<uint8_t>(datagram[h.number_at + i] ^ mask[1 + i]);
  }
  constexpr size_t kTag = 16;
  const size_t from = h.number_at + width;
  if (h.end - from < kTag) return false;
  plain.size = std::min(h.end - from - kTag, kPlainMax);
  decrypt(keys, number, datagram.subspan(from, plain.size), plain.bytes);
  return true;
}

}  // namespace weir::parse::quic
