// SPDX-License-Identifier: Apache-2.0
// Private to parse: NTLMSSP (MS-NLMP section 2.2.1) for whoever carries it. One Ntlmssp gathers the
// three messages of one authentication; the parser that carries them keeps it and knows the
// outcome:
//
//   if (ntlmssp_.read(token)) ntlmssp_.write(facts);
//   if (ntlmssp_.message == Ntlmssp::Message::kAuthenticate) login with ntlmssp_.user.bytes() ...
//
// Texts are UTF-8, at most 95 bytes each. Blind: nothing, the names travel in the clear.
#pragma once

#include "dataplane/parse/short_text.h"

namespace weir::parse {

struct Ntlmssp {
  using Text = ShortText<95>;
  enum class Message : uint8_t { kNone, kNegotiate, kChallenge, kAuthenticate };
  struct Version {
    uint8_t major = 0, minor = 0, revision = 0;
    bool known = false;
    uint16_t build = 0;
  };

  Message message = Message::kNone;  // the last that was read
  Text domain, user, host;           // AUTHENTICATE; empty user: anonymous
  Text target;                       // the service that the client means: "cifs/server"
  Text nb_computer, nb_domain, dns_computer, dns_domain, dns_tree;  // of the server
  Version version, server_version;
  uint16_t response_bytes = 0;  // of the NT response: 24 is NTLM, more NTLMv2

  // false: it is none, or broken; what could be read is there. What is there from earlier messages
  // stays, except that NEGOTIATE begins anew.
  bool read(Bytes message) noexcept;
  void write(FactWriter& facts) const noexcept;
  bool is_login() const noexcept { return message == Message::kAuthenticate; }
};

bool is_ntlmssp(Bytes token) noexcept;

}  // namespace weir::parse
