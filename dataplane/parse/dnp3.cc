// SPDX-License-Identifier: Apache-2.0
#include "dataplane/parse/cursor.h"
#include "dataplane/parse/industrial.h"

namespace weir::parse {

namespace {

constexpr size_t kLinkBytes = 10;  // start, length, control, addresses, CRC
constexpr size_t kBlock = 16, kCrc = 2;
constexpr std::string_view kIndicators[] = {
    "broadcast",         "class_1_events",  "class_2_events",
    "class_3_events",    "need_time",       "local_control",
    "device_trouble",    "device_restart",  "no_func_code_support",
    "object_unknown",    "parameter_error", "event_buffer_overflow",
    "already_executing", "config_corrupt",  "reserved_1",
    "reserved_2"};
constexpr std::string_view kFunctions[] = {"confirm",
                                           "read",
                                           "write",
                                           "select",
                                           "operate",
                                           "direct_operate",
                                           "direct_operate_nr",
                                           "immed_freeze",
                                           "immed_freeze_nr",
                                           "freeze_clear",
                                           "freeze_clear_nr",
                                           "freeze_at_time",
                                           "freeze_at_time_nr",
                                           "cold_restart",
                                           "warm_restart",
                                           "initialize_data",
                                           "initialize_appl",
                                           "start_appl",
                                           "stop_appl",
                                           "save_config",
                                           "enable_unsolicited",
                                           "disable_unsolicited",
                                           "assign_class",
                                           "delay_measure",
                                           "record_current_time",
                                           "open_file",
                                           "close_file",
                                           "delete_file",
                                           "get_file_info",
                                           "authenticate_file",
                                           "abort_file",
                                           "activate_config"};

// How many bytes a frame of this length field takes, its check sums included.
size_t frame_bytes(uint8_t length) noexcept {
  const size_t user = length - 5u;
  return kLinkBytes + user + (user + kBlock - 1) / kBlock * kCrc;
}

}  // namespace

Probe Dnp3Parser::probe(const ProbeInput& in) noexcept {
  const Bytes b = in.bytes;
  if (b.empty() || b[0] != 0x05 || (b.size() > 1 && b[1] != 0x64)) return kNotMine;
  if (b.size() < 4) return in.whole ? kNotMine : kPerhaps;
  if (b[2] < 5) return kNotMine;
  return (b[3] & 0x80) != 0 ? kMineFromClient : kMineFromServer;
}

Step Dnp3Parser::parse(const Input& in, Output& out) noexcept {
  const Bytes b = in.bytes;
  if (b.size() < kLinkBytes) return Step::need(kLinkBytes);
  if (b[0] != 0x05 || b[1] != 0x64 || b[2] < 5) return Step::malformed("bad_link_header");
  const size_t whole = frame_bytes(b[2]);
  if (b.size() < whole) return Step::need(whole);
  const size_t user = b[2] - 5u;
  // Transport byte, application control, function; responses then have their indications.
  const bool first = user >= 3 && (b[kLinkBytes] & 0x40) != 0;
  if (!first) return Step::consumed(whole);
  const uint8_t control = b[3], app = b[kLinkBytes + 1], function = b[kLinkBytes + 2];
  const bool response = function >= 129;
  FactWriter& facts = out.fresh();
  const bool unsolicited = function == 130;
  facts.text(Fact::kDnp3Type, std::string_view(unsolicited ? "unsolicited_response"
                                               : response  ? "response"
                                                           : "request"));
  facts.flag(Fact::kDnp3Dir, (control & 0x80) != 0);
  facts.flag(Fact::kDnp3Pri, (control & 0x40) != 0);
  facts.flag(Fact::kDnp3Fcb, (control & 0x20) != 0);
  facts.flag(Fact::kDnp3Fcv, (control & 0x10) != 0);
  facts.number(Fact::kDnp3LinkFunction, control & 15u);
  facts.number(Fact::kDnp3Src, b[6] | unsigned{b[7]} << 8);
  facts.number(Fact::kDnp3Dst, b[4] | unsigned{b[5]} << 8);
  facts.flag(Fact::kDnp3Con, (app & 0x20) != 0);
  facts.flag(Fact::kDnp3Fin, (app & 0x40) != 0);
  facts.flag(Fact::kDnp3Fir, (app & 0x80) != 0);
  facts.number(Fact::kDnp3Sequence, app & 15u);
  facts.flag(Fact::kDnp3Uns, (app & 0x10) != 0);
  facts.number(Fact::kDnp3Function, function);
  if (function < std::size(kFunctions)) facts.text(Fact::kDnp3FunctionName, kFunctions[function]);
  if (response && user >= 5) {
    for (unsigned bit = 0; bit < 16; ++bit) {
      if ((b[kLinkBytes + 3 + bit / 8] >> bit % 8 & 1) == 0) continue;
      facts.text(Fact::kDnp3Indicators, kIndicators[bit]);
    }
  }
  out.tell(kKind, facts);
  return Step::consumed(whole);
}

}  // namespace weir::parse
