// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/epm.h"

#include <charconv>

#include "dataplane/parse/rpc_names.h"
#include "dataplane/parse/rpc_talk.h"

namespace weir::parse {

namespace {

constexpr unsigned kTowersMax = 16, kFloorsMax = 8;
constexpr size_t kHandleBytes = 20, kTowerBytesMax = 2048;
enum Floor : uint8_t {
  kTcp = 0x07,
  kUdp = 0x08,
  kIp = 0x09,
  kDatagrams = 0x0a,
  kConnections = 0x0b,
  kLocal = 0x0c,
  kUuid = 0x0d,
  kPipe = 0x0f,
  kLocalPort = 0x10,
  kNetbios = 0x11,
  kHttp = 0x1f
};

class Ndr {  // DCE 1.1 chapter 14: everything is aligned to its size, from the stub's first byte
 public:
  Ndr(Bytes stub, NdrStyle style) noexcept : c_(stub), style_(style) {}
  uint16_t u16() noexcept {
    align(2);
    return style_.little ? c_.le16() : c_.be16();
  }
  uint32_t u32() noexcept {
    align(4);
    return style_.little ? c_.le32() : c_.be32();
  }
  uint64_t size() noexcept {  // of an array, or a pointer
    if (!style_.wide) return u32();
    align(8);
    return style_.little ? c_.le64() : c_.be64();
  }
  void align(size_t n) noexcept { c_.skip((n - c_.at() % n) % n); }
  void align_size() noexcept { align(style_.wide ? 8 : 4); }
  Bytes bytes(uint64_t n) noexcept { return c_.bytes(n > c_.left() ? c_.left() + 1 : n); }
  bool ok() const noexcept { return c_.ok(); }

 private:
  Cursor c_;
  NdrStyle style_;
};

struct Tower {
  uint8_t uuid[16] = {};
  uint16_t version = 0, minor = 0, port = 0;
  bool has_ip = false, has_port = false;
  IpAddress ip;
  std::string_view protocol;
  Bytes endpoint, host;
};

std::string_view protocol_name(uint8_t below, uint8_t carrier) noexcept {
  constexpr struct {
    uint8_t below, carrier;
    std::string_view name;
  } kNames[] = {{kConnections, kTcp, "ncacn_ip_tcp"},
                {kConnections, kPipe, "ncacn_np"},
                {kConnections, kHttp, "ncacn_http"},
                {kDatagrams, kUdp, "ncadg_ip_udp"},
                {kLocal, kLocalPort, "ncalrpc"}};
  for (const auto& n : kNames) {
    if (n.below == below && n.carrier == carrier) return n.name;
  }
  return {};
}

Bytes without_zero(Bytes text) noexcept {
  while (!text.empty() && text.back() == 0) text = text.first(text.size() - 1);
  return text;
}

void read_floor(Tower& t, unsigned n, uint8_t& below, Bytes left, Bytes right) noexcept {
  const uint8_t id = left[0];
  if (n == 0) {
    if (id != kUuid || left.size() < 19 || right.size() < 2) return;
    std::copy_n(left.begin() + 1, 16, t.uuid);
    std::reverse(t.uuid, t.uuid + 4);
    std::reverse(t.uuid + 4, t.uuid + 6);
    std::reverse(t.uuid + 6, t.uuid + 8);
    t.version = static_cast<uint16_t>(left[17] | left[18] << 8);
    t.minor = static_cast<uint16_t>(right[0] | right[1] << 8);
    return;
  }
  if (n == 2) below = id;
  if (n == 3) t.protocol = protocol_name(below, id);
  const bool port = id == kTcp || id == kUdp || id == kHttp;
  if (n >= 3 && port && right.size() == 2) {
    t.port = load_be16(right.data());
    t.has_port = true;
  }
  if (n >= 3 && id == kIp && right.size() == 4) {
    t.ip = IpAddress::from_v4(right.data());
    t.has_ip = true;
  }
  if (n >= 3 && (id == kPipe || id == kLocalPort)) t.endpoint = without_zero(right);
  if (n >= 3 && id == kNetbios) t.host = without_zero(right);
}

// Floors one on the other: what is called, how it is written, what carries it. Little-endian.
bool read_tower(Bytes octets, Tower& t) noexcept {
  Cursor c(octets);
  const unsigned floors = c.le16();
  if (floors < 3 || floors > kFloorsMax) return false;
  uint8_t below = 0;
  for (unsigned n = 0; n < floors; ++n) {
    const Bytes left = c.bytes(c.le16());
    const Bytes right = c.bytes(c.le16());
    if (!c.ok() || left.empty()) return false;
    read_floor(t, n, below, left, right);
  }
  return true;
}

Bytes next_tower(Ndr& n) noexcept {
  n.size();
  const uint32_t length = n.u32();
  return length > kTowerBytesMax ? Bytes{} : n.bytes(length);
}

void write_interface(FactWriter& facts, const Tower& t, Fact uuid, Fact version,
                     Fact service) noexcept {
  char room[40];
  facts.text(uuid, uuid_text(t.uuid, room));
  char* at = std::to_chars(room, room + 8, t.version).ptr;
  *at++ = '.';
  at = std::to_chars(at, at + 8, t.minor).ptr;
  facts.text(version, std::string_view(room, static_cast<size_t>(at - room)));
  const std::string_view name = rpc_endpoint(rpc_interface(t.uuid));
  if (!name.empty()) facts.text(service, name);
}

void write_tower(FactWriter& facts, const Tower& t) noexcept {
  facts.item(Fact::kRpcTower);
  write_interface(facts, t, Fact::kRpcTowerUuid, Fact::kRpcTowerVersion, Fact::kRpcTowerService);
  if (!t.protocol.empty()) facts.text(Fact::kRpcTowerProtocol, t.protocol);
  if (t.has_ip) facts.address(Fact::kRpcTowerIp, t.ip);
  if (t.has_port) facts.number(Fact::kRpcTowerPort, t.port);
  constexpr size_t kNameMax = 128;
  if (!t.endpoint.empty()) facts.text(Fact::kRpcTowerEndpoint, t.endpoint, kNameMax);
  if (!t.host.empty()) facts.text(Fact::kRpcTowerHost, t.host, kNameMax);
}

}  // namespace

void write_map_request(FactWriter& facts, Bytes stub, NdrStyle style) noexcept {
  Ndr n(stub, style);
  if (n.size() != 0) n.bytes(16);  // an object
  n.align_size();
  if (n.size() == 0) return;
  Tower t;
  if (!read_tower(next_tower(n), t)) return;
  write_interface(facts, t, Fact::kRpcMapUuid, Fact::kRpcMapVersion, Fact::kRpcMapService);
  if (!t.protocol.empty()) facts.text(Fact::kRpcMapProtocol, t.protocol);
}

void write_map_response(FactWriter& facts, Bytes stub, NdrStyle style, uint16_t opnum) noexcept {
  Ndr n(stub, style);
  n.bytes(kHandleBytes);
  n.u32();  // how many; the array says it again
  n.size();
  n.size();
  const uint64_t count = n.size();
  unsigned towers = 0;
  for (uint64_t i = 0; i < count && n.ok(); ++i) {
    if (opnum == kEptLookup) n.bytes(16);  // its object
    n.align_size();
    if (n.size() != 0) ++towers;
    if (opnum != kEptLookup) continue;
    n.size();  // the annotation
    n.bytes(n.size());
  }
  if (!n.ok()) return;
  for (unsigned i = 0; i < towers; ++i) {
    n.align_size();
    const Bytes octets = next_tower(n);
    Tower t;
    if (!n.ok() || !read_tower(octets, t)) return;
    if (i < kTowersMax) write_tower(facts, t);
  }
  const uint32_t status = n.u32();
  if (!n.ok() || status == 0) return;
  char text[16] = "0x";
  const char* end = std::to_chars(text + 2, text + sizeof text, status, 16).ptr;
  facts.text(Fact::kRpcMapStatus, std::string_view(text, static_cast<size_t>(end - text)));
}

}  // namespace weir::parse
