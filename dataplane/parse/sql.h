// SPDX-License-Identifier: Apache-2.0
// Private to parse: databases: who logs in, whether it succeeded, what is asked. Blind once TLS is
// agreed upon: the flow then goes on as TLS (MySQL, PostgreSQL) or is settled (MSSQL).
//
// mysql  client/server protocol 4.1 and later: greeting, login, commands, errors.
// pgsql  protocol 3: startup, authentication, simple queries, errors.
// mssql  TDS 7 (MS-TDS): PRELOGIN, LOGIN7, SQL batches, the answer to the login.
#pragma once

#include "dataplane/parse/parser.h"
#include "dataplane/parse/short_text.h"

namespace weir::parse {

class MysqlParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kMysql;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  Step client_message(Bytes body, size_t whole, uint8_t sequence, Output& out) noexcept;
  void server_message(Bytes body, Output& out) noexcept;
  void login(Bytes body, Output& out) noexcept;
  enum class At : uint8_t { kGreeting, kLogin, kOutcome, kCommands } at_ = At::kGreeting;
  ShortText<80> user_;
};

class PgsqlParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kPgsql;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output& out) noexcept;

 private:
  Step startup(const Input& in, Output& out) noexcept;
  void client_message(uint8_t type, Bytes body, Output& out) noexcept;
  void server_message(uint8_t type, Bytes body, size_t whole, Output& out) noexcept;
  void error(Bytes body, Output& out) noexcept;
  void tell(Output& out) noexcept;
  bool started_ = false, awaits_ssl_ = false, authenticating_ = false, open_ = false;
  uint32_t transactions_ = 0;
  uint64_t rows_ = 0, row_bytes_ = 0;
  ShortText<80> user_, database_;
  FactList<2048> facts_;  // of the transaction at hand
};

class MssqlParser {
 public:
  static constexpr EvidenceKind kKind = EvidenceKind::kMssql;
  static constexpr uint8_t kTransports = kOverTcp;
  static Probe probe(const ProbeInput& in) noexcept;
  Step parse(const Input& in, Output& out) noexcept;
  void end(Output&) noexcept {}

 private:
  bool prelogin(Bytes body, bool from_client, Output& out) noexcept;
  void login(Bytes body, Output& out) noexcept;
  void answer(Bytes body, Output& out) noexcept;
  bool awaits_outcome_ = false;
  uint8_t encryption_[2] = {0xff, 0xff};  // [0] the client's word, [1] the server's
  ShortText<128> user_, host_;
};

}  // namespace weir::parse
