// SPDX-License-Identifier: Apache-2.0
// Private to parse: a mail line by line (RFC 5322): who wrote to whom about what, and how the files
// in it are called (RFC 2045, 2183). Limits: 1,000 bytes of a header field, four boundaries, 32
// files; texts stand as they were sent (RFC 2047, 2231 are not decoded).
#pragma once

#include "dataplane/parse/line_text.h"

namespace weir::parse {

class MailText {
 public:
  void begin() noexcept;
  void line(Bytes line, FactWriter& facts) noexcept;  // without its end
  void end(FactWriter& facts) noexcept;

 private:
  static constexpr unsigned kBoundariesMax = 4;
  enum class Where : uint8_t { kHead, kPartHead, kBody };
  void field_done(FactWriter& facts) noexcept;
  void head_done(FactWriter& facts) noexcept;
  void of_mail(Bytes name, Bytes value, FactWriter& facts) noexcept;
  void of_part(Bytes name, Bytes value) noexcept;
  void addresses(Fact fact, Bytes list, FactWriter& facts) noexcept;
  bool is_boundary(Bytes line, bool& last) const noexcept;

  Where where_ = Where::kHead;
  uint8_t boundaries_ = 0, files_ = 0, received_ = 0, addresses_ = 0;
  uint16_t fields_said_ = 0;
  KeptText<1000> field_;
  KeptText<160> file_;
  KeptText<70> boundary_[kBoundariesMax];
};

}  // namespace weir::parse
