// SPDX-License-Identifier: Apache-2.0
// Threshold random walks over the outcomes of first contacts. Each source has up to three kinds of
// walk: per destination (many ports of one host), per port (one port of many hosts), and one over
// all it tries. A walk goes up with a failure, down with a success, never below zero (a long good
// life buys nothing), halves in a day, and alarms at ln((1 - missed) / false_alarm).
//
// Only first contacts count: what this source has reached before, or has already failed at, does
// not. Private to learn.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "control/learn/baseline_bytes.h"
#include "control/learn/excuses.h"
#include "control/learn/learn.h"
#include "dataplane/base/bounded_table.h"

namespace weir {

struct Walk {
  double height = 0;  // log likelihood ratio
  TimeNs moved_ns = 0;
  TimeNs since_ns = 0;                   // first failure since it last stood at zero
  uint32_t failures = 0, successes = 0;  // since then, or since the last alarm
  uint32_t alarms = 0;                   // without an hour's rest between
};

// What one failure and one success add to a walk, in log likelihood.
struct WalkSteps {
  double failure = 0, success = 0;
};

class ScanWalks {
 public:
  ScanWalks(const LearnSettings& settings, const Inventory& inventory);

  void started(const FlowStart& r, std::vector<Score>& out);
  void reported(const FlowReport& r, UpdateCause cause, std::vector<Score>& out);
  void ended(const FlowReport& r, std::vector<Score>& out);
  int do_work(TimeNs now, std::vector<Score>& out);
  void use(const ScanSettings& settings);  // walks under way go on by them

  bool suspicious(const IpAddress& source, TimeNs now) const noexcept;
  std::vector<KnownService> known_good(const IpAddress& source, TimeNs before_ns,
                                       size_t most) const;
  std::vector<KnownService> known_clients(const IpAddress& server, TimeNs before_ns,
                                          size_t most) const;
  void excuse(const IpPrefix& who, TimeNs until_ns, TimeNs now) {
    excuses_.allow(who, until_ns, now);
  }
  bool pending(TimeNs now) const noexcept;
  uint64_t held_back() const noexcept { return held_back_; }

  // Of the tables' slots, those of this part.
  void save(uint32_t part, BaselineWriter& to) const;
  struct Saved;  // a part, read but not yet taken
  static void read(BaselineReader& from, Saved& into);
  void restore(const Saved& part);

 private:
  struct ContactHash {
    uint64_t seed = 0;
    uint64_t operator()(const ContactKey& k) const noexcept;
  };
  struct Good {  // a service this source reached; chained per source
    TimeNs first_ns = 0, last_ns = 0;
    uint32_t uses = 0;
    uint32_t older = UINT32_MAX, newer = UINT32_MAX;
  };
  struct Tried {  // one it did not reach, or reached while under suspicion
    TimeNs last_ns = 0;
    double on_source = 0, on_port = 0, on_host = 0;  // what it added to the walks
    bool worked = false;
  };
  struct Miss {
    IpAddress dst{};
    uint16_t port = 0;
    uint8_t proto = 0;
  };
  struct Source {
    Walk walk;
    TimeNs suspect_until_ns = 0;
    uint32_t newest_good = UINT32_MAX, goods = 0;
    std::vector<Miss> misses;  // the latest few, a ring
    uint32_t next_miss = 0;
  };
  using Goods = BoundedTable<ContactKey, Good, ContactHash>;
  using Tries = BoundedTable<ContactKey, Tried, ContactHash>;
  using Sources = BoundedTable<IpAddress, Source, AddressHash>;
  using Walks = BoundedTable<ContactKey, Walk, ContactHash>;
  // Ours and strangers apart: a flood of strangers must not push out what is known of ours.
  struct Population {
    Population(const LearnSettings& s, uint32_t share);
    Goods goods;
    Tries tries;
    Sources sources;
    Walks walks;  // key with dst and proto 0: per host; without dst: per port
  };
  enum class WalkKind : uint8_t { kHost, kPort, kSource };
  struct Story;

  Population& population(const IpAddress& source) noexcept;
  const Population& population(const IpAddress& source) const noexcept;
  bool judged(const Endpoints& e) const noexcept;
  template <class Record>
  Contact contact_of(const Record& r) const noexcept;
  void succeeded(const Contact& c);
  void failed(const Contact& c, std::vector<Score>& out);
  bool known(Population& p, const Contact& c);
  void count_success(Population& p, const Contact& c);
  void count_failure(Population& p, const Contact& c, std::vector<Score>& out);
  void take_back(Population& p, const ContactKey& key);
  void add_good(Population& p, const ContactKey& key, const Good& good);
  void forget_good(Population& p, Goods::Entry& e);
  Source& source_of(Population& p, const IpAddress& a);
  void move(Walk& w, double by, bool failure, TimeNs now) const;
  bool alarms(const Walk& w) const noexcept;
  void decide(Population& p, Source& s, const Contact& c, Walk* host, Walk* port,
              std::vector<Score>& out);
  Score score_of(WalkKind kind, const Walk& w, const Source& s, const Contact& c) const;
  static void shape(WalkKind kind, const Source& s, const Contact& c, Score& score);

  const Inventory& inventory_;
  ScanSettings settings_;
  double threshold_ = 0;
  WalkSteps usual_, one_host_, outside_;
  Excuses excuses_;
  Population ours_, strangers_;
  struct Awaited {
    TimeNs until_ns = 0;
    Contact contact;
  };
  std::deque<Awaited> awaited_;        // echo requests, oldest first
  TimeNs pending_ns_ = INT64_MIN / 2;  // latest failure of a source that has others
  uint64_t held_back_ = 0;
};

struct SavedContact {
  ContactKey key;
  uint8_t worked = 0;  // 1: a known good service; else one tried in vain
  uint8_t reserved[3] = {};
  uint32_t uses = 0;
  uint32_t reserved2 = 0;
  TimeNs first_ns = 0, last_ns = 0;
};
static_assert(sizeof(ContactKey) == 36 && sizeof(SavedContact) == 64);

struct ScanWalks::Saved {
  std::vector<SavedContact> contacts;
};

}  // namespace weir
