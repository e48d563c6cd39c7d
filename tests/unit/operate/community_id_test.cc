// SPDX-License-Identifier: Apache-2.0
// Community ID v1 against the values its authors publish (corelight/community-id-spec, baseline).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "control/operate/community_id.h"

namespace weir::operate {
namespace {

Endpoints ends(int proto, const char* src, const char* dst, int sport, int dport) {
  Endpoints e;
  e.proto = static_cast<uint8_t>(proto);
  e.src = *parse_ip_address(src);
  e.dst = *parse_ip_address(dst);
  e.src_port = static_cast<uint16_t>(sport);
  e.dst_port = static_cast<uint16_t>(dport);
  return e;
}

struct Vector {
  int proto;
  const char *src, *dst;
  int sport, dport;
  const char* id;
};
constexpr Vector kVectors[] = {
    {58, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 136,
     "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
    {58, "fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 136, 135,
     "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
    {58, "3ffe:501:1800:2345::2", "3ffe:507:0:1:200:86ff:fe05:80da", 3, 0,
     "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="},
    {58, "3ffe:501:410:0:2c0:dfff:fe47:33e", "3ffe:507:0:1:200:86ff:fe05:80da", 1, 4,
     "1:hLZd0XGWojozrvxqE0dWB1iM6R0="},
    {58, "3ffe:507:0:1:200:86ff:fe05:80da", "3ffe:501:0:1001::2", 128, 129,
     "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
    {1, "192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
    {1, "192.168.0.1", "192.168.0.89", 0, 8, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
    {1, "10.0.0.1", "10.0.0.2", 11, 0, "1:YHxtAirCG//0OzkcVAukqKQN9xM="},
    {6, "2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a", 63943, 25,
     "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
    {132, "192.168.170.8", "192.168.170.56", 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
    {6, "128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
    {6, "66.35.250.204", "128.232.110.120", 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
    {17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
    {46, "10.1.12.1", "10.1.12.2", 0, 0, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="},
    {46, "10.1.12.2", "10.1.12.1", 0, 0, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="},
};

TEST(CommunityId, IsWhatItsAuthorsSay) {
  CommunityId id;
  for (const Vector& v : kVectors) {
    EXPECT_EQ(id.of(ends(v.proto, v.src, v.dst, v.sport, v.dport)), v.id) << v.src;
  }
}

TEST(CommunityId, OneWayMessagesKeepTheirDirection) {
  CommunityId id;  // unreachable from either side: two different conversations
  EXPECT_NE(id.of(ends(1, "10.0.0.1", "10.0.0.2", 3, 1)),
            id.of(ends(1, "10.0.0.2", "10.0.0.1", 1, 3)));
}

TEST(CommunityId, IsThatOfThePublishedBaseline) {
  const char* corpus = std::getenv("WEIR_CORPUS");
  if (corpus == nullptr) GTEST_SKIP() << "WEIR_CORPUS is not set";
  std::ifstream in(std::string(corpus) + "/community-id/baseline/baseline_deflt.json");
  const auto list = nlohmann::json::parse(in, nullptr, false);
  ASSERT_TRUE(list.is_array() && !list.empty());
  CommunityId id;
  for (const auto& v : list) {
    const auto port = [&](const char* key) { return v[key].is_null() ? 0 : v[key].get<int>(); };
    EXPECT_EQ(id.of(ends(v["proto"], v["saddr"].get<std::string>().c_str(),
                         v["daddr"].get<std::string>().c_str(), port("sport"), port("dport"))),
              v["communityid"]);
  }
}

}  // namespace
}  // namespace weir::operate
