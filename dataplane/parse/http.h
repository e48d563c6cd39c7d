// SPDX-License-Identifier: Apache-2.0
// Private to parse: HTTP/1 (RFC 9110, 9112) and HTTP/2 in the clear (RFC 9113): from its first
// byte, or after "Upgrade: h2c". An event of kind kHttp per request and its answer, when the answer
// is complete; what has no answer is told when the connection ends.
//
// Facts: Suricata's names (url, hostname, http_method, http_user_agent, http_refer, status, length,
// ...). url is as it was sent. url_normalized: percent-encoding decoded once (%u00XX too, and in
// the query), of the path backslashes are slashes, several slashes are one, "." and ".." segments
// are gone, a scheme and authority are left out: "/nice%20ports%2C/Tri%6Eity.txt%2ebak" reads
// "/nice ports,/Trinity.txt.bak". length: bytes of the answer's body, compressed as they came.
// Logins: Basic and Digest; 401, 403 and 407 are failures, other answers successes.
//
// Limits: a line of more than 8 KiB is cut there; 64 requests wait for answers (and their facts, of
// 3.7 KB), more are told without one. HTTP/2: 16 streams at a time, a block of headers of 32 KiB;
// of each dynamic table the newest 64 entries, 1 KiB of values that other facts are made of and 512
// bytes of what else stands in lists of headers; a list has 1000 bytes and 64 headers, and gives
// way to facts that wait for answers. Bodies are not read. Blind: behind CONNECT what follows is
// found out anew, behind Upgrade to anything but h2c nothing is. HTTP/0.9 is not taken.
#pragma once

#include <memory>

#include "dataplane/parse/http1.h"
#include "dataplane/parse/http2.h"

namespace weir::parse {

class HttpParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kHttp;
  static constexpr uint8_t kTransports = kOverTcp;
  HttpParser() noexcept { std::uninitialized_default_construct_n(&one_, 1); }
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  enum class Version : uint8_t { kUnknown, kOne, kTwo } version_ = Version::kUnknown;
  union {
    Http1 one_;
    Http2 two_;
  };
};

}  // namespace weir::parse
