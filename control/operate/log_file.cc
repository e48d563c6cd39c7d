// SPDX-License-Identifier: Apache-2.0
#include "control/operate/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace weir::operate {

namespace {

int open_for_append(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

uint64_t size_of(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

}  // namespace

Result<LogFile> LogFile::open(const std::string& path, uint64_t rotate_bytes) {
  const int fd = open_for_append(path);
  if (fd < 0) return fail("cannot open the log " + path + ": " + std::strerror(errno));
  return LogFile(path, rotate_bytes, fd, size_of(fd));
}

LogFile::LogFile(std::string path, uint64_t rotate_bytes, int fd, uint64_t file_bytes)
    : path_(std::move(path)),
      rotate_bytes_(rotate_bytes),
      fd_(fd),
      since_rotate_bytes_(file_bytes) {
  buffer_.reserve(kBufferBytes);
}

LogFile::LogFile(LogFile&& other) noexcept {
  *this = std::move(other);
}

LogFile& LogFile::operator=(LogFile&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) {
    flush();
    close(fd_);
  }
  path_ = std::move(other.path_);
  rotate_bytes_ = other.rotate_bytes_;
  fd_ = std::exchange(other.fd_, -1);
  since_rotate_bytes_ = other.since_rotate_bytes_;
  buffer_ = std::exchange(other.buffer_, {});
  buffered_lines_ = std::exchange(other.buffered_lines_, 0);
  last_flush_ = other.last_flush_;
  lines_written_ = other.lines_written_;
  lines_lost_ = other.lines_lost_;
  failing_ = other.failing_;
  untold_ = std::move(other.untold_);
  return *this;
}

LogFile::~LogFile() {
  if (fd_ < 0) return;
  flush();
  close(fd_);
}

void LogFile::append(std::string_view line) {
  if (buffer_.size() + line.size() > kBufferBytes) flush();
  buffer_.append(line);
  ++buffered_lines_;
}

void LogFile::flush_due(TimeNs now) {
  if (buffer_.empty()) {
    last_flush_ = now;
    return;
  }
  if (now - last_flush_ < kFlushEvery && now >= last_flush_) return;
  last_flush_ = now;
  flush();
}

void LogFile::flush() {
  if (buffer_.empty()) return;
  if (fd_ < 0) fd_ = open_for_append(path_);
  if (fd_ >= 0 && write_out(buffer_)) {
    lines_written_ += buffered_lines_;
    failing_ = false;
  } else {
    lines_lost_ += buffered_lines_;
  }
  buffer_.clear();
  buffered_lines_ = 0;
  if (rotate_bytes_ != 0 && since_rotate_bytes_ >= rotate_bytes_) rotate();
}

bool LogFile::write_out(std::string_view data) {
  uint64_t written = 0;
  while (!data.empty()) {
    const ssize_t n = ::write(fd_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      trouble(std::string("cannot write ") + path_ + ": " + std::strerror(errno));
      // Half a record would be worse than none.
      const uint64_t size = size_of(fd_);
      if (written != 0 && size >= written &&
          ftruncate(fd_, static_cast<off_t>(size - written)) == 0) {
        since_rotate_bytes_ -= written;
      }
      return false;
    }
    data.remove_prefix(static_cast<size_t>(n));
    written += static_cast<uint64_t>(n);
    since_rotate_bytes_ += static_cast<uint64_t>(n);
  }
  return true;
}

void LogFile::rotate() {
  if (rename(path_.c_str(), (path_ + ".1").c_str()) != 0) {
    trouble("cannot set aside " + path_ + ": " + std::strerror(errno));
    since_rotate_bytes_ = 0;  // tried again when as much has been written once more
    return;
  }
  reopen();
}

void LogFile::reopen() {
  flush();
  const int fd = open_for_append(path_);
  if (fd < 0) {
    trouble("cannot open the log " + path_ + ": " + std::strerror(errno));
    return;
  }
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  since_rotate_bytes_ = size_of(fd);
}

void LogFile::trouble(std::string what) {
  if (!failing_) untold_ = std::move(what);
  failing_ = true;
}

std::string LogFile::take_trouble() {
  return std::exchange(untold_, {});
}

}  // namespace weir::operate
