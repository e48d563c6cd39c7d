// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/industrial.h"

namespace weir::parse {

namespace {

constexpr size_t kHeadBytes = 7;    // MBAP: transaction, protocol, length, unit
constexpr size_t kLengthMax = 254;  // unit and PDU

struct Function {
  uint8_t code;
  std::string_view name, access;
  bool has_quantity;
};
constexpr Function kFunctions[] = {{1, "RdCoils", "READ | COILS", true},
                                   {2, "RdDiscreteInputs", "READ | DISCRETES", true},
                                   {3, "RdHoldRegs", "READ | HOLDING", true},
                                   {4, "RdInputRegs", "READ | INPUT", true},
                                   {5, "WrSingleCoil", "WRITE | COILS | SINGLE", false},
                                   {6, "WrSingleReg", "WRITE | HOLDING | SINGLE", false},
                                   {7, "RdExcStatus", "", false},
                                   {8, "Diagnostic", "", false},
                                   {11, "GetCommEventCounter", "", false},
                                   {12, "GetCommEventLog", "", false},
                                   {15, "WrMultCoils", "WRITE | COILS | MULTIPLE", true},
                                   {16, "WrMultRegs", "WRITE | HOLDING | MULTIPLE", true},
                                   {17, "ReportServerID", "", false},
                                   {20, "RdFileRec", "", false},
                                   {21, "WrFileRec", "", false},
                                   {22, "MaskWrReg", "WRITE | HOLDING | SINGLE", false},
                                   {23, "RdWrMultRegs", "READ | WRITE | HOLDING | MULTIPLE", true},
                                   {24, "RdFIFOQueue", "", false},
                                   {43, "MEI", "", false}};
constexpr std::string_view kExceptions[] = {"",
                                            "IllegalFunction",
                                            "IllegalDataAddr",
                                            "IllegalDataVal",
                                            "ServerDeviceFail",
                                            "Ack",
                                            "ServerDeviceBusy",
                                            "NAck",
                                            "MemParityErr",
                                            "",
                                            "GatewayPathUnavailable",
                                            "GatewayTargetFailToResp"};

const Function* function_of(uint8_t code) noexcept {
  for (const Function& f : kFunctions) {
    if (f.code == code) return &f;
  }
  return nullptr;
}

std::string_view category_of(uint8_t code) noexcept {
  if (function_of(code) != nullptr) return "PUBLIC_ASSIGNED";
  if ((code >= 65 && code <= 72) || (code >= 100 && code <= 110)) return "USER_DEFINED";
  if (code == 9 || code == 10 || code == 13 || code == 14 || code == 41 || code == 42 ||
      code == 90 || code == 91 || code == 125 || code == 126 || code == 127) {
    return "RESERVED";
  }
  return "PUBLIC_UNASSIGNED";
}

constexpr Fact after(Fact fact, unsigned n) noexcept {
  return static_cast<Fact>(static_cast<unsigned>(fact) + n);
}

// The facts of a direction stand in the table in this order from `first` on: transaction, protocol,
// unit, raw function, function, access, category, errors, address, quantity, exception, its number.
void describe(FactWriter& facts, Fact first, Bytes message, bool request) noexcept {
  Cursor c(message);
  facts.number(first, c.be16());
  facts.number(after(first, 1), c.be16());
  c.be16();
  facts.number(after(first, 2), c.u8());
  const uint8_t raw = c.u8();
  const uint8_t code = raw & 0x7f;
  facts.number(after(first, 3), raw);
  const Function* f = function_of(code);
  facts.text(after(first, 4), f != nullptr ? f->name : std::string_view("Unknown"));
  if (f != nullptr && !f->access.empty()) facts.text(after(first, 5), f->access);
  facts.text(after(first, 6), category_of(code));
  facts.text(after(first, 7), std::string_view("NONE"));
  if ((raw & 0x80) != 0) {
    const uint8_t why = c.u8();
    facts.text(after(first, 10), why < std::size(kExceptions) && !kExceptions[why].empty()
                                     ? kExceptions[why]
                                     : std::string_view("Unknown"));
    facts.number(after(first, 11), why);
    return;
  }
  if (!request || f == nullptr || f->access.empty()) return;
  const uint16_t address = c.be16();
  const uint16_t quantity = c.be16();
  if (!c.ok()) return;
  facts.number(after(first, 8), address);
  if (f->has_quantity) facts.number(after(first, 9), quantity);
}

}  // namespace

Probe ModbusParser::probe(const ProbeInput& in) noexcept {
  Cursor c(in.bytes);
  c.be16();
  if (c.be16() != 0) return kNotMine;  // the protocol; 0, too, while it has not come
  const uint16_t length = c.be16();
  c.u8();
  const uint8_t code = c.u8();
  if (!c.ok()) return in.whole ? kNotMine : kPerhaps;
  if (length < 2 || length > kLengthMax) return kNotMine;
  if (in.has_port(502)) return kMine;
  // Elsewhere a request whose length is what its function makes it.
  return code >= 1 && code <= 6 && length == 6 ? kMineFromClient : kNotMine;
}

void ModbusParser::tell(Request& r, Output& out, const FactWriter* response) noexcept {
  FactWriter& facts = out.fresh();
  facts.number(Fact::kModbusId, r.number);
  facts.append(r.facts);
  if (response != nullptr) facts.append(*response);
  out.tell(kKind, facts);
  r.used = false;
}

Step ModbusParser::parse(const Input& in, Output& out) noexcept {
  if (in.bytes.size() < kHeadBytes) return Step::need(kHeadBytes);
  const uint16_t transaction = load_be16(in.bytes.data());
  const uint16_t length = load_be16(in.bytes.data() + 4);
  if (load_be16(in.bytes.data() + 2) != 0) return Step::malformed("invalid_protocol_id");
  if (length < 2 || length > kLengthMax) return Step::malformed("invalid_length");
  const size_t whole = kHeadBytes - 1 + length;
  if (in.bytes.size() < whole) return Step::need(whole);
  const Bytes message = in.bytes.first(whole);
  if (in.from_client) {
    Request* slot = &waiting_[0];  // the oldest gives way
    for (Request& r : waiting_) {
      if (!r.used || (slot->used && r.number < slot->number)) slot = &r;
      if (!slot->used) break;
    }
    if (slot->used) tell(*slot, out, nullptr);
    slot->used = true;
    slot->transaction = transaction;
    slot->number = ++requests_;
    slot->facts.clear();
    describe(slot->facts, Fact::kModbusRequestTransaction, message, true);
    return Step::consumed(whole);
  }
  FactList<160> response;
  describe(response, Fact::kModbusResponseTransaction, message, false);
  for (Request& r : waiting_) {
    if (!r.used || r.transaction != transaction) continue;
    tell(r, out, &response);
    return Step::consumed(whole);
  }
  Request nobody;
  nobody.number = ++requests_;
  tell(nobody, out, &response);
  out.violation(kKind, "unsolicited_response");
  return Step::consumed(whole);
}

void ModbusParser::end(Output& out) noexcept {
  for (Request& r : waiting_) {
    if (r.used) tell(r, out, nullptr);
  }
}

}  // namespace weir::parse
