// SPDX-License-Identifier: Apache-2.0
// Captures on disk, for replay and tests: pcap (micro- and nanoseconds, either byte order) and
// pcapng (any number of sections and interfaces, each with its own link type). Read here and not by
// libpcap because replay must give back what it was given, byte for byte: a capture whose every
// frame passes is copied block by block, comments, name tables and odd headers included, which
// libpcap does not keep.
//
// Formats: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html, -pcapng-02.html.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/link_type.h"
#include "dataplane/base/result.h"

namespace weir {

constexpr uint32_t kCaptureFrameMax = 262'144;  // what libpcap takes as the longest frame

struct CapturedFrame {
  std::span<const uint8_t> bytes;  // what was captured of it
  uint32_t wire_bytes = 0;         // its length on the wire
  TimeNs time_ns = 0;
  LinkType link = LinkType::kUnknown;
  uint32_t interface = 0;           // pcapng: within its section
  std::span<const uint8_t> before;  // blocks between the previous frame's record and this one's
  std::span<const uint8_t> record;  // this frame's whole record
};

class CaptureReader {
 public:
  static Result<CaptureReader> open(const std::string& path);
  // Over bytes that outlive the reader (tests, fuzzing). name: for messages.
  static Result<CaptureReader> over(std::span<const uint8_t> bytes, std::string name);

  CaptureReader(CaptureReader&& other) noexcept;
  CaptureReader& operator=(CaptureReader&&) = delete;
  ~CaptureReader();

  // The next frame; its spans stay good while the reader lives. nullopt: the end, or the first byte
  // that is not as it should be: then error() says what and where. Frames before it are good.
  std::optional<CapturedFrame> next();
  const std::optional<Error>& error() const noexcept { return error_; }
  // Something odd that cost no packet, to be told; empty: nothing.
  const std::string& remark() const noexcept { return remark_; }

  std::span<const uint8_t> file_header() const noexcept { return header_; }
  std::span<const uint8_t> trailer() const noexcept { return trailer_; }  // after the last frame
  bool is_pcapng() const noexcept { return pcapng_; }
  bool is_big_endian() const noexcept { return big_endian_; }    // of the current section
  bool is_nanoseconds() const noexcept { return nanoseconds_; }  // pcap
  uint64_t frames() const noexcept { return frames_; }

 private:
  struct Interface {
    LinkType link = LinkType::kUnknown;
    uint64_t ticks_per_second = 1'000'000;
    int64_t offset_seconds = 0;
    uint32_t snap_bytes = 0;
  };
  CaptureReader(std::span<const uint8_t> bytes, std::string name) noexcept
      : bytes_(bytes), name_(std::move(name)) {}
  Result<void> read_file_header();
  std::optional<CapturedFrame> next_pcap();
  std::optional<CapturedFrame> next_pcapng();
  bool read_section_header(std::span<const uint8_t> block);
  bool read_interface(std::span<const uint8_t> block);
  bool read_packet_block(uint32_t type, std::span<const uint8_t> block, CapturedFrame& frame);
  uint16_t u16(const uint8_t* p) const noexcept;
  uint32_t u32(const uint8_t* p) const noexcept;
  std::optional<CapturedFrame> broken(const std::string& what);
  TimeNs to_ns(uint64_t ticks, const Interface& i) const noexcept;

  std::span<const uint8_t> bytes_;
  std::string name_;
  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
  size_t at_ = 0;
  size_t loose_from_ = 0;  // first byte not yet handed out as before or record
  uint64_t frames_ = 0;
  std::span<const uint8_t> header_, trailer_;
  std::optional<Error> error_;
  std::string remark_;
  bool pcapng_ = false, big_endian_ = false, nanoseconds_ = false;
  uint16_t minor_ = 4;  // pcap version 2.minor_
  LinkType link_ = LinkType::kUnknown;
  std::vector<Interface> interfaces_;
};

// Writes what a reader's frames became. Same format, order and bytes as the source; frames that are
// not sent are left out; frames of our own (reject) are added in the same format.
class CaptureWriter {
 public:
  static Result<std::unique_ptr<CaptureWriter>> create(const std::string& path);
  ~CaptureWriter();
  void begin(std::span<const uint8_t> file_header) { write(file_header); }
  void copy(const CapturedFrame& frame, bool is_sent);
  void add(const CaptureReader& source, std::span<const uint8_t> frame, TimeNs time_ns);
  // Flushes and says whether every byte reached the file.
  Result<void> finish(std::span<const uint8_t> trailer);

 private:
  explicit CaptureWriter(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  void write(std::span<const uint8_t> bytes);
  std::string path_;
  std::FILE* file_;
  bool failed_ = false;
};

}  // namespace weir
