// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/fact_list.h"

#include "dataplane/parse/parser.h"

namespace weir::parse {

namespace {

// Most values are shorter than what a call of memcpy costs.
inline void copy(uint8_t* to, const uint8_t* from, size_t bytes) noexcept {
  const auto both_ends = [&]<class Word>(Word word) noexcept {  // they may overlap
    std::memcpy(&word, from, sizeof word);
    Word last;
    std::memcpy(&last, from + bytes - sizeof word, sizeof word);
    std::memcpy(to, &word, sizeof word);
    std::memcpy(to + bytes - sizeof word, &last, sizeof word);
  };
  if (bytes > 16) {
    std::memcpy(to, from, bytes);
  } else if (bytes >= 8) {
    both_ends(uint64_t{});
  } else if (bytes >= 4) {
    both_ends(uint32_t{});
  } else {
    for (size_t i = 0; i < bytes; ++i) to[i] = from[i];
  }
}

}  // namespace

void FactWriter::put(Fact fact, Bytes value, bool cut) noexcept {
  const Head head{fact, static_cast<uint16_t>(value.size() | (cut ? unsigned{kFactCut} : 0u))};
  if (value.size() >= kFactCut ||
      capacity_ - used_ < static_cast<long>(sizeof head + value.size())) {
    overflow_ = true;
    return;
  }
  std::memcpy(room_ + used_, &head, sizeof head);
  copy(room_ + used_ + sizeof head, value.data(), value.size());
  used_ = static_cast<uint16_t>(used_ + sizeof head + value.size());
}

void FactWriter::append(const FactWriter& other) noexcept {
  overflow_ = overflow_ || other.overflow_;
  append(other.facts());
}

void FactWriter::append(Bytes facts) noexcept {
  if (facts.size() <= static_cast<size_t>(capacity_ - used_)) {
    copy(room_ + used_, facts.data(), facts.size());
    used_ = static_cast<uint16_t>(used_ + facts.size());
    return;
  }
  each_fact(facts, [this](const FactValue& v) { put(v.fact, v.bytes, v.cut); });
}

void Output::login(const Login& l) noexcept {
  FactList<kFactBytesMax / 2> facts;  // not the scratch: an event may be half written
  facts.text(Fact::kLoginProtocol, l.protocol);
  if (!l.mechanism.empty()) facts.text(Fact::kLoginMechanism, l.mechanism);
  constexpr size_t kNameMax = 256;
  if (!l.account.empty()) facts.text(Fact::kLoginAccount, l.account, kNameMax);
  if (!l.domain.empty()) facts.text(Fact::kLoginDomain, l.domain, kNameMax);
  if (!l.host.empty()) facts.text(Fact::kLoginHost, l.host, kNameMax);
  if (!l.service.empty()) facts.text(Fact::kLoginService, l.service, kNameMax);
  facts.text(Fact::kLoginOutcome,
             std::string_view(l.outcome == LoginOutcome::kSuccess   ? "success"
                              : l.outcome == LoginOutcome::kFailure ? "failure"
                                                                    : "attempt"));
  if (!l.code.empty()) facts.text(Fact::kLoginCode, l.code);
  tell(EvidenceKind::kLogin, facts, l.ends);
}

void Output::violation(EvidenceKind kind, std::string_view event, Ends ends) noexcept {
  FactList<256> facts;
  facts.text(Fact::kAnomalyApp, evidence_name(kind));
  facts.text(Fact::kAnomalyType, std::string_view("applayer"));
  facts.text(Fact::kAnomalyEvent, event);
  facts.text(Fact::kAnomalyLayer, std::string_view("proto_parser"));
  tell(EvidenceKind::kViolation, facts, ends);
}

}  // namespace weir::parse
