// SPDX-License-Identifier: Apache-2.0
// Private to parse: SMB 1 (MS-CIFS, MS-SMB), 2 and 3 (MS-SMB2) over TCP 445, NetBIOS sessions (139)
// and any other port. One event a command when its answer comes, with Suricata's names; reads and
// writes of a file count together and are told when it is closed; queries are told when they are
// denied. DCE/RPC in named pipes: an event a bind or call, under smb.dcerpc. Logins: every session
// setup that ends, with NTLMSSP's names or the service of a Kerberos ticket, and its NTSTATUS.
// Limits: 20 commands, 12 files, 5 trees and 3 pipes with DCE/RPC at once (the oldest is given up:
// commands are told without a status); names of 151 bytes; of a read or write the first 256 bytes
// are looked at when it is longer than 6 KB. Blind: SMB 3 encryption, told once by smb.encrypted; a
// flow of nothing else is given up after 32 such messages. Compressed messages are skipped.
#pragma once

#include "dataplane/parse/rpc_talk.h"

namespace weir::parse {

class SmbParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSmb;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  static constexpr uint8_t kNone = 0xff;
  static constexpr uint8_t kRelated = 0xfe;  // the file of the compound's command before
  static constexpr unsigned kNames = 16, kRequests = 20, kFiles = 12, kTrees = 5, kPipes = 3;
  static constexpr unsigned kDialects = 8;
  using Name = ShortText<151>;

  enum class What : uint8_t {
    kPlain,  // nothing but its name is told
    kNegotiate,
    kSessionSetup,
    kTreeConnect,
    kTreeDisconnect,
    kCreate,
    kClose,
    kRead,
    kWrite,
    kPipe,  // a call in a pipe, asked and answered by one command
    kIoctl,
    kDispose,
    kRename,
    kDelete,
    kQuiet
  };
  struct Request {
    uint64_t id = 0, session = 0;
    uint32_t order = 0;  // 0: free
    uint32_t tree = 0;
    uint32_t detail = 0;  // of an ioctl its function, of a set info its class, of a create its
                          // disposition
    uint16_t command = 0;
    uint8_t version = 0;
    What what = What::kPlain;
    uint8_t name = kNone, new_name = kNone, file = kNone;
    bool delete_on_close = false, directory = false;
    bool shown = false;  // rules have seen what it asks
  };
  struct Times {
    uint32_t created = 0, accessed = 0, modified = 0, changed = 0;
    uint64_t size = 0;
  };
  struct File {
    uint64_t read_bytes = 0, write_bytes = 0, session = 0;
    Times times;
    uint32_t order = 0;  // 0: free
    uint32_t tree = 0, reads = 0, writes = 0;
    uint8_t fid[16] = {};
    uint8_t fid_bytes = 0, version = 0, name = kNone, pipe = kNone;
  };
  struct Tree {
    uint32_t order = 0, id = 0;
    uint8_t share_type = 0;
    ShortText<95> path;
  };
  struct Pipe {
    RpcContext contexts[4];
    RpcCall calls[3];
    RpcTalk talk{contexts, calls};
    uint64_t skip[2] = {};  // of a fragment, what is still to come
    uint8_t file = kNone;
  };
  struct Answer {
    bool there = false, dos = false;
    uint8_t dos_class = 0;
    uint32_t status = 0;
    bool failed() const noexcept { return there && (dos ? status != 0 : status >> 30 == 3); }
  };
  // What an answer says, beside its status.
  struct Reply {
    Bytes server_guid, fid, service, data;
    uint64_t data_bytes = 0;  // data may be only their beginning
    uint32_t max_read = 0, max_write = 0;
    uint16_t count = 0;
    uint8_t security_mode = 0, share_type = 0;
    bool guest = false;
    ShortText<47> os, lm;
    Times times;
  };
  struct Smb1Message;
  struct Smb1Block;
  struct Smb2Message;
  class PipeTeller;

  // smb.cc: messages
  void message(Bytes m, uint64_t bytes, Output& out) noexcept;
  void security_blob(Bytes blob) noexcept;
  void answered(Request& r, const Answer& a, const Reply& reply, Output& out) noexcept;
  void settle_login(const Answer& a, Output& out) noexcept;
  void opened(Request& r, const Reply& reply, Output& out) noexcept;
  void closed(Request& r, const Answer& a, Output& out) noexcept;
  void pipe_data(uint8_t& file, Bytes fid, Bytes data, uint64_t bytes, bool from_client,
                 const Request& r, const Answer& a, Output& out) noexcept;
  // smb1.cc, smb2.cc
  void smb1(Bytes m, Output& out) noexcept;
  void smb1_request(const Smb1Block& b, Output& out) noexcept;
  void smb1_session_setup(const Smb1Block& b, Request& r, Output& out) noexcept;
  void smb1_open(const Smb1Block& b, Request& r, Output& out) noexcept;
  void smb1_data(const Smb1Block& b, Request& r, Output& out) noexcept;
  void smb1_transaction(const Smb1Block& b, Request& r, Output& out) noexcept;
  void smb1_response(const Smb1Block& b, Output& out) noexcept;
  void smb1_reply(const Smb1Block& b, Request& r, Reply& reply) noexcept;
  void smb2(Bytes m, Output& out) noexcept;
  void smb2_request(const Smb2Message& m, Output& out) noexcept;
  void smb2_open(const Smb2Message& m, Request& r, Output& out) noexcept;
  void smb2_data(const Smb2Message& m, Request& r, Output& out) noexcept;
  void smb2_response(const Smb2Message& m, Output& out) noexcept;
  void smb2_reply(const Smb2Message& m, Request& r, Reply& reply) noexcept;
  // smb_tables.cc
  Request& new_request(uint8_t version, uint16_t command, uint64_t id, Output& out) noexcept;
  Request* find_request(uint8_t version, uint16_t command, uint64_t id) noexcept;
  void unanswered(Request& r, Output& out) noexcept;
  void drop(Request& r) noexcept;
  void oldest_told(Output& out) noexcept;
  uint8_t new_name(Output& out) noexcept;
  void free_name(uint8_t& name) noexcept;
  uint8_t find_file(Bytes fid) const noexcept;
  uint8_t new_file(Bytes fid, uint8_t version, Output& out) noexcept;
  void forget_file(uint8_t file, const Request& r, const Answer& a, Output& out) noexcept;
  const Tree* find_tree(uint32_t id) const noexcept;
  void add_tree(const Request& r, uint8_t share_type) noexcept;
  bool is_pipe(uint32_t tree) const noexcept;
  uint8_t pipe_of(uint8_t file, const Request& r, const Answer& a, Output& out) noexcept;
  // smb_events.cc
  FactWriter& begin(const Request& r, const Answer& a, Output& out) noexcept;
  void write_head(FactWriter& facts, const Request& r, const Answer& a,
                  uint32_t number) const noexcept;
  void write_what(FactWriter& facts, const Request& r, const Answer& a,
                  const Reply& reply) const noexcept;
  void show(Request& r, Output& out) noexcept;
  void tell(const Request& r, const Answer& a, const Reply& reply, Output& out) noexcept;
  void tell_file(uint8_t file, const Request& r, const Answer& a, Output& out) noexcept;
  void write_negotiate(FactWriter& facts, const Request& r, const Reply& reply) const noexcept;
  void write_session_setup(FactWriter& facts, const Request& r, const Reply& reply) const noexcept;
  void write_create(FactWriter& facts, const Request& r, const Answer& a,
                    const Reply& reply) const noexcept;
  void write_share(FactWriter& facts, uint32_t tree) const noexcept;
  void write_file(FactWriter& facts, uint8_t file) const noexcept;
  Bytes name(uint8_t n) const noexcept { return n < kNames ? names_[n].bytes() : Bytes{}; }

  enum class Auth : uint8_t { kNone, kNtlmssp, kKerberos, kPlain };
  Name names_[kNames];
  Request requests_[kRequests];
  File files_[kFiles];
  Tree trees_[kTrees];
  Pipe pipes_[kPipes];
  Ntlmssp ntlm_;
  ShortText<47> realm_, native_os_, native_lm_;
  ShortText<95> ticket_service_;
  ShortText<15> dialect_text_;
  uint32_t names_used_ = 0, order_ = 0, told_ = 0, encrypted_ = 0;
  uint16_t dialect_ = 0, broken_ = 0;
  uint16_t client_dialects_[kDialects] = {};
  uint8_t client_dialect_count_ = 0, last_file_ = kNone, next_pipe_ = 0;
  Auth auth_ = Auth::kNone;
  bool has_client_guid_ = false, encryption_told_ = false;
  uint8_t client_guid_[16] = {};
};

}  // namespace weir::parse
