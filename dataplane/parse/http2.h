// SPDX-License-Identifier: Apache-2.0
// Private to parse: HTTP/2 (RFC 9113) in the clear, on one connection.
#pragma once

#include "dataplane/parse/fact_store.h"
#include "dataplane/parse/header_list.h"

namespace weir::parse {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Http2 {
 public:
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;
  // What was asked in HTTP/1 is stream 1 (RFC 7540 section 3.2).
  void upgraded(const FactWriter& request) noexcept;

 private:
  struct Frame {
    uint32_t bytes = 0, stream = 0;
    uint8_t type = 0, flags = 0;
  };
  struct Stream {
    uint32_t id = 0;  // 0: free
    uint16_t status = 0;
    uint16_t shown = 0;  // so much of its event rules have seen
    HttpLogin login = HttpLogin::kNone;
    bool headers_read[2] = {};   // [HeadersOf]: a list of them was kept
    uint16_t request_bytes = 0;  // of the facts that are kept of it, the request's: the first
    uint64_t length = 0;         // of the answer's body
  };
  static Frame frame_at(Bytes bytes) noexcept;
  Step data(const Frame& f, const Input& in, Output& out) noexcept;
  Step headers(const Frame& f, const Input& in, Output& out) noexcept;
  Step settings(const Frame& f, const Input& in, Output& out) noexcept;
  Step error(const Frame& f, const Input& in, Output& out) noexcept;
  bool read_block(HeaderBlock& block, uint32_t stream, bool request, const Input& in, Output& out,
                  std::string_view& why) noexcept;
  void request_field(FactWriter& facts, const HeaderField& h, Stream* s, Output& out) noexcept;
  Stream* find(uint32_t id) noexcept;
  Stream* open(uint32_t id, Output& out) noexcept;
  void ended(Stream* s, bool from_client, Output& out) noexcept;
  void write_event(const Stream& s, FactWriter& facts) const noexcept;
  void show(Stream& s, Output& out) const noexcept;
  void tell(Stream& s, Output& out) noexcept;
  void keep_facts(Stream& s, Bytes facts, Output& out) noexcept;
  void keep_list(Stream& s, const HeaderList& list, HeadersOf whose) noexcept;
  bool has_list(const Stream& s) const noexcept;
  void drop_lists(const Stream& s) noexcept;
  uint8_t owner(const Stream& s) const noexcept { return static_cast<uint8_t>(&s - streams_); }
  uint8_t owner(const Stream& s, HeadersOf whose) const noexcept {  // of a list of headers
    return static_cast<uint8_t>(owner(s) + kStreamsMax * (1 + static_cast<unsigned>(whose)));
  }

  static constexpr unsigned kStreamsMax = 16;
  HpackTable tables_[2];     // [from_client]
  uint32_t newest_[2] = {};  // stream: [0] pushed, [1] the client's
  uint32_t frame_bytes_max_[2] = {16'384, 16'384};
  bool preface_seen_ = false;
  bool long_told_ = false;
  Stream streams_[kStreamsMax];
  FactStore<3330> store_;  // facts; and lists of headers, which make room for facts
};

}  // namespace weir::parse
