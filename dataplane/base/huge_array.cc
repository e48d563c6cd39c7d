// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/huge_array.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#include "dataplane/base/check.h"

namespace weir::detail {

namespace {

constexpr size_t kHugePage = 2u << 20;

// Small ones stay as small as they are; the others begin on a huge page's boundary.
size_t mapped_bytes(size_t bytes) noexcept {
  return bytes < kHugePage ? bytes + 1 : (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

void* map(size_t bytes) noexcept {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  return p;
}

// The kernel aligns mappings to its small pages only: take more, give both ends back.
void* map_aligned(size_t bytes) noexcept {
  auto* wide = static_cast<uint8_t*>(map(bytes + kHugePage));
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(wide) % kHugePage) % kHugePage;
  if (before != 0) munmap(wide, before);
  if (before != kHugePage) munmap(wide + before + bytes, kHugePage - before);
  return wide + before;
}

}  // namespace

void* map_zeroed(size_t bytes, Backing backing) noexcept {
  const size_t mapped = mapped_bytes(bytes);
  if (backing == Backing::kWhenUsed) return map(mapped);
  void* p = bytes < kHugePage ? map(mapped) : map_aligned(mapped);
  if (bytes >= kHugePage) madvise(p, mapped, MADV_HUGEPAGE);  // a wish; without it, small pages
  std::memset(p, 0, mapped);
  return p;
}

void unmap(void* p, size_t bytes) noexcept {
  munmap(p, mapped_bytes(bytes));
}

}  // namespace weir::detail
