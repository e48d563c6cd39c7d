// SPDX-License-Identifier: Apache-2.0
// Running the control plane, as the programs see it:
//   Config         (config.h)         weir.yaml, read and checked
//   ControlPlane   (control_plane.h)  the chain from records to verdicts with rules, logs and store
//   ControlServer  (control_server.h) its questions and orders over HTTP: local socket, /metrics
//   Traffic        (traffic.h)        the wires' accounts, summed
// This header is the folder's door; the rest of the folder is private.
#pragma once

#include "control/operate/config.h"
#include "control/operate/control_plane.h"
#include "control/operate/control_server.h"
#include "control/operate/traffic.h"
