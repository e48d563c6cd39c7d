// SPDX-License-Identifier: Apache-2.0
#include "bench/replay/traffic.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>

#include "dataplane/base/check.h"
#include "dataplane/io/capture.h"

namespace weir::bench {

namespace {

constexpr uint64_t kHugePage = 2u << 20;

uint64_t aligned(uint64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

void put_be16(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}

struct FrameOf {
  uint32_t flow = 0;
  bool to_server = true;
  uint8_t proto = 6, tcp_flags = 0x10;
  bool is_bare = false;  // what follows the headers is padding
};

// Ethernet, IPv4 without options, TCP or UDP; the rest is payload, put there before. Checksums are
// left zero: the worker verifies them only where rules look, and these traffics are measured
// without rules.
void write_frame(uint8_t* f, uint32_t bytes, const FrameOf& of) {
  uint8_t client[4];
  synthetic_source(of.flow, client);
  const uint8_t server[4] = {192, 168, 0, 1};
  std::memcpy(f,
              of.to_server ? "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08"
                           : "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08",
              13);
  uint8_t* ip = f + 14;
  ip[0] = 0x45;
  put_be16(ip + 2, of.is_bare ? 40 : bytes - 14);
  ip[8] = 64;
  ip[9] = of.proto;
  std::memcpy(ip + 12, of.to_server ? client : server, 4);
  std::memcpy(ip + 16, of.to_server ? server : client, 4);
  uint8_t* l4 = ip + 20;
  put_be16(l4 + (of.to_server ? 0 : 2), 1024 + of.flow % 60'000);
  put_be16(l4 + (of.to_server ? 2 : 0), 443);
  if (of.proto == 17) {
    put_be16(l4 + 4, bytes - 34);
    return;
  }
  l4[12] = 0x50;
  l4[13] = of.tcp_flags;
}

}  // namespace

void synthetic_source(uint32_t n, uint8_t (&a)[4]) {
  a[0] = 10;
  a[1] = static_cast<uint8_t>(n >> 16);
  a[2] = static_cast<uint8_t>(n >> 8);
  a[3] = static_cast<uint8_t>(n);
}

Arena::Arena(uint64_t bytes) : bytes_((bytes + kHugePage) / kHugePage * kHugePage) {
  const int protection = PROT_READ | PROT_WRITE, kind = MAP_PRIVATE | MAP_ANONYMOUS;
  void* m = mmap(nullptr, bytes_, protection, kind | MAP_HUGETLB, -1, 0);
  pages_ = "hugetlb";
  if (m == MAP_FAILED) {
    m = mmap(nullptr, bytes_, protection, kind, -1, 0);
    CHECK(m != MAP_FAILED);
    pages_ = madvise(m, bytes_, MADV_HUGEPAGE) == 0 ? "transparent" : "ordinary";
  }
  memory_ = static_cast<uint8_t*>(m);
  std::memset(memory_, 0, bytes_);
}

Arena::~Arena() {
  munmap(memory_, bytes_);
}

uint8_t* Arena::take(uint64_t bytes) {
  uint8_t* p = memory_ + used_;
  used_ += aligned(bytes);
  CHECK(used_ <= bytes_);
  return p;
}

// Each flow has as many packets from either end; their order is shuffled, so that neither the
// prefetcher nor a small cache of flows can guess the next.
Traffic Traffic::synthetic(const SyntheticTraffic& s) {
  Traffic t;
  const uint64_t per_side = s.beside ? static_cast<uint64_t>(s.flows / (1 - s.syn_share))
                                     : std::max(s.flows, s.frames);
  t.arena_ = std::make_unique<Arena>(2 * per_side * aligned(s.frame_bytes));
  std::mt19937_64 random(s.seed);
  std::uniform_real_distribution<double> share(0, 1);
  for (const bool to_server : {true, false}) {
    std::vector<uint32_t> turns(per_side);
    for (uint64_t i = 0; i < per_side; ++i) turns[i] = static_cast<uint32_t>(i);
    std::shuffle(turns.begin(), turns.end(), random);
    auto& side = t.side_[to_server ? 0 : 1];
    side.reserve(per_side);
    for (const uint32_t turn : turns) {
      const uint32_t flow = turn % s.flows;
      const double dice = share(random);
      const bool syn = s.beside ? turn >= s.flows : dice < s.syn_share;
      const bool fresh = syn || (!s.beside && dice < s.syn_share + s.new_share);
      PreparedFrame f{.data = t.arena_->take(s.frame_bytes),
                      .bytes = s.frame_bytes,
                      .wire_bytes = s.frame_bytes,
                      .fresh = fresh};
      std::memset(f.data, 0, 54);
      std::memset(f.data + 54, s.payload, f.bytes - 54);
      write_frame(f.data, f.bytes,
                  {.flow = flow,
                   .to_server = to_server,
                   .proto = static_cast<uint8_t>(fresh && !syn ? 17 : 6),
                   .tcp_flags = static_cast<uint8_t>(syn ? 0x02 : 0x10),
                   .is_bare = syn && !s.syn_data});
      side.push_back(f);
    }
  }
  return t;
}

Result<Traffic> Traffic::captures(const std::vector<std::string>& paths) {
  Traffic t;
  uint64_t bytes = 0;
  std::vector<CaptureReader> readers;
  for (const std::string& path : paths) {
    auto measure = CaptureReader::open(path);
    if (!measure) return tl::make_unexpected(measure.error());
    while (const auto f = measure->next()) bytes += aligned(f->bytes.size());
    auto reader = CaptureReader::open(path);
    if (!reader) return tl::make_unexpected(reader.error());
    readers.push_back(std::move(*reader));
  }
  t.arena_ = std::make_unique<Arena>(bytes + 64);
  for (CaptureReader& reader : readers) {
    TimeNs latest = 0;
    while (const auto f = reader.next()) {
      latest = std::max(latest, f->time_ns);
      PreparedFrame p{.data = t.arena_->take(f->bytes.size()),
                      .bytes = static_cast<uint32_t>(f->bytes.size()),
                      .wire_bytes = f->wire_bytes,
                      .time_ns = latest,
                      .link = f->link};
      std::copy(f->bytes.begin(), f->bytes.end(), p.data);
      t.side_[0].push_back(p);
    }
  }
  if (t.side_[0].empty()) return fail("the captures hold no frame");
  return t;
}

Result<void> Traffic::write_pcap(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  const auto word = [&out](uint32_t v) { out.write(reinterpret_cast<const char*>(&v), 4); };
  for (const uint32_t v : {0xa1b2c3d4u, 0x00040002u, 0u, 0u, 65'535u, 1u}) word(v);
  for (const PreparedFrame& f : side_[0]) {
    for (const uint32_t v : {0u, 0u, f.bytes, f.wire_bytes}) word(v);
    out.write(reinterpret_cast<const char*>(f.data), f.bytes);
  }
  if (!out.flush()) return fail("cannot write " + path);
  return {};
}

}  // namespace weir::bench
