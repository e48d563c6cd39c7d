// SPDX-License-Identifier: Apache-2.0
// Private to parse: HTTP/1.0 and 1.1 (RFC 9112) on one connection.
#pragma once

#include "dataplane/parse/fact_store.h"
#include "dataplane/parse/http_fields.h"

namespace weir::parse {

struct RequestLine {
  Bytes method, target, version;  // version empty: there is none
};
// false: this is no request.
bool split_request_line(Bytes line, RequestLine& r) noexcept;
// Whether a request begins here; undecided: too few bytes to say.
bool begins_request(Bytes bytes, bool& undecided) noexcept;

class Http1 {
 public:
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;
  // The server agreed to go on in HTTP/2; what was asked is answered there.
  bool becomes_http2() const noexcept { return switched_; }
  const FactWriter& upgraded() const noexcept { return request_facts_; }

 private:
  enum class Phase : uint8_t {
    kStart,
    kFields,
    kLastByte,  // of a body
    kExpect,    // a body may come, or not
    kChunkSize,
    kChunkEnd,
    kTrailer,
    kEndless,
    kHeld  // until the other side says what this is
  };
  enum class Fault : uint8_t;
  struct Side {
    Phase phase = Phase::kStart;
    bool long_line = false;  // its rest is left out
    bool chunked = false;
    bool bad_length = false;
    uint8_t version = 0;  // the digit behind "HTTP/1.", 9: unknown
    uint8_t odd_lines = 0;
    uint32_t faults = 0;  // told of this message
    HttpFieldSet fields;
    uint64_t content_length = 0;
  };
  struct Request {
    enum class Method : uint8_t { kPlain, kHead, kConnect } method = Method::kPlain;
    HttpLogin login = HttpLogin::kNone;
    bool told = false;
    bool shown = false;  // rules have seen it
    bool wants_http2 = false;
  };
  struct Line {
    Bytes text;
    size_t used = 0;
    bool rest = false;  // of one that was too long: not to be looked at
  };
  bool next_line_of(Side& side, Bytes bytes, size_t seen, Line& line) noexcept;
  Step line_of_request(Bytes line, Output& out) noexcept;
  Step line_of_response(Bytes line, Output& out) noexcept;
  Step line_of_chunks(Side& side, Bytes line, Output& out) noexcept;
  Step begin_request(Bytes line, Output& out) noexcept;
  Step begin_response(Bytes line, Output& out) noexcept;
  void field(Side& side, Bytes line, Output& out) noexcept;
  void request_field(HttpField f, Bytes value, bool fresh, Output& out) noexcept;
  void framing_field(Side& side, HttpField f, Bytes value, bool fresh, Output& out) noexcept;
  Step request_head_ends(Output& out) noexcept;
  Step response_head_ends(Output& out) noexcept;
  Step body_begins(Side& side) noexcept;
  Step body_expected(const Input& in, size_t at) noexcept;
  void complete(Side& side, Output& out) noexcept;
  void answer(Output& out) noexcept;
  void queue(Output& out) noexcept;
  void tell(Request r, uint8_t owner, bool answered, Output& out) noexcept;
  void tell_alone(Output& out) noexcept;
  uint16_t write_request(const Request& r, uint8_t owner, FactWriter& facts) const noexcept;
  void write_answer(FactWriter& facts) const noexcept;
  void show_answer(Output& out) noexcept;
  void fault(Side& side, Fault f, Output& out) noexcept;
  Request& oldest() noexcept { return requests_[first_]; }

  static constexpr unsigned kRequestsMax = 64;
  Side client_, server_;
  Request request_{};  // at hand
  uint32_t requests_seen_ = 0, answers_seen_ = 0;
  uint32_t beyond_ = 0;  // requests that were told at once because too many wait
  uint16_t status_ = 0;  // of the answer at hand
  uint16_t shown_ = 0;   // of the event it will be told in: rules have seen it; 0: nothing of it
  bool unmatched_told_ = false;
  bool upgrade_asked_ = false;
  bool offers_http2_ = false;  // the answer at hand
  bool switched_ = false;
  uint8_t first_ = 0, waiting_ = 0;
  uint64_t length_ = 0;  // of the answer's body, as far as it was said to go
  Request requests_[kRequestsMax];
  FactList<2560> request_facts_;
  FactList<1024> response_;
  FactStore<3700> store_;
};

}  // namespace weir::parse
