// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/parsers.h"

#include "dataplane/parse/datagram.h"
#include "dataplane/parse/dcerpc.h"
#include "dataplane/parse/dns.h"
#include "dataplane/parse/first_bytes.h"
#include "dataplane/parse/ftp.h"
#include "dataplane/parse/http.h"
#include "dataplane/parse/imap.h"
#include "dataplane/parse/industrial.h"
#include "dataplane/parse/krb5.h"
#include "dataplane/parse/ldap.h"
#include "dataplane/parse/mqtt.h"
#include "dataplane/parse/pop3.h"
#include "dataplane/parse/quic.h"
#include "dataplane/parse/rdp.h"
#include "dataplane/parse/rfb.h"
#include "dataplane/parse/sip.h"
#include "dataplane/parse/smb.h"
#include "dataplane/parse/smtp.h"
#include "dataplane/parse/snmp.h"
#include "dataplane/parse/socks.h"
#include "dataplane/parse/sql.h"
#include "dataplane/parse/ssh.h"
#include "dataplane/parse/telnet.h"
#include "dataplane/parse/tls.h"

namespace weir::parse {

namespace {

// clang-format off: one a line
constexpr Parser kParsers[] = {
    parser_of<TlsParser>(),    parser_of<QuicParser>(),   parser_of<SmbParser>(),
    parser_of<SocksParser>(),  parser_of<DcerpcParser>(), parser_of<TelnetParser>(),
    parser_of<SshParser>(),    parser_of<SnmpParser>(),   parser_of<HttpParser>(),
    parser_of<SipParser>(),    parser_of<Krb5Parser>(),   parser_of<LdapParser>(),
    parser_of<RdpParser>(),    parser_of<RfbParser>(),    parser_of<FtpParser>(),
    parser_of<SmtpParser>(),   parser_of<ImapParser>(),   parser_of<Pop3Parser>(),
    parser_of<MysqlParser>(),  parser_of<PgsqlParser>(),  parser_of<MssqlParser>(),
    parser_of<MqttParser>(),   parser_of<ModbusParser>(), parser_of<Dnp3Parser>(),
    parser_of<NbnsParser>(),   parser_of<DnsParser>(),    parser_of<DhcpParser>(),
    parser_of<RadiusParser>(), parser_of<TftpParser>(),   parser_of<NtpParser>(),
};
// clang-format on
static_assert(std::size(kParsers) <= kParsersMax);

// [transport][first byte] -> who could begin so.
struct Beginnings {
  uint64_t all[2] = {};
  uint64_t parsers[2][256] = {};
};
constexpr Beginnings kBeginnings = [] {
  Beginnings b;
  for (unsigned i = 0; i < std::size(kParsers); ++i) {
    for (const uint8_t transport : {kOverTcp, kOverUdp}) {
      if ((kParsers[i].transports & transport) == 0) continue;
      b.all[transport - 1] |= uint64_t{1} << i;
      const FirstBytes first = first_bytes_of(kParsers[i].kind, transport);
      for (unsigned c = 0; c < 256; ++c) {
        if (first.has(c)) b.parsers[transport - 1][c] |= uint64_t{1} << i;
      }
    }
  }
  return b;
}();
static_assert(kOverTcp == 1 && kOverUdp == 2);

}  // namespace

std::span<const Parser> all_parsers() noexcept {
  return kParsers;
}

uint64_t parsers_over(uint8_t transport) noexcept {
  return kBeginnings.all[transport - 1];
}

uint64_t parsers_beginning_with(uint8_t first, uint8_t transport) noexcept {
  return kBeginnings.parsers[transport - 1][first];
}

unsigned parser_for(EvidenceKind kind, uint8_t transport) noexcept {
  for (unsigned i = 0; i < std::size(kParsers); ++i) {
    if (kParsers[i].kind == kind && (kParsers[i].transports & transport) != 0) return i;
  }
  return kNoParser;
}

}  // namespace weir::parse
