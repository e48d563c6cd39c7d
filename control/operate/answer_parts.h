// SPDX-License-Identifier: Apache-2.0
// What several answers share: one device, flow, alert or action as JSON. Each writes fields into
// the object that is open.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "control/operate/answers.h"
#include "control/operate/json_text.h"

namespace weir::operate {

void write_device(JsonText& json, const Device& device, const Desk& desk);
void write_flow(JsonText& json, const BookedFlow& flow, const Desk& desk);
void write_action(JsonText& json, const ActionRecord& action);
void write_match(JsonText& json, const VerdictMatch& match);
void write_time(JsonText& json, std::string_view key, TimeNs time_ns);  // 0: null

// The latest alerts as text, newest first: from the store, which has all, else from memory.
void each_alert_text(const Desk& desk, uint64_t most,
                     const std::function<void(std::string_view)>& visit);

const CatalogRule* rule_of(const Desk& desk, const Alert& alert);
Mode mode_of_wire(const Desk& desk, uint8_t wire);

// What touched an alert, an action, a device or a flow, whichever `about` names.
ControlReply why(const Desk& desk, std::string_view about, TimeNs now);
ControlReply take_order(const Desk& desk, const std::string& body, TimeNs now);
ControlReply take_undo(const Desk& desk, const std::string& body, TimeNs now);
ControlReply refusal(int status, std::string_view sentence);  // {"error": sentence}

}  // namespace weir::operate
