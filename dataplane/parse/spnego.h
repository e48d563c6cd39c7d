// SPDX-License-Identifier: Apache-2.0
// Private to parse: finds the mechanism's token in what SPNEGO (RFC 4178) or GSS-API (RFC 2743)
// wraps around it, or bare. Depth and steps are bounded; a blob that is cut off gives what is
// there.
#pragma once

#include "dataplane/parse/fact_list.h"

namespace weir::parse {

struct SecurityToken {
  enum class Mechanism : uint8_t {
    kUnknown,
    kNtlmssp,        // token: NTLMSSP message
    kKerberosApReq,  // token: AP-REQ, DER from its tag 0x6e
    kKerberosOther   // AP-REP, KRB-ERROR; or Kerberos is agreed on and no token is there
  };
  // NegTokenResp's negState; kNone: it says none.
  enum class State : uint8_t { kCompleted, kIncomplete, kReject, kRequestMic, kNone = 0xff };
  Mechanism mechanism = Mechanism::kUnknown;
  State state = State::kNone;
  Bytes token;
};

SecurityToken find_security_token(Bytes blob) noexcept;

}  // namespace weir::parse
