// SPDX-License-Identifier: Apache-2.0
// SMB 1: MS-CIFS section 2.2.4, MS-SMB section 2.2.4.
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/smb.h"
#include "dataplane/parse/smb_filetime.h"

namespace weir::parse {

struct SmbParser::Smb1Message {
  Bytes all;
  uint64_t id;
  uint32_t status;
  uint16_t tree, user;
  uint8_t dos_class;
  bool response, nt_status, unicode;
};

// One command of a message: an AndX chain has several.
struct SmbParser::Smb1Block {
  const Smb1Message& m;
  uint8_t command;
  Bytes words;
  size_t bytes_at;    // in the message
  size_t byte_count;  // that there should be
  Bytes bytes() const noexcept {
    const Bytes there = m.all.subspan(std::min(bytes_at, m.all.size()));
    return there.first(std::min(byte_count, there.size()));
  }
  // What lies at an offset from the header.
  Bytes at(size_t offset, size_t n) const noexcept {
    if (offset >= m.all.size()) return {};
    return m.all.subspan(offset, std::min(n, m.all.size() - offset));
  }
};

namespace {

constexpr size_t kHeaderBytes = 32;
constexpr unsigned kChainMax = 8;
constexpr uint16_t kTransactNmPipe = 0x26;
enum Smb1Command : uint8_t {
  kClose = 0x04,
  kDelete = 0x06,
  kRename = 0x07,
  kTrans = 0x25,
  kOpenAndx = 0x2d,
  kReadAndx = 0x2e,
  kWriteAndx = 0x2f,
  kTrans2 = 0x32,
  kTreeDisconnect = 0x71,
  kNegotiate = 0x72,
  kSessionSetup = 0x73,
  kTreeConnect = 0x75,
  kNtCreate = 0xa2,
  kNtCancel = 0xa4
};

constexpr bool chains(uint8_t command) noexcept {
  return command == 0x24 || command == kOpenAndx || command == kReadAndx || command == kWriteAndx ||
         (command >= kSessionSetup && command <= kTreeConnect) || command == kNtCreate;
}

// The text at `at` of the message, up to its NUL; at moves behind it. UTF-16 is aligned to the
// message's begin.
template <size_t N>
void read_text(Bytes all, size_t& at, bool unicode, ShortText<N>& to) noexcept {
  if (unicode) at += at & 1;
  const Bytes rest = all.subspan(std::min(at, all.size()));
  size_t n = 0;
  if (unicode) {
    while (n + 1 < rest.size() && (rest[n] | rest[n + 1]) != 0) n += 2;
    to.assign_utf16(rest.first(n));
    at += n + 2;
  } else {
    while (n < rest.size() && rest[n] != 0) ++n;
    to.assign(rest.first(n));
    at += n + 1;
  }
}

// Of a negotiation's list: 0x02, name, NUL.
Bytes nth_dialect(Bytes list, unsigned index) noexcept {
  for (unsigned i = 0; !list.empty(); ++i) {
    const auto end = std::find(list.begin(), list.end(), uint8_t{0});
    const auto n = static_cast<size_t>(end - list.begin());
    if (i == index && n > 1) return list.subspan(1, n - 1);
    list = list.subspan(std::min(n + 1, list.size()));
  }
  return {};
}

}  // namespace

void SmbParser::smb1(Bytes all, Output& out) noexcept {
  Cursor c(all);
  c.skip(4);
  uint8_t command = c.u8();
  Smb1Message m{};
  m.all = all;
  m.status = c.le32();
  m.response = (c.u8() & 0x80) != 0;
  const uint16_t flags2 = c.le16();
  m.nt_status = (flags2 & 0x4000) != 0;
  m.unicode = (flags2 & 0x8000) != 0;
  const uint64_t pid_high = c.le16();
  c.skip(10);
  m.tree = c.le16();
  const uint64_t pid = c.le16();
  m.user = c.le16();
  m.id = c.le16() | pid << 16 | pid_high << 32;
  if (!c.ok() || c.left() < 1) {
    ++broken_;
    return out.violation(kKind, "MALFORMED_DATA");
  }
  if (!m.nt_status) {  // class, reserved, code
    m.dos_class = static_cast<uint8_t>(m.status);
    m.status >>= 16;
  }
  size_t at = kHeaderBytes;
  for (unsigned i = 0; i < kChainMax; ++i) {
    Cursor block(all);
    block.seek(at);
    const Bytes words = block.bytes(size_t{2} * block.u8());
    const uint16_t byte_count = block.le16();
    const Smb1Block b{m, command, words, block.at(), byte_count};
    if (m.response) {
      smb1_response(b, out);
    } else {
      smb1_request(b, out);
    }
    if (!chains(command) || words.size() < 4 || words[0] == 0xff) break;
    const size_t next = words[2] | size_t{words[3]} << 8;
    if (next <= at || next >= all.size()) break;
    command = words[0];
    at = next;
  }
  if (!m.response || m.status == 0) return;
  // What was chained behind a command that failed was never carried out.
  Answer a;
  a.there = true;
  a.status = m.status;
  a.dos = !m.nt_status;
  a.dos_class = m.dos_class;
  if (!a.failed()) return;
  for (Request& r : requests_) {
    if (r.order != 0 && r.version == 1 && r.id == m.id) answered(r, a, {}, out);
  }
}

void SmbParser::smb1_request(const Smb1Block& b, Output& out) noexcept {
  if (b.command == kNtCancel) return;
  Request& r = new_request(1, b.command, b.m.id, out);
  r.session = b.m.user;
  r.tree = b.m.tree;
  switch (b.command) {
    case kNegotiate:
      r.what = What::kNegotiate;
      r.name = new_name(out);
      if (r.name != kNone) names_[r.name].assign(b.bytes());
      break;
    case kSessionSetup:
      smb1_session_setup(b, r, out);
      break;
    case kTreeConnect:
    case kNtCreate:
    case kOpenAndx:
    case kDelete:
    case kRename:
      smb1_open(b, r, out);
      break;
    case kTreeDisconnect:
      r.what = What::kTreeDisconnect;
      break;
    case kClose:
    case kReadAndx:
    case kWriteAndx:
      smb1_data(b, r, out);
      break;
    case kTrans:
    case kTrans2:
      smb1_transaction(b, r, out);
      break;
    default:
      break;
  }
  show(r, out);
}

void SmbParser::smb1_session_setup(const Smb1Block& b, Request& r, Output&) noexcept {
  r.what = What::kSessionSetup;
  Cursor c(b.words);
  c.skip(14);
  size_t at = b.bytes_at;
  const bool unicode = b.m.unicode;
  if (b.words.size() == 24) {  // extended security
    const uint16_t n = c.le16();
    security_blob(b.at(at, n));
    at += n;
  } else if (b.words.size() == 26) {
    at += c.le16();
    at += c.le16();
    ntlm_ = Ntlmssp{};
    read_text(b.m.all, at, unicode, ntlm_.user);
    read_text(b.m.all, at, unicode, ntlm_.domain);
    auth_ = Auth::kPlain;
  }
  read_text(b.m.all, at, unicode, native_os_);
  read_text(b.m.all, at, unicode, native_lm_);
}

void SmbParser::smb1_open(const Smb1Block& b, Request& r, Output& out) noexcept {
  Cursor c(b.words);
  size_t at = b.bytes_at;
  r.name = new_name(out);
  if (r.name == kNone) return;
  Name& first = names_[r.name];
  const auto second = [&](bool unicode) {
    r.new_name = new_name(out);
    if (r.new_name != kNone) read_text(b.m.all, at, unicode, names_[r.new_name]);
  };
  switch (b.command) {
    case kTreeConnect:
      r.what = What::kTreeConnect;
      c.skip(6);
      at += c.le16();  // password
      read_text(b.m.all, at, b.m.unicode, first);
      second(false);  // service
      break;
    case kNtCreate: {
      r.what = What::kCreate;
      c.skip(5);
      const uint16_t n = c.le16();
      c.skip(28);
      r.detail = c.le32();
      const uint32_t options = c.le32();
      r.directory = (options & 1) != 0;
      r.delete_on_close = (options & 0x1000) != 0;
      if (b.m.unicode) {
        first.assign_utf16(b.at(at + (at & 1), n));
      } else {
        first.assign(b.at(at, n));
        read_text(b.m.all, at, false, first);
      }
      break;
    }
    case kOpenAndx:
      r.what = What::kCreate;
      r.detail = 1;
      read_text(b.m.all, at, b.m.unicode, first);
      break;
    default:  // delete, rename: a format byte before each name
      r.what = b.command == kDelete ? What::kDelete : What::kRename;
      read_text(b.m.all, ++at, b.m.unicode, first);
      ++at;
      if (b.command == kRename) second(b.m.unicode);
      break;
  }
}

void SmbParser::smb1_data(const Smb1Block& b, Request& r, Output& out) noexcept {
  Cursor c(b.words);
  if (b.command != kClose) c.skip(4);
  const Bytes fid = c.bytes(2);
  if (!c.ok()) return;
  r.file = find_file(fid);
  r.what = b.command == kClose ? What::kClose : b.command == kReadAndx ? What::kRead : What::kWrite;
  if (r.what != What::kWrite) return;
  c.skip(12);
  const uint32_t high = c.le16(), low = c.le16();
  const uint16_t at = c.le16();
  const uint32_t n = high << 16 | low;
  if (!c.ok()) return;
  pipe_data(r.file, fid, b.at(at, n), n, true, r, {}, out);
  if (r.file < kFiles && files_[r.file].pipe == kNone) {
    ++files_[r.file].writes;
    files_[r.file].write_bytes += n;
  }
}

void SmbParser::smb1_transaction(const Smb1Block& b, Request& r, Output& out) noexcept {
  r.what = What::kQuiet;
  Cursor c(b.words);
  c.skip(18);
  const uint16_t parameters = c.le16(), parameters_at = c.le16();
  const uint16_t n = c.le16(), at = c.le16();
  const uint8_t setups = c.u8();
  c.skip(1);
  if (!c.ok() || setups == 0) return;
  const uint16_t what = c.le16();
  const Bytes data = b.at(at, n);
  if (b.command == kTrans) {
    const Bytes fid = c.bytes(2);
    if (what != kTransactNmPipe || !c.ok()) return;
    r.file = find_file(fid);
    pipe_data(r.file, fid, data, n, true, r, {}, out);
    if (r.file < kFiles && files_[r.file].pipe != kNone) r.what = What::kPipe;
    return;
  }
  Cursor p(b.at(parameters_at, parameters));
  if (what != 8) return;  // set file information
  const Bytes fid = p.bytes(2);
  const uint16_t level = p.le16();
  if (!p.ok() || (level != 0x102 && level != 0x3f5) || data.empty()) return;
  r.what = What::kDispose;
  r.file = find_file(fid);
  r.delete_on_close = (data[0] & 1) != 0;
}

void SmbParser::smb1_response(const Smb1Block& b, Output& out) noexcept {
  Request* found = find_request(1, b.command, b.m.id);
  Request lone;
  lone.version = 1;
  lone.command = b.command;
  lone.session = b.m.user;
  lone.tree = b.m.tree;
  lone.what = b.command == kReadAndx || b.command == kWriteAndx || b.command == kTrans ||
                      b.command == kTrans2
                  ? What::kQuiet
                  : What::kPlain;
  // A lock that is broken; what was negotiated before our eyes opened.
  if (found == nullptr && (b.command == 0x24 || b.command == kNegotiate)) return;
  Request& r = found != nullptr ? *found : lone;
  if (r.what == What::kSessionSetup) r.session = b.m.user;
  if (r.what == What::kTreeConnect) r.tree = b.m.tree;
  Answer a;
  a.there = true;
  a.status = b.m.status;
  a.dos = !b.m.nt_status;
  a.dos_class = b.m.dos_class;
  Reply reply;
  if (!a.failed() || r.what == What::kSessionSetup) smb1_reply(b, r, reply);
  answered(r, a, reply, out);
}

void SmbParser::smb1_reply(const Smb1Block& b, Request& r, Reply& reply) noexcept {
  Cursor c(b.words);
  size_t at = b.bytes_at;
  const auto data = [&](size_t offset, uint64_t n) {
    reply.data_bytes = n;
    reply.data = b.at(offset, static_cast<size_t>(n));
  };
  switch (r.what) {
    case What::kNegotiate: {
      const uint16_t index = c.le16();
      reply.security_mode = static_cast<uint8_t>(c.u8() >> 2 & 3);
      dialect_text_.assign(nth_dialect(name(r.name), index));
      c.skip(16);
      const uint32_t capabilities = c.le32();
      if (c.ok() && (capabilities & 0x80000000) != 0) reply.server_guid = b.at(at, 16);
      break;
    }
    case What::kSessionSetup:
      c.skip(4);
      reply.guest = (c.le16() & 1) != 0;
      if (b.words.size() == 8) {
        const uint16_t n = c.le16();
        security_blob(b.at(at, n));
        at += n;
      }
      if (b.words.size() < 6) break;
      read_text(b.m.all, at, b.m.unicode, reply.os);
      read_text(b.m.all, at, b.m.unicode, reply.lm);
      break;
    case What::kTreeConnect: {
      reply.service = b.bytes();
      const auto end = std::find(reply.service.begin(), reply.service.end(), uint8_t{0});
      reply.service = reply.service.first(static_cast<size_t>(end - reply.service.begin()));
      if (as_text(reply.service) == "IPC") reply.share_type = 2;
      break;
    }
    case What::kCreate:
      if (b.command == kOpenAndx) {
        c.skip(4);
        reply.fid = c.bytes(2);
        break;
      }
      c.skip(5);
      reply.fid = c.bytes(2);
      c.skip(4);
      reply.times.created = unix_time(c.le64());
      reply.times.accessed = unix_time(c.le64());
      reply.times.modified = unix_time(c.le64());
      reply.times.changed = unix_time(c.le64());
      c.skip(12);
      reply.times.size = c.le64();
      break;
    case What::kRead: {
      c.skip(10);
      const uint32_t low = c.le16(), offset = c.le16(), high = c.le16();
      if (c.ok()) data(offset, high << 16 | low);
      break;
    }
    case What::kPipe: {
      c.skip(12);
      const uint16_t n = c.le16(), offset = c.le16();
      if (c.ok()) data(offset, n);
      break;
    }
    default:
      break;
  }
}

}  // namespace weir::parse
