// SPDX-License-Identifier: Apache-2.0
// How long a worker may be held by a port that takes nothing. To send what lies in a port's ring,
// DPDK's AF_XDP driver asks the kernel by an empty send(), and asks again for as long as the answer
// is EAGAIN. A far end that keeps frames without end would hold the worker in there until it is
// taken for a stuck one. So this program's send(), which the driver is bound to as every library
// is, has that call fail after a few tries, and remembers it for the lane: what is left in the ring
// is asked for again at the next look.
#pragma once

namespace weir {

// Whether the last port that this thread asked to send has left frames in its ring.
extern thread_local bool tx_kick_refused;

}  // namespace weir
