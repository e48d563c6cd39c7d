// SPDX-License-Identifier: Apache-2.0
// Private to parse: what the lengths of SSH's encrypted packets say about authentication (RFC
// 4252). SSH_MSG_USERAUTH_SUCCESS is one byte: the shortest packet there is, and during
// authentication nothing else of the server's is that short. SSH_MSG_USERAUTH_FAILURE has the same
// length every time. Where the packet's length travels in the clear (GCM, "-etm" MACs) packets are
// looked at one by one; where it is encrypted (chacha20-poly1305, encrypt-and-MAC) what one side
// says until the other speaks is taken together, never how TCP cut it. A success that is hidden
// among other packets is known by what the client does next: it opens a channel.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

// How a direction's packets look, by the algorithms that were agreed.
struct SshSeal {
  bool known = false;
  bool length_visible = false;
  bool length_apart = false;  // it is not part of the blocks
  uint8_t block = 16, mac = 0;

  static SshSeal of(std::string_view cipher, std::string_view mac) noexcept;
  // Of a packet with so many bytes of payload, with the least padding.
  uint64_t sealed(uint64_t payload) const noexcept;
};

class SshLogin {
 public:
  // skips_none: that client does not ask with "none" first which methods there are.
  void begin(const SshSeal& client, const SshSeal& server, bool skips_none) noexcept;
  // Bytes that came, all of one packet where packet is true. true: all is known.
  bool said(bool from_client, uint64_t bytes, bool packet, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  bool turn_over(Output& out) noexcept;
  bool replied(uint64_t bytes, Output& out) noexcept;
  bool opens_channel(uint64_t bytes) const noexcept;
  bool tell(LoginOutcome outcome, Output& out) noexcept;

  SshSeal client_, server_;
  bool skips_none_ = false;
  bool accepted_ = false;  // the service was: authentication has begun
  bool odd_ = false;       // the last reply could be a success with more behind it
  bool done_ = false;
  bool begun_ = false;
  bool client_speaks_ = true;
  uint8_t requests_ = 0, failures_ = 0;
  uint64_t turn_bytes_ = 0, last_packet_ = 0;
  uint64_t failure_bytes_ = 0, previous_bytes_ = 0;
};

}  // namespace weir::parse
