// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/rpc_talk.h"

#include <charconv>

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/krb5.h"
#include "dataplane/parse/rpc_names.h"
#include "dataplane/parse/spnego.h"

namespace weir::parse {

namespace {

constexpr size_t kRequestHead = 24, kTrailerBytes = 8;
constexpr unsigned kContextsReadMax = 64;
constexpr uint8_t kNdr64[] = {0x71, 0x71, 0x05, 0x33, 0xbe, 0xba, 0x49, 0x37,
                              0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36};

class RpcCursor {  // in the byte order that the PDU says it has
 public:
  RpcCursor(Bytes bytes, bool little) noexcept : c_(bytes), little_(little) {}
  uint8_t u8() noexcept { return c_.u8(); }
  uint16_t u16() noexcept { return little_ ? c_.le16() : c_.be16(); }
  uint32_t u32() noexcept { return little_ ? c_.le32() : c_.be32(); }
  void uuid(uint8_t* to) noexcept {  // first three parts are numbers
    const Bytes b = c_.bytes(16);
    if (b.empty()) return;
    std::copy(b.begin(), b.end(), to);
    if (!little_) return;
    std::reverse(to, to + 4);
    std::reverse(to + 4, to + 6);
    std::reverse(to + 6, to + 8);
  }
  Bytes bytes(size_t n) noexcept { return c_.bytes(n); }
  void skip(size_t n) noexcept { c_.skip(n); }
  bool ok() const noexcept { return c_.ok(); }
  size_t at() const noexcept { return c_.at(); }

 private:
  Cursor c_;
  bool little_;
};

// What follows the head of a fragment, with an object's id and the token at the end: as Suricata
// has it.
uint32_t stub_bytes(const RpcHeader& h) noexcept {
  return h.bytes > kRequestHead ? static_cast<uint32_t>(h.bytes - kRequestHead) : 0;
}

bool binds(uint8_t type) noexcept {
  return type == kRpcBind || type == kRpcAlterContext;
}
bool answers_bind(uint8_t type) noexcept {
  return type == kRpcBindAck || type == kRpcAlterContextResponse || type == kRpcBindNak;
}

std::string_view hex(uint32_t value, std::span<char, 16> room) noexcept {
  room[0] = '0';
  room[1] = 'x';
  const auto end = std::to_chars(room.data() + 2, room.data() + room.size(), value, 16).ptr;
  return {room.data(), static_cast<size_t>(end - room.data())};
}

}  // namespace

std::string_view uuid_text(const uint8_t (&uuid)[16], std::span<char, 40> room) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  size_t n = 0;
  for (unsigned i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) room[n++] = '-';
    room[n++] = kDigits[uuid[i] >> 4];
    room[n++] = kDigits[uuid[i] & 15];
  }
  return {room.data(), n};
}

bool read_rpc_header(Bytes pdu, RpcHeader& h) noexcept {
  if (pdu.size() < RpcHeader::kBytes) return false;
  h.major = pdu[0];
  h.minor = pdu[1];
  h.type = pdu[2];
  h.flags = pdu[3];
  h.little = (pdu[4] & 0xf0) == 0x10;
  RpcCursor c(pdu.subspan(8), h.little);
  h.bytes = c.u16();
  h.auth_bytes = c.u16();
  h.call_id = c.u32();
  return h.major == 5 && h.minor <= 1 && h.type <= 19 && (pdu[4] & 0xee) == 0 && pdu[5] <= 3 &&
         h.bytes >= RpcHeader::kBytes && h.auth_bytes < h.bytes;
}

size_t RpcTalk::wanted(const RpcHeader& h) noexcept {
  if (binds(h.type) || answers_bind(h.type) || h.type == kRpcAuth3) return h.bytes;
  return std::min<size_t>(h.bytes, kRequestHead + 4);  // fault: its status
}

void RpcTalk::pdu(const RpcHeader& h, Bytes pdu, bool from_client, uint16_t carrier, Ntlmssp& ntlm,
                  RpcListener& listener, Output& out) noexcept {
  if (from_client && (binds(h.type) || h.type == kRpcAuth3)) read_auth(h, pdu, ntlm);
  if (from_client) return client_pdu(h, pdu, carrier, listener);
  if (answers_bind(h.type)) read_auth(h, pdu, ntlm);
  settle_login(h, pdu, ntlm, out);
  server_pdu(h, pdu, listener);
}

void RpcTalk::client_pdu(const RpcHeader& h, Bytes pdu, uint16_t carrier,
                         RpcListener& listener) noexcept {
  if (h.type != kRpcRequest && !binds(h.type)) return;
  if (h.type == kRpcRequest && !h.is_first()) {
    if (RpcCall* more = find_call(h.call_id)) {
      ++more->request_frags;
      more->request_bytes += stub_bytes(h);
    }
    return;
  }
  RpcCall& call = new_call(listener);
  call.call_id = h.call_id;
  call.request = h.type;
  call.carrier = carrier;
  call.major = h.major;
  call.minor = h.minor;
  call.request_frags = 1;
  call.auth_type = auth_type_;
  call.auth_level = auth_level_;
  if (binds(h.type)) return read_bind(h, call.order, pdu.subspan(RpcHeader::kBytes));
  RpcCursor c(pdu, h.little);
  c.skip(RpcHeader::kBytes + 4);  // allocation hint
  call.context = c.u16();
  call.opnum = c.u16();
  call.request_bytes = stub_bytes(h);
}

void RpcTalk::server_pdu(const RpcHeader& h, Bytes pdu, RpcListener& listener) noexcept {
  if (h.type != kRpcResponse && h.type != kRpcFault && !answers_bind(h.type)) return;
  RpcCall lone;  // whose request was not seen
  RpcCall* call = find_call(h.call_id);
  if (call == nullptr) {
    if (!h.is_last() || h.type == kRpcFault) return;
    call = &lone;
    lone.call_id = h.call_id;
    lone.major = h.major;
    lone.minor = h.minor;
  }
  call->response = h.type;
  if (answers_bind(h.type)) {
    read_bind_ack(h, call->order, pdu);
  } else {
    ++call->response_frags;
    call->response_bytes += stub_bytes(h);
    RpcCursor c(pdu, h.little);
    c.skip(kRequestHead);
    if (h.type == kRpcFault) call->fault = c.u32();
    if (!h.is_last() && h.type != kRpcFault) return;
  }
  listener.call_ended(*call);
  call->order = 0;
}

void RpcTalk::read_bind(const RpcHeader& h, uint32_t call, Bytes body) noexcept {
  RpcCursor c(body, h.little);
  c.skip(8);  // fragment sizes, association
  const unsigned contexts = c.u8();
  c.skip(3);
  for (unsigned i = 0; i < std::min(contexts, kContextsReadMax); ++i) {
    const uint16_t id = c.u16();
    const uint8_t syntaxes = c.u8();
    c.skip(1);
    uint8_t uuid[16];
    c.uuid(uuid);
    const uint16_t version = c.u16(), minor = c.u16();
    c.skip(size_t{20} * syntaxes);
    if (!c.ok()) return;
    RpcContext& context = new_context(id);
    std::copy_n(uuid, 16, context.uuid);
    context.bind_call = call;
    context.version = h.little ? version : minor;
    context.minor = h.little ? minor : version;
    context.known = rpc_interface(context.uuid);
  }
}

void RpcTalk::read_bind_ack(const RpcHeader& h, uint32_t call, Bytes pdu) noexcept {
  if (h.type == kRpcBindNak) return;
  RpcCursor c(pdu, h.little);
  c.skip(RpcHeader::kBytes + 8);
  const Bytes address = c.bytes(c.u16());
  if (!c.ok()) return;
  if (address.size() > 1) secondary_address_.assign(address.first(address.size() - 1));
  c.skip((4 - c.at() % 4) % 4);
  const unsigned results = c.u8();
  c.skip(3);
  unsigned at = 0;
  for (unsigned i = 0; i < results; ++i) {
    const uint16_t result = c.u16(), reason = c.u16();
    uint8_t syntax[16] = {};
    c.uuid(syntax);
    c.skip(4);
    if (!c.ok()) return;
    // They come in the order of the bind's contexts, and so do ours, from the oldest.
    for (; at < contexts_max_; ++at) {
      RpcContext& context = contexts_[(next_context_ + at) % contexts_max_];
      if (!context.used || context.bind_call != call || context.acked) continue;
      context.acked = true;
      context.result = result;
      context.reason = reason;
      context.wide = std::equal(syntax, syntax + 16, kNdr64);
      ++at;
      break;
    }
  }
}

// The token at the end: MS-RPCE section 2.2.2.11.
void RpcTalk::read_auth(const RpcHeader& h, Bytes pdu, Ntlmssp& ntlm) noexcept {
  if (h.auth_bytes == 0 || pdu.size() < h.bytes ||
      h.bytes < RpcHeader::kBytes + kTrailerBytes + h.auth_bytes) {
    return;
  }
  const Bytes trailer = pdu.subspan(h.bytes - h.auth_bytes - kTrailerBytes);
  auth_type_ = trailer[0];
  auth_level_ = trailer[1];
  const SecurityToken t = find_security_token(trailer.subspan(kTrailerBytes, h.auth_bytes));
  if (t.mechanism == SecurityToken::Mechanism::kNtlmssp && ntlm.read(t.token)) {
    if (ntlm.is_login()) waiting_ = Waiting::kNtlm;
  }
  ApRequest ap;
  if (t.mechanism != SecurityToken::Mechanism::kKerberosApReq || !read_ap_request(t.token, ap)) {
    return;
  }
  waiting_ = Waiting::kKerberos;
  realm_.assign(ap.realm);
  service_.assign(ap.service.bytes());
}

// A login has no answer of its own: that a call is answered says that it was right.
void RpcTalk::settle_login(const RpcHeader& h, Bytes pdu, const Ntlmssp& ntlm,
                           Output& out) noexcept {
  if (waiting_ == Waiting::kNobody) return;
  char room[16];
  RpcCursor c(pdu, h.little);
  c.skip(h.type == kRpcFault ? kRequestHead : RpcHeader::kBytes);
  if (h.type == kRpcResponse) return tell_login(LoginOutcome::kSuccess, {}, ntlm, out);
  if (h.type == kRpcFault) {
    return tell_login(LoginOutcome::kFailure, hex(c.u32(), room), ntlm, out);
  }
  if (h.type == kRpcBindNak) {
    return tell_login(LoginOutcome::kFailure, hex(c.u16(), room), ntlm, out);
  }
}

void RpcTalk::tell_login(LoginOutcome outcome, std::string_view code, const Ntlmssp& ntlm,
                         Output& out) noexcept {
  Login l;
  l.protocol = "dcerpc";
  l.outcome = outcome;
  l.code = code;
  if (waiting_ == Waiting::kNtlm) {
    l.mechanism = "ntlmssp";
    l.account = ntlm.user.bytes();
    l.domain = ntlm.domain.bytes();
    l.host = ntlm.host.bytes();
    l.service = ntlm.target.bytes();
  } else {
    l.mechanism = "kerberos";
    l.domain = realm_.bytes();
    l.service = service_.bytes();
  }
  waiting_ = Waiting::kNobody;
  out.login(l);
}

void RpcTalk::end(const Ntlmssp& ntlm, RpcListener& listener, Output& out) noexcept {
  if (waiting_ != Waiting::kNobody) tell_login(LoginOutcome::kAttempt, {}, ntlm, out);
  for (;;) {
    RpcCall* oldest = nullptr;
    for (unsigned i = 0; i < calls_max_; ++i) {
      if (calls_[i].order != 0 && (oldest == nullptr || calls_[i].order < oldest->order)) {
        oldest = &calls_[i];
      }
    }
    if (oldest == nullptr) return;
    listener.call_ended(*oldest);
    oldest->order = 0;
  }
}

RpcCall& RpcTalk::new_call(RpcListener& listener) noexcept {
  RpcCall* room = &calls_[0];
  for (unsigned i = 0; i < calls_max_ && room->order != 0; ++i) {
    if (calls_[i].order < room->order) room = &calls_[i];
  }
  if (room->order != 0) listener.call_ended(*room);
  *room = RpcCall{};
  room->order = ++order_;
  return *room;
}

RpcCall* RpcTalk::find_call(uint32_t call_id) noexcept {
  for (unsigned i = 0; i < calls_max_; ++i) {
    if (calls_[i].order != 0 && calls_[i].call_id == call_id) return &calls_[i];
  }
  return nullptr;
}

RpcContext* RpcTalk::find_context(uint16_t id) const noexcept {
  for (unsigned i = 0; i < contexts_max_; ++i) {
    if (contexts_[i].used && contexts_[i].id == id) return &contexts_[i];
  }
  return nullptr;
}

RpcContext& RpcTalk::new_context(uint16_t id) noexcept {
  if (RpcContext* old = find_context(id)) old->used = false;
  RpcContext& c = contexts_[next_context_];
  next_context_ = static_cast<uint8_t>((next_context_ + 1) % contexts_max_);
  c = RpcContext{};
  c.id = id;
  c.used = true;
  return c;
}

void RpcTalk::write_interface(FactWriter& facts, const RpcContext& c, const RpcCall& call,
                              const RpcFacts& f) const noexcept {
  char text[40];
  facts.item(f.interface);
  facts.text(f.uuid, uuid_text(c.uuid, text));
  char* at = std::to_chars(text, text + 8, c.version).ptr;
  *at++ = '.';
  at = std::to_chars(at, at + 8, c.minor).ptr;
  facts.text(f.version, std::string_view(text, static_cast<size_t>(at - text)));
  if (c.acked && call.request != kRpcRequest) {
    facts.number(f.ack_result, c.result);
    facts.number(f.ack_reason, c.reason);
  }
  const std::string_view endpoint = rpc_endpoint(c.known);
  if (endpoint.empty()) return;
  facts.text(f.service, endpoint);
  if (call.request != kRpcRequest) return;
  facts.text(f.endpoint, endpoint);
  const std::string_view operation = rpc_operation(c.known, call.opnum);
  if (operation.empty()) return;
  facts.text(f.procedure, operation);
  facts.text(f.operation, operation);
}

void RpcTalk::write(FactWriter& facts, const RpcCall& call, const RpcFacts& f) const noexcept {
  const bool asked = call.request != kRpcNone, answered = call.response != kRpcNone;
  facts.text(f.request, asked ? rpc_pdu_name(call.request) : std::string_view("REQUEST_LOST"));
  facts.text(f.response, answered ? rpc_pdu_name(call.response) : std::string_view("UNREPLIED"));
  if (call.request == kRpcRequest) {
    facts.number(f.opnum, call.opnum);
    facts.number(f.request_frags, call.request_frags);
    facts.number(f.request_bytes, call.request_bytes);
    if (const RpcContext* c = find_context(call.context)) write_interface(facts, *c, call, f);
  } else if (asked) {
    for (unsigned i = 0; i < contexts_max_; ++i) {
      const RpcContext& c = contexts_[(next_context_ + i) % contexts_max_];
      if (c.used && c.bind_call == call.order) write_interface(facts, c, call, f);
    }
  }
  if (call.response == kRpcResponse) {
    facts.number(f.response_frags, call.response_frags);
    facts.number(f.response_bytes, call.response_bytes);
  }
  facts.number(f.call_id, call.call_id);
  if (call.auth_type != 0) {
    const std::string_view type = rpc_auth_name(call.auth_type);
    const std::string_view level = rpc_level_name(call.auth_level);
    if (!type.empty()) facts.text(f.auth_type, type);
    if (!level.empty()) facts.text(f.auth_level, level);
  }
  char room[16];
  if (call.response == kRpcFault) facts.text(f.fault, hex(call.fault, room));
}

}  // namespace weir::parse
