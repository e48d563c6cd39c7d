// SPDX-License-Identifier: Apache-2.0
// Private to parse: SIP (RFC 3261) over UDP and TCP: request and status lines, From, To, User-Agent
// and Call-ID; logins by digest (section 22): who showed credentials is known by the request, how
// it went by the answer of the same Call-ID and CSeq. Bodies are skipped by Content-Length. Limit:
// of the requests with credentials that wait for their answer the last 16. Blind under TLS.
#pragma once

#include "dataplane/parse/parser.h"
#include "dataplane/parse/short_text.h"

namespace weir::parse {

class SipParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kSip;
  static constexpr uint8_t kTransports = kOverTcp | kOverUdp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  // Whom credentials are for: the server itself, or a proxy on the way to it.
  enum class For : uint8_t { kServer, kProxy };
  struct Message;
  struct Shown {  // credentials, until their answer comes
    uint64_t transaction = 0;  // 0: free
    For whom = For::kServer;
    bool from_client = false;
    bool answered = false;  // stays, as both request and answer may be sent again
    ShortText<128> account, realm;
  };
  static void read_headers(Bytes headers, Message& m, FactWriter& facts) noexcept;
  void remember(const Message& m, For whom, bool from_client) noexcept;
  void judge(const Message& m, bool from_client, Output& out) noexcept;

  static constexpr unsigned kShownMax = 16;
  Shown shown_[kShownMax];
  uint8_t next_ = 0;
};

}  // namespace weir::parse
