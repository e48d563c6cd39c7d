// SPDX-License-Identifier: Apache-2.0
// The events of SMB, with Suricata's names and order.
#include <charconv>
#include <iterator>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/line_text.h"
#include "dataplane/parse/rpc_names.h"
#include "dataplane/parse/smb.h"
#include "dataplane/parse/smb_names.h"
#include "dataplane/parse/smb_pipe_teller.h"

namespace weir::parse {

namespace {

constexpr RpcFacts kRpcFacts{Fact::kSmbRpcRequest,
                             Fact::kSmbRpcResponse,
                             Fact::kSmbRpcOpnum,
                             Fact::kSmbRpcRequestFragments,
                             Fact::kSmbRpcRequestStub,
                             Fact::kSmbRpcResponseFragments,
                             Fact::kSmbRpcResponseStub,
                             Fact::kSmbRpcInterface,
                             Fact::kSmbRpcInterfaceUuid,
                             Fact::kSmbRpcInterfaceVersion,
                             Fact::kSmbRpcInterfaceAckResult,
                             Fact::kSmbRpcInterfaceAckReason,
                             Fact::kSmbRpcInterfaceService,
                             Fact::kSmbRpcInterfaceProcedure,
                             Fact::kSmbRpcCallId,
                             Fact::kSmbRpcEndpoint,
                             Fact::kSmbRpcOperation,
                             Fact::kSmbRpcAuthType,
                             Fact::kSmbRpcAuthLevel,
                             Fact::kSmbRpcFault};

void write_hex(FactWriter& facts, Fact fact, uint32_t value, size_t digits) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  char text[12] = {'0', 'x'};
  size_t n = 2;
  for (size_t i = 8; i != 0; --i) {
    const unsigned digit = value >> (4 * (i - 1)) & 15;
    if (n == 2 && digit == 0 && i > digits) continue;
    text[n++] = kDigits[digit];
  }
  facts.text(fact, std::string_view(text, n));
}

// Suricata's way of writing GUIDs and file ids: backwards, in parts where there are 16 bytes.
void write_guid(FactWriter& facts, Fact fact, Bytes guid) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  constexpr uint8_t kOrder[16] = {3, 2, 1, 0, 5, 4, 7, 6, 9, 8, 15, 14, 13, 12, 11, 10};
  char text[40];
  size_t n = 0;
  for (size_t i = 0; i < std::min<size_t>(guid.size(), 16); ++i) {
    const bool whole = guid.size() == 16;
    if (whole && (i == 4 || i == 6 || i == 8 || i == 10)) text[n++] = '-';
    const uint8_t b = guid[whole ? kOrder[i] : guid.size() - 1 - i];
    text[n++] = kDigits[b >> 4];
    text[n++] = kDigits[b & 15];
  }
  facts.text(fact, std::string_view(text, n));
}

std::string_view disposition_name(uint32_t disposition) noexcept {
  constexpr std::string_view kNames[] = {"FILE_SUPERSEDE", "FILE_OPEN",      "FILE_CREATE",
                                         "FILE_OPEN_IF",   "FILE_OVERWRITE", "FILE_OVERWRITE_IF"};
  return disposition < std::size(kNames) ? kNames[disposition] : std::string_view("UNKNOWN");
}

void write_status(FactWriter& facts, uint32_t status, bool dos, uint8_t dos_class) noexcept {
  const std::string_view known =
      dos ? dos_error_name(dos_class, static_cast<uint16_t>(status)) : nt_status_name(status);
  if (known.empty()) {
    write_hex(facts, Fact::kSmbStatus, status, 1);
  } else {
    facts.text(Fact::kSmbStatus, known);
  }
  write_hex(facts, Fact::kSmbStatusCode, status, dos ? 4 : 1);
}

// Whether the client says so, in its command.
bool is_asked(Fact f) noexcept {
  switch (f) {
    case Fact::kSmbCommand:
    case Fact::kSmbClientDialect:
    case Fact::kSmbClientGuid:
    case Fact::kSmbKerberosRealm:
    case Fact::kSmbKerberosName:
    case Fact::kSmbRequestNativeOs:
    case Fact::kSmbRequestNativeLm:
    case Fact::kSmbNamedPipe:
    case Fact::kSmbShare:
    case Fact::kSmbShareOfFile:
    case Fact::kSmbServiceRequest:
    case Fact::kSmbFilename:
    case Fact::kSmbDirectory:
    case Fact::kSmbDisposition:
    case Fact::kSmbAccess:
    case Fact::kSmbSetInfoClass:
    case Fact::kSmbSetInfoLevel:
    case Fact::kSmbRenameFrom:
    case Fact::kSmbRenameTo:
    case Fact::kSmbFunction:
    case Fact::kNtlmDomain:
    case Fact::kNtlmUser:
    case Fact::kNtlmHost:
    case Fact::kNtlmResponse:
      return true;
    default:
      return false;
  }
}

void copy_some(const FactWriter& from, bool (*chosen)(Fact), FactWriter& to) noexcept {
  each_fact(from.facts(), [&](const FactValue& v) {
    if (!chosen(v.fact)) return;
    to.append(Bytes(v.bytes.data() - kFactHeadBytes, kFactHeadBytes + v.bytes.size()));
  });
}

}  // namespace

FactWriter& SmbParser::begin(const Request& r, const Answer& a, Output& out) noexcept {
  FactWriter& facts = out.fresh();
  write_head(facts, r, a, ++told_);
  return facts;
}

void SmbParser::write_head(FactWriter& facts, const Request& r, const Answer& a,
                           uint32_t number) const noexcept {
  facts.number(Fact::kSmbId, number);
  if (dialect_ != 0) {
    const std::string_view known = smb2_dialect_name(dialect_);
    if (known.empty()) {
      write_hex(facts, Fact::kSmbDialect, dialect_, 4);
    } else {
      facts.text(Fact::kSmbDialect, known);
    }
  } else {
    facts.text(Fact::kSmbDialect,
               dialect_text_.empty() ? as_bytes("unknown") : dialect_text_.bytes());
  }
  const std::string_view command = r.version == 1
                                       ? smb1_command_name(static_cast<uint8_t>(r.command))
                                       : smb2_command_name(r.command);
  if (command.empty()) {
    write_hex(facts, Fact::kSmbCommand, r.command, 2);
  } else {
    facts.text(Fact::kSmbCommand, command);
  }
  if (a.there) write_status(facts, a.status, a.dos && a.status != 0, a.dos_class);
  facts.number(Fact::kSmbSessionId, r.session);
  facts.number(Fact::kSmbTreeId, r.tree);
}

void SmbParser::write_share(FactWriter& facts, uint32_t tree) const noexcept {
  if (const Tree* t = find_tree(tree)) facts.text(Fact::kSmbShareOfFile, t->path.bytes());
}

void SmbParser::write_file(FactWriter& facts, uint8_t file) const noexcept {
  if (file >= kFiles) return;
  const File& f = files_[file];
  if (f.name != kNone) {
    facts.text(Fact::kSmbFilename,
               names_[f.name].empty() ? as_bytes("<share_root>") : names_[f.name].bytes());
    write_share(facts, f.tree);
    facts.number(Fact::kSmbCreated, f.times.created);
    facts.number(Fact::kSmbAccessed, f.times.accessed);
    facts.number(Fact::kSmbModified, f.times.modified);
    facts.number(Fact::kSmbChanged, f.times.changed);
    facts.number(Fact::kSmbSize, f.times.size);
  }
  write_guid(facts, Fact::kSmbFuid, {f.fid, f.fid_bytes});
}

// What a command asks goes to rules before its answer: it can still be stopped.
void SmbParser::show(Request& r, Output& out) noexcept {
  const bool counted = r.what == What::kRead || r.what == What::kWrite || r.what == What::kPipe ||
                       r.what == What::kQuiet || r.what == What::kClose;
  if (counted || !out.is_judged(kKind)) return;
  FactWriter& all = out.fresh();
  write_head(all, r, {}, told_ + 1);
  write_what(all, r, {}, {});
  FactList<kFactBytesMax> asked;
  copy_some(all, is_asked, asked);
  out.show(kKind, asked, 0, Output::kSomeAhead);
  r.shown = true;
}

void SmbParser::tell(const Request& r, const Answer& a, const Reply& reply, Output& out) noexcept {
  FactWriter& facts = begin(r, a, out);
  write_what(facts, r, a, reply);
  if (!r.shown) return out.tell(kKind, facts);
  FactList<kFactBytesMax> ordered;  // what rules have seen stands first
  copy_some(facts, is_asked, ordered);
  const uint16_t shown = ordered.used();
  copy_some(facts, [](Fact f) { return !is_asked(f); }, ordered);
  out.tell(kKind, ordered, Ends::kClientFirst, shown);
}

void SmbParser::write_what(FactWriter& facts, const Request& r, const Answer& a,
                           const Reply& reply) const noexcept {
  switch (r.what) {
    case What::kNegotiate:
      write_negotiate(facts, r, reply);
      break;
    case What::kSessionSetup:
      write_session_setup(facts, r, reply);
      break;
    case What::kTreeConnect: {
      const Tree* t = a.failed() ? nullptr : find_tree(r.tree);
      // Before the answer tells, by the name that all servers have for it.
      const bool sounds_so = !a.there && ends_ignoring_case(name(r.name), "IPC$");
      const bool pipe = sounds_so || reply.share_type == 2 || (t != nullptr && t->share_type == 2);
      facts.text(pipe ? Fact::kSmbNamedPipe : Fact::kSmbShare, name(r.name));
      if (!name(r.new_name).empty()) facts.text(Fact::kSmbServiceRequest, name(r.new_name));
      if (!reply.service.empty()) facts.text(Fact::kSmbServiceResponse, reply.service);
      constexpr std::string_view kTypes[] = {"UNKNOWN", "FILE", "PIPE", "PRINT"};
      if (r.version == 2 && a.there && !a.failed()) {
        facts.text(Fact::kSmbShareType,
                   kTypes[reply.share_type < std::size(kTypes) ? reply.share_type : 0]);
      }
      break;
    }
    case What::kCreate:
      write_create(facts, r, a, reply);
      break;
    case What::kIoctl: {
      const std::string_view known = fsctl_name(r.detail);
      if (known.empty()) {
        write_hex(facts, Fact::kSmbFunction, r.detail, 8);
      } else {
        facts.text(Fact::kSmbFunction, known);
      }
      break;
    }
    case What::kRename:
    case What::kDispose:
      if (r.version == 2) {
        facts.text(Fact::kSmbSetInfoClass, std::string_view("FILE_INFO"));
        facts.text(Fact::kSmbSetInfoLevel, file_info_name(static_cast<uint8_t>(r.detail)));
      }
      if (r.what == What::kRename) {
        const uint8_t old = r.file < kFiles ? files_[r.file].name : r.name;
        facts.text(Fact::kSmbRenameFrom, name(old));
        facts.text(Fact::kSmbRenameTo, name(r.new_name));
      } else if (r.delete_on_close) {
        facts.text(Fact::kSmbAccess, std::string_view("delete on close"));
      }
      write_file(facts, r.file);
      break;
    case What::kDelete:
      facts.text(Fact::kSmbFilename, name(r.name));
      write_share(facts, r.tree);
      break;
    default:
      write_file(facts, r.file);
      break;
  }
}

// How it was read and written, an event each, and the calls of its pipe.
void SmbParser::tell_file(uint8_t file, const Request& r, const Answer& a, Output& out) noexcept {
  File& f = files_[file];
  Request about = r;
  about.tree = f.tree;
  about.session = f.session;
  about.version = f.version;
  if (f.reads != 0 && !is_pipe(f.tree)) {  // what a pipe answers is no file
    about.command = f.version == 1 ? 0x2e : 8;
    FactWriter& facts = begin(about, a, out);
    write_file(facts, file);
    facts.number(Fact::kSmbReadCount, f.reads);
    facts.number(Fact::kSmbReadBytes, f.read_bytes);
    f.reads = 0;
    out.tell(kKind, facts);
  }
  if (f.writes != 0) {
    about.command = f.version == 1 ? 0x2f : 9;
    FactWriter& facts = begin(about, a, out);
    write_file(facts, file);
    facts.number(Fact::kSmbWriteCount, f.writes);
    facts.number(Fact::kSmbWriteBytes, f.write_bytes);
    f.writes = 0;
    out.tell(kKind, facts);
  }
  if (f.pipe == kNone) return;
  PipeTeller teller(*this, about, {}, file, out);
  pipes_[f.pipe].talk.end(ntlm_, teller, out);
}

void SmbParser::PipeTeller::call_ended(const RpcCall& call) noexcept {
  Request about = request_;
  about.command = call.carrier & 0x7fff;
  about.version = (call.carrier & 0x8000) != 0 ? 1 : 2;
  if (call.request == kRpcNone) about = request_;
  FactWriter& facts = parser_.begin(about, answer_, out_);
  const File& f = parser_.files_[file_];
  if (f.name != kNone) facts.text(Fact::kSmbNamedPipe, parser_.names_[f.name].bytes());
  parser_.write_share(facts, f.tree);
  write_guid(facts, Fact::kSmbFuid, {f.fid, f.fid_bytes});
  const RpcTalk& talk = parser_.pipes_[f.pipe].talk;
  talk.write(facts, call, kRpcFacts);
  out_.tell(kKind, facts);
}

void SmbParser::write_negotiate(FactWriter& facts, const Request& r,
                                const Reply& reply) const noexcept {
  Bytes raw = name(r.name);
  while (!raw.empty()) {  // SMB 1: 0x02, name, NUL
    if (raw[0] == 2) raw = raw.subspan(1);
    const auto end = std::find(raw.begin(), raw.end(), uint8_t{0});
    const auto n = static_cast<size_t>(end - raw.begin());
    if (n != 0) facts.text(Fact::kSmbClientDialect, raw.first(n));
    raw = raw.subspan(std::min(n + 1, raw.size()));
  }
  for (unsigned i = 0; r.version == 2 && i < client_dialect_count_; ++i) {
    const std::string_view known = smb2_dialect_name(client_dialects_[i]);
    if (known.empty()) {
      write_hex(facts, Fact::kSmbClientDialect, client_dialects_[i], 4);
    } else {
      facts.text(Fact::kSmbClientDialect, known);
    }
  }
  if (r.version == 2 && has_client_guid_) {
    write_guid(facts, Fact::kSmbClientGuid, {client_guid_, sizeof client_guid_});
  }
  if (!reply.server_guid.empty()) write_guid(facts, Fact::kSmbServerGuid, reply.server_guid);
  if ((reply.security_mode & 3) != 0) {
    facts.text(Fact::kSmbSigning,
               std::string_view((reply.security_mode & 2) != 0 ? "required" : "enabled"));
  }
  if (reply.max_read != 0) facts.number(Fact::kSmbMaxReadSize, reply.max_read);
  if (reply.max_write != 0) facts.number(Fact::kSmbMaxWriteSize, reply.max_write);
}

void SmbParser::write_session_setup(FactWriter& facts, const Request& r,
                                    const Reply& reply) const noexcept {
  if (auth_ == Auth::kNtlmssp) ntlm_.write(facts);
  if (auth_ == Auth::kKerberos) {
    facts.text(Fact::kSmbKerberosRealm, realm_.bytes());
    Bytes names = ticket_service_.bytes();
    while (!names.empty()) {
      const auto n =
          static_cast<size_t>(std::find(names.begin(), names.end(), uint8_t{'/'}) - names.begin());
      facts.text(Fact::kSmbKerberosName, names.first(n));
      names = names.subspan(std::min(n + 1, names.size()));
    }
  }
  if (reply.guest) facts.flag(Fact::kSmbGuest, true);
  if (r.version != 1) return;
  facts.text(Fact::kSmbRequestNativeOs, native_os_.bytes());
  facts.text(Fact::kSmbRequestNativeLm, native_lm_.bytes());
  if (reply.os.empty() && reply.lm.empty()) return;
  facts.text(Fact::kSmbResponseNativeOs, reply.os.bytes());
  facts.text(Fact::kSmbResponseNativeLm, reply.lm.bytes());
}

void SmbParser::write_create(FactWriter& facts, const Request& r, const Answer& a,
                             const Reply& reply) const noexcept {
  const Bytes path = name(r.name);
  facts.text(r.directory && !path.empty() ? Fact::kSmbDirectory : Fact::kSmbFilename,
             path.empty() ? as_bytes("<share_root>") : path);
  write_share(facts, r.tree);
  facts.text(Fact::kSmbDisposition, disposition_name(r.detail));
  facts.text(Fact::kSmbAccess, std::string_view(r.delete_on_close ? "delete on close" : "normal"));
  if (!a.there || a.failed()) return;
  facts.number(Fact::kSmbCreated, reply.times.created);
  facts.number(Fact::kSmbAccessed, reply.times.accessed);
  facts.number(Fact::kSmbModified, reply.times.modified);
  facts.number(Fact::kSmbChanged, reply.times.changed);
  facts.number(Fact::kSmbSize, reply.times.size);
  write_guid(facts, Fact::kSmbFuid, reply.fid);
}

}  // namespace weir::parse
