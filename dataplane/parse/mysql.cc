// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/sql.h"

namespace weir::parse {

namespace {

constexpr size_t kHead = 4;  // three bytes of length, the sequence number
constexpr uint32_t kClientSsl = 0x0800, kClientProtocol41 = 0x0200, kConnectWithDb = 0x0008,
                   kSecureConnection = 0x8000, kPluginAuthLenenc = 0x200000, kPluginAuth = 0x80000;

std::string_view command_name(uint8_t code) noexcept {
  switch (code) {
    case 0x01:
      return "quit";
    case 0x02:
      return "init_db";
    case 0x03:
      return "query";
    case 0x04:
      return "field_list";
    case 0x05:
      return "create_db";
    case 0x06:
      return "drop_db";
    case 0x0e:
      return "ping";
    case 0x11:
      return "change_user";
    case 0x12:
      return "binlog_dump";
    case 0x16:
      return "stmt_prepare";
    case 0x17:
      return "stmt_execute";
    case 0x19:
      return "stmt_close";
    default:
      return {};
  }
}

}  // namespace

// The server speaks first: packet 0, protocol 10, a version such as "8.0.36" or "5.5.5-10.11.6".
Probe MysqlParser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < 7) {
    const bool can = b.size() < kHead + 1 || (b[3] == 0 && (b[4] == 10 || b[4] == 0xff));
    return can && (b.size() < 4 || b[3] == 0) ? kPerhaps : kNotMine;
  }
  Cursor c(b);
  const uint32_t length = c.le16() | uint32_t{c.u8()} << 16;
  if (c.u8() != 0 || length < 20 || length > 1024 || c.u8() != 10) return kNotMine;
  constexpr size_t kVersionMax = 64;
  Cursor text(c.rest().first(std::min(c.left(), kVersionMax)));
  const Bytes version = text.zero_ended();
  if (!text.ok()) return c.left() < kVersionMax && !in.whole ? kPerhaps : kNotMine;
  const bool digits = !version.empty() && version[0] >= '3' && version[0] <= '9' &&
                      std::find(version.begin(), version.end(), '.') != version.end();
  return digits ? kMineFromServer : kNotMine;
}

void MysqlParser::login(Bytes body, Output& out) noexcept {
  Cursor c(body);
  FactWriter& facts = out.fresh();
  const uint32_t flags = c.le32();
  if ((flags & kClientProtocol41) == 0) return;
  c.skip(4 + 1 + 23);
  const Bytes user = c.zero_ended();
  user_.assign(user);
  facts.text(Fact::kMysqlUser, user);
  if ((flags & (kPluginAuthLenenc | kSecureConnection)) != 0) {
    c.skip(c.u8());
  } else {
    c.zero_ended();
  }
  if ((flags & kConnectWithDb) != 0) facts.text(Fact::kMysqlDatabase, c.zero_ended());
  if ((flags & kPluginAuth) != 0) facts.text(Fact::kMysqlPlugin, c.zero_ended());
  facts.text(Fact::kMysqlCommand, std::string_view("login"));
  if (c.ok()) out.tell(kKind, facts);
}

Step MysqlParser::client_message(Bytes body, size_t whole, uint8_t sequence, Output& out) noexcept {
  if (at_ == At::kLogin) {
    const uint32_t flags = body.size() < 4 ? 0 : uint32_t{body[0]} | uint32_t{body[1]} << 8;
    if ((flags & kClientSsl) != 0 && body.size() == 32) {
      FactWriter& facts = out.fresh();
      facts.flag(Fact::kMysqlTls, true);
      out.tell(kKind, facts);
      return Step::become(EvidenceKind::kTls, whole);
    }
    login(body, out);
    at_ = At::kOutcome;
    return Step::consumed(whole);
  }
  if (at_ != At::kCommands || sequence != 0 || body.empty()) return Step::consumed(whole);
  const std::string_view name = command_name(body[0]);
  if (name.empty()) return Step::consumed(whole);
  FactWriter& facts = out.fresh();
  facts.text(Fact::kMysqlCommand, name);
  const bool text = body[0] == 2 || body[0] == 3 || body[0] == 0x16;
  if (text) facts.text(Fact::kMysqlStatement, body.subspan(1));
  out.tell(kKind, facts);
  return Step::consumed(whole);
}

void MysqlParser::server_message(Bytes body, Output& out) noexcept {
  Cursor c(body);
  const uint8_t kind = c.u8();
  if (at_ == At::kGreeting && kind == 10) {
    FactWriter& facts = out.fresh();
    facts.text(Fact::kMysqlVersion, c.zero_ended());
    out.tell(kKind, facts);
    at_ = At::kLogin;
    return;
  }
  const bool outcome = at_ == At::kOutcome;
  if (kind == 0xff) {
    const uint16_t code = c.le16();
    if (c.left() >= 6 && c.rest()[0] == '#') c.skip(6);  // the SQL state
    FactWriter& facts = out.fresh();
    facts.number(Fact::kMysqlError, code);
    facts.text(Fact::kMysqlMessage, c.rest());
    out.tell(kKind, facts);
    if (!outcome) return;
    out.login({.protocol = "mysql",
               .account = user_.bytes(),
               .outcome = LoginOutcome::kFailure,
               .code = code == 1045 ? "ER_ACCESS_DENIED_ERROR" : "ERROR"});
    return;
  }
  if (!outcome || kind != 0x00) return;  // 0xfe, 0x01: the plugins go on talking
  at_ = At::kCommands;
  out.login({.protocol = "mysql",
             .account = user_.bytes(),
             .outcome = LoginOutcome::kSuccess,
             .code = "OK"});
}

Step MysqlParser::parse(const Input& in, Output& out) noexcept {
  if (in.bytes.size() < kHead) return Step::need(kHead);
  Cursor c(in.bytes);
  const uint32_t length = c.le16() | uint32_t{c.u8()} << 16;
  const uint8_t sequence = c.u8();
  const size_t whole = kHead + length;
  // Of rows and long statements the beginning is enough.
  const size_t shown = std::min<size_t>(whole, kHead + 4096);
  if (in.bytes.size() < shown && !in.whole) return Step::need(shown);
  const Bytes body = c.rest().first(std::min(c.left(), shown - kHead));
  if (in.from_client) return client_message(body, whole, sequence, out);
  server_message(body, out);
  return Step::consumed(whole);
}

}  // namespace weir::parse
