// SPDX-License-Identifier: Apache-2.0
// SMB 2 and 3: MS-SMB2 section 2.2.
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/smb.h"
#include "dataplane/parse/smb_filetime.h"

namespace weir::parse {

struct SmbParser::Smb2Message {
  Bytes all;   // from its header to the next one's
  Bytes body;  // behind the header
  uint64_t id, session;
  uint32_t status, flags, tree;
  uint16_t command;
  bool is_response() const noexcept { return (flags & 1) != 0; }
  // What lies at an offset from the header, as much of it as is there.
  Bytes at(size_t offset, size_t n) const noexcept {
    if (offset >= all.size()) return {};
    return all.subspan(offset, std::min(n, all.size() - offset));
  }
};

namespace {

constexpr size_t kHeaderBytes = 64, kFidBytes = 16;
constexpr unsigned kCompoundMax = 32;
constexpr uint32_t kAsync = 2, kRelatedFlag = 4, kPending = 0x103;
constexpr uint32_t kPipeTransceive = 0x0011c017;
enum Smb2Command : uint16_t {
  kNegotiate = 0,
  kSessionSetup = 1,
  kTreeConnect = 3,
  kTreeDisconnect = 4,
  kCreate = 5,
  kClose = 6,
  kRead = 8,
  kWrite = 9,
  kIoctl = 11,
  kCancel = 12,
  kQueryInfo = 16,
  kSetInfo = 17,
  kOplockBreak = 18
};

bool is_related_fid(Bytes fid) noexcept {
  return !fid.empty() && std::all_of(fid.begin(), fid.end(), [](uint8_t b) { return b == 0xff; });
}

}  // namespace

void SmbParser::smb2(Bytes all, Output& out) noexcept {
  uint64_t session = 0;
  uint32_t tree = 0;
  for (unsigned i = 0; i < kCompoundMax; ++i) {
    Cursor c(all);
    Smb2Message m{};
    c.skip(8);
    m.status = c.le32();
    m.command = c.le16();
    c.skip(2);
    m.flags = c.le32();
    const uint32_t next = c.le32();
    m.id = c.le64();
    c.skip(4);
    m.tree = c.le32();
    m.session = c.le64();
    c.skip(16);
    if (!c.ok() || all[0] != 0xfe) {
      ++broken_;
      return out.violation(kKind, "MALFORMED_DATA");
    }
    if ((m.flags & kAsync) != 0) m.tree = 0;
    if (i != 0 && (m.flags & kRelatedFlag) != 0 && !m.is_response()) {
      m.session = session;
      m.tree = tree;
    }
    session = m.session;
    tree = m.tree;
    m.all = next == 0 ? all : all.first(std::min<size_t>(next, all.size()));
    m.body = m.all.subspan(std::min(kHeaderBytes, m.all.size()));
    if (m.is_response()) {
      smb2_response(m, out);
    } else {
      smb2_request(m, out);
    }
    if (next < kHeaderBytes || next >= all.size()) return;
    all = all.subspan(next);
  }
}

void SmbParser::smb2_request(const Smb2Message& m, Output& out) noexcept {
  if (m.command == kCancel || m.command == kOplockBreak) return;  // nobody answers
  Request& r = new_request(2, m.command, m.id, out);
  r.session = m.session;
  r.tree = m.tree;
  Cursor c(m.body);
  switch (m.command) {
    case kNegotiate: {
      r.what = What::kNegotiate;
      c.skip(2);
      const unsigned dialects = c.le16();
      c.skip(8);
      const Bytes guid = c.bytes(16);
      c.skip(8);
      has_client_guid_ = c.ok();
      if (c.ok()) std::copy(guid.begin(), guid.end(), client_guid_);
      client_dialect_count_ = 0;
      for (unsigned i = 0; i < std::min(dialects, kDialects); ++i) {
        const uint16_t dialect = c.le16();
        if (c.ok()) client_dialects_[client_dialect_count_++] = dialect;
      }
      break;
    }
    case kSessionSetup: {
      r.what = What::kSessionSetup;
      c.skip(12);
      const uint16_t at = c.le16(), n = c.le16();
      if (c.ok()) security_blob(m.at(at, n));
      break;
    }
    case kTreeConnect:
    case kCreate:
      smb2_open(m, r, out);
      break;
    case kTreeDisconnect:
      r.what = What::kTreeDisconnect;
      break;
    case kQueryInfo:
      r.what = What::kQuiet;
      break;
    case kClose:
    case kRead:
    case kWrite:
    case kIoctl:
    case kSetInfo:
      smb2_data(m, r, out);
      break;
    default:
      break;
  }
  show(r, out);
}

void SmbParser::smb2_open(const Smb2Message& m, Request& r, Output& out) noexcept {
  Cursor c(m.body);
  if (m.command == kTreeConnect) {
    r.what = What::kTreeConnect;
    c.skip(4);
  } else {
    r.what = What::kCreate;
    c.skip(36);
    r.detail = c.le32();
    const uint32_t options = c.le32();
    r.directory = (options & 1) != 0;
    r.delete_on_close = (options & 0x1000) != 0;
  }
  const uint16_t at = c.le16(), n = c.le16();
  if (!c.ok()) return;
  r.name = new_name(out);
  if (r.name != kNone) names_[r.name].assign_utf16(m.at(at, n));
}

void SmbParser::smb2_data(const Smb2Message& m, Request& r, Output& out) noexcept {
  Cursor c(m.body);
  const bool early = m.command == kClose || m.command == kIoctl;  // where the file id stands
  c.skip(early ? 8 : 16);
  const Bytes fid = c.bytes(kFidBytes);
  if (!c.ok()) return;
  r.file = is_related_fid(fid) ? kRelated : find_file(fid);
  Cursor head(m.body);
  switch (m.command) {
    case kClose:
      r.what = What::kClose;
      break;
    case kRead:
      r.what = What::kRead;
      break;
    case kWrite: {
      r.what = What::kWrite;
      head.skip(2);
      const uint16_t at = head.le16();
      const uint32_t n = head.le32();
      pipe_data(r.file, fid, m.at(at, n), n, true, r, {}, out);
      if (r.file < kFiles && files_[r.file].pipe == kNone) {
        ++files_[r.file].writes;
        files_[r.file].write_bytes += n;
      }
      break;
    }
    case kIoctl: {
      r.what = What::kIoctl;
      head.skip(4);
      r.detail = head.le32();
      head.skip(16);
      const uint32_t at = head.le32(), n = head.le32();
      if (r.detail != kPipeTransceive) break;
      pipe_data(r.file, fid, m.at(at, n), n, true, r, {}, out);
      if (r.file < kFiles && files_[r.file].pipe != kNone) r.what = What::kPipe;
      break;
    }
    default: {  // set info
      r.what = What::kQuiet;
      head.skip(2);
      const uint8_t type = head.u8(), cls = head.u8();
      const uint32_t n = head.le32();
      const Bytes info = m.at(head.le16(), n);
      if (type != 1) break;
      r.detail = cls;
      if ((cls == 13 || cls == 64) && !info.empty()) {
        r.what = What::kDispose;
        r.delete_on_close = (info[0] & 1) != 0;
      } else if (cls == 10 || cls == 65) {
        r.what = What::kRename;
        Cursor rename(info);
        rename.skip(16);
        const uint32_t bytes = rename.le32();
        r.new_name = new_name(out);
        const Bytes to = rename.rest();
        if (r.new_name != kNone)
          names_[r.new_name].assign_utf16(to.first(std::min<size_t>(bytes, to.size())));
      }
      break;
    }
  }
}

void SmbParser::smb2_response(const Smb2Message& m, Output& out) noexcept {
  if (m.status == kPending && (m.flags & kAsync) != 0) return;
  if (m.command == kOplockBreak) return;
  Request* found = find_request(2, m.command, m.id);
  // An old client asks in SMB 1 first.
  if (found == nullptr && m.command == kNegotiate) {
    for (Request& r : requests_) {
      if (r.order != 0 && r.version == 1 && r.what == What::kNegotiate) found = &r;
    }
  }
  Request lone;
  if (found == nullptr) {
    lone.version = 2;
    lone.command = m.command;
    lone.session = m.session;
    lone.tree = m.tree;
    lone.what = m.command == kRead || m.command == kWrite || m.command == kQueryInfo ||
                        m.command == kSetInfo
                    ? What::kQuiet
                    : What::kPlain;
  }
  Request& r = found != nullptr ? *found : lone;
  if (r.what == What::kSessionSetup) r.session = m.session;
  if (r.what == What::kTreeConnect) r.tree = m.tree;
  Answer a;
  a.there = true;
  a.status = m.status;
  Reply reply;
  if (!a.failed() || r.what == What::kSessionSetup) smb2_reply(m, r, reply);
  answered(r, a, reply, out);
}

void SmbParser::smb2_reply(const Smb2Message& m, Request& r, Reply& reply) noexcept {
  Cursor c(m.body);
  switch (r.what) {
    case What::kNegotiate: {
      c.skip(2);
      reply.security_mode = static_cast<uint8_t>(c.le16());
      const uint16_t dialect = c.le16();
      c.skip(2);
      reply.server_guid = c.bytes(16);
      c.skip(8);
      reply.max_read = c.le32();
      reply.max_write = c.le32();
      if (c.ok()) dialect_ = dialect;
      break;
    }
    case What::kSessionSetup: {
      c.skip(2);
      reply.guest = (c.le16() & 1) != 0;
      const uint16_t at = c.le16(), n = c.le16();
      if (c.ok()) security_blob(m.at(at, n));
      break;
    }
    case What::kTreeConnect:
      c.skip(2);
      reply.share_type = c.u8();
      break;
    case What::kCreate: {
      c.skip(8);
      reply.times.created = unix_time(c.le64());
      reply.times.accessed = unix_time(c.le64());
      reply.times.modified = unix_time(c.le64());
      reply.times.changed = unix_time(c.le64());
      c.skip(8);
      reply.times.size = c.le64();
      c.skip(8);
      reply.fid = c.bytes(kFidBytes);
      break;
    }
    case What::kRead: {
      c.skip(2);
      const uint8_t at = c.u8();
      c.skip(1);
      reply.data_bytes = c.le32();
      if (c.ok()) reply.data = m.at(at, static_cast<size_t>(reply.data_bytes));
      break;
    }
    case What::kPipe: {
      c.skip(32);
      const uint32_t at = c.le32();
      reply.data_bytes = c.le32();
      if (c.ok()) reply.data = m.at(at, static_cast<size_t>(reply.data_bytes));
      break;
    }
    default:
      break;
  }
}

}  // namespace weir::parse
