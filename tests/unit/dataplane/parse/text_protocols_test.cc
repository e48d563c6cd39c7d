// SPDX-License-Identifier: Apache-2.0
// SSH, Telnet, FTP, SMTP, IMAP, POP3.
#include <gtest/gtest.h>

#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;
using Turns = std::vector<std::pair<uint8_t, std::string>>;
constexpr uint8_t kClient = 0, kServer = 1;

// Says it as it is, and in pieces; both must give the same.
std::vector<nlohmann::json> said(const Turns& turns, uint16_t port = 9999) {
  std::vector<nlohmann::json> first;
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}}) {
    Conversation c(Conversation::Over::kTcp, 40000, port);
    for (const auto& [who, text] : turns) c.say(who, text, piece);
    c.finish();
    if (piece == SIZE_MAX) {
      first = c.events();
    } else {
      EXPECT_EQ(c.events(), first) << piece;
    }
  }
  return first;
}

std::vector<nlohmann::json> only(const std::vector<nlohmann::json>& events, std::string_view type) {
  std::vector<nlohmann::json> some;
  for (const auto& e : events) {
    if (e["event_type"] == type) some.push_back(e);
  }
  return some;
}

std::string be32(size_t n) {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
          static_cast<char>(n)};
}

std::string packet(char message, const std::string& body) {
  return be32(2 + body.size() + 4) + '\4' + message + body + std::string(4, '\0');
}

std::string offer(const std::string& cipher, const std::string& mac) {
  std::string body(16, 'c');
  for (const std::string& list :
       {std::string("curve25519-sha256"), std::string("ssh-ed25519"), cipher, cipher, mac, mac,
        std::string("none"), std::string("none"), std::string(), std::string()}) {
    body += be32(list.size()) + list;
  }
  return packet(20, body + std::string(5, '\0'));
}

Turns ssh_until_sealed(const std::string& cipher, const std::string& mac) {
  return {{kServer, "SSH-2.0-OpenSSH_9.2p1 Debian\r\n"},
          {kClient, "SSH-2.0-OpenSSH_9.0\r\n"},
          {kClient, offer(cipher, mac)},
          {kServer, offer(cipher, mac)},
          {kClient, packet(30, std::string(36, 'k'))},
          {kServer, packet(31, std::string(100, 'k')) + packet(21, "")},
          {kClient, packet(21, "")}};
}

std::string gcm(size_t payload) {
  const size_t blocks = (1 + payload + 4 + 15) / 16 * 16;
  return be32(blocks) + std::string(blocks + 16, 'x');
}

std::string chacha(size_t payload) {
  return std::string(4 + (1 + payload + 4 + 7) / 8 * 8 + 16, 'x');
}

TEST(Ssh, TellsBannersAndHassh) {
  const auto events = said(ssh_until_sealed("aes128-gcm@openssh.com", "hmac-sha2-256"));
  ASSERT_EQ(only(events, "ssh").size(), 1u);
  const auto& e = events[0];
  EXPECT_EQ(e["server"]["software_version"], "OpenSSH_9.2p1");
  EXPECT_EQ(e["client"]["proto_version"], "2.0");
  EXPECT_EQ(e["client"]["hassh"]["string"],
            "curve25519-sha256;aes128-gcm@openssh.com;hmac-sha2-256;none");
  EXPECT_EQ(e["client"]["hassh"]["hash"].get<std::string>().size(), 32u);
  EXPECT_TRUE(only(events, "login").empty());
}

TEST(Ssh, LoginsByLengthsThatAreVisible) {
  Turns t = ssh_until_sealed("aes128-gcm@openssh.com", "hmac-sha2-256");
  t.insert(t.end(), {{kClient, gcm(17)},
                     {kServer, gcm(300) + gcm(17)},
                     {kClient, gcm(36)},
                     {kServer, gcm(30)},
                     {kClient, gcm(60)},
                     {kServer, gcm(30)},
                     {kClient, gcm(60)},
                     {kServer, gcm(1) + gcm(400)}});
  const auto logins = only(said(t), "login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[1]["outcome"], "success");
}

TEST(Ssh, LoginsByTurnsWhereLengthsAreHidden) {
  Turns t = ssh_until_sealed("chacha20-poly1305@openssh.com", "hmac-sha2-256");
  t.insert(t.end(), {{kClient, chacha(17)},
                     {kServer, chacha(300) + chacha(17)},
                     {kClient, chacha(36)},
                     {kServer, chacha(30)},
                     {kClient, chacha(150)},
                     {kServer, chacha(1) + chacha(400)},
                     {kClient, chacha(24) + chacha(34)}});
  const auto logins = only(said(t), "login");
  ASSERT_EQ(logins.size(), 1u);
  EXPECT_EQ(logins[0]["outcome"], "success");
}

TEST(Ssh, AHostileLengthEndsIt) {
  const auto events = said({{kServer, "SSH-2.0-x\r\n"}, {kServer, std::string(8, '\xff')}});
  EXPECT_EQ(only(events, "anomaly").size(), 1u);
}

TEST(Ftp, TellsCommandsLoginsAndTransfers) {
  const auto events = said({{kServer, "220 an FTP server\r\n"},
                            {kClient, "USER anna\r\n"},
                            {kServer, "331 password\r\n"},
                            {kClient, "PASS wrong\r\n"},
                            {kServer, "530 no\r\n"},
                            {kClient, "PASS right\r\n"},
                            {kServer, "230-hello\r\n230 in\r\n"},
                            {kClient, "PORT 10,0,0,1,1,2\r\n"},
                            {kServer, "200 ok\r\n"},
                            {kClient, "RETR a.txt\r\n"},
                            {kServer, "150 here\r\n226 done\r\n"}});
  const auto logins = only(events, "login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[1]["outcome"], "success");
  EXPECT_EQ(logins[1]["account"], "anna");
  const auto ftp = only(events, "ftp");
  ASSERT_EQ(ftp.size(), 6u);
  EXPECT_EQ(ftp[4]["dynamic_port"], 258);
  EXPECT_EQ(ftp[4]["mode"], "active");
  EXPECT_EQ(ftp[5]["completion_code"], nlohmann::json({"150", "226"}));
  EXPECT_EQ(ftp[5]["reply_received"], "yes");
  ASSERT_EQ(only(events, "ftp_data").size(), 1u);
  EXPECT_EQ(only(events, "ftp_data")[0]["filename"], "a.txt");
}

TEST(Smtp, TellsEnvelopeHeadAndFiles) {
  const auto events = said(
      {{kServer, "220 mx ESMTP\r\n"},
       {kClient, "EHLO pc\r\n"},
       {kServer, "250-mx\r\n250 AUTH PLAIN\r\n"},
       {kClient, "AUTH PLAIN AGFubmEAc2VjcmV0\r\n"},
       {kServer, "235 ok\r\n"},
       {kClient, "MAIL FROM:<a@x> SIZE=5\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
       {kServer, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"},
       {kClient,
        "From: \"A, B\" <a@x>\r\nTo: b@y,\r\n c@y\r\nSubject: hi\r\nContent-Type: multipart/mixed;"
        "\r\n boundary=\"xyz\"\r\n\r\n--xyz\r\nContent-Disposition: attachment; filename=\"n.txt\""
        "\r\n\r\n..text\r\n--xyz--\r\n.\r\n"},
       {kServer, "250 queued\r\n"},
       {kClient, "QUIT\r\n"}});
  ASSERT_EQ(only(events, "login").size(), 1u);
  EXPECT_EQ(only(events, "login")[0]["account"], "anna");
  EXPECT_EQ(only(events, "login")[0]["outcome"], "success");
  ASSERT_EQ(only(events, "smtp").size(), 1u);
  const auto e = only(events, "smtp")[0];
  EXPECT_EQ(e["helo"], "pc");
  EXPECT_EQ(e["mail_from"], "<a@x>");
  EXPECT_EQ(e["rcpt_to"], nlohmann::json({"<b@y>", "<c@y>"}));
  EXPECT_EQ(e["email"]["from"], "\"A, B\" <a@x>");
  EXPECT_EQ(e["email"]["to"], nlohmann::json({"b@y", "c@y"}));
  EXPECT_EQ(e["email"]["attachment"], nlohmann::json({"n.txt"}));
  EXPECT_EQ(e["email"]["status"], "PARSE_DONE");
}

TEST(Smtp, ChunksAndRefusals) {
  const auto events = said({{kServer, "220 mx ESMTP\r\n"},
                            {kClient, "EHLO pc\r\nAUTH LOGIN\r\n"},
                            {kServer, "250 mx\r\n334 VXNlcm5hbWU6\r\n"},
                            {kClient, "YW5uYQ==\r\n"},
                            {kServer, "334 UGFzc3dvcmQ6\r\n"},
                            {kClient, "eA==\r\n"},
                            {kServer, "535 no\r\n"},
                            {kClient, "MAIL FROM:<a@x>\r\n"},
                            {kServer, "250 ok\r\n"},
                            {kClient, "BDAT 13\r\nSubject: hi\r\nBDAT 4 LAST\r\n\r\nx\n"},
                            {kServer, "250 ok\r\n250 ok\r\n"}});
  EXPECT_EQ(only(events, "login")[0]["outcome"], "failure");
  EXPECT_EQ(only(events, "login")[0]["code"], "535");
  EXPECT_EQ(only(events, "smtp")[0]["email"]["subject"], "hi");
}

TEST(Smtp, WhatDoesNotAnswerAnAuthIsNoLogin) {
  struct {
    std::string command, reply, outcome;  // none: no login
  } const cases[] = {
      {"AUTH FOO", "504 unknown mechanism", ""},
      {"AUTH LOGIN", "503 not now", ""},
      {"AUTH CRAM-MD5", "554 SMTP synchronization error", ""},
      {"AUTH PLAIN", "554 message refused", ""},
      {"AUTH PLAIN =", "250 ok", ""},
      {"AUTH LOGIN TUFJTCBGUk9N4ps=", "501 Invalid base64 data", "attempt"},
      {"AUTH LOGIN AAEC", "501 Invalid base64 data", ""},
      {"AUTH PLAIN AGFubmEAc2VjcmV0", "554 message refused", "attempt"},
      {"AUTH PLAIN AGFubmEAc2VjcmV0", "538 not without TLS", "attempt"},
      {"AUTH PLAIN AGFubmEAc2VjcmV0", "554 5.7.8 no", "failure"},
      {"AUTH PLAIN AGFubmEAc2VjcmV0", "535 no", "failure"},
      {"AUTH GSSAPI YQ==", "535 no", "failure"},
      {"AUTH PLAIN AGFubmEAc2VjcmV0", "454 not today", "failure"},
      {"AUTH PLAIN AGFubmEAc2VjcmV0", "235 ok", "success"},
  };
  for (const auto& one : cases) {
    const auto events = said({{kServer, "220 mx ESMTP\r\n"},
                              {kClient, "EHLO pc\r\n"},
                              {kServer, "250 mx\r\n"},
                              {kClient, one.command + "\r\n"},
                              {kServer, one.reply + "\r\n"},
                              {kClient, "QUIT\r\n"},
                              {kServer, "221 bye\r\n"}});
    const auto logins = only(events, "login");
    ASSERT_EQ(logins.size(), one.outcome.empty() ? 0u : 1u) << one.command << ' ' << one.reply;
    if (!logins.empty()) {
      EXPECT_EQ(logins[0]["outcome"], one.outcome);
      EXPECT_EQ(logins[0]["code"], one.reply.substr(0, 3));
    }
  }
}

// anna of CORP at WS1, to mx1.corp.test.
const std::string kNegotiate = "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA=";
const std::string kChallenge =
    "TlRMTVNTUAACAAAACAAIADAAAAAFgomiAQEBAQEBAQEAAAAAAAAAADgAOAA4AAAAQwBPAFIAUAAB"
    "AAYATQBYADEAAgAIAEMATwBSAFAAAwAaAG0AeAAxAC4AYwBvAHIAcAAuAHQAZQBzAHQAAAAAAA==";
const std::string kAuthenticate =
    "TlRMTVNTUAADAAAAAAAAAEAAAAAYABgAVgAAAAgACABAAAAACAAIAEgAAAAGAAYAUAAAAAAAAABA"
    "AAAABYKIokMATwBSAFAAYQBuAG4AYQBXAFMAMQBubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=";

TEST(Mail, NtlmTellsOfBothSides) {
  const auto smtp = said({{kServer, "220 mx ESMTP\r\n"},
                          {kClient, "EHLO pc\r\nAUTH NTLM\r\n"},
                          {kServer, "250 mx\r\n334 NTLM supported\r\n"},
                          {kClient, kNegotiate + "\r\n"},
                          {kServer, "334 " + kChallenge + "\r\n"},
                          {kClient, kAuthenticate + "\r\n"},
                          {kServer, "535 no\r\n"}});
  const auto imap = said({{kServer, "* OK ready\r\n"},
                          {kClient, "a AUTHENTICATE NTLM\r\n"},
                          {kServer, "+\r\n"},
                          {kClient, kNegotiate + "\r\n"},
                          {kServer, "+ " + kChallenge + "\r\n"},
                          {kClient, kAuthenticate + "\r\n"},
                          {kServer, "a NO no\r\n"}});
  const auto pop3 = said({{kServer, "+OK ready\r\n"},
                          {kClient, "AUTH NTLM\r\n"},
                          {kServer, "+ \r\n"},
                          {kClient, kNegotiate + "\r\n"},
                          {kServer, "+ " + kChallenge + "\r\n"},
                          {kClient, kAuthenticate + "\r\n"},
                          {kServer, "-ERR no\r\n"}});
  const auto look = [](const auto& events, const std::string& protocol) {
    ASSERT_EQ(only(events, "login").size(), 1u) << protocol;
    const auto login = only(events, "login")[0];
    EXPECT_EQ(login["account"], "anna") << protocol;
    EXPECT_EQ(login["domain"], "CORP") << protocol;
    EXPECT_EQ(login["host"], "WS1") << protocol;
    EXPECT_EQ(login["outcome"], "failure") << protocol;
    const auto told = only(events, protocol);
    ASSERT_FALSE(told.empty()) << protocol;
    const auto ntlm = told[told.size() - 1]["ntlmssp"];
    EXPECT_EQ(ntlm["server"]["dns_computer"], "mx1.corp.test") << protocol;
    EXPECT_EQ(ntlm["server"]["nb_domain"], "CORP") << protocol;
    EXPECT_EQ(ntlm["user"], "anna") << protocol;
  };
  look(smtp, "smtp");
  look(imap, "imap");
  look(pop3, "pop3");
}

TEST(Imap, LoginsAndMailboxes) {
  const auto events = said({{kServer, "* OK ready\r\n"},
                            {kClient, "a1 LOGIN anna wrong\r\n"},
                            {kServer, "a1 NO no\r\n"},
                            {kClient, "a2 LOGIN {4}\r\n"},
                            {kServer, "+ go\r\n"},
                            {kClient, "anna \"x\"\r\n"},
                            {kServer, "a2 OK in\r\n"},
                            {kClient, "a3 SELECT \"INBOX\"\r\n"},
                            {kServer, "* FLAGS ()\r\na3 OK\r\n"}});
  const auto logins = only(events, "login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[1]["outcome"], "success");
  EXPECT_EQ(logins[1]["account"], "anna");
  ASSERT_EQ(only(events, "imap").size(), 1u);
  EXPECT_EQ(only(events, "imap")[0]["mailboxes"], nlohmann::json({"INBOX"}));
}

TEST(Pop3, LoginsAndCounts) {
  const auto events = said({{kServer, "+OK hello\r\n"},
                            {kClient, "USER anna\r\n"},
                            {kServer, "+OK\r\n"},
                            {kClient, "PASS secret\r\n"},
                            {kServer, "+OK in\r\n"},
                            {kClient, "RETR 1\r\n"},
                            {kServer, "+OK\r\nmail\r\n.\r\n"}});
  ASSERT_EQ(only(events, "login").size(), 1u);
  EXPECT_EQ(only(events, "login")[0]["account"], "anna");
  ASSERT_EQ(only(events, "pop3").size(), 4u);
  EXPECT_FALSE(only(events, "pop3")[2]["request"].contains("args"));
  EXPECT_EQ(only(events, "pop3")[3]["session"]["retrieved"], 1);
}

TEST(Telnet, AccountsAndOutcomes) {
  const auto events = said({{kServer, "\xff\xfd\x18\xff\xfd\x20login: "},
                            {kClient, "\xff\xfb\x18\xff\xfc\x20"},
                            {kClient, "ann"},
                            {kServer, "ann"},
                            {kClient, "a\r\n"},
                            {kServer, "a\r\nPassword: "},
                            {kClient, "no\r\n"},
                            {kServer, "\r\nLogin incorrect\r\nlogin: "},
                            {kClient, "anna\r\n"},
                            {kServer, "anna\r\nPassword: "},
                            {kClient, "yes\r\n"},
                            {kServer, "\r\nLast login: Monday\r\n$ "}},
                           23);
  const auto logins = only(events, "login");
  ASSERT_EQ(logins.size(), 2u);
  EXPECT_EQ(logins[0]["outcome"], "failure");
  EXPECT_EQ(logins[0]["account"], "anna");
  EXPECT_EQ(logins[1]["outcome"], "success");
}

TEST(TextProtocols, AGreetingThatSaysNothingWaitsForTheClient) {
  for (const auto& [command, protocol] :
       {std::pair("USER x\r\n"sv, "ftp"sv), std::pair("EHLO x\r\n"sv, "smtp"sv)}) {
    Conversation c;
    c.server("220 ready\r\n");
    EXPECT_EQ(c.protocol(), "");
    c.client(command);
    c.server("331 go on\r\n");  // POP3 says USER as well
    EXPECT_EQ(c.protocol(), protocol);
  }
}

}  // namespace
}  // namespace weir
