// SPDX-License-Identifier: Apache-2.0
// weir-dataplane: started by `weir run`. Exit code 1 with one sentence on stderr if it cannot
// start.
#include <cstdio>
#include <cstring>

#include "appliance/dataplane.h"

int main(int argc, char** argv) {
  if (argc != 3 || std::strcmp(argv[1], "--segment") != 0) {
    std::fprintf(stderr, "usage: weir-dataplane --segment FILE (started by `weir run`)\n");
    return 2;
  }
  auto dataplane = weir::Dataplane::create(argv[2]);
  if (!dataplane) {
    std::fprintf(stderr, "%s\n", dataplane.error().text().c_str());
    return 1;
  }
  (*dataplane)->run();
  return 0;
}
