// SPDX-License-Identifier: Apache-2.0
// Private to operate: the facts of an event as the members of a JSON object, by the paths of
// facts.def: in the table's order, lists in the order in which their items were stated.
#pragma once

#include <string_view>
#include <vector>

#include "control/operate/json_text.h"
#include "dataplane/contract/evidence.h"

namespace weir::operate {

class FactText {
 public:
  FactText();
  // Writes them into the object that is open. Returns whether a text was cut or facts left out.
  bool write(JsonText& json, const Evidence& e);
  // Those of the same event whose path begins with /: they stand beside its object.
  void write_beside(JsonText& json) const;

 private:
  void write_some(JsonText& json, bool beside) const;
  struct Placed {
    uint32_t rank;  // facts of one list share that of its first
    FactValue value;
  };
  std::vector<uint32_t> rank_;  // by fact
  std::vector<Placed> placed_;  // of the event at hand
};

}  // namespace weir::operate
