// SPDX-License-Identifier: Apache-2.0
// Devices and actions <-> the JSON that the store keeps: everything that a restart needs, under the
// names of the structs' fields. Reading believes nothing: what does not fit is "no record".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/intake/intake.h"
#include "control/respond/respond.h"

namespace weir::operate {

std::string kept_text(const Device& d);
std::string kept_text(const ActionRecord& a);
std::optional<Device> kept_device(std::string_view text);
std::optional<ActionRecord> kept_action(std::string_view text);

}  // namespace weir::operate
