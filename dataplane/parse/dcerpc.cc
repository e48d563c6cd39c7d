// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/dcerpc.h"

#include "dataplane/parse/cursor.h"
#include "dataplane/parse/rpc_names.h"

namespace weir::parse {

namespace {

constexpr size_t kCallHeadBytes = 24;
constexpr uint8_t kObject = 0x80;  // of a PDU's flags: an object's id stands before the stub

constexpr RpcFacts kFacts{Fact::kRpcRequest,
                          Fact::kRpcResponse,
                          Fact::kRpcOpnum,
                          Fact::kRpcRequestFragments,
                          Fact::kRpcRequestStub,
                          Fact::kRpcResponseFragments,
                          Fact::kRpcResponseStub,
                          Fact::kRpcInterface,
                          Fact::kRpcInterfaceUuid,
                          Fact::kRpcInterfaceVersion,
                          Fact::kRpcInterfaceAckResult,
                          Fact::kRpcInterfaceAckReason,
                          Fact::kRpcInterfaceService,
                          Fact::kRpcInterfaceProcedure,
                          Fact::kRpcCallId,
                          Fact::kRpcEndpoint,
                          Fact::kRpcOperation,
                          Fact::kRpcAuthType,
                          Fact::kRpcAuthLevel,
                          Fact::kRpcFault};

constexpr Probe::Sender sender_of(uint8_t type) noexcept {
  switch (type) {
    case kRpcRequest:
    case kRpcBind:
    case kRpcAlterContext:
    case kRpcAuth3:
      return Probe::Sender::kClient;
    case kRpcResponse:
    case kRpcFault:
    case kRpcBindAck:
    case kRpcBindNak:
    case kRpcAlterContextResponse:
      return Probe::Sender::kServer;
    default:
      return Probe::Sender::kUnknown;
  }
}

}  // namespace

class DcerpcParser::Teller final : public RpcListener {
 public:
  Teller(DcerpcParser& parser, Output& out) noexcept : parser_(parser), out_(out) {}
  void call_ended(const RpcCall& call) noexcept override {
    FactWriter& facts = out_.fresh();
    RpcCall shown = call;  // over TCP Suricata counts half the head of an answer as stub
    shown.response_bytes += 8u * call.response_frags;
    parser_.talk_.write(facts, shown, kFacts);
    if (call.order != 0 && call.order == parser_.map_order_) facts.append(parser_.map_);
    const char version[] = {static_cast<char>('0' + call.major), '.',
                            static_cast<char>('0' + call.minor)};
    facts.text(Fact::kRpcVersion, std::string_view(version, sizeof version));
    const auto& address = parser_.talk_.secondary_address();
    if (!address.empty()) facts.text(Fact::kRpcSecondaryAddress, address.bytes());
    // NTLMSSP stands in the binds, and in the first call after the AUTH3 that nobody answers.
    const bool wrote_login = parser_.ntlm_told_;
    if (call.request != kRpcRequest || (parser_.ntlm_.is_login() && !wrote_login)) {
      parser_.ntlm_.write(facts);
      parser_.ntlm_told_ = parser_.ntlm_.is_login();
    }
    out_.tell(kKind, facts);
  }

 private:
  DcerpcParser& parser_;
  Output& out_;
};

Probe DcerpcParser::probe(const ProbeInput& in) noexcept {
  constexpr std::string_view kStarts[] = {{"\x05\x00", 2}, {"\x05\x01", 2}};
  if (!could_start_with(in.bytes, kStarts[0]) && !could_start_with(in.bytes, kStarts[1])) {
    return kNotMine;
  }
  if (in.bytes.size() < RpcHeader::kBytes) return in.whole ? kNotMine : kPerhaps;
  RpcHeader h;
  if (!read_rpc_header(in.bytes, h)) return kNotMine;
  // SOCKS 5 and others begin with 5 too.
  if (in.bytes[5] != 0 || in.bytes[6] != 0 || in.bytes[7] != 0) return kNotMine;
  return {Likelihood::kCertain, sender_of(h.type)};
}

// Whether the stub of this PDU is to be read.
bool DcerpcParser::maps(const RpcHeader& h, Bytes pdu, NdrStyle& style, uint16_t& opnum) noexcept {
  if (!h.is_first() || h.auth_bytes != 0) return false;
  uint16_t context = 0;
  if (h.type == kRpcRequest && pdu.size() >= kCallHeadBytes) {
    Cursor c(pdu.subspan(RpcHeader::kBytes + 4));
    context = h.little ? c.le16() : c.be16();
    opnum = h.little ? c.le16() : c.be16();
  } else if (h.type == kRpcResponse) {
    const RpcCall* call = talk_.find_call(h.call_id);
    if (call == nullptr || call->request != kRpcRequest) return false;
    context = call->context;
    opnum = call->opnum;
  } else {
    return false;
  }
  const RpcContext* c = talk_.find_context(context);
  if (c == nullptr || (opnum != kEptMap && opnum != kEptLookup)) return false;
  style = {h.little, c->wide};
  return rpc_endpoint(c->known) == "epmapper";
}

Step DcerpcParser::parse(const Input& in, Output& out) noexcept {
  if (in.bytes.size() < RpcHeader::kBytes) return Step::need(RpcHeader::kBytes);
  RpcHeader h;
  if (!read_rpc_header(in.bytes, h)) return Step::malformed("MALFORMED_DATA");
  size_t wanted = std::min(RpcTalk::wanted(h), kMessageBytesMax);
  if (in.bytes.size() < wanted && !in.whole) return Step::need(wanted);
  NdrStyle style;
  uint16_t opnum = 0;
  const bool mapping = maps(h, in.bytes, style, opnum);
  if (mapping) wanted = std::min<size_t>(h.bytes, kMessageBytesMax);
  if (in.bytes.size() < wanted && !in.whole) return Step::need(wanted);
  const Bytes pdu = in.bytes.first(std::min(wanted, in.bytes.size()));
  const Probe::Sender sender = sender_of(h.type);
  const bool from_client =
      sender == Probe::Sender::kUnknown ? in.from_client : sender == Probe::Sender::kClient;
  Teller teller(*this, out);
  if (from_client && h.type == kRpcBind) ntlm_told_ = false;
  const size_t head =
      std::min<size_t>(pdu.size(), (h.flags & kObject) != 0 ? kCallHeadBytes + 16 : kCallHeadBytes);
  const RpcCall* call = mapping ? talk_.find_call(h.call_id) : nullptr;
  if (call != nullptr && h.type == kRpcResponse && call->order == map_order_) {
    write_map_response(map_, pdu.subspan(head), style, opnum);
  }
  talk_.pdu(h, pdu, from_client, 0, ntlm_, teller, out);
  if (!mapping || h.type != kRpcRequest) return Step::consumed(h.bytes);
  call = talk_.find_call(h.call_id);
  map_order_ = call == nullptr ? 0 : call->order;
  map_.clear();
  if (opnum == kEptMap) write_map_request(map_, pdu.subspan(head), style);
  return Step::consumed(h.bytes);
}

void DcerpcParser::end(Output& out) noexcept {
  Teller teller(*this, out);
  talk_.end(ntlm_, teller, out);
}

}  // namespace weir::parse
