// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/sql.h"

namespace weir::parse {

namespace {

// MS-TDS sections 2.2.3 (packet header), 2.2.6.5 (PRELOGIN), 2.2.6.4 (LOGIN7), 2.2.7 (tokens).
constexpr size_t kHead = 8;
constexpr uint8_t kSqlBatch = 1, kRpc = 3, kResponse = 4, kLogin7 = 16, kPrelogin = 18;
constexpr size_t kShownMax = 4096;

void wide_text(FactWriter& facts, Fact fact, Bytes wide) noexcept {
  uint8_t text[1536];
  facts.text(fact, Bytes(text, utf8_of_utf16(wide, text)));
}

std::string_view encryption_name(uint8_t value) noexcept {
  constexpr std::string_view kNames[] = {"off", "on", "not_supported", "required"};
  return value < std::size(kNames) ? kNames[value] : std::string_view("unknown");
}

}  // namespace

Probe MssqlParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.empty() || (b[0] != kPrelogin && b[0] != kLogin7)) return kNotMine;
  if (b.size() < kHead + 1) return in.whole ? kNotMine : kPerhaps;
  const size_t length = load_be16(b.data() + 2);
  const bool head = b[1] <= 1 && length > kHead && length <= 4096 && b[7] == 0;
  if (!head) return kNotMine;
  // PRELOGIN begins with the option VERSION; LOGIN7 with its own length, which is the packet's.
  if (b[0] == kPrelogin) return b[kHead] == 0 ? kMineFromClient : kNotMine;
  if (b.size() < kHead + 8) return in.whole ? kNotMine : kPerhaps;
  return b[kHead + 7] >= 0x70 ? kMineFromClient : kNotMine;  // version 7, little-endian
}

bool MssqlParser::prelogin(Bytes body, bool from_client, Output& out) noexcept {
  FactWriter& facts = out.fresh();
  facts.text(Fact::kMssqlType, std::string_view(from_client ? "prelogin" : "prelogin_response"));
  for (unsigned n = 0; n < 16; ++n) {
    Cursor c(body);
    c.skip(n * 5);
    const uint8_t token = c.u8();
    const uint16_t at = c.be16(), bytes = c.be16();
    if (!c.ok() || token == 0xff) break;
    Cursor value(body);
    value.seek(at);
    const Bytes v = value.bytes(bytes);
    if (!value.ok()) break;
    if (token == 0 && v.size() >= 4) {
      uint8_t text[16];
      size_t size = 0;
      const unsigned numbers[] = {v[0], v[1], load_be16(v.data() + 2)};
      for (unsigned i = 0; i < 3; ++i) {
        if (i != 0) text[size++] = '.';
        unsigned divisor = 10'000;
        while (divisor > 1 && numbers[i] < divisor) divisor /= 10;
        for (; divisor != 0; divisor /= 10) {
          text[size++] = static_cast<uint8_t>('0' + numbers[i] / divisor % 10);
        }
        if (size > sizeof text - 7) break;
      }
      facts.text(Fact::kMssqlVersion, Bytes(text, size));
    } else if (token == 1 && !v.empty()) {
      encryption_[from_client ? 0 : 1] = v[0];
      facts.text(Fact::kMssqlEncryption, encryption_name(v[0]));
    }
  }
  out.tell(kKind, facts);
  // Anything but "not supported" on both sides puts TLS inside TDS packets from here on.
  const bool both = encryption_[0] != 0xff && encryption_[1] != 0xff;
  return !from_client && both && encryption_[0] != 2 && encryption_[1] != 2;
}

void MssqlParser::login(Bytes body, Output& out) noexcept {
  struct {
    size_t at;
    Fact fact;
  } constexpr kTexts[] = {{36, Fact::kMssqlHost},
                          {40, Fact::kMssqlUser},
                          {48, Fact::kMssqlApplication},
                          {52, Fact::kMssqlServer},
                          {68, Fact::kMssqlDatabase}};
  FactWriter& facts = out.fresh();
  facts.text(Fact::kMssqlType, std::string_view("login"));
  for (const auto& t : kTexts) {
    Cursor c(body);
    c.seek(t.at);
    const uint16_t at = c.le16(), letters = c.le16();
    Cursor text(body);
    text.seek(at);
    const Bytes wide = text.bytes(size_t{letters} * 2);
    if (!c.ok() || !text.ok() || wide.empty()) continue;
    wide_text(facts, t.fact, wide);
    if (t.fact == Fact::kMssqlUser) user_.assign_utf16(wide);
    if (t.fact == Fact::kMssqlHost) host_.assign_utf16(wide);
  }
  awaits_outcome_ = true;
  out.tell(kKind, facts);
}

// The first tokens of an answer to a login: LOGINACK or ERROR among INFO and ENVCHANGE.
void MssqlParser::answer(Bytes body, Output& out) noexcept {
  Cursor c(body);
  for (unsigned n = 0; n < 32 && awaits_outcome_ && c.left() > 2; ++n) {
    const uint8_t token = c.u8();
    if (token != 0xaa && token != 0xab && token != 0xad && token != 0xe3) return;
    const Bytes data = c.bytes(c.le16());
    if (!c.ok()) return;
    if (token == 0xad) {
      out.login({.protocol = "mssql",
                 .account = user_.bytes(),
                 .host = host_.bytes(),
                 .outcome = LoginOutcome::kSuccess,
                 .code = "LOGINACK"});
      awaits_outcome_ = false;
    } else if (token == 0xaa) {
      Cursor e(data);
      const uint32_t code = e.le32();
      e.skip(2);
      FactWriter& facts = out.fresh();
      facts.text(Fact::kMssqlType, std::string_view("error"));
      facts.number(Fact::kMssqlError, code);
      const Bytes text = e.bytes(size_t{e.le16()} * 2);
      if (e.ok()) wide_text(facts, Fact::kMssqlMessage, text);
      out.tell(kKind, facts);
      out.login({.protocol = "mssql",
                 .account = user_.bytes(),
                 .host = host_.bytes(),
                 .outcome = LoginOutcome::kFailure,
                 .code = code == 18456 ? "18456 login failed" : "error"});
      awaits_outcome_ = false;
    }
  }
}

Step MssqlParser::parse(const Input& in, Output& out) noexcept {
  if (in.bytes.size() < kHead) return Step::need(kHead);
  const uint8_t type = in.bytes[0];
  const size_t length = load_be16(in.bytes.data() + 2);
  if (length < kHead || type == 0 || type > 0x17) return Step::malformed("invalid_header");
  const size_t shown = std::min(length, kShownMax);
  if (in.bytes.size() < shown && !in.whole) return Step::need(shown);
  const Bytes body = in.bytes.first(std::min(shown, in.bytes.size())).subspan(kHead);
  if (type == kPrelogin || (type == kResponse && !in.from_client && encryption_[1] == 0xff)) {
    if (prelogin(body, in.from_client, out)) return Step::finished();
  } else if (type == kLogin7 && in.from_client) {
    login(body, out);
  } else if (type == kResponse && !in.from_client) {
    answer(body, out);
  } else if (type == kSqlBatch || type == kRpc) {
    FactWriter& facts = out.fresh();
    facts.text(Fact::kMssqlType, std::string_view(type == kSqlBatch ? "batch" : "rpc"));
    Cursor c(body);  // since TDS 7.2 headers of their own length come first
    const uint32_t headers = c.le32();
    if (type == kSqlBatch && c.ok() && headers >= 4 && headers <= body.size()) {
      wide_text(facts, Fact::kMssqlStatement, body.subspan(headers));
    }
    out.tell(kKind, facts);
  }
  return Step::consumed(length);
}

}  // namespace weir::parse
