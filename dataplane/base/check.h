// SPDX-License-Identifier: Apache-2.0
// CHECK: a broken invariant in the control programs; says where and dies (it is restarted, and
// packets keep flowing). ASSERT: the same on the packet path, in debug, fuzz and test builds only;
// a release build counts the impossible state and forwards the packet instead.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace weir::detail {
[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, what);
  std::abort();
}
}  // namespace weir::detail

#define CHECK(condition) \
  ((condition) ? (void)0 : ::weir::detail::check_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define ASSERT(condition) ((void)0)
#else
#define ASSERT(condition) CHECK(condition)
#endif
