#include "core/allocator.h"

#include <cstdint>
#include <cstdlib>

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace trivium {

void tune_allocator() {
#ifdef __GLIBC__
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") || std::getenv("MALLOC_TRIM_THRESHOLD_") || std::getenv("GLIBC_TUNABLES")) return;
  constexpr int kMiB = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, 1024 * kMiB);  // blocks below this come from the heap and are reused
  mallopt(M_TRIM_THRESHOLD, 1536 * kMiB);  // the heap's free top is given back only past this, which bounds what is kept
  mallopt(M_TOP_PAD, 64 * kMiB);
  mallopt(M_ARENA_MAX, 2);                 // one arena a thread would keep the same blocks several times
#endif
}

void advise_huge_pages(void* data, size_t bytes) {
#ifdef __linux__
  constexpr uintptr_t kHugePage = 2 << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // advice: a kernel without them says no
#endif
}

}  // namespace trivium
