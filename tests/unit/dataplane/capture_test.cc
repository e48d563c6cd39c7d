// SPDX-License-Identifier: Apache-2.0
#include "dataplane/io/capture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace weir {
namespace {

using Bytes = std::vector<uint8_t>;

void put(Bytes& out, uint32_t v, unsigned width, bool big) {
  for (unsigned i = 0; i < width; ++i) {
    out.push_back(static_cast<uint8_t>(v >> 8 * (big ? width - 1 - i : i)));
  }
}

Bytes pcap(bool big, bool nanoseconds, std::initializer_list<std::string> frames) {
  Bytes b;
  put(b, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 4, big);
  put(b, 2, 2, big);
  put(b, 4, 2, big);
  for (const uint32_t v : {0u, 0u, 65535u, 1u}) put(b, v, 4, big);
  for (const std::string& f : frames) {
    put(b, 100, 4, big);
    put(b, 7, 4, big);
    put(b, static_cast<uint32_t>(f.size()), 4, big);
    put(b, 1000, 4, big);
    b.insert(b.end(), f.begin(), f.end());
  }
  return b;
}

void block(Bytes& out, uint32_t type, Bytes body, bool big) {
  while (body.size() % 4 != 0) body.push_back(0);
  put(out, type, 4, big);
  put(out, static_cast<uint32_t>(body.size() + 12), 4, big);
  out.insert(out.end(), body.begin(), body.end());
  put(out, static_cast<uint32_t>(body.size() + 12), 4, big);
}

// A section with a comment block, two interfaces (Ethernet in microseconds, raw IP in nanoseconds),
// two packets and something unknown at the end.
Bytes pcapng(bool big) {
  Bytes b, section, ethernet, raw;
  put(section, 0x1a2b3c4d, 4, big);
  put(section, 1, 2, big);
  put(section, 0, 2, big);
  put(section, 0xffffffff, 4, big);
  put(section, 0xffffffff, 4, big);
  block(b, 0x0a0d0d0a, section, big);
  put(ethernet, 1, 2, big);
  put(ethernet, 0, 2, big);
  put(ethernet, 0, 4, big);
  block(b, 1, ethernet, big);
  put(raw, 101, 2, big);
  put(raw, 0, 2, big);
  put(raw, 0, 4, big);
  put(raw, 9, 2, big);
  put(raw, 1, 2, big);
  raw.insert(raw.end(), {9, 0, 0, 0});
  block(b, 1, raw, big);
  for (uint32_t interface = 0; interface < 2; ++interface) {
    Bytes packet;
    for (const uint32_t v : {interface, 0u, 5000u, 3u, 60u}) put(packet, v, 4, big);
    packet.insert(packet.end(), {'a', 'b', 'c'});
    block(b, 6, packet, big);
  }
  block(b, 0x0bad, {1, 2, 3, 4}, big);
  return b;
}

TEST(Capture, PcapOfEitherByteOrderAndPrecision) {
  for (const bool big : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      const Bytes b = pcap(big, nanoseconds, {"first", "second"});
      auto r = CaptureReader::over(b, "t");
      ASSERT_TRUE(r);
      const auto f = r->next();
      ASSERT_TRUE(f);
      EXPECT_EQ(f->bytes.size(), 5u);
      EXPECT_EQ(f->wire_bytes, 1000u);
      EXPECT_EQ(f->link, LinkType::kEthernet);
      EXPECT_EQ(f->time_ns, 100 * kNsPerSecond + (nanoseconds ? 7 : 7000));
      EXPECT_TRUE(r->next());
      EXPECT_FALSE(r->next());
      EXPECT_FALSE(r->error());
    }
  }
}

TEST(Capture, PcapngInterfacesHaveTheirOwnLinkTypeAndClock) {
  for (const bool big : {false, true}) {
    const Bytes b = pcapng(big);
    auto r = CaptureReader::over(b, "t");
    ASSERT_TRUE(r);
    const auto first = r->next(), second = r->next();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->link, LinkType::kEthernet);
    EXPECT_EQ(first->time_ns, 5'000'000);
    EXPECT_EQ(second->link, LinkType::kRawIp);
    EXPECT_EQ(second->time_ns, 5'000);
    EXPECT_FALSE(r->next());
    EXPECT_FALSE(r->error());
    EXPECT_EQ(r->trailer().size(), 16u);
  }
}

TEST(Capture, ACutPacketIsTheLastThingNotAllOfIt) {
  Bytes b = pcap(false, false, {"first", "second"});
  b.resize(b.size() - 2);
  auto r = CaptureReader::over(b, "cut.pcap");
  ASSERT_TRUE(r);
  EXPECT_TRUE(r->next());
  EXPECT_FALSE(r->next());
  ASSERT_TRUE(r->error());
  EXPECT_EQ(
      r->error()->text(),
      "cut.pcap: byte 45, after 1 good packet: the next packet is cut short: 4 of its 6 bytes "
      "are there");
}

TEST(Capture, ForeignFilesAreNamedAsSuch) {
  const std::string elf(
      "\x7f"
      "ELF and more than 24 bytes of something else");
  auto r = CaptureReader::over({reinterpret_cast<const uint8_t*>(elf.data()), elf.size()}, "a.out");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().text().find("a.out: is not a capture: it begins with 7f 45 4c 46"),
            std::string::npos);
}

class Copy : public ::testing::Test {
 public:
  Copy()
      : path_(std::filesystem::temp_directory_path() /
              ("weir-capture-test-" + std::to_string(getpid()))) {}
  ~Copy() override { std::filesystem::remove(path_); }
  // Copies `source`, leaving out the frames whose number is in `without`.
  Bytes run(const Bytes& source, int without, bool add) {
    auto r = CaptureReader::over(source, "t");
    auto w = CaptureWriter::create(path_);
    (*w)->begin(r->file_header());
    for (int n = 0; const auto f = r->next(); ++n) {
      (*w)->copy(*f, n != without);
      const uint8_t own[] = {1, 2, 3, 4, 5};
      if (add) (*w)->add(*r, own, f->time_ns);
    }
    EXPECT_TRUE((*w)->finish(r->trailer()));
    std::ifstream in(path_, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }
  std::filesystem::path path_;
};

TEST_F(Copy, WhatPassesWholeIsTheSameFile) {
  for (const bool big : {false, true}) {
    EXPECT_EQ(run(pcap(big, false, {"a", "bb", "ccc"}), -1, false),
              pcap(big, false, {"a", "bb", "ccc"}));
    EXPECT_EQ(run(pcapng(big), -1, false), pcapng(big));
  }
}

TEST_F(Copy, DroppedFramesAreLeftOutAndOursReadBack) {
  for (const bool big : {false, true}) {
    EXPECT_EQ(run(pcap(big, false, {"a", "bb"}), 0, false), pcap(big, false, {"bb"}));
    for (const Bytes& source : {pcap(big, true, {"a", "bb"}), pcapng(big)}) {
      const Bytes copy = run(source, 1, true);
      auto r = CaptureReader::over(copy, "t");
      int frames = 0, ours = 0;
      while (const auto f = r->next()) {
        ++frames;
        ours += f->bytes.size() == 5 ? 1 : 0;
      }
      EXPECT_FALSE(r->error()) << r->error()->text();
      EXPECT_EQ(frames, 3);
      EXPECT_EQ(ours, 2);
    }
  }
}

}  // namespace
}  // namespace weir
