// SPDX-License-Identifier: Apache-2.0
// When a failed connection says nothing about who tried it: the network outside is down, the same
// machine got through by its other address family (happy eyeballs, RFC 8305), or the operator said
// that this source may. Private to learn; belongs to ScanWalks.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/base/bounded_table.h"
#include "dataplane/base/ip_address.h"
#include "dataplane/contract/event_record.h"

namespace weir {

struct ContactKey {
  IpAddress src{}, dst{};
  uint16_t port = 0;
  uint8_t proto = 0;
  uint8_t reserved = 0;
  bool operator==(const ContactKey&) const noexcept = default;
};

// One try of a source at a service, and which flow it was.
struct Contact {
  ContactKey key;
  Endpoints ends;
  FlowId flow = 0;
  MacAddress mac{};
  uint16_t app_master = 0, app = 0;
  uint8_t wire = 0, side = 0;
  bool to_outside = false;      // the destination is not one of ours
  TimeNs time_ns = 0;           // when the outcome was known
  TimeNs first_ns = 0;          // when the flow began
};

class Excuses {
 public:
  explicit Excuses(uint64_t hash_seed);

  // Outcomes of contacts to the outside, known services included.
  void worked(const Contact& c);
  void failed(const Contact& c, bool known_service);

  // The machine (by MAC) reached that port outside by the other family since the flow began.
  bool other_family_worked(const Contact& c) const;
  // The other family's failure that a success of now excuses after the fact; null: none.
  const ContactKey* excused_by(const Contact& c);
  // Others fail out there as well, or what always worked for this source does not.
  bool outage(const Contact& c) const;

  void allow(const IpPrefix& who, TimeNs until_ns, TimeNs now);
  bool allowed(const IpAddress& who, TimeNs now) const;

 private:
  struct Outcome {
    uint64_t source = 0;
    TimeNs time_ns = 0;
    bool ok = false, known = false;
  };
  struct FamilyKey {
    MacAddress mac{};
    uint16_t port = 0;
    bool operator==(const FamilyKey&) const noexcept = default;
  };
  struct FamilyHash {
    uint64_t seed = 0;
    uint64_t operator()(const FamilyKey& k) const noexcept;
  };
  struct FamilyUse {                    // [0] IPv4, [1] IPv6
    TimeNs worked_ns[2] = {};
    TimeNs failed_ns[2] = {};
    ContactKey failed[2] = {};
  };
  struct Allowed {
    IpPrefix who;
    TimeNs until_ns = 0;
  };
  void remember(const Contact& c, bool ok, bool known);
  FamilyUse& use_of(const Contact& c);

  uint64_t seed_;
  std::array<Outcome, 256> outcomes_{};  // the latest; a ring
  size_t next_ = 0;
  BoundedTable<FamilyKey, FamilyUse, FamilyHash> families_;
  std::vector<Allowed> allowed_;
};

}  // namespace weir
