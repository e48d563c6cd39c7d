// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/rfb.h"

#include "dataplane/parse/cursor.h"

namespace weir::parse {

namespace {

constexpr size_t kVersionBytes = 12;  // "RFB 003.008\n"
constexpr uint32_t kNone = 1, kVnc = 2, kApple = 30;
constexpr uint32_t kReasonMax = 65'536, kNameMax = 1024;
constexpr std::string_view kMalformed = "malformed_message";

bool is_version(Bytes b) noexcept {
  constexpr std::string_view kShape = "RFB ddd.ddd\n";
  for (size_t i = 0; i < std::min(b.size(), kVersionBytes); ++i) {
    const bool digit = b[i] >= '0' && b[i] <= '9';
    if (kShape[i] == 'd' ? !digit : b[i] != static_cast<uint8_t>(kShape[i])) return false;
  }
  return true;
}

std::string_view mechanism_name(uint32_t type) noexcept {
  switch (type) {
    case kNone:
      return "none";
    case kVnc:
      return "vnc";
    case kApple:
      return "apple";
    default:
      return "other";
  }
}

}  // namespace

Probe RfbParser::probe(const ProbeInput& in) noexcept {
  if (!is_version(in.bytes)) return kNotMine;
  if (in.bytes.size() < kVersionBytes) return kPerhaps;
  // The server greets and says no more until it is answered; the client's answer is the same line.
  return in.from_initiator ? kMine : kMineFromServer;
}

// false: what follows is another's.
bool RfbParser::choose(uint32_t type) noexcept {
  chosen_ = true;
  type_ = type;
  facts_.number(Fact::kRfbSecurityType, type);
  return type == kNone || type == kVnc || type == kApple;
}

Step RfbParser::client(const Input& in, Output& out) noexcept {
  Cursor c(in.bytes);
  switch (client_) {
    case Client::kVersion: {
      if (in.bytes.size() < kVersionBytes) return Step::need(kVersionBytes);
      if (!is_version(in.bytes)) return Step::malformed(kMalformed);
      facts_.text(Fact::kRfbClientMajor, in.bytes.subspan(4, 3));
      facts_.text(Fact::kRfbClientMinor, in.bytes.subspan(8, 3));
      uint64_t major = 0, minor = 0;
      read_decimal(in.bytes.subspan(4, 3), major);
      read_decimal(in.bytes.subspan(8, 3), minor);
      minor_ = major > 3 ? 8 : std::max<uint16_t>(3, static_cast<uint16_t>(minor));
      client_ = minor_ < 7 ? Client::kResponse : Client::kChoice;
      return Step::consumed(kVersionBytes);
    }
    case Client::kChoice:
      if (server_ <= Server::kTypes) return Step::need();  // not asked yet
      client_ = in.bytes[0] == kNone ? Client::kInit : Client::kResponse;
      if (!choose(in.bytes[0])) {
        tell(out);
        return Step::finished();
      }
      return Step::consumed(1);
    case Client::kResponse: {
      if (!chosen_) return Step::need();
      if (type_ == kNone) {
        client_ = Client::kInit;
        return client(in, out);
      }
      const size_t size = type_ == kApple ? 128 + key_bytes_ : 16;
      if (in.bytes.size() < size) return Step::need(size);
      if (type_ == kVnc) facts_.bytes(Fact::kRfbResponse, in.bytes.first(16));
      client_ = Client::kInit;
      return Step::consumed(size);
    }
    case Client::kInit:
      facts_.flag(Fact::kRfbShared, in.bytes[0] != 0);
      client_ = Client::kDone;
      return Step::consumed(1);
    case Client::kDone:
      break;
  }
  return Step::consumed(in.bytes.size());
}

Step RfbParser::server(const Input& in, Output& out) noexcept {
  const Bytes b = in.bytes;
  switch (server_) {
    case Server::kVersion:
      if (b.size() < kVersionBytes) return Step::need(kVersionBytes);
      if (!is_version(b)) return Step::malformed(kMalformed);
      facts_.text(Fact::kRfbServerMajor, b.subspan(4, 3));
      facts_.text(Fact::kRfbServerMinor, b.subspan(8, 3));
      server_ = Server::kTypes;
      return Step::consumed(kVersionBytes);
    case Server::kTypes:
      return server_types(b, out);
    case Server::kChosen:
      return server_chosen(b, out);
    case Server::kResult:
      return server_result(b, out);
    case Server::kReason:
      return server_reason(b, out);
    case Server::kInit:
      break;
  }
  return server_init(b, out);
}

// RFC 6143 section 7.1.2; version 3.3 has the server choose.
Step RfbParser::server_types(Bytes b, Output& out) noexcept {
  if (client_ == Client::kVersion) return Step::need();  // which version?
  if (minor_ < 7) {
    if (b.size() < 4) return Step::need(4);
    const uint32_t type = load_be32(b.data());
    server_ = type == 0 ? Server::kReason : Server::kChosen;
    failed_ = type == 0;
    if (type == kNone) server_ = Server::kInit;
    if (type != 0 && !choose(type)) {
      tell(out);
      return Step::finished();
    }
    return Step::consumed(4);
  }
  const size_t count = b[0];
  if (b.size() < 1 + count) return Step::need(1 + count);
  for (size_t i = 0; i < std::min<size_t>(count, 16); ++i) {
    facts_.number(Fact::kRfbSecurityTypes, b[1 + i]);
  }
  failed_ = count == 0;
  server_ = count == 0 ? Server::kReason : Server::kChosen;
  return Step::consumed(1 + count);
}

Step RfbParser::server_chosen(Bytes b, Output& out) noexcept {
  if (!chosen_) return Step::need();
  if (type_ == kNone) {  // section 7.1.3: only since 3.8 there is a result
    server_ = minor_ >= 8 ? Server::kResult : Server::kInit;
    return minor_ >= 8 ? server_result(b, out) : server_init(b, out);
  }
  server_ = Server::kResult;
  if (type_ == kVnc) {
    if (b.size() < 16) {
      server_ = Server::kChosen;
      return Step::need(16);
    }
    facts_.bytes(Fact::kRfbChallenge, b.first(16));
    return Step::consumed(16);
  }
  const size_t wanted = b.size() < 4 ? 4 : 4 + size_t{2} * load_be16(&b[2]);
  if (b.size() < wanted) {
    server_ = Server::kChosen;
    return Step::need(wanted);
  }
  key_bytes_ = load_be16(&b[2]);
  return Step::consumed(wanted);
}

Step RfbParser::server_result(Bytes b, Output& out) noexcept {
  if (b.size() < 4) return Step::need(4);
  const uint32_t result = load_be32(b.data());
  const std::string_view name = result == 0   ? "OK"
                                : result == 1 ? "FAIL"
                                : result == 2 ? "TOOMANY"
                                              : "UNKNOWN";
  facts_.text(Fact::kRfbSecurityResult, name);
  login(result == 0 ? LoginOutcome::kSuccess : LoginOutcome::kFailure, name, out);
  server_ = result == 0 ? Server::kInit : Server::kReason;
  failed_ = result != 0;
  if (!failed_ || minor_ >= 8) return Step::consumed(4);
  tell(out);
  return Step::finished();
}

Step RfbParser::server_reason(Bytes b, Output& out) noexcept {
  if (b.size() < 4) return Step::need(4);
  const uint32_t length = load_be32(b.data());
  if (length > kReasonMax) return Step::malformed(kMalformed);
  const size_t wanted = 4 + std::min(length, kNameMax);
  if (b.size() < wanted) return Step::need(wanted);
  facts_.text(Fact::kRfbFailureReason, b.first(wanted).subspan(4));
  tell(out);
  return Step::finished();
}

// RFC 6143 section 7.3.2.
Step RfbParser::server_init(Bytes b, Output& out) noexcept {
  constexpr size_t kHead = 24;
  if (b.size() < kHead) return Step::need(kHead);
  Cursor c(b);
  const uint16_t width = c.be16(), height = c.be16();
  const Fact pixels[] = {Fact::kRfbBitsPerPixel, Fact::kRfbDepth,    Fact::kRfbBigEndian,
                         Fact::kRfbTrueColor,    Fact::kRfbRedMax,   Fact::kRfbGreenMax,
                         Fact::kRfbBlueMax,      Fact::kRfbRedShift, Fact::kRfbGreenShift,
                         Fact::kRfbBlueShift};
  const size_t wanted = kHead + std::min(load_be32(&b[20]), kNameMax);
  if (b.size() < wanted) return Step::need(wanted);
  if (type_ == kNone && minor_ < 8) login(LoginOutcome::kSuccess, {}, out);
  facts_.number(Fact::kRfbWidth, width);
  facts_.number(Fact::kRfbHeight, height);
  facts_.text(Fact::kRfbName, b.first(wanted).subspan(kHead));
  for (unsigned i = 0; i < std::size(pixels); ++i) {
    if (i == 2 || i == 3) {
      facts_.flag(pixels[i], c.u8() != 0);
    } else {
      facts_.number(pixels[i], i >= 4 && i <= 6 ? c.be16() : c.u8());
    }
  }
  tell(out);
  return Step::finished();
}

void RfbParser::login(LoginOutcome outcome, std::string_view code, Output& out) const noexcept {
  out.login({.protocol = "rfb",
             .mechanism = mechanism_name(type_),
             .account = {},
             .domain = {},
             .host = {},
             .service = {},
             .outcome = outcome,
             .code = code});
}

void RfbParser::tell(Output& out) noexcept {
  if (told_ || facts_.empty()) return;
  told_ = true;
  FactWriter& all = out.fresh();
  all.append(facts_);
  out.tell(kKind, all);
}

}  // namespace weir::parse
