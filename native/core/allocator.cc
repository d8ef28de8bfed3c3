#include "core/allocator.h"

#include <cstdlib>

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

}  // namespace trivium
