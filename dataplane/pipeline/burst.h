// SPDX-License-Identifier: Apache-2.0
// Private to pipeline: what a worker has in hand.
#pragma once

#include "dataplane/pipeline/pipeline.h"

namespace weir {

// A burst as a table: row = packet, column = what one stage found out. One per worker, reused.
struct Worker::Burst {
  PacketView packet[kBurstMax];  // written by io
  PacketView view[kBurstMax];  //            defragment: what is inspected in its place (of `look`)
  Plight plight[kBurstMax];    //            defragment, look_into
  Headers headers[kBurstMax];  //            decode
  Tracked tracked[kBurstMax];  //            track
  bool stopped[kBurstMax];     //            judge
  bool became_known[kBurstMax];  //            classify
  Inspect inspect[kBurstMax];    //            look_into
  Hits hits[kBurstMax];          //            match
  uint32_t transaction[kBurstMax];  //         look_into: of the event that hits are of
  Decision decision[kBurstMax];  //            judge, decide
  Reason reason[kBurstMax];      //            decide, then io
  Rows held = 0;                 //            hold
  // Packets that need more than to be tracked and sent. The columns of what comes after judge are
  // written and read for these alone: in a burst of settled flows for none.
  Rows look = 0;
  Rows dropped = 0;        // by drop, of which no stage after it hears
  bool has_views = false;  // `view` is filled
};

}  // namespace weir
