// SPDX-License-Identifier: Apache-2.0
// Private to parse: the one contract of all parsers. A parser is a class with
//
//   static constexpr EvidenceKind kKind;         what it parses; EVE's name of the protocol
//   static constexpr uint8_t kTransports;        kOverTcp | kOverUdp
//   static Probe probe(const ProbeInput&);       is this mine? On any port.
//   Step parse(const Input&, Output&);           the next message, from its first byte
//   void end(Output&);                           the flow is over: tell what still waits
//
// and its state, which lives in a pooled slot: trivially destructible, at most kStateBytes, nothing
// allocated. `Input::bytes` is contiguous: a parser that wants more than there is says so and is
// called again, from the same first byte, when there is more; it must not remember what it saw in
// bytes it has not consumed, except by `Input::seen` (so that looking for an end of line costs each
// byte once). Then any segmentation gives the same evidence. Never trust a length: `Cursor` checks.
#pragma once

#include <type_traits>

#include "dataplane/parse/fact_list.h"
#include "dataplane/parse/hello_memo.h"

namespace weir::parse {

constexpr uint8_t kOverTcp = 1, kOverUdp = 2;
constexpr size_t kStateBytes = 7936;
constexpr size_t kMessageBytesMax = 32'768;  // a parser never sees more at once

enum class Likelihood : uint8_t { kNo, kUnsure, kCertain };

struct ProbeInput {
  Bytes bytes;          // the first of this direction
  bool from_initiator;  // of the flow, as far as track saw it
  bool whole;           // nothing will be added to them: a datagram
  uint16_t initiator_port, responder_port;
  uint8_t transport;  // kOverTcp or kOverUdp
  bool has_port(uint16_t port) const noexcept {
    return initiator_port == port || responder_port == port;
  }
};

// from_client: whether the side that sent these bytes is the protocol's client. Where a probe can
// tell, it corrects a flow whose beginning was not seen.
struct Probe {
  Likelihood likelihood = Likelihood::kNo;
  enum class Sender : uint8_t { kUnknown, kClient, kServer } sender = Sender::kUnknown;
};
constexpr Probe kNotMine{};
constexpr Probe kPerhaps{Likelihood::kUnsure};
constexpr Probe kMine{Likelihood::kCertain};
constexpr Probe kMineFromClient{Likelihood::kCertain, Probe::Sender::kClient};
constexpr Probe kMineFromServer{Likelihood::kCertain, Probe::Sender::kServer};

struct Input {
  Bytes bytes;
  size_t seen = 0;  // the first so many of them this parser was shown before
  bool from_client = true;
  bool whole = false;  // no byte will follow: a datagram, or the stream's end
  bool datagram = false;
  uint16_t server_port = 0;
  TimeNs now = 0;
};

// What a parser made of its input.
struct Step {
  enum class Do : uint8_t { kConsume, kNeed, kFinish, kMalformed, kForget, kBecome };
  Do what = Do::kNeed;
  EvidenceKind kind = EvidenceKind::kCount;
  uint64_t bytes = 0;
  std::string_view why;

  // These n bytes are done with (n > 0); more than there are: the rest is skipped as it comes.
  static constexpr Step consumed(uint64_t n) noexcept { return {Do::kConsume, {}, n, {}}; }
  // Call again when there are n bytes (0: any more).
  static constexpr Step need(uint64_t n = 0) noexcept { return {Do::kNeed, {}, n, {}}; }
  // Nothing more can be learnt from this flow: it is encrypted, or settled.
  static constexpr Step finished() noexcept { return {Do::kFinish, {}, 0, {}}; }
  // It violates its protocol so that there is no going on. why: EVE's anomaly.event.
  static constexpr Step malformed(std::string_view why) noexcept {
    return {Do::kMalformed, {}, 0, why};
  }
  // As consumed; and the state need not be kept for the next message (a datagram protocol).
  static constexpr Step forget(uint64_t n) noexcept { return {Do::kForget, {}, n, {}}; }
  // n bytes are consumed, what follows both ways speaks another protocol (STARTTLS, CONNECT);
  // EvidenceKind::kAny: find out which.
  static constexpr Step become(EvidenceKind kind, uint64_t n) noexcept {
    return {Do::kBecome, kind, n, {}};
  }
};

// Whom an event names first: the client, or who sent the message that is told.
// kOfLast: who sent it, and of the transaction that was told last. kOneMessage: the client, but the
// event is of the message at hand alone, not of what was asked and answered. kAnsweredFirst: whose
// request the message answers, where both sides ask.
enum class Ends : uint8_t { kClientFirst, kSenderFirst, kOfLast, kOneMessage, kAnsweredFirst };

enum class LoginOutcome : uint8_t { kSuccess, kFailure, kAttempt };  // kAttempt: nobody can tell
struct Login {
  std::string_view protocol, mechanism;
  Bytes account, domain, host, service;
  LoginOutcome outcome = LoginOutcome::kAttempt;
  std::string_view code;  // as the protocol writes it: "STATUS_LOGON_FAILURE"
  Ends ends = Ends::kClientFirst;
};

// Where parsers tell. One event at a time.
class Output {
 public:
  // An empty list to write the next event's facts into; its room is used again after tell().
  FactWriter& fresh() noexcept {
    scratch_.clear();
    return scratch_;
  }
  // shown: so many bytes of the facts rules have been shown before.
  virtual void tell(EvidenceKind kind, const FactWriter& facts, Ends ends = Ends::kClientFirst,
                    uint16_t shown = 0) noexcept = 0;
  // What is known so far of an event that will be told later: rules judge by it now, while the
  // packet that said it can still be stopped. The event must begin with these facts, and come after
  // `ahead` others, or nobody knows how many. Of kinds that no rule asks for this need not be
  // called: is_judged().
  static constexpr uint32_t kSomeAhead = 0xffffffff;
  virtual void show(EvidenceKind, const FactWriter&, uint16_t /*shown*/ = 0,
                    uint32_t /*ahead*/ = 0) noexcept {}
  bool is_judged(EvidenceKind kind) const noexcept {
    return (judged_kinds_ >> static_cast<unsigned>(kind) & 1) != 0;
  }
  void login(const Login& l) noexcept;
  // A violation that parsing survives.
  void violation(EvidenceKind kind, std::string_view event,
                 Ends ends = Ends::kSenderFirst) noexcept;
  HelloMemo& hellos() noexcept { return hellos_; }
  TimeNs now() const noexcept { return now_; }
  // For end(): so many bytes that side's messages were said to have, and had not.
  uint64_t never_came(bool from_client) const noexcept { return never_came_[from_client ? 1 : 0]; }

 protected:
  ~Output() = default;
  TimeNs now_ = 0;
  uint64_t never_came_[2] = {};
  uint64_t judged_kinds_ = 0;  // a bit per EvidenceKind of which rules ask something

 private:
  FactList<kFactBytesMax> scratch_;
  HelloMemo hellos_;
};

inline Bytes as_bytes(std::string_view s) noexcept {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline std::string_view as_text(Bytes b) noexcept {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace weir::parse
