// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/base/hash.h"
#include "dataplane/io/capture.h"

namespace weir {

namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a, kInterfaceBlock = 1, kPacketBlock = 2,
                   kSimplePacket = 3, kEnhancedPacket = 6;
constexpr size_t kPcapHeaderBytes = 24, kPcapRecordBytes = 16;
constexpr size_t kInterfacesMax = 4096;
constexpr uint32_t kBlockBytesMax = 64u << 20;  // decryption secrets and name tables can be long

LinkType link_type_of(uint32_t number) noexcept {
  switch (number & 0xffff) {
    case 0:
      return LinkType::kNull;
    case 1:
      return LinkType::kEthernet;
    case 9:
    case 50:
    case 104:
      return LinkType::kPpp;
    case 12:
    case 14:
    case 101:
    case 228:
    case 229:
      return LinkType::kRawIp;
    case 105:
      return LinkType::kIeee80211;
    case 108:
      return LinkType::kLoop;
    case 113:
      return LinkType::kLinuxSll;
    case 127:
      return LinkType::kRadiotap;
    case 192:
      return LinkType::kPpi;
    case 276:
      return LinkType::kLinuxSll2;
    default:
      return LinkType::kUnknown;
  }
}

// A length on the wire that no frame has is a damaged field: what was captured is all we know.
uint32_t wire_length(uint32_t said, uint32_t captured) {
  return said < captured || said > kCaptureFrameMax ? captured : said;
}

std::string hex4(const uint8_t* p) {
  char text[16];
  std::snprintf(text, sizeof text, "%02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
  return text;
}

}  // namespace

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  const auto wrong = [&path](const std::string& what) {
    return fail(Error{.message = what, .file = path});
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return wrong(std::string("cannot be opened: ") + std::strerror(errno));
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return wrong("is not a regular file");
  }
  if (info.st_size == 0) {
    close(fd);
    return wrong("is empty: a capture begins with a header");
  }
  const auto length = static_cast<size_t>(info.st_size);
  // Private: what a stage changes of a frame stays in this process.
  void* memory =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  const int code = errno;
  close(fd);
  if (memory == MAP_FAILED) return wrong(std::string("cannot be read: ") + std::strerror(code));
  static_cast<void>(madvise(memory, length, MADV_POPULATE_READ));  // MAP_POPULATE would copy it all
  CaptureReader reader({static_cast<const uint8_t*>(memory), length}, path);
  reader.mapped_ = memory;
  reader.mapped_bytes_ = length;
  if (auto header = reader.read_file_header(); !header) {
    return tl::make_unexpected(header.error());
  }
  return reader;
}

Result<CaptureReader> CaptureReader::over(std::span<const uint8_t> bytes, std::string name) {
  CaptureReader reader(bytes, std::move(name));
  if (auto header = reader.read_file_header(); !header) {
    return tl::make_unexpected(header.error());
  }
  return reader;
}

CaptureReader::CaptureReader(CaptureReader&& o) noexcept
    : bytes_(o.bytes_),
      name_(std::move(o.name_)),
      mapped_(std::exchange(o.mapped_, nullptr)),
      mapped_bytes_(o.mapped_bytes_),
      at_(o.at_),
      loose_from_(o.loose_from_),
      frames_(o.frames_),
      header_(o.header_),
      trailer_(o.trailer_),
      error_(std::move(o.error_)),
      remark_(std::move(o.remark_)),
      pcapng_(o.pcapng_),
      big_endian_(o.big_endian_),
      nanoseconds_(o.nanoseconds_),
      minor_(o.minor_),
      link_(o.link_),
      interfaces_(std::move(o.interfaces_)) {}

CaptureReader::~CaptureReader() {
  if (mapped_ != nullptr) munmap(mapped_, mapped_bytes_);
}

uint16_t CaptureReader::u16(const uint8_t* p) const noexcept {
  const uint16_t v = load_be16(p);
  return big_endian_ ? v : __builtin_bswap16(v);
}

uint32_t CaptureReader::u32(const uint8_t* p) const noexcept {
  const uint32_t v = load_be32(p);
  return big_endian_ ? v : __builtin_bswap32(v);
}

std::optional<CapturedFrame> CaptureReader::broken(const std::string& what) {
  error_ = Error{.message = "byte " + std::to_string(at_) + ", after " + std::to_string(frames_) +
                            (frames_ == 1 ? " good packet: " : " good packets: ") + what,
                 .file = name_};
  return std::nullopt;
}

Result<void> CaptureReader::read_file_header() {
  const auto wrong = [this](const std::string& what) {
    return fail(Error{.message = what, .file = name_});
  };
  if (bytes_.size() < 4) return wrong("is too short to be a capture");
  const uint32_t magic = load_be32(bytes_.data());
  if (magic == kSectionHeader) {
    pcapng_ = true;
    return {};
  }
  switch (magic) {
    case 0xa1b2c3d4:
      big_endian_ = true;
      break;
    case 0xa1b23c4d:
      big_endian_ = nanoseconds_ = true;
      break;
    case 0xd4c3b2a1:
      break;
    case 0x4d3cb2a1:
      nanoseconds_ = true;
      break;
    default:
      if (magic >> 16 == 0x1f8b) return wrong("is compressed with gzip: unpack it first");
      return wrong("is not a capture: it begins with " + hex4(bytes_.data()) +
                   ", a pcap or pcapng file with a1 b2 c3 d4, d4 c3 b2 a1, a1 b2 3c 4d, "
                   "4d 3c b2 a1 or 0a 0d 0d 0a");
  }
  if (bytes_.size() < kPcapHeaderBytes) {
    return wrong("is cut short: " + std::to_string(bytes_.size()) + " of the 24 header bytes");
  }
  minor_ = u16(bytes_.data() + 6);
  link_ = link_type_of(u32(bytes_.data() + 20));
  header_ = bytes_.first(kPcapHeaderBytes);
  at_ = loose_from_ = kPcapHeaderBytes;
  return {};
}

std::optional<CapturedFrame> CaptureReader::next() {
  if (error_) return std::nullopt;
  return pcapng_ ? next_pcapng() : next_pcap();
}

std::optional<CapturedFrame> CaptureReader::next_pcap() {
  const size_t left = bytes_.size() - at_;
  if (left == 0) return std::nullopt;
  if (left < kPcapRecordBytes) {  // not even a header: nothing that could be a packet is missing
    remark_ = name_ + ": " + std::to_string(left) + " bytes after the last of " +
              std::to_string(frames_) + " packets are no packet";
    trailer_ = bytes_.subspan(at_);
    at_ = bytes_.size();
    return std::nullopt;
  }
  const uint8_t* r = bytes_.data() + at_;
  // Writers of version 2.2 and before exchanged the two lengths, some of 2.3 too.
  uint32_t captured = u32(r + 8), on_wire = u32(r + 12);
  if (minor_ < 3 || (minor_ == 3 && captured > on_wire)) std::swap(captured, on_wire);
  if (captured > kCaptureFrameMax) {
    return broken("the next packet says to be " + std::to_string(captured) + " bytes long");
  }
  if (captured > left - kPcapRecordBytes) {
    return broken("the next packet is cut short: " + std::to_string(left - kPcapRecordBytes) +
                  " of its " + std::to_string(captured) + " bytes are there");
  }
  CapturedFrame f;
  const TimeNs fraction = u32(r + 4);
  f.time_ns = TimeNs{u32(r)} * kNsPerSecond + (nanoseconds_ ? fraction : fraction * kNsPerUs);
  f.bytes = bytes_.subspan(at_ + kPcapRecordBytes, captured);
  f.wire_bytes = wire_length(on_wire, captured);
  f.link = link_;
  f.record = bytes_.subspan(at_, kPcapRecordBytes + captured);
  at_ += f.record.size();
  loose_from_ = at_;
  ++frames_;
  return f;
}

std::optional<CapturedFrame> CaptureReader::next_pcapng() {
  while (at_ < bytes_.size()) {
    const size_t left = bytes_.size() - at_;
    if (left < 12) return broken("a block is cut short");
    const uint8_t* b = bytes_.data() + at_;
    const bool section = load_be32(b) == kSectionHeader;
    if (section) {  // its byte order is its own
      if (left < 28) return broken("a section header is cut short");
      const uint32_t order = load_be32(b + 8);
      if (order != 0x1a2b3c4d && order != 0x4d3c2b1a) {
        return broken("a section header has byte-order magic " + hex4(b + 8));
      }
      big_endian_ = order == 0x1a2b3c4d;
    }
    const uint32_t type = u32(b), length = u32(b + 4);
    if (length < 12 || length % 4 != 0 || length > kBlockBytesMax) {
      return broken("a block says to be " + std::to_string(length) + " bytes long");
    }
    if (length > left) {
      return broken("a block is cut short: " + std::to_string(left) + " of its " +
                    std::to_string(length) + " bytes are there");
    }
    if (u32(b + length - 4) != length) return broken("a block's two lengths differ");
    const auto block = bytes_.subspan(at_, length);
    if (section) {
      if (!read_section_header(block)) return std::nullopt;
    } else if (type == kInterfaceBlock) {
      if (!read_interface(block)) return std::nullopt;
    } else if (type == kEnhancedPacket || type == kSimplePacket || type == kPacketBlock) {
      CapturedFrame f;
      if (!read_packet_block(type, block, f)) return std::nullopt;
      f.before = bytes_.subspan(loose_from_, at_ - loose_from_);
      f.record = block;
      at_ += length;
      loose_from_ = at_;
      ++frames_;
      return f;
    }
    at_ += length;
  }
  trailer_ = bytes_.subspan(loose_from_, at_ - loose_from_);
  return std::nullopt;
}

bool CaptureReader::read_section_header(std::span<const uint8_t> block) {
  if (block.size() < 28) {
    broken("a section header is " + std::to_string(block.size()) + " bytes long, not at least 28");
    return false;
  }
  interfaces_.clear();
  return true;
}

bool CaptureReader::read_interface(std::span<const uint8_t> block) {
  if (block.size() < 20 || interfaces_.size() >= kInterfacesMax) {
    broken(block.size() < 20 ? "an interface description is too short"
                             : "there are more than 4096 interfaces");
    return false;
  }
  Interface i;
  i.link = link_type_of(u16(block.data() + 8));
  i.snap_bytes = u32(block.data() + 12);
  size_t at = 16;
  const size_t end = block.size() - 4;
  while (end - at >= 4) {  // options: code, length, value padded to 4
    const uint16_t code = u16(block.data() + at), length = u16(block.data() + at + 2);
    if (code == 0 || length > end - at - 4) break;
    const uint8_t* value = block.data() + at + 4;
    if (code == 9 && length >= 1) {  // if_tsresol: a power of 2 or of 10
      const unsigned exponent = value[0] & 0x7fu;
      uint64_t ticks = 1;
      const unsigned base = (value[0] & 0x80) != 0 ? 2 : 10;
      for (unsigned n = 0; n < exponent && ticks < (1ull << 58); ++n) ticks *= base;
      i.ticks_per_second = ticks;
    } else if (code == 14 && length >= 8) {  // if_tsoffset, seconds
      const uint64_t high = u32(value + (big_endian_ ? 0 : 4)),
                     low = u32(value + (big_endian_ ? 4 : 0));
      i.offset_seconds = static_cast<int64_t>(high << 32 | low);
    }
    at += 4 + (length + 3u) / 4 * 4;
    if (at > end) break;
  }
  interfaces_.push_back(i);
  return true;
}

TimeNs CaptureReader::to_ns(uint64_t ticks, const Interface& i) const noexcept {
  const auto ns = static_cast<uint128>(ticks) * 1'000'000'000u / i.ticks_per_second;
  // An offset beyond any date is dropped rather than overflowed.
  const bool sane = i.offset_seconds > -(1ll << 32) && i.offset_seconds < (1ll << 32);
  const auto bounded = static_cast<TimeNs>(std::min<uint128>(ns, INT64_MAX / 2));
  return bounded + (sane ? i.offset_seconds * kNsPerSecond : 0);
}

bool CaptureReader::read_packet_block(uint32_t type, std::span<const uint8_t> block,
                                      CapturedFrame& f) {
  const size_t fixed = type == kSimplePacket ? 12 : 28;
  if (block.size() < fixed + 4) {
    broken("a packet block is too short");
    return false;
  }
  const uint8_t* b = block.data();
  uint32_t captured = 0;
  if (type == kEnhancedPacket) f.interface = u32(b + 8);
  if (type == kPacketBlock) f.interface = u16(b + 8);
  if (f.interface >= interfaces_.size()) {
    broken("a packet belongs to interface " + std::to_string(f.interface) + " of " +
           std::to_string(interfaces_.size()));
    return false;
  }
  const Interface& i = interfaces_[f.interface];
  if (type == kSimplePacket) {
    const uint32_t said = u32(b + 8);
    captured = std::min<uint32_t>(said, static_cast<uint32_t>(block.size() - 16));
    if (i.snap_bytes != 0) captured = std::min(captured, i.snap_bytes);
    f.wire_bytes = wire_length(said, captured);
  } else {
    f.time_ns = to_ns(uint64_t{u32(b + 12)} << 32 | u32(b + 16), i);
    captured = u32(b + 20);
    f.wire_bytes = wire_length(u32(b + 24), captured);
  }
  if (captured > block.size() - fixed - 4 || captured > kCaptureFrameMax) {
    broken("a packet says to be " + std::to_string(captured) + " bytes long");
    return false;
  }
  f.bytes = block.subspan(fixed, captured);
  f.link = i.link;
  return true;
}

}  // namespace weir
