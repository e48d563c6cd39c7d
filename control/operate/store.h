// SPDX-License-Identifier: Apache-2.0
// What survives a restart: devices, alerts, actions, baselines, in one SQLite file. Writes gather
// in a transaction that commit() ends; with a write-ahead log, what was committed outlives any
// death of the process (a power cut may cost the last moments). Rows are JSON of ours beside the
// columns that are searched. Control thread. A file that is not ours or damaged is set aside, never
// overwritten.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weir::operate {

class Store {
 public:
  static constexpr int64_t kAlertsMax = 1'000'000;  // beyond that the oldest go

  // set_aside: empty, or the sentence that says which file was found unusable and where it is now.
  static Result<std::unique_ptr<Store>> open(const std::string& path, std::string& set_aside);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void put_device(std::string_view address, TimeNs last_seen_ns, std::string_view body);
  void put_alert(uint64_t id, std::string_view body);
  void put_action(uint64_t id, std::string_view body);
  void put_baseline(uint32_t part, std::span<const uint8_t> bytes);
  void put_number(std::string_view name, int64_t value);
  // Ends the transaction. false: it is not on disk (yet); see trouble().
  bool commit();

  int64_t number(std::string_view name);  // 0: never put
  uint64_t last_alert();                  // highest id; 0: none
  uint64_t last_action();
  uint64_t alerts();
  std::optional<std::string> alert(uint64_t id);
  // Bodies; alerts newest first, the others oldest first.
  void each_alert(uint64_t most, const std::function<void(std::string_view)>& visit);
  void each_action(uint64_t most, const std::function<void(std::string_view)>& visit);
  void each_device(uint64_t most, const std::function<void(std::string_view)>& visit);
  void each_baseline(const std::function<void(std::span<const uint8_t>)>& visit);

  // The last failure's sentence, once; empty: none since.
  std::string take_trouble();
  // A transaction was lost: who still knows its content should put it again. Once.
  bool take_lost();

 private:
  explicit Store(sqlite3* database);
  enum Query : unsigned;
  sqlite3_stmt* prepared(Query query);
  bool begin();
  void step(sqlite3_stmt* statement);
  int64_t single(Query query);
  void each_text(Query query, uint64_t parameter,
                 const std::function<void(std::string_view)>& visit);
  void failed(std::string_view doing);

  sqlite3* database_;
  std::vector<sqlite3_stmt*> statements_;
  bool open_transaction_ = false;
  bool failing_ = false;
  bool lost_ = false;
  std::string untold_;
};

}  // namespace weir::operate
