// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/io/capture.h"

namespace weir {

namespace {

void put32(std::vector<uint8_t>& out, uint32_t v, bool big_endian) {
  uint8_t b[4];
  store_be32(b, big_endian ? v : __builtin_bswap32(v));
  out.insert(out.end(), b, b + 4);
}

}  // namespace

Result<std::unique_ptr<CaptureWriter>> CaptureWriter::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) {
    return fail(
        Error{.message = std::string("cannot be written: ") + std::strerror(errno), .file = path});
  }
  return std::unique_ptr<CaptureWriter>(new CaptureWriter(path, file));
}

CaptureWriter::~CaptureWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

void CaptureWriter::write(std::span<const uint8_t> bytes) {
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    failed_ = true;
  }
}

void CaptureWriter::copy(const CapturedFrame& frame, bool is_sent) {
  write(frame.before);
  if (is_sent) write(frame.record);
}

void CaptureWriter::add(const CaptureReader& source, std::span<const uint8_t> frame,
                        TimeNs time_ns) {
  const bool big = source.is_big_endian();
  const auto length = static_cast<uint32_t>(frame.size());
  std::vector<uint8_t> record;
  if (!source.is_pcapng()) {
    const TimeNs fraction = time_ns % kNsPerSecond;
    put32(record, static_cast<uint32_t>(time_ns / kNsPerSecond), big);
    put32(record, static_cast<uint32_t>(source.is_nanoseconds() ? fraction : fraction / kNsPerUs),
          big);
    put32(record, length, big);
    put32(record, length, big);
    record.insert(record.end(), frame.begin(), frame.end());
  } else {
    // A simple packet block carries no time but fits whatever resolution the interface declared.
    const uint32_t padded = (length + 3) / 4 * 4;
    put32(record, 3, big);
    put32(record, 16 + padded, big);
    put32(record, length, big);
    record.insert(record.end(), frame.begin(), frame.end());
    record.resize(12 + padded, 0);
    put32(record, 16 + padded, big);
  }
  write(record);
}

Result<void> CaptureWriter::finish(std::span<const uint8_t> trailer) {
  write(trailer);
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (failed_ || !closed) {
    return fail(Error{.message = std::string("could not be written whole: ") + std::strerror(errno),
                      .file = path_});
  }
  return {};
}

}  // namespace weir
