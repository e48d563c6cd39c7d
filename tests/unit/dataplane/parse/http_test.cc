// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dataplane/parse/hpack.h"
#include "dataplane/parse/uri.h"
#include "tests/support/parsing.h"

namespace weir {
namespace {

using std::literals::operator""sv;

std::string normalized(std::string_view target) {
  uint8_t room[1024];
  return std::string(parse::as_text(parse::normalized_uri(parse::as_bytes(target), room)));
}

constexpr std::string_view kRequest =
    "GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.1\r\nHost: Example.com:8080\r\n"
    "User-Agent: nmap\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n"sv;
constexpr std::string_view kRefused =
    "HTTP/1.1 401 Unauthorized\r\nServer: x\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Length: 5\r\n\r\nhello"sv;

TEST(Http, NormalizesAsARuleExpects) {
  EXPECT_EQ(normalized("/nice%20ports%2C/Tri%6Eity.txt%2ebak"), "/nice ports,/Trinity.txt.bak");
  EXPECT_EQ(normalized("//a/./b/../../c\\d?x=%41/../y"), "/c/d?x=A/../y");
  EXPECT_EQ(normalized("http://h:1/%2e%2e/etc"), "/etc");
  EXPECT_EQ(normalized("http://h?q"), "/?q");
  EXPECT_EQ(normalized("/../.."), "/");
  EXPECT_EQ(normalized("/a/b/.."), "/a/");
  EXPECT_EQ(normalized("/%u0041%zz%4"), "/A%zz%4");
  EXPECT_EQ(normalized("/%252e"), "/%2e");
  EXPECT_EQ(normalized("*"), "*");
  EXPECT_EQ(normalized("h:443"), "h:443");
}

TEST(Http, ARequestItsAnswerAndTheLogin) {
  Conversation c;
  c.client(kRequest);
  EXPECT_TRUE(c.events().empty());
  c.server(kRefused);
  ASSERT_EQ(c.events("http").size(), 1u);
  const auto e = c.events("http")[0];
  EXPECT_EQ(e["hostname"], "example.com");
  EXPECT_EQ(e["http_port"], 8080);
  EXPECT_EQ(e["url"], "/nice%20ports%2C/Tri%6Eity.txt%2ebak");
  EXPECT_EQ(e["url_normalized"], "/nice ports,/Trinity.txt.bak");
  EXPECT_EQ(e["http_method"], "GET");
  EXPECT_EQ(e["protocol"], "HTTP/1.1");
  EXPECT_EQ(e["status"], 401);
  EXPECT_EQ(e["length"], 5);
  EXPECT_EQ(e["http_content_type"], "text/html");
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["account"], "alice");
  EXPECT_EQ(c.events("login")[0]["outcome"], "failure");
  EXPECT_EQ(c.events("login")[0]["code"], "401");
  EXPECT_TRUE(c.events("anomaly").empty());
}

// RFC 4559: the three messages of NTLMSSP over two requests; the second one's answer is the
// outcome.
TEST(Http, NtlmsLoginsWithDomainAndHost) {
  const std::string negotiate = "TlRMTVNTUAABAAAAB4IAAAAAAAAAAAAAAAAAAAAAAAA=";
  const std::string challenge =
      "TlRMTVNTUAACAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAACIAIgAwAAAAAgAIAEMATwBSAFAAAwAOAGQAYwAu"
      "AGMAbwByAHAAAAAAAA==";
  const std::string authenticate =
      "TlRMTVNTUAADAAAAAAAAAEgAAAAYABgASAAAAAgACABgAAAACgAKAGgAAAAGAAYAcgAAAAAAAAB4AAAAAQAAAgoAOTgA"
      "AAAPeHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4QwBPAFIAUABhAGwAaQBjAGUAVwBTADEA";
  for (const std::string status : {"200", "401"}) {
    Conversation c;
    const std::string ask = "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM ";
    const std::string end = "\r\nContent-Length: 0\r\n\r\n";
    c.client(ask + negotiate + "\r\n\r\n");
    c.server("HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM " + challenge + end);
    EXPECT_TRUE(c.events("login").empty());
    c.client(ask + authenticate + "\r\n\r\n");
    c.server("HTTP/1.1 " + status + " X" + end);
    c.finish();
    ASSERT_EQ(c.events("http").size(), 2u);
    EXPECT_EQ(c.events("http")[0]["ntlmssp"]["server"]["dns_computer"], "dc.corp");
    ASSERT_EQ(c.events("login").size(), 1u);
    const auto login = c.events("login")[0];
    EXPECT_EQ(login["account"], "alice");
    EXPECT_EQ(login["domain"], "CORP");
    EXPECT_EQ(login["host"], "WS1");
    EXPECT_EQ(login["mechanism"], "ntlmssp");
    EXPECT_EQ(login["outcome"], status == "200" ? "success" : "failure");
  }
}

TEST(Http, SaysTheSameHoweverItIsCut) {
  const std::string asks = std::string(kRequest) +
                           "POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3;x=y\r\nabc\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n" +
                           "OPTIONS * HTTP/1.1\r\nHost: h\r\nX: " + std::string(9000, 'x') +
                           "\r\n\r\n";
  const std::string answers = "HTTP/1.1 100 Continue\r\n\r\n" + std::string(kRefused) +
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"
                              "0\r\nT: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
                              "HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\nuntil the end";
  Conversation whole;
  whole.client(asks);
  whole.server(answers);
  whole.finish();
  const auto events = whole.events("http");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1]["length"], 5);
  EXPECT_EQ(events[2]["http_method"], "HEAD");
  EXPECT_EQ(events[2]["length"], 0);
  EXPECT_EQ(events[3]["redirect"], "/x");
  EXPECT_EQ(events[3]["length"], 13);
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{40}}) {
    Conversation cut;
    cut.say(0, asks, piece);
    cut.say(1, answers, piece);
    cut.finish();
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
}

TEST(Http, WhatIsCutOffIsToldWithWhatCame) {
  Conversation c;
  c.client(
      "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHo");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789");
  c.finish();
  ASSERT_EQ(c.events("http").size(), 3u);
  EXPECT_EQ(c.events("http")[0]["length"], 10);
  EXPECT_EQ(c.events("http")[1]["url"], "/b");
  EXPECT_FALSE(c.events("http")[1].contains("status"));
  EXPECT_EQ(c.events("http")[2]["url"], "/c");
}

TEST(Http, AnAnswerUntilTheEndMayBeEmpty) {
  Conversation c;
  c.client("GET /a HTTP/1.0\r\n\r\n");
  c.server("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n");
  c.finish();
  ASSERT_EQ(c.events("http").size(), 1u);
  EXPECT_EQ(c.events("http")[0]["length"], 0);
}

TEST(Http, MoreRequestsThanWaitAreToldOnce) {
  Conversation c;
  for (int i = 0; i < 200; ++i)
    c.client("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
  for (int i = 0; i < 200; ++i) c.server("HTTP/1.1 204 No\r\n\r\n");
  c.finish();
  EXPECT_EQ(c.events("http").size(), 200u);
  EXPECT_TRUE(c.events("anomaly").empty());
}

TEST(Http, SmugglingIsAViolation) {
  Conversation c;
  c.client(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length : 5\r\n"
      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  c.finish();
  EXPECT_EQ(c.events("http").size(), 2u);
  std::vector<std::string> names;
  for (const auto& e : c.events("anomaly")) names.push_back(e["event"]);
  EXPECT_EQ(names, (std::vector<std::string>{"REQUEST_HEADER_INVALID",
                                             "DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST",
                                             "CONTENT_LENGTH_AND_CHUNKED_IN_REQUEST"}));
}

TEST(Http, AnAnswerWithoutARequest) {
  Conversation c;
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(c.events("http").size(), 1u);
  EXPECT_EQ(c.events("anomaly")[0]["event"], "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST");
}

TEST(Http, ConnectLeadsToAnotherProtocol) {
  Conversation c;
  c.client("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\n\r\n");
  c.client("GET /in HTTP/1.1\r\nHost: h\r\n\r\n");
  c.server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(c.events("http").size(), 2u);
  EXPECT_EQ(c.events("http")[1]["url"], "/in");
}

TEST(Http, RefusedConnectGoesOn) {
  Conversation c;
  c.client("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
  c.server("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
  c.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  c.finish();
  EXPECT_EQ(c.events("http").size(), 2u);
}

TEST(Http, AnExpectedBodyThatIsLeftOut) {
  Conversation c;
  c.client("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n");
  c.server("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
  c.client("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  c.finish();
  ASSERT_EQ(c.events("http").size(), 2u);
  EXPECT_EQ(c.events("http")[1]["url"], "/b");
}

TEST(Http, NobodyElsesBytesAreItsOwn) {
  for (const std::string_view text :
       {"OPTIONS rtsp://h/x RTSP/1.0\r\n\r\n"sv, "OPTIONS sip:a@b SIP/2.0\r\n\r\n"sv,
        "OPTIONS icap://h/x ICAP/1.0\r\n\r\n"sv, "USER anonymous\r\n"sv, "EHLO x\r\n"sv,
        "GET key\r\n"sv, "CONNECT {\"verbose\":false}\r\n"sv}) {
    Conversation c;
    c.client(text);
    EXPECT_NE(c.protocol(), "http") << text;
  }
}

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string f{static_cast<char>(payload.size() >> 16), static_cast<char>(payload.size() >> 8),
                static_cast<char>(payload.size()), static_cast<char>(type),
                static_cast<char>(flags)};
  for (int shift = 24; shift >= 0; shift -= 8) f += static_cast<char>(stream >> shift);
  return f + std::string(payload);
}

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv;
// RFC 7541 appendix C.4.1 and C.4.2: the second one needs what the first one left in the table.
constexpr std::string_view kFirst =
    "\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"sv;
constexpr std::string_view kSecond = "\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"sv;

TEST(Http2, StreamsAndTheirTable) {
  const std::string client = std::string(kPreface) + frame(4, 0, 0, "\0\x04\0\0\xff\xff"sv) +
                             frame(1, 5, 1, kFirst) + frame(1, 1, 3, kSecond.substr(0, 6)) +
                             frame(9, 4, 3, kSecond.substr(6));
  const std::string server = frame(4, 0, 0, "\0\x03\0\0\0\x64"sv) + frame(1, 4, 1, "\x88") +
                             frame(0, 1, 1, "hello") + frame(1, 5, 3, "\x8d") +
                             frame(7, 0, 0, "\0\0\0\0\0\0\0\x02"sv);
  Conversation whole;
  whole.client(client);
  whole.server(server);
  whole.finish();
  const auto events = whole.events("http");
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0]["http2"]["request"]["settings"][0]["settings_id"],
            "SETTINGSINITIALWINDOWSIZE");
  EXPECT_EQ(events[1]["http2"]["response"]["settings"][0]["settings_value"], 100);
  EXPECT_EQ(events[2]["hostname"], "www.example.com");
  EXPECT_EQ(events[2]["status"], 200);
  EXPECT_EQ(events[2]["length"], 5);
  EXPECT_EQ(events[2]["http2"]["stream_id"], 1);
  EXPECT_EQ(events[3]["hostname"], "www.example.com");
  EXPECT_EQ(events[3]["status"], 404);
  EXPECT_EQ(events[4]["http2"]["response"]["error_code"], "INTERNALERROR");
  EXPECT_TRUE(whole.events("anomaly").empty());
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}}) {
    Conversation cut;
    cut.say(0, client, piece);
    cut.say(1, server, piece);
    cut.finish();
    EXPECT_EQ(cut.events(), whole.events()) << piece;
  }
}

// A field without indexing, or kept: its name and value as they are.
std::string field(std::string_view name, std::string_view value, bool kept = false) {
  std::string f(1, kept ? '\x40' : '\x00');
  for (const std::string_view text : {name, value}) {
    if (text.size() >= 127) {
      f += '\x7f';
      for (size_t n = text.size() - 127; ; n >>= 7) {
        f += static_cast<char>((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
        if (n <= 0x7f) break;
      }
    } else {
      f += static_cast<char>(text.size());
    }
    f += text;
  }
  return f;
}
std::string headers_of(const nlohmann::json& event, const char* whose) {
  std::string all;
  for (const auto& h : event[whose]) {
    all += std::string(h["name"]) + "=" + std::string(h["value"]) + ";";
  }
  return all;
}

TEST(Http2, AllHeadersInTheirOrder) {
  const std::string basic = field("authorization", "Basic YWxpY2U6c2VjcmV0");
  const std::string client =
      std::string(kPreface) +
      frame(1, 5, 1, std::string(kFirst) + field("x-own", "7", true) + basic + field("x-e", "")) +
      frame(1, 5, 3, "\x82\x84\xbe\xbf\x86");  // x-own and the authority from the table
  const std::string server = frame(1, 4, 1, "\x48\x03" "100") +
                             frame(1, 4, 1, "\x88" + field("set-cookie", "a") +
                                                field("set-cookie", "b") + field("server", "s")) +
                             frame(0, 1, 1, "hello") + frame(1, 5, 3, "\x8d");
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{13}}) {
    Conversation c;
    c.say(0, client, piece);
    c.say(1, server, piece);
    c.finish();
    const auto events = c.events("http");
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(headers_of(events[0], "request_headers"),
              ":method=GET;:scheme=http;:path=/;:authority=www.example.com;x-own=7;"
              "authorization=Basic;x-e=;");
    EXPECT_EQ(headers_of(events[0], "response_headers"),
              ":status=200;set-cookie=a;set-cookie=b;server=s;");
    EXPECT_EQ(events[0]["username"], "alice");
    EXPECT_EQ(headers_of(events[1], "request_headers"),
              ":method=GET;:path=/;x-own=7;:authority=www.example.com;:scheme=http;");
    EXPECT_EQ(headers_of(events[1], "response_headers"), ":status=404;");
  }
}

// Whatever else a client fills the table and the lists with.
TEST(Http2, OtherHeadersPushNoFactOut) {
  std::string block = std::string(kFirst) + field("user-agent", "agent-1", true);
  for (int i = 0; i < 40; ++i) {
    block += field("x-" + std::to_string(i) + std::string(80, 'n'), std::string(300, 'v'), true);
  }
  block += field("authorization", "Basic YWxpY2U6c2VjcmV0") + field("referer", "http://r/");
  Conversation c;
  c.client(std::string(kPreface) + frame(4, 0, 0, "\0\x05\0\0\xff\xff"sv) +
           frame(1, 5, 1, block) +
           frame(1, 5, 3, "\x82\x84" + std::string(1, static_cast<char>(0x80 | (62 + 40)))) +
           frame(1, 5, 5, "\x82\x84\xbe\xc1"));
  c.finish();
  const auto events = c.events("http");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1]["username"], "alice");
  EXPECT_EQ(events[1]["http_refer"], "http://r/");
  EXPECT_EQ(events[1]["cut"], true);
  EXPECT_LT(headers_of(events[1], "request_headers").size(), 1000u);
  EXPECT_EQ(events[2]["http_user_agent"], "agent-1");
  EXPECT_FALSE(events[2].contains("cut"));
  EXPECT_EQ(headers_of(events[2], "request_headers"),
            ":method=GET;:path=/;user-agent=agent-1;");
  // The newest other one is known, cut; one before it is not.
  EXPECT_EQ(events[3]["request_headers"].size(), 3u);
  EXPECT_EQ(events[3]["cut"], true);
}

// Lists give way to what is told by itself, and streams wait for their answers as before.
TEST(Http2, ListsMakeRoom) {
  std::string client(kPreface), server;
  for (uint32_t stream = 1; stream < 20; stream += 2) {
    client += frame(1, 5, stream, std::string(kFirst) + field("x-own", std::string(250, 'v')) +
                                      field("user-agent", std::string(200, 'a')));
    server += frame(1, 5, stream, "\x88");
  }
  Conversation c;
  c.client(client);
  c.server(server);
  const auto events = c.events("http");
  ASSERT_EQ(events.size(), 10u);
  unsigned whole = 0;
  for (const auto& e : events) {
    EXPECT_EQ(e["status"], 200);
    EXPECT_EQ(e["hostname"], "www.example.com");
    const bool all = e.contains("request_headers") && e["request_headers"].size() == 6 &&
                     e["response_headers"].size() == 1;
    EXPECT_EQ(all, !e.contains("cut"));
    whole += all ? 1 : 0;
  }
  EXPECT_GT(whole, 0u);
  EXPECT_LT(whole, 10u);
}

TEST(Http2, AfterAnUpgrade) {
  Conversation c;
  c.client("GET /one HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n");
  c.client(kPreface);
  c.server("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n" + frame(1, 5, 1, "\x89"));
  c.client(frame(1, 5, 3, kFirst));
  c.finish();
  const auto events = c.events("http");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["status"], 101);
  EXPECT_EQ(events[1]["url"], "/one");
  EXPECT_EQ(events[1]["status"], 204);
  EXPECT_EQ(events[2]["hostname"], "www.example.com");
}

TEST(Http2, HostileBlocks) {
  for (const std::string_view block : {"\x80"sv, "\xff\xff\xff\xff\xff\xff\xff\xff"sv, "\x40\x7f"sv,
                                       "\x00\x84\xff\xff\xff\xff"sv}) {
    Conversation c;
    c.client(std::string(kPreface) + frame(1, 5, 1, block));
    EXPECT_EQ(c.events("anomaly").size(), 1u);
  }
}

// A ticket for HTTP/ws6 in CORP.TEST, as WinRM's clients show it.
TEST(Http, ATicketIsALogin) {
  const std::string token =
      "YF4GCSqGSIb3EgECAgEAbk8wTaADAgEFoQMCAQ6jQWE/MD2gAwIBBaELGwlDT1JQLlRFU1"
      "SiFjAUoAMCAQKhDTALGwRIVFRQGwN3czajETAPoAMCARKiCAQGc2VjcmV0";
  Conversation c;
  c.client("POST /wsman HTTP/1.1\r\nHost: ws6\r\nAuthorization: Kerberos " + token +
           "\r\nContent-Length: 0\r\n\r\n");
  c.server("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(c.events("http").size(), 1u);
  EXPECT_EQ(c.events("http")[0]["kerberos"]["sname"], "HTTP/ws6");
  ASSERT_EQ(c.events("login").size(), 1u);
  EXPECT_EQ(c.events("login")[0]["mechanism"], "kerberos");
  EXPECT_EQ(c.events("login")[0]["domain"], "CORP.TEST");
  EXPECT_EQ(c.events("login")[0]["service"], "HTTP/ws6");
  EXPECT_EQ(c.events("login")[0]["outcome"], "success");
}

}  // namespace
}  // namespace weir
