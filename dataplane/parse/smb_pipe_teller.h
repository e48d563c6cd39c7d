// SPDX-License-Identifier: Apache-2.0
// Private to SMB: hears of the calls in a pipe and tells them as events of SMB.
#pragma once

#include "dataplane/parse/smb.h"

namespace weir::parse {

class SmbParser::PipeTeller final : public RpcListener {
 public:
  PipeTeller(SmbParser& parser, const Request& request, const Answer& answer, uint8_t file,
             Output& out) noexcept
      : parser_(parser), request_(request), answer_(answer), file_(file), out_(out) {}
  void call_ended(const RpcCall& call) noexcept override;

 private:
  SmbParser& parser_;
  const Request& request_;
  Answer answer_;
  uint8_t file_;
  Output& out_;
};

}  // namespace weir::parse
