// SPDX-License-Identifier: Apache-2.0
// A file of lines that only grows: eve.json. Lines gather in a bounded buffer and go out in large
// writes; what the disk does not take is counted and dropped, whole lines at a time, so that a full
// disk neither stops the sensor nor leaves half a record. Control thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"

namespace weir::operate {

class LogFile {
 public:
  static constexpr TimeNs kFlushEvery = 250 * kNsPerMs;  // somebody may be watching with tail -f
  static constexpr size_t kBufferBytes = 256 * 1024;

  // Appends to what is there. rotate_bytes: at that size the file is set aside as <path>.1, which
  // replaces the one set aside before; 0: never.
  static Result<LogFile> open(const std::string& path, uint64_t rotate_bytes);

  LogFile(LogFile&& other) noexcept;
  LogFile& operator=(LogFile&& other) noexcept;
  ~LogFile();

  // line ends with '\n'.
  void append(std::string_view line);
  // Writes out what is older than kFlushEvery.
  void flush_due(TimeNs now);
  void flush();
  void rotate_at(uint64_t bytes) { rotate_bytes_ = bytes; }  // 0: never
  // Somebody moved the file away (logrotate): go on in a new one of the same name.
  void reopen();

  uint64_t lines_written() const { return lines_written_; }
  uint64_t lines_lost() const { return lines_lost_; }
  // The system's word on the last failed write; empty while all is well. Told once per failure.
  std::string take_trouble();

 private:
  LogFile(std::string path, uint64_t rotate_bytes, int fd, uint64_t file_bytes);
  bool write_out(std::string_view data);
  void rotate();
  void trouble(std::string what);

  std::string path_;
  uint64_t rotate_bytes_ = 0;
  int fd_ = -1;
  uint64_t since_rotate_bytes_ = 0;  // the file's size, or less if it could not be set aside
  std::string buffer_;
  uint64_t buffered_lines_ = 0;
  TimeNs last_flush_ = 0;
  uint64_t lines_written_ = 0, lines_lost_ = 0;
  bool failing_ = false;
  std::string untold_;
};

}  // namespace weir::operate
