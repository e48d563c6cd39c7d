// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/x509.h"

#include <gtest/gtest.h>

#include "dataplane/parse/asn1.h"
#include "dataplane/parse/parser.h"
#include "tests/support/tls_messages.h"

namespace weir::parse {
namespace {

std::string text_of(Bytes name) {
  uint8_t room[256];
  return std::string(as_text({room, name_text(name, room)}));
}

TEST(Asn1, LengthsAreNotTrusted) {
  const uint8_t longer[] = {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0};
  const uint8_t endless[] = {0x30, 0x80, 0, 0};
  Element e;
  Asn1 a(longer), b(endless);
  EXPECT_FALSE(a.next(e));
  EXPECT_FALSE(a.ok());
  EXPECT_FALSE(b.next(e));
  Asn1Head head;
  EXPECT_EQ(read_asn1_head(Bytes(longer).first(3), head), Asn1Read::kShort);
  EXPECT_EQ(read_asn1_head(longer, head), Asn1Read::kGood);
  EXPECT_EQ(head.body_bytes, 0xffffffff);
}

TEST(Asn1, NumbersHaveASign) {
  const uint8_t numbers[] = {2, 1, 0xff, 2, 2, 0x01, 0x00, 2, 0};
  Asn1 r(numbers);
  int64_t value = 0;
  EXPECT_TRUE(read_asn1_integer(r.body(kAsn1Integer), value));
  EXPECT_EQ(value, -1);
  EXPECT_TRUE(read_asn1_integer(r.body(kAsn1Integer), value));
  EXPECT_EQ(value, 256);
  EXPECT_FALSE(read_asn1_integer(r.body(kAsn1Integer), value));
}

TEST(X509, ReadsACertificate) {
  const std::string der = tls_messages::certificate();
  Certificate c;
  ASSERT_TRUE(read_certificate(as_bytes(der), c));
  EXPECT_EQ(text_of(c.subject), "C=FR, O=Weir's, CN=test.example");
  EXPECT_EQ(text_of(c.issuer), "C=FR, O=Weir's, CN=test.example");
  EXPECT_EQ(c.not_before, 1'795'537'160u);
  EXPECT_EQ(c.not_after, 4'949'137'160u);  // a GeneralizedTime
}

TEST(X509, WhatIsCutIsNone) {
  const std::string der = tls_messages::certificate();
  for (size_t n = 0; n < der.size(); ++n) {
    const std::string cut = der.substr(0, n);
    Certificate c;
    EXPECT_FALSE(read_certificate(as_bytes(cut), c)) << n;
  }
}

TEST(X509, AttributesOfOneSetAndUnknownOnes) {
  // SET { SEQUENCE { CN, "A" }, SEQUENCE { 1.2.3, "B" } }
  const std::string two = tls_messages::from_hex("3113300806035504030c0141300706022a030c0142");
  EXPECT_EQ(text_of(as_bytes(two)), "CN=A + 1.2.3=B");
}

}  // namespace
}  // namespace weir::parse
