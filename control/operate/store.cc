// SPDX-License-Identifier: Apache-2.0
#include "control/operate/store.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace weir::operate {

namespace {

constexpr int kApplicationId = 0x57454952;  // "WEIR", in the file's header
constexpr int kSchemaVersion = 1;

constexpr const char* kSchema =
    "CREATE TABLE number(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE device(address TEXT PRIMARY KEY, last_seen_ns INTEGER NOT NULL,"
    "                    body TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX device_last_seen ON device(last_seen_ns);"
    "CREATE TABLE alert(id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
    "CREATE TABLE action(id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
    "CREATE TABLE baseline(part INTEGER PRIMARY KEY, body BLOB NOT NULL);";

enum class Fitness { kGood, kEmpty, kUnusable, kNewer };

int pragma_number(sqlite3* db, const char* text, bool& readable) {
  sqlite3_stmt* statement = nullptr;
  int value = 0;
  readable = sqlite3_prepare_v2(db, text, -1, &statement, nullptr) == SQLITE_OK &&
             sqlite3_step(statement) == SQLITE_ROW;
  if (readable) value = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

// quick_check reads every page: a damaged one is found now, not in the middle of a night.
bool is_whole(sqlite3* db) {
  sqlite3_stmt* statement = nullptr;
  bool whole =
      sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW;
  if (whole) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    whole = text != nullptr && std::strcmp(text, "ok") == 0;
  }
  sqlite3_finalize(statement);
  return whole;
}

Fitness judge(sqlite3* db) {
  bool readable = false;
  const int application = pragma_number(db, "PRAGMA application_id", readable);
  if (!readable) return Fitness::kUnusable;
  const int version = pragma_number(db, "PRAGMA user_version", readable);
  const int tables = pragma_number(db, "SELECT count(*) FROM sqlite_master", readable);
  if (!readable) return Fitness::kUnusable;
  if (application == 0 && version == 0 && tables == 0) return Fitness::kEmpty;
  if (application != kApplicationId) return Fitness::kUnusable;
  if (version > kSchemaVersion) return Fitness::kNewer;
  return version == kSchemaVersion && is_whole(db) ? Fitness::kGood : Fitness::kUnusable;
}

// The file and its companions get a name that is free; returns it, empty if that failed.
std::string set_aside_files(const std::string& path) {
  for (int n = 1; n < 1000; ++n) {
    const std::string aside = fmt::format("{}.unusable-{}", path, n);
    if (access(aside.c_str(), F_OK) == 0) continue;
    if (rename(path.c_str(), aside.c_str()) != 0) return {};
    for (const char* companion : {"-wal", "-shm"}) {
      (void)rename((path + companion).c_str(), (aside + companion).c_str());
    }
    return aside;
  }
  return {};
}

sqlite3* open_file(const std::string& path) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &db, flags, nullptr) != SQLITE_OK) {
    sqlite3_close(db);
    return nullptr;
  }
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 200);  // somebody reads it with the sqlite3 tool
  return db;
}

bool execute(sqlite3* db, const char* text) {
  return sqlite3_exec(db, text, nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool prepare_file(sqlite3* db, Fitness fitness) {
  if (!execute(db, "PRAGMA journal_mode=WAL") || !execute(db, "PRAGMA synchronous=NORMAL") ||
      !execute(db, "PRAGMA journal_size_limit=16777216")) {
    return false;
  }
  if (fitness != Fitness::kEmpty) return true;
  const std::string header = fmt::format("PRAGMA application_id={};PRAGMA user_version={};",
                                         kApplicationId, kSchemaVersion);
  return execute(db, "BEGIN") && execute(db, kSchema) && execute(db, header.c_str()) &&
         execute(db, "COMMIT");
}

}  // namespace

enum Store::Query : unsigned {
  kPutDevice,
  kPutAlert,
  kPutAction,
  kPutBaseline,
  kPutNumber,
  kForgetAlerts,
  kNumber,
  kLastAlert,
  kLastAction,
  kCountAlerts,
  kAlert,
  kAlerts,
  kActions,
  kDevices,
  kBaselines,
  kQueryCount
};

namespace {
constexpr const char* kTexts[] = {
    "INSERT OR REPLACE INTO device VALUES(?1, ?2, ?3)",
    "INSERT OR REPLACE INTO alert VALUES(?1, ?2)",
    "INSERT OR REPLACE INTO action VALUES(?1, ?2)",
    "INSERT OR REPLACE INTO baseline VALUES(?1, ?2)",
    "INSERT OR REPLACE INTO number VALUES(?1, ?2)",
    "DELETE FROM alert WHERE id <= ?1",
    "SELECT value FROM number WHERE name = ?1",
    "SELECT coalesce(max(id), 0) FROM alert",
    "SELECT coalesce(max(id), 0) FROM action",
    "SELECT count(*) FROM alert",
    "SELECT body FROM alert WHERE id = ?1",
    "SELECT body FROM alert ORDER BY id DESC LIMIT ?1",
    "SELECT body FROM (SELECT id, body FROM action ORDER BY id DESC LIMIT ?1) ORDER BY id",
    "SELECT body FROM (SELECT last_seen_ns, body FROM device ORDER BY last_seen_ns DESC LIMIT ?1)"
    " ORDER BY last_seen_ns",
    "SELECT body FROM baseline ORDER BY part"};
}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& path, std::string& set_aside) {
  set_aside.clear();
  for (int attempt = 0; attempt < 2; ++attempt) {
    sqlite3* db = open_file(path);
    if (db == nullptr) {
      return fail("cannot open the database " + path + ": " + std::strerror(errno));
    }
    const Fitness fitness = judge(db);
    if (fitness == Fitness::kNewer) {
      sqlite3_close(db);
      return fail(path +
                  " was written by a newer version of Weir; use that version, or move the "
                  "file away to start without it");
    }
    if (fitness != Fitness::kUnusable) {
      if (prepare_file(db, fitness)) return std::unique_ptr<Store>(new Store(db));
      const std::string why = sqlite3_errmsg(db);
      sqlite3_close(db);
      return fail("cannot write the database " + path + ": " + why);
    }
    sqlite3_close(db);
    const std::string aside = set_aside_files(path);
    if (aside.empty()) {
      return fail(path + " is damaged or not a database of Weir, and cannot be moved away: " +
                  std::strerror(errno));
    }
    set_aside = path + " was damaged or not a database of Weir; it is kept as " + aside +
                " and a new one was started";
  }
  return fail(path + " cannot be used as a database");
}

Store::Store(sqlite3* database) : database_(database), statements_(kQueryCount, nullptr) {}

Store::~Store() {
  commit();
  for (sqlite3_stmt* s : statements_) sqlite3_finalize(s);
  sqlite3_close(database_);
}

sqlite3_stmt* Store::prepared(Query query) {
  sqlite3_stmt*& statement = statements_[query];
  if (statement == nullptr &&
      sqlite3_prepare_v3(database_, kTexts[query], -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK) {
    failed("read");
    return nullptr;
  }
  return statement;
}

void Store::failed(std::string_view doing) {
  if (!failing_) {
    untold_ = fmt::format("cannot {} the database: {}; it is tried again", doing,
                          sqlite3_errmsg(database_));
  }
  failing_ = true;
}

bool Store::begin() {
  if (open_transaction_) return true;
  if (!execute(database_, "BEGIN IMMEDIATE")) {
    failed("write");
    lost_ = true;
    return false;
  }
  open_transaction_ = true;
  return true;
}

void Store::step(sqlite3_stmt* statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) {
    failed("write");
    lost_ = true;
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

namespace {
void bind(sqlite3_stmt* s, int index, std::string_view text) {
  sqlite3_bind_text(s, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}
void bind(sqlite3_stmt* s, int index, int64_t value) {
  sqlite3_bind_int64(s, index, value);
}
}  // namespace

void Store::put_device(std::string_view address, TimeNs last_seen_ns, std::string_view body) {
  sqlite3_stmt* s = begin() ? prepared(kPutDevice) : nullptr;
  if (s == nullptr) return;
  bind(s, 1, address);
  bind(s, 2, last_seen_ns);
  bind(s, 3, body);
  step(s);
}

void Store::put_alert(uint64_t id, std::string_view body) {
  sqlite3_stmt* s = begin() ? prepared(kPutAlert) : nullptr;
  if (s == nullptr) return;
  bind(s, 1, static_cast<int64_t>(id));
  bind(s, 2, body);
  step(s);
  constexpr uint64_t kForgetEvery = 1024;
  if (id % kForgetEvery != 0 || id <= kAlertsMax) return;
  s = prepared(kForgetAlerts);
  if (s == nullptr) return;
  bind(s, 1, static_cast<int64_t>(id) - kAlertsMax);
  step(s);
}

void Store::put_action(uint64_t id, std::string_view body) {
  sqlite3_stmt* s = begin() ? prepared(kPutAction) : nullptr;
  if (s == nullptr) return;
  bind(s, 1, static_cast<int64_t>(id));
  bind(s, 2, body);
  step(s);
}

void Store::put_baseline(uint32_t part, std::span<const uint8_t> bytes) {
  sqlite3_stmt* s = begin() ? prepared(kPutBaseline) : nullptr;
  if (s == nullptr) return;
  bind(s, 1, int64_t{part});
  sqlite3_bind_blob64(s, 2, bytes.data(), bytes.size(), SQLITE_STATIC);
  step(s);
}

void Store::put_number(std::string_view name, int64_t value) {
  sqlite3_stmt* s = begin() ? prepared(kPutNumber) : nullptr;
  if (s == nullptr) return;
  bind(s, 1, name);
  bind(s, 2, value);
  step(s);
}

bool Store::commit() {
  if (!open_transaction_) return !failing_;
  if (execute(database_, "COMMIT")) {
    open_transaction_ = false;
    failing_ = lost_;
    return !lost_;
  }
  failed("write");
  // Some failures end the transaction; after the others it is still there to be tried again.
  if (sqlite3_get_autocommit(database_) != 0) {
    open_transaction_ = false;
    lost_ = true;
  }
  return false;
}

int64_t Store::single(Query query) {
  sqlite3_stmt* s = prepared(query);
  if (s == nullptr) return 0;
  const int64_t value = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
  sqlite3_reset(s);
  return value;
}

int64_t Store::number(std::string_view name) {
  sqlite3_stmt* s = prepared(kNumber);
  if (s == nullptr) return 0;
  bind(s, 1, name);
  return single(kNumber);
}

uint64_t Store::last_alert() {
  return static_cast<uint64_t>(single(kLastAlert));
}
uint64_t Store::last_action() {
  return static_cast<uint64_t>(single(kLastAction));
}
uint64_t Store::alerts() {
  return static_cast<uint64_t>(single(kCountAlerts));
}

std::optional<std::string> Store::alert(uint64_t id) {
  std::optional<std::string> body;
  each_text(kAlert, id, [&](std::string_view text) { body = std::string(text); });
  return body;
}

void Store::each_text(Query query, uint64_t parameter,
                      const std::function<void(std::string_view)>& visit) {
  sqlite3_stmt* s = prepared(query);
  if (s == nullptr) return;
  bind(s, 1, static_cast<int64_t>(parameter));
  while (sqlite3_step(s) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, 0));
    if (text != nullptr) visit({text, static_cast<size_t>(sqlite3_column_bytes(s, 0))});
  }
  if (sqlite3_reset(s) != SQLITE_OK) failed("read");
}

void Store::each_alert(uint64_t most, const std::function<void(std::string_view)>& visit) {
  each_text(kAlerts, most, visit);
}
void Store::each_action(uint64_t most, const std::function<void(std::string_view)>& visit) {
  each_text(kActions, most, visit);
}
void Store::each_device(uint64_t most, const std::function<void(std::string_view)>& visit) {
  each_text(kDevices, most, visit);
}

void Store::each_baseline(const std::function<void(std::span<const uint8_t>)>& visit) {
  sqlite3_stmt* s = prepared(kBaselines);
  if (s == nullptr) return;
  while (sqlite3_step(s) == SQLITE_ROW) {
    visit({static_cast<const uint8_t*>(sqlite3_column_blob(s, 0)),
           static_cast<size_t>(sqlite3_column_bytes(s, 0))});
  }
  if (sqlite3_reset(s) != SQLITE_OK) failed("read");
}

std::string Store::take_trouble() {
  return std::exchange(untold_, {});
}
bool Store::take_lost() {
  return std::exchange(lost_, false);
}

}  // namespace weir::operate
