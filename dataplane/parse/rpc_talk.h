// SPDX-License-Identifier: Apache-2.0
// Private to parse: what is said in DCE/RPC (DCE 1.1 chapter 12, MS-RPCE), over TCP or in a pipe:
// which interfaces were bound, which calls were made and how they ended, who logged in. Whoever
// carries it gives it PDU after PDU and hears of every call that ends.
#pragma once

#include "dataplane/parse/ntlmssp.h"
#include "dataplane/parse/parser.h"

namespace weir::parse {

enum RpcType : uint8_t {
  kRpcRequest = 0,
  kRpcResponse = 2,
  kRpcFault = 3,
  kRpcBind = 11,
  kRpcBindAck = 12,
  kRpcBindNak = 13,
  kRpcAlterContext = 14,
  kRpcAlterContextResponse = 15,
  kRpcAuth3 = 16,
  kRpcNone = 0xff
};

struct RpcHeader {
  static constexpr size_t kBytes = 16;
  uint8_t major, minor, type, flags;
  bool little;
  uint16_t bytes, auth_bytes;  // of the whole PDU; of the token at its end
  uint32_t call_id;
  bool is_first() const noexcept { return (flags & 1) != 0; }
  bool is_last() const noexcept { return (flags & 2) != 0; }
};
// "12345778-1234-abcd-ef00-0123456789ac", of bytes in the order in which they are written.
std::string_view uuid_text(const uint8_t (&uuid)[16], std::span<char, 40> room) noexcept;
// false: it is none. Needs kBytes bytes.
bool read_rpc_header(Bytes pdu, RpcHeader& header) noexcept;

struct RpcContext {        // an interface that was bound
  uint8_t uuid[16];        // as it is written
  uint32_t bind_call = 0;  // RpcCall::order of what bound it
  uint16_t id = 0, version = 0, minor = 0, result = 0, reason = 0;
  uint8_t known = 0;  // in rpc_names
  bool used = false, acked = false;
  bool wide = false;  // NDR64
};

struct RpcCall {
  uint32_t call_id = 0, order = 0;  // order 0: free
  uint32_t request_bytes = 0, response_bytes = 0, fault = 0;
  uint16_t opnum = 0, context = 0, request_frags = 0, response_frags = 0;
  uint16_t carrier = 0;  // what brought it, the carrier's own business
  uint8_t request = kRpcNone, response = kRpcNone;
  uint8_t major = 0, minor = 0, auth_type = 0, auth_level = 0;
};

// Which facts say it: under dcerpc, and under smb.dcerpc.
struct RpcFacts {
  Fact request, response, opnum, request_frags, request_bytes, response_frags, response_bytes;
  Fact interface, uuid, version, ack_result, ack_reason, service, procedure;
  Fact call_id, endpoint, operation, auth_type, auth_level, fault;
};

class RpcListener {
 public:
  virtual void call_ended(const RpcCall& call) noexcept = 0;

 protected:
  ~RpcListener() = default;
};

class RpcTalk {
 public:
  // Rooms are its owner's, and stay where they are.
  RpcTalk(std::span<RpcContext> contexts, std::span<RpcCall> calls) noexcept
      : contexts_(contexts.data()),
        calls_(calls.data()),
        contexts_max_(static_cast<uint8_t>(contexts.size())),
        calls_max_(static_cast<uint8_t>(calls.size())) {}
  RpcTalk(const RpcTalk&) = delete;
  RpcTalk& operator=(const RpcTalk&) = delete;

  // How many bytes of a PDU pdu() wants to see: all of those that bind, the heads of others.
  static size_t wanted(const RpcHeader& h) noexcept;
  // ntlm: where the authentication at hand is gathered.
  void pdu(const RpcHeader& h, Bytes pdu, bool from_client, uint16_t carrier, Ntlmssp& ntlm,
           RpcListener& listener, Output& out) noexcept;
  // Nothing more comes: calls without an answer are told.
  void end(const Ntlmssp& ntlm, RpcListener& listener, Output& out) noexcept;
  void write(FactWriter& facts, const RpcCall& call, const RpcFacts& f) const noexcept;

  // The call that a request or response is of, the interface that a call or request is for; null:
  // it is not known.
  RpcCall* find_call(uint32_t call_id) noexcept;
  RpcContext* find_context(uint16_t id) const noexcept;
  const ShortText<31>& secondary_address() const noexcept { return secondary_address_; }

 private:
  enum class Waiting : uint8_t { kNobody, kNtlm, kKerberos };
  void client_pdu(const RpcHeader& h, Bytes pdu, uint16_t carrier, RpcListener& listener) noexcept;
  void server_pdu(const RpcHeader& h, Bytes pdu, RpcListener& listener) noexcept;
  void read_bind(const RpcHeader& h, uint32_t call, Bytes body) noexcept;
  void read_bind_ack(const RpcHeader& h, uint32_t call, Bytes pdu) noexcept;
  void read_auth(const RpcHeader& h, Bytes pdu, Ntlmssp& ntlm) noexcept;
  void settle_login(const RpcHeader& h, Bytes pdu, const Ntlmssp& ntlm, Output& out) noexcept;
  void tell_login(LoginOutcome outcome, std::string_view code, const Ntlmssp& ntlm,
                  Output& out) noexcept;
  RpcCall& new_call(RpcListener& listener) noexcept;
  RpcContext& new_context(uint16_t id) noexcept;
  void write_interface(FactWriter& facts, const RpcContext& c, const RpcCall& call,
                       const RpcFacts& f) const noexcept;

  RpcContext* contexts_;
  RpcCall* calls_;
  uint8_t contexts_max_, calls_max_, next_context_ = 0;
  Waiting waiting_ = Waiting::kNobody;
  uint8_t auth_type_ = 0, auth_level_ = 0;
  uint32_t order_ = 0;
  ShortText<31> secondary_address_;
  ShortText<31> realm_;
  ShortText<63> service_;  // of a Kerberos ticket
};

}  // namespace weir::parse
