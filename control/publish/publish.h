// SPDX-License-Identifier: Apache-2.0
// The control plane's way to the data plane, three parts:
//   Publisher     (publisher.h)      verdicts into every worker's mailbox, reports back to actions
//   RuleHandover  (rule_handover.h)  a compiled rule image into the data plane, and its answer
//   ControlChain  (control_chain.h)  the whole chain, records to verdicts, as one bounded step
// All on the control thread, live and in lockstep for replay; none owns a thread or reads a clock.
#pragma once

#include "control/publish/control_chain.h"
#include "control/publish/publisher.h"
#include "control/publish/rule_handover.h"
