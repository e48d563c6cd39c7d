// SPDX-License-Identifier: Apache-2.0
// Event records and alerts -> lines of EVE JSON, with the field names of Suricata's eve.json so
// that what people already own reads them; what only Weir knows stands under "weir". Pure
// formatting: each call leaves one line, valid until the next. Control thread.
#pragma once

#include <string>
#include <string_view>

#include "control/detect/detect.h"
#include "control/operate/community_id.h"
#include "control/operate/fact_text.h"
#include "control/operate/json_text.h"
#include "dataplane/contract/event_record.h"
#include "dataplane/contract/segment.h"
#include "rules/compile/compile.h"

namespace weir::operate {

// "TLS.Facebook", "DNS", "unknown": as nDPI prints a protocol with its master.
std::string app_name(const AppNames& names, uint16_t master, uint16_t app);
// Of a flow: our own parser is right where nDPI says something else.
std::string app_name(const AppNames& names, const FlowReport& r);
// The id of an application, whatever case its name is written in; 0: there is none such.
uint16_t app_of_name(const AppNames& names, std::string_view name);
// "TCP" "UDP" "ICMP" "IPv6-ICMP" "SCTP" ...; "253" where there is no name.
std::string proto_name(uint8_t proto);
// The IP protocol of such a name, in any case, or of its number.
std::optional<uint8_t> proto_of_name(std::string_view name);
bool has_port_numbers(uint8_t proto);

class EveLines {
 public:
  // Where frames carry a number that means something (a capture), pcap_cnt tells it.
  enum class PacketNumbers { kNo, kCapture };
  // segment: names of wires and applications; must outlive this.
  EveLines(Segment& segment, PacketNumbers numbers);

  std::string_view flow(const FlowEnd& r);
  std::string_view drop(const Drop& r, const CatalogRule* rule);
  std::string_view anomaly(const AnomalyRecord& r);
  std::string_view evidence(const Evidence& e);
  // rule: null where the image it belongs to is not known any more.
  std::string_view rule_alert(const RuleHit& r, const CatalogRule* rule);
  // action_name: the response to it, or empty.
  std::string_view model_alert(const Alert& a, std::string_view response);
  std::string_view stats(TimeNs now, TimeNs uptime_ns);

  // What any object that speaks of a flow tells of its ends; also used by the API.
  void ends(JsonText& json, const Endpoints& e);
  std::string community_id(const Endpoints& e) { return community_id_.of(e); }
  const AppNames& names() const { return segment_.app_names(); }

 private:
  // When the deciding packet came in, when it was decided, when it took effect; 0: did not happen.
  struct Stamps {
    TimeNs packet_in_ns, decided_ns, enforced_ns;
    uint64_t leaked_packets;
  };
  void write_stamps(const Stamps& stamps);
  void begin(TimeNs time_ns, FlowId flow, std::string_view type, uint8_t wire, const Endpoints& e);
  std::string_view finish();

  Segment& segment_;
  PacketNumbers numbers_;
  CommunityId community_id_;
  FactText facts_;
  JsonText json_;
};

// Alert and its reasons under "weir" or in an API answer.
void write_reasons(JsonText& json, const std::vector<ScoreReason>& reasons);
// One counter per reason that is not zero.
void write_drops(JsonText& json, std::string_view key, const uint64_t (&packets)[kReasonCount]);

}  // namespace weir::operate
