// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""s;

std::string le(uint64_t v, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
  return out;
}
std::string wide(std::string_view s) {
  std::string out;
  for (const char c : s) out += std::string{c, '\0'};
  return out;
}
std::string framed(const std::string& m) {
  return "\0"s +
         std::string{static_cast<char>(m.size() >> 16), static_cast<char>(m.size() >> 8),
                     static_cast<char>(m.size())} +
         m;
}
struct Head {
  uint16_t command = 0;
  uint64_t id = 0;
  bool response = false;
  uint32_t status = 0, tree = 1, next = 0, flags = 0;
};
std::string header(const Head& h) {
  return "\xfeSMB"s + le(64, 2) + le(0, 2) + le(h.status, 4) + le(h.command, 2) + le(1, 2) +
         le(h.flags | (h.response ? 1 : 0), 4) + le(h.next, 4) + le(h.id, 8) + le(0, 4) +
         le(h.tree, 4) + le(77, 8) + le(0, 16);
}
std::string asked(uint16_t command, uint64_t id, const std::string& body) {
  return framed(header({.command = command, .id = id}) + body);
}
std::string said(uint16_t command, uint64_t id, const std::string& body, uint32_t status = 0) {
  return framed(header({.command = command, .id = id, .response = true, .status = status}) + body);
}
const std::string kFid = le(0x1122334455667788, 8) + le(0x99, 8);

std::string setup(uint64_t id) {
  const std::string user = wide("bob"), domain = wide("CORP"), host = wide("WS1");
  const std::string token = "NTLMSSP\0\x03\0\0\0"s + le(0, 16) + le(8, 4) + le(64, 4) + le(6, 4) +
                            le(72, 4) + le(6, 4) + le(78, 4) + le(0, 4) + le(64, 4) + le(1, 4) +
                            domain + user + host;
  return asked(1, id, le(25, 2) + le(0, 10) + le(88, 2) + le(token.size(), 2) + le(0, 8) + token);
}
std::string tree(uint64_t id, std::string_view path) {
  return asked(3, id, le(9, 4) + le(72, 2) + le(2 * path.size(), 2) + wide(path));
}
std::string create(uint64_t id, std::string_view name, uint32_t options = 0) {
  return asked(5, id,
               le(57, 2) + le(0, 34) + le(5, 4) + le(options, 4) + le(120, 2) +
                   le(2 * name.size(), 2) + le(0, 8) + wide(name));
}
std::string created(uint64_t id) {
  const uint64_t time = (11'644'473'600 + 1'700'000'000) * 10'000'000ULL;
  return said(5, id,
              le(89, 2) + le(0, 6) + le(time, 8) + le(time, 8) + le(time, 8) + le(time, 8) +
                  le(0, 8) + le(42, 8) + le(0, 8) + kFid);
}
std::string write(uint64_t id, const std::string& data) {
  return asked(9, id,
               le(49, 2) + le(112, 2) + le(data.size(), 4) + le(0, 8) + kFid + le(0, 16) + data);
}

TEST(Smb, TellsEveryLoginWithItsStatus) {
  Conversation c;
  c.client(setup(1));
  c.server(said(1, 1, le(9, 2) + le(0, 6), 0xc000006d));
  c.client(setup(2));
  c.server(said(1, 2, le(9, 2) + le(0, 6)));
  const auto logins = c.events("login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["account"], "bob");
  EXPECT_EQ(logins[0]["domain"], "CORP");
  EXPECT_EQ(logins[0]["host"], "WS1");
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[0]["code"], "STATUS_LOGON_FAILURE");
  EXPECT_EQ(logins[1]["outcome"], "success");
  EXPECT_EQ(c.events("smb")[0]["ntlmssp"]["user"], "bob");
  EXPECT_EQ(c.events("smb")[0]["status_code"], "0xc000006d");
}

// Rules see what is asked before it is granted; the event then begins with the same.
TEST(Smb, ShowsACommandBeforeItsAnswer) {
  Conversation c;
  c.judge();
  c.client(setup(1));
  ASSERT_EQ(c.shown().size(), 1u);
  EXPECT_EQ(c.shown()[0]["ntlmssp"]["user"], "bob");
  c.client(tree(2, "\\\\dc\\ADMIN$") + tree(3, "\\\\dc\\IPC$") + create(4, "a\\x.exe"));
  ASSERT_EQ(c.shown().size(), 4u);
  EXPECT_EQ(c.shown()[1]["share"], "\\\\dc\\ADMIN$");
  EXPECT_EQ(c.shown()[2]["named_pipe"], "\\\\dc\\IPC$");
  EXPECT_EQ(c.shown()[3]["filename"], "a\\x.exe");
  EXPECT_TRUE(c.events("smb").empty());
  c.server(said(3, 2, le(16, 2) + le(1, 14)));
  ASSERT_EQ(c.events("smb").size(), 1u);
  EXPECT_EQ(c.events("smb")[0]["share"], "\\\\dc\\ADMIN$");
  EXPECT_EQ(c.events("smb")[0]["status"], "STATUS_SUCCESS");
  EXPECT_GT(c.events("smb")[0]["shown"], 0);
  EXPECT_EQ(c.shown().size(), 4u);
}

TEST(Smb, SaysTheSameHoweverItIsCut) {
  const std::string turns[] = {
      tree(1, "\\\\dc\\ADMIN$") + create(2, "a\\x.exe", 0x1000),
      said(3, 1, le(16, 2) + le(1, 14)) + created(2),
      write(3, std::string(9000, 'x')) + asked(6, 4, le(24, 8) + kFid),
      said(9, 3, le(17, 4) + le(9000, 4) + le(0, 8)) + said(6, 4, le(60, 60))};
  const auto talk = [&turns](Conversation& c, size_t piece) {
    for (size_t i = 0; i < 4; ++i) c.say(static_cast<uint8_t>(i % 2), turns[i], piece);
  };
  Conversation whole;
  talk(whole, SIZE_MAX);
  const auto events = whole.events("smb");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0]["share"], "\\\\dc\\ADMIN$");
  EXPECT_EQ(events[0]["share_type"], "FILE");
  EXPECT_EQ(events[1]["filename"], "a\\x.exe");
  EXPECT_EQ(events[1]["disposition"], "FILE_OVERWRITE_IF");
  EXPECT_EQ(events[1]["access"], "delete on close");
  EXPECT_EQ(events[1]["created"], 1'700'000'000);
  EXPECT_EQ(events[2]["command"], "SMB2_COMMAND_WRITE");
  EXPECT_EQ(events[2]["write"]["bytes"], 9000);
  EXPECT_EQ(events[3]["command"], "SMB2_COMMAND_CLOSE");
  for (const size_t piece : {size_t{1}, size_t{5}, size_t{100}, size_t{1460}}) {
    Conversation cut;
    talk(cut, piece);
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
}

TEST(Smb, NamesTheCallsInAPipe) {
  const std::string samr =
      "\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac\x01\x00\x00\x00"s;
  const std::string bind = "\x05\x00\x0b\x03"s + le(0x10, 4) + le(72, 2) + le(0, 2) + le(1, 4) +
                           le(0, 8) + le(1, 4) + le(0, 2) + le(1, 2) + samr + std::string(20, 'n');
  const std::string call = "\x05\x00\x00\x03"s + le(0x10, 4) + le(24, 2) + le(0, 2) + le(2, 4) +
                           le(0, 4) + le(0, 2) + le(13, 2);
  Conversation c;
  c.client(tree(1, "\\\\dc\\IPC$") + create(2, "samr"));
  c.server(said(3, 1, le(16, 2) + le(2, 14)) + created(2));
  c.client(write(3, bind) + write(4, call));
  c.finish();
  bool named = false;
  for (const auto& e : c.events("smb")) {
    if (!e.contains("dcerpc") || e["dcerpc"]["request"] != "REQUEST") continue;
    named = e["dcerpc"]["operation"] == "SamrEnumerateUsersInDomain" && e["named_pipe"] == "samr";
  }
  EXPECT_TRUE(named);
}

TEST(Smb, ACompoundsFileIsTheOneItOpened) {
  std::string open = create(1, "x").substr(4);
  open.resize((open.size() + 7) / 8 * 8);
  open.replace(20, 4, le(open.size(), 4));
  const std::string close = header({.command = 6, .id = 2, .tree = 0xffffffff, .flags = 4}) +
                            le(24, 8) + std::string(16, '\xff');
  std::string opened = created(1).substr(4);
  opened.resize((opened.size() + 7) / 8 * 8);
  opened.replace(20, 4, le(opened.size(), 4));
  const std::string closed = header({.command = 6, .id = 2, .response = true}) + le(60, 60);
  Conversation c;
  c.client(framed(open + close));
  c.server(framed(opened + closed));
  ASSERT_EQ(c.events("smb").size(), 2u);
  EXPECT_EQ(c.events("smb")[1]["filename"], "x");
  EXPECT_EQ(c.events("smb")[1]["tree_id"], 1);
}

TEST(Smb, NothingIsLostWhenManyWait) {
  Conversation c;
  for (uint64_t i = 1; i <= 100; ++i) c.client(create(i, "f" + std::to_string(i)));
  c.finish();
  EXPECT_EQ(c.events("smb").size(), 100u);
}

TEST(Smb, Encrypted) {
  Conversation c;
  for (int i = 0; i < 60; ++i) c.client(framed("\xfdSMB"s + std::string(80, 'e')));
  EXPECT_EQ(c.events("smb").size(), 1u);
  EXPECT_EQ(c.events("smb")[0]["encrypted"], true);
  EXPECT_FALSE(c.wanted());
}

}  // namespace
}  // namespace weir
