// SPDX-License-Identifier: Apache-2.0
// Private to parse: all fields of one message of HTTP/2, in their order, small enough to wait in a
// stream's state until they are told. A value that is told as a fact anyway is kept once.
#pragma once

#include "dataplane/parse/hpack.h"

namespace weir::parse {

enum class HeadersOf : uint8_t { kRequest, kResponse };

// The scheme alone of credentials: what follows may be a password.
class HeaderList {
 public:
  explicit HeaderList(HeadersOf whose) noexcept : whose_(whose) {}
  // facts: what is told of the message besides.
  void add(const HeaderField& f, Bytes facts) noexcept;
  Bytes packed() const noexcept { return {bytes_, used_}; }

 private:
  static constexpr size_t kBytesMax = 1000, kValueMax = 256;
  static constexpr unsigned kFieldsMax = 64;
  HeadersOf whose_;
  uint8_t fields_ = 0;
  uint16_t used_ = 1;
  uint8_t bytes_[kBytesMax] = {};  // the first one is not 0 where fields are left out
};

// Behind the facts that it was packed beside. Empty: it is not known what it was.
void write_header_list(FactWriter& facts, Bytes packed, HeadersOf whose) noexcept;

}  // namespace weir::parse
