// SPDX-License-Identifier: Apache-2.0
// What rules are shown of events that wait for an answer: all of the request, when it is read; and
// how much of the event itself, when it is told, they have seen by then.
#include <gtest/gtest.h>

#include "tests/support/parsing.h"
#include "tests/support/tls_messages.h"

namespace weir {
namespace {

using std::literals::operator""s;

TEST(Shown, NothingWhereNoRuleAsks) {
  Conversation c;
  c.client("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(c.shown().empty());
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_FALSE(c.events()[0].contains("shown")) << "and rules that come later see all of it";
}

TEST(Shown, AnHttpRequestBeforeItsAnswer) {
  Conversation c;
  c.judge();
  c.client("GET /%61 HTTP/1.1\r\nHost: one.test\r\n");
  EXPECT_TRUE(c.shown().empty()) << "its head goes on";
  c.client("User-Agent: u\r\n\r\nGET /b HTTP/1.1\r\nHost: two.test\r\n\r\n");
  ASSERT_EQ(c.shown().size(), 2u) << "each request of a pipeline";
  EXPECT_EQ(c.shown()[0]["hostname"], "one.test");
  EXPECT_EQ(c.shown()[0]["url_normalized"], "/a");
  EXPECT_EQ(c.shown()[0]["http_user_agent"], "u");
  EXPECT_EQ(c.shown()[1]["hostname"], "two.test");
  EXPECT_TRUE(c.events().empty());
  c.server("HTTP/1.1 404 No\r\nServer: s\r\nContent-Length: 4\r\n\r\nbo");
  ASSERT_EQ(c.shown().size(), 3u) << "and an answer by its head, its body goes on";
  EXPECT_EQ(c.shown()[2]["hostname"], "one.test");
  EXPECT_EQ(c.shown()[2]["status"], 404);
  EXPECT_EQ(c.shown()[2]["server"], "s");
  EXPECT_GT(c.shown()[2]["shown"], 0);
  EXPECT_TRUE(c.events().empty());
  c.server("dy");
  EXPECT_EQ(c.shown().size(), 3u);
  ASSERT_EQ(c.events().size(), 1u);
  EXPECT_EQ(c.events()[0]["length"], 4);
  EXPECT_GT(c.events()[0]["shown"], c.shown()[2]["shown"]);
}

TEST(Shown, ARequestThatIsNeverAnsweredIsNotNewWhenItIsTold) {
  Conversation c;
  c.judge();
  c.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  c.finish();
  ASSERT_EQ(c.events().size(), 1u);
  const auto first = c.events()[0];
  EXPECT_GT(first["shown"], 0);
}

TEST(Shown, AClientHelloThenWhatTheServerAdds) {
  using namespace tls_messages;
  Conversation c;
  c.judge();
  c.client(record(22, client_hello()));
  ASSERT_EQ(c.shown().size(), 1u);
  EXPECT_EQ(c.shown()[0]["sni"], "test.example");
  EXPECT_FALSE(c.shown()[0].contains("shown"));
  c.server(record(22, server_hello(false)));
  ASSERT_EQ(c.shown().size(), 2u);
  EXPECT_EQ(c.shown()[1]["sni"], "test.example") << "all of it from its beginning";
  EXPECT_TRUE(c.shown()[1].contains("cipher_suite"));
  EXPECT_GT(c.shown()[1]["shown"], 0);
  c.server(record(22, message(11, sized(sized(certificate(), 3), 3))));
  ASSERT_EQ(c.shown().size(), 3u);
  EXPECT_TRUE(c.shown()[2].contains("subject"));
  c.finish();
  ASSERT_EQ(c.events("tls").size(), 1u);
  EXPECT_GT(c.events("tls")[0]["shown"], c.shown()[2]["shown"]);
}

TEST(Shown, BannersCommandsAndEnvelopes) {
  Conversation ssh;
  ssh.judge();
  ssh.server("SSH-2.0-server\r\n");
  ssh.client("SSH-2.0-client\r\n");
  ASSERT_EQ(ssh.shown().size(), 2u);
  EXPECT_EQ(ssh.shown()[0]["server"]["software_version"], "server");
  EXPECT_EQ(ssh.shown()[1]["client"]["software_version"], "client");

  Conversation ftp;
  ftp.judge();
  ftp.server("220 ready FTP\r\n");
  ftp.client("USER alice\r\n");
  ASSERT_EQ(ftp.shown().size(), 1u);
  EXPECT_EQ(ftp.shown()[0]["command"], "USER");
  EXPECT_EQ(ftp.shown()[0]["command_data"], "alice");

  Conversation smtp(Conversation::Over::kTcp, 40000, 25);
  smtp.judge();
  smtp.server("220 mail ESMTP\r\n");
  smtp.client("EHLO me\r\n");
  smtp.server("250 mail\r\n");
  smtp.client("MAIL FROM:<a@x>\r\n");
  smtp.client("RCPT TO:<b@y>\r\n");
  ASSERT_EQ(smtp.shown().size(), 2u);
  EXPECT_EQ(smtp.shown()[1]["mail_from"], "<a@x>");
  EXPECT_EQ(smtp.shown()[1]["rcpt_to"][0], "<b@y>");
  EXPECT_GT(smtp.shown()[1]["shown"], 0);
  smtp.client("RSET\r\n");
  ASSERT_EQ(smtp.events("smtp").size(), 1u);
  EXPECT_GT(smtp.events("smtp")[0]["shown"], smtp.shown()[1]["shown"]);
}

// Another greeting amid an envelope makes what stands behind it move: nothing new may be taken for
// something that rules have seen.
TEST(Shown, AnotherGreetingHidesNoRecipient) {
  Conversation c(Conversation::Over::kTcp, 40000, 25);
  c.judge();
  c.server("220 mail ESMTP\r\n");
  c.client("EHLO a-very-long-name-of-a-host-that-says-hello\r\n");
  c.server("250 mail\r\n");
  c.client("MAIL FROM:<a@x>\r\n");
  c.client("EHLO b\r\n");
  c.client("RCPT TO:<c@y>\r\n");
  ASSERT_EQ(c.shown().size(), 2u);
  EXPECT_FALSE(c.shown()[1].contains("shown"));
}

}  // namespace
}  // namespace weir
