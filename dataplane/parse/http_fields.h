// SPDX-License-Identifier: Apache-2.0
// Private to parse: what the fields of HTTP's messages say, of version 1 and 2 alike.
#pragma once

#include "dataplane/parse/parser.h"

namespace weir::parse {

enum class HttpField : uint8_t {
  kOther,
  kMethod,
  kPath,
  kAuthority,
  kStatus,
  kHost,
  kUserAgent,
  kReferer,
  kContentType,
  kContentEncoding,
  kContentLength,
  kContentRange,
  kTransferEncoding,
  kLocation,
  kServer,
  kForwardedFor,
  kAuthorization,
  kProxyAuthorization,
  kAuthenticate,
  kProxyAuthenticate,
  kUpgrade,
  kExpect,
  kCount
};
HttpField http_field(Bytes name) noexcept;
std::string_view http_field_name(HttpField field) noexcept;  // in lower case; empty of kOther

constexpr size_t kHttpUrlMax = 1024, kHttpFieldMax = 512;

// The fields of a message that were seen: the first of a name counts.
class HttpFieldSet {
 public:
  bool add(HttpField f) noexcept {  // false: it was there
    const uint32_t bit = 1u << static_cast<unsigned>(f);
    const bool fresh = (bits_ & bit) == 0;
    bits_ |= bit;
    return fresh;
  }
  bool has(HttpField f) const noexcept { return (bits_ >> static_cast<unsigned>(f) & 1) != 0; }

 private:
  uint32_t bits_ = 0;
};

// How a request says who it is from.
enum class HttpLogin : uint8_t { kNone, kBasic, kDigest, kNtlm, kKerberos };

struct HostPort {
  Bytes host;
  uint64_t port = 0;  // 0: not said
  bool good = true;
};
HostPort split_host(Bytes authority) noexcept;  // a user name before it is left out
void write_http_host(FactWriter& facts, const HostPort& host) noexcept;
// User agent, referer, and the like. Those that frame the message are the caller's concern.
void write_http_request_field(FactWriter& facts, HttpField field, Bytes value) noexcept;
void write_http_response_field(FactWriter& facts, HttpField field, Bytes value) noexcept;
HttpLogin write_http_authorization(FactWriter& facts, Bytes value) noexcept;

// Adds what follows from a request's facts. Right behind them: rules are shown these together.
void complete_http_request(FactWriter& facts) noexcept;
// Rules see a request whose facts these are, behind so many others that wait for their answers.
// false: no rule asks.
bool show_http_request(Output& out, Bytes facts, uint32_t ahead) noexcept;

// The event of a request whose facts are in `facts` already (of out.fresh()), and its login.
// status 0: there is no answer. shown: as Output::tell() has it.
void tell_http(Output& out, FactWriter& facts, HttpLogin login, unsigned status,
               uint16_t shown) noexcept;

}  // namespace weir::parse
