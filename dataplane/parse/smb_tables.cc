// SPDX-License-Identifier: Apache-2.0
// What an SMB connection has open: commands that wait for their answer, names, files, trees, pipes.
#include <algorithm>
#include <memory>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/smb.h"

namespace weir::parse {

namespace {

template <class T, size_t N>
T& oldest_of(T (&all)[N]) noexcept {  // a free one if there is one
  return *std::min_element(std::begin(all), std::end(all),
                           [](const T& a, const T& b) { return a.order < b.order; });
}

}  // namespace

SmbParser::Request& SmbParser::new_request(uint8_t version, uint16_t command, uint64_t id,
                                           Output& out) noexcept {
  Request& r = oldest_of(requests_);
  if (r.order != 0) unanswered(r, out);
  r = Request{};
  r.order = ++order_;
  r.version = version;
  r.command = command;
  r.id = id;
  return r;
}

SmbParser::Request* SmbParser::find_request(uint8_t version, uint16_t command,
                                            uint64_t id) noexcept {
  for (Request& r : requests_) {
    if (r.order != 0 && r.id == id && r.version == version && r.command == command) return &r;
  }
  return nullptr;
}

void SmbParser::drop(Request& r) noexcept {
  free_name(r.name);
  free_name(r.new_name);
  r.order = 0;
}

void SmbParser::unanswered(Request& r, Output& out) noexcept {
  const bool counted = r.what == What::kRead || r.what == What::kWrite || r.what == What::kPipe ||
                       r.what == What::kQuiet;
  if (!counted) tell(r, {}, {}, out);
  if (r.what == What::kSessionSetup) settle_login({}, out);
  drop(r);
}

void SmbParser::oldest_told(Output& out) noexcept {
  for (;;) {
    Request* oldest = nullptr;
    for (Request& r : requests_) {
      if (r.order != 0 && (oldest == nullptr || r.order < oldest->order)) oldest = &r;
    }
    if (oldest == nullptr) return;
    unanswered(*oldest, out);
  }
}

uint8_t SmbParser::new_name(Output& out) noexcept {
  static_assert(kNames <= 32 && kNames > kFiles + 2);
  for (unsigned turn = 0; turn < 2; ++turn) {
    for (uint8_t i = 0; i < kNames; ++i) {
      if ((names_used_ >> i & 1) != 0) continue;
      names_used_ |= uint32_t{1} << i;
      names_[i].size = 0;
      return i;
    }
    // The oldest command that holds one gives it up; at least two names are never of files.
    Request* oldest = nullptr;
    for (Request& r : requests_) {
      if (r.order == 0 || (r.name == kNone && r.new_name == kNone)) continue;
      if (oldest == nullptr || r.order < oldest->order) oldest = &r;
    }
    if (oldest == nullptr) return kNone;
    unanswered(*oldest, out);
  }
  return kNone;
}

void SmbParser::free_name(uint8_t& name) noexcept {
  if (name < kNames) names_used_ &= ~(uint32_t{1} << name);
  name = kNone;
}

uint8_t SmbParser::find_file(Bytes fid) const noexcept {
  for (uint8_t i = 0; i < kFiles; ++i) {
    const File& f = files_[i];
    if (f.order != 0 && std::equal(fid.begin(), fid.end(), f.fid, f.fid + f.fid_bytes)) return i;
  }
  return kNone;
}

uint8_t SmbParser::new_file(Bytes fid, uint8_t version, Output& out) noexcept {
  const uint8_t known = find_file(fid);
  File& f = known != kNone ? files_[known] : oldest_of(files_);
  const auto index = static_cast<uint8_t>(&f - files_);
  if (f.order != 0) {
    Request by;
    by.version = f.version;
    by.session = f.session;
    by.tree = f.tree;
    forget_file(index, by, {}, out);
  }
  f = File{};
  f.order = ++order_;
  f.version = version;
  f.fid_bytes = static_cast<uint8_t>(std::min(fid.size(), sizeof f.fid));
  std::copy_n(fid.begin(), f.fid_bytes, f.fid);
  return index;
}

// A file that was opened before our eyes opened, or over another channel, goes by its id; where all
// places are taken by files that we know better, it is not counted.
void SmbParser::remember(Request& r, Bytes fid, Output& out) noexcept {
  if (r.file != kNone || fid.empty() || oldest_of(files_).order != 0) return;
  r.file = new_file(fid, r.version, out);
  files_[r.file].tree = r.tree;
  files_[r.file].session = r.session;
}

// Tells what was read and written, and what its pipe still waits for.
void SmbParser::forget_file(uint8_t file, const Request& r, const Answer& a, Output& out) noexcept {
  File& f = files_[file];
  tell_file(file, r, a, out);
  if (f.pipe != kNone) {
    pipes_[f.pipe].file = kNone;
    f.pipe = kNone;
  }
  free_name(f.name);
  f.order = 0;
  if (last_file_ == file) last_file_ = kNone;
  for (Request& other : requests_) {
    if (other.file == file) other.file = kNone;
  }
}

const SmbParser::Tree* SmbParser::find_tree(uint32_t id) const noexcept {
  for (const Tree& t : trees_) {
    if (t.order != 0 && t.id == id) return &t;
  }
  return nullptr;
}

void SmbParser::add_tree(const Request& r, uint8_t share_type) noexcept {
  Tree* known = const_cast<Tree*>(find_tree(r.tree));
  Tree& t = known != nullptr ? *known : oldest_of(trees_);
  t.order = ++order_;
  t.id = r.tree;
  t.path.assign(name(r.name));
  const Bytes path = t.path.bytes();
  constexpr size_t kIpcBytes = 4;
  const bool ipc = path.size() >= kIpcBytes && equal_ignoring_case(path.last(kIpcBytes), "IPC$");
  t.share_type = ipc ? uint8_t{2} : share_type;
}

bool SmbParser::is_pipe(uint32_t tree) const noexcept {
  const Tree* t = find_tree(tree);
  return t != nullptr && t->share_type == 2;
}

uint8_t SmbParser::pipe_of(uint8_t file, const Request& r, const Answer& a, Output& out) noexcept {
  File& f = files_[file];
  if (f.pipe != kNone) return f.pipe;
  uint8_t i = 0;
  while (i < kPipes && pipes_[i].file != kNone) ++i;
  if (i == kPipes) {
    i = next_pipe_;
    next_pipe_ = static_cast<uint8_t>((next_pipe_ + 1) % kPipes);
    tell_file(pipes_[i].file, r, a, out);
    files_[pipes_[i].file].pipe = kNone;
  }
  std::construct_at(&pipes_[i]);
  pipes_[i].file = file;
  f.pipe = i;
  return i;
}

}  // namespace weir::parse
