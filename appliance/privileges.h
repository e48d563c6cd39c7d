// SPDX-License-Identifier: Apache-2.0
// Whether root may here what `weir run` needs: in a container, or below a unit that takes
// capabilities away, being root says little, and drivers say less.
#pragma once

#include "dataplane/base/result.h"
#include "dataplane/contract/settings.h"

namespace weir {

// The sentence which capabilities are missing and what they are for.
Result<void> check_privileges(const Settings& settings);

}  // namespace weir
