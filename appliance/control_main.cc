// SPDX-License-Identifier: Apache-2.0
// weir-control: started by `weir run`. Exit code 1 with one sentence on stderr if it cannot start.
#include <cstdio>
#include <cstring>

#include "appliance/control_loop.h"

int main(int argc, char** argv) {
  const char* segment = nullptr;
  const char* config = nullptr;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--segment") == 0) segment = argv[i + 1];
    if (std::strcmp(argv[i], "--config") == 0) config = argv[i + 1];
  }
  if (argc != 5 || segment == nullptr || config == nullptr) {
    std::fprintf(stderr,
                 "usage: weir-control --segment FILE --config FILE (started by `weir run`)\n");
    return 2;
  }
  auto loop = weir::ControlLoop::create(segment, config);
  if (!loop) {
    std::fprintf(stderr, "weir-control: %s\n", loop.error().text().c_str());
    return 1;
  }
  (*loop)->run();
  return 0;
}
