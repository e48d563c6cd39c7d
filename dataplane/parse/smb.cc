// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/smb.h"

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/krb5.h"
#include "dataplane/parse/smb_names.h"
#include "dataplane/parse/smb_pipe_teller.h"
#include "dataplane/parse/spnego.h"

namespace weir::parse {

namespace {

constexpr size_t kSessionHead = 4;  // RFC 1002 section 4.3.1
constexpr size_t kLookFirst = 128;  // enough to say what a message is
constexpr size_t kLookData = 256;   // of a long read or write
constexpr size_t kWholeMax = 6144;  // such messages are always looked at in full
constexpr unsigned kEncryptedMax = 32, kBrokenMax = 8, kFragmentsMax = 16;
constexpr uint32_t kMoreProcessing = 0xc0000016, kAccessDenied = 0xc0000022;
constexpr uint8_t kSmb1Magic = 0xff, kSmb2Magic = 0xfe, kTransform = 0xfd, kCompressed = 0xfc;

bool has_magic(Bytes m) noexcept {
  return m.size() >= 4 && m[0] >= kCompressed && starts_with(m.subspan(1), "SMB");
}

bool is_answer(Bytes m) noexcept {
  if (m[0] == kSmb1Magic) return m.size() > 9 && (m[9] & 0x80) != 0;
  return m.size() > 16 && (m[16] & 1) != 0;
}

// How much of a message of so many bytes to look at, by its beginning.
size_t look(Bytes m, size_t bytes) noexcept {
  const size_t most = std::min(bytes, kMessageBytesMax - kSessionHead);
  if (!has_magic(m)) return std::min(bytes, kLookFirst);
  if (m[0] == kTransform || m[0] == kCompressed) return std::min(bytes, kLookFirst);
  if (bytes <= kWholeMax || m.size() < kLookFirst) return most;
  bool data = false;
  if (m[0] == kSmb1Magic) {
    data = m[4] == (is_answer(m) ? 0x2e : 0x2f);
  } else {
    data = m[12] == (is_answer(m) ? 8 : 9) && m[13] == 0 && load_be32(&m[20]) == 0;
  }
  return data ? kLookData : most;
}

}  // namespace

Probe SmbParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.empty()) return kPerhaps;
  constexpr uint16_t kNetbiosPort = 139;
  if (b[0] == 0x81) {  // session request: two encoded names
    if (b.size() < 5) return could_start_with(b, {"\x81\x00\x00\x44\x20", 5}) ? kPerhaps : kNotMine;
    return starts_with(b, {"\x81\x00\x00\x44\x20", 5}) ? kMineFromClient : kNotMine;
  }
  if (b[0] == 0x82 && in.has_port(kNetbiosPort) && b.size() >= 4) {
    return load_be32(b.data()) == 0x82000000 ? kMineFromServer : kNotMine;
  }
  if (b[0] != 0) return kNotMine;
  if (b.size() < 2 * kSessionHead) {
    const bool could = b.size() <= 5 || could_start_with(b.subspan(5), "SMB");
    return could && (b.size() <= 4 || b[4] >= kCompressed) ? kPerhaps : kNotMine;
  }
  const Bytes m = b.subspan(kSessionHead);
  if (!has_magic(m)) return kNotMine;
  if (m[0] == kTransform || m[0] == kCompressed) return kMine;
  if (m.size() < 17) return in.whole ? kMine : kPerhaps;  // whose it is stands there
  return is_answer(m) ? kMineFromServer : kMineFromClient;
}

Step SmbParser::parse(const Input& in, Output& out) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < kSessionHead) return Step::need(kSessionHead);
  if (b[0] >= 0x81 && b[0] <= 0x85) return Step::consumed(kSessionHead + load_be16(&b[2]));
  if (b[0] != 0) return Step::malformed("MALFORMED_DATA");
  const size_t bytes = load_be32(b.data()) & 0xffffff;
  if (bytes == 0) return Step::consumed(kSessionHead);
  const size_t first = kSessionHead + std::min(bytes, kLookFirst);
  if (b.size() < first && !in.whole) return Step::need(first);
  const Bytes begin = b.subspan(kSessionHead, std::min(b.size() - kSessionHead, kLookFirst));
  const size_t wanted = kSessionHead + look(begin, bytes);
  if (b.size() < wanted && !in.whole) return Step::need(wanted);
  message(b.subspan(kSessionHead, std::min(wanted, b.size()) - kSessionHead), bytes, out);
  if (broken_ > kBrokenMax) return Step::malformed("MALFORMED_DATA");
  if (encrypted_ > kEncryptedMax) return Step::finished();
  return Step::consumed(kSessionHead + bytes);
}

void SmbParser::message(Bytes m, uint64_t bytes, Output& out) noexcept {
  if (!has_magic(m)) {
    ++broken_;
    return out.violation(kKind, "MALFORMED_DATA");
  }
  if (m[0] == kTransform) {
    ++encrypted_;
    if (encryption_told_ || bytes < 52) return;
    encryption_told_ = true;
    Cursor c(m);
    c.skip(44);
    FactWriter& facts = out.fresh();
    facts.number(Fact::kSmbId, ++told_);
    if (dialect_ != 0) facts.text(Fact::kSmbDialect, smb2_dialect_name(dialect_));
    facts.number(Fact::kSmbSessionId, c.le64());
    facts.flag(Fact::kSmbEncrypted, true);
    out.tell(kKind, facts);
    return;
  }
  encrypted_ = 0;
  if (m[0] == kSmb1Magic) return smb1(m, out);
  if (m[0] == kSmb2Magic) return smb2(m, out);
}

// Of a session setup's request or answer. Kerberos: only the ticket's service is in the clear.
void SmbParser::security_blob(Bytes blob) noexcept {
  const SecurityToken t = find_security_token(blob);
  if (t.mechanism == SecurityToken::Mechanism::kNtlmssp && !t.token.empty()) {
    ntlm_.read(t.token);
    auth_ = Auth::kNtlmssp;
  }
  ApRequest ap;
  if (t.mechanism != SecurityToken::Mechanism::kKerberosApReq || !read_ap_request(t.token, ap)) {
    return;
  }
  auth_ = Auth::kKerberos;
  realm_.assign(ap.realm);
  ticket_service_.assign(ap.service.bytes());
}

void SmbParser::settle_login(const Answer& a, Output& out) noexcept {
  if (auth_ == Auth::kNone || (a.there && !a.dos && a.status == kMoreProcessing)) return;
  Login l;
  l.protocol = "smb";
  l.outcome = !a.there        ? LoginOutcome::kAttempt
              : a.status == 0 ? LoginOutcome::kSuccess
                              : LoginOutcome::kFailure;
  char hex[12] = {'0', 'x'};
  if (a.there) {
    l.code = a.dos && a.status != 0 ? dos_error_name(a.dos_class, static_cast<uint16_t>(a.status))
                                    : nt_status_name(a.status);
    if (l.code.empty()) {
      for (unsigned i = 0; i < 8; ++i)
        hex[2 + i] = "0123456789abcdef"[a.status >> (28 - 4 * i) & 15];
      l.code = std::string_view(hex, 10);
    }
  }
  if (auth_ == Auth::kKerberos) {
    l.mechanism = "kerberos";
    l.domain = realm_.bytes();
    l.service = ticket_service_.bytes();
  } else {
    l.mechanism = auth_ == Auth::kNtlmssp ? "ntlmssp" : "ntlm";
    l.account = ntlm_.user.bytes();
    l.domain = ntlm_.domain.bytes();
    l.host = ntlm_.host.bytes();
    l.service = ntlm_.target.bytes();
  }
  auth_ = Auth::kNone;
  out.login(l);
}

void SmbParser::opened(Request& r, const Reply& reply, Output& out) noexcept {
  const uint8_t i = new_file(reply.fid, r.version, out);
  File& f = files_[i];
  f.tree = r.tree;
  f.session = r.session;
  f.times = reply.times;
  std::swap(f.name, r.name);
  last_file_ = i;
}

void SmbParser::closed(Request& r, const Answer& a, Output& out) noexcept {
  if (r.file < kFiles) tell_file(r.file, r, a, out);
  tell(r, a, {}, out);
  if (r.file < kFiles) forget_file(r.file, r, a, out);
}

// The answer of r is here: tells it, and remembers what it opens or closes.
void SmbParser::answered(Request& r, const Answer& a, const Reply& reply, Output& out) noexcept {
  if (r.file == kRelated) r.file = last_file_;
  if (r.file < kFiles) last_file_ = r.file;
  const bool good = !a.failed();
  switch (r.what) {
    case What::kTreeConnect:
      if (good) add_tree(r, reply.share_type);
      tell(r, a, reply, out);
      break;
    case What::kCreate:
      tell(r, a, reply, out);
      last_file_ = kNone;
      if (good && !reply.fid.empty()) opened(r, reply, out);
      break;
    case What::kClose:
      if (good) {
        closed(r, a, out);
      } else {
        tell(r, a, reply, out);
      }
      break;
    case What::kRead:
    case What::kPipe:
      if (good) {
        const bool data = !reply.data.empty();
        if (data) pipe_data(r.file, {}, reply.data, reply.data_bytes, false, r, a, out);
        if (r.file < kFiles && files_[r.file].pipe == kNone && data) {
          ++files_[r.file].reads;
          files_[r.file].read_bytes += reply.data_bytes;
        }
        break;
      }
      [[fallthrough]];
    case What::kWrite:
    case What::kQuiet:
      if (a.there && a.status == kAccessDenied) tell(r, a, reply, out);
      break;
    case What::kSessionSetup:
      tell(r, a, reply, out);
      settle_login(a, out);
      break;
    default:
      tell(r, a, reply, out);
      break;
  }
  drop(r);
}

// What was written to a file or read from it, if DCE/RPC is spoken there. file: kNone if it was not
// opened before our eyes; fid: it is then remembered by that. bytes: of data, with what is not
// here.
void SmbParser::pipe_data(uint8_t& file, Bytes fid, Bytes data, uint64_t bytes, bool from_client,
                          const Request& r, const Answer& a, Output& out) noexcept {
  RpcHeader h;
  const bool begun = file < kFiles && files_[file].pipe != kNone;
  if (!begun) {
    // Of a tree that was connected before our eyes opened, or over another channel, what it holds
    // says the content.
    const uint32_t tree = file < kFiles ? files_[file].tree : r.tree;
    const bool nameless = file < kFiles ? files_[file].name == kNone : false;
    const bool could = is_pipe(tree) || find_tree(tree) == nullptr || nameless;
    if (!could || !read_rpc_header(data, h)) return;
    if (!h.is_first() && h.type != kRpcBind) return;  // some set no flags on a bind
  }
  if (file >= kFiles) {
    if (fid.empty()) return;
    file = new_file(fid, r.version, out);
    files_[file].tree = r.tree;
    files_[file].session = r.session;
  }
  Pipe& p = pipes_[pipe_of(file, r, a, out)];
  uint64_t& skip = p.skip[from_client ? 0 : 1];
  PipeTeller teller(*this, r, a, file, out);
  const auto carrier = static_cast<uint16_t>(r.command | (r.version == 1 ? 0x8000 : 0));
  for (unsigned i = 0; i < kFragmentsMax && bytes != 0; ++i) {
    if (skip == 0) {
      if (!read_rpc_header(data, h)) return;
      p.talk.pdu(h, data.first(std::min<size_t>(h.bytes, data.size())), from_client, carrier, ntlm_,
                 teller, out);
      skip = h.bytes;
    }
    const uint64_t n = std::min(skip, bytes);
    skip -= n;
    bytes -= n;
    data = data.subspan(static_cast<size_t>(std::min<uint64_t>(n, data.size())));
  }
}

void SmbParser::end(Output& out) noexcept {
  oldest_told(out);
  for (uint8_t i = 0; i < kFiles; ++i) {
    if (files_[i].order != 0) tell_file(i, {}, {}, out);
  }
  if (auth_ != Auth::kNone && (auth_ != Auth::kNtlmssp || ntlm_.is_login())) settle_login({}, out);
}

}  // namespace weir::parse
