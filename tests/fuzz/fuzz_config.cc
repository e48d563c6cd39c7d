// SPDX-License-Identifier: Apache-2.0
// weir.yaml is the operator's, but may be anything that a file can be: reading it ends well, an
// error is one line, and what is accepted can be written out and reads back to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/operate/operate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = weir::parse_config(text, "weir.yaml", weir::ConfigUse::kOffline);
  if (!config) {
    if (config.error().message.empty() || config.error().message.find('\n') != std::string::npos) {
      std::abort();
    }
    return 0;
  }
  const std::string written = weir::config_text(*config);
  const auto again = weir::parse_config(written, "weir.yaml", weir::ConfigUse::kOffline);
  if (!again || weir::config_text(*again) != written) std::abort();
  return 0;
}
