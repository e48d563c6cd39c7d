// SPDX-License-Identifier: Apache-2.0
// Private to parse: DCE/RPC version 5 over TCP, on any port (135 and whatever the endpoint mapper
// hands out). One event a bind and a call, when its answer ends or the flow does: dcerpc.request,
// response, req, res, call_id, rpc_version, interfaces[] with names, endpoint, operation,
// secondary_address, ntlmssp where a bind carries it. Logins: NTLMSSP and Kerberos in bind, alter
// context and auth3; the first answered call says that they succeeded, a fault or nak that not.
// What the endpoint mapper is asked and answers (epm.h) is read while it is not authenticated.
// Limits: 24 contexts, 16 calls at once; the oldest is told as UNREPLIED. Blind: other stub data is
// not read; where the level is privacy it is encrypted, and opnums still are not.
#pragma once

#include "dataplane/parse/epm.h"
#include "dataplane/parse/rpc_talk.h"

namespace weir::parse {

class DcerpcParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kDcerpc;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  DcerpcParser() noexcept : talk_(contexts_, calls_) {}
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  class Teller;
  bool maps(const RpcHeader& h, Bytes pdu, NdrStyle& style, uint16_t& opnum) noexcept;
  RpcContext contexts_[24];
  RpcCall calls_[16];
  RpcTalk talk_;
  Ntlmssp ntlm_;
  bool ntlm_told_ = false;
  FactList<2048> map_;      // what the endpoint mapper was asked, and says
  uint32_t map_order_ = 0;  // by which call
};

}  // namespace weir::parse
