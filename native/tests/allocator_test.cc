// What heaps grow by lies in huge pages, for LibTorch's tensors. glibc on Linux alone.
#include "core/allocator.h"

#include <ATen/ops/full.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "check.h"

using namespace trivium;

/// The kernel's flags of the mapping that `address` lies in: "rd wr mr mw me ac hg".
[[maybe_unused]] static std::string flags_at(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) inside = from <= wanted && wanted < to;
    if (inside && line.rfind("VmFlags:", 0) == 0) return line + " ";
  }
  return "no mapping";
}

static void growth_of_the_heap_gets_huge_pages() {
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers bring a malloc of their own
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) return;
  for (const char* own : {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}) unsetenv(own);  // a user's go first
  tune_allocator();
  tune_allocator();
  constexpr int64_t kMiB = 1 << 20;
  // Each is more than the heap has free, so that it grows twice.
  const auto first = at::full({100 * kMiB}, 1, torch::kByte), second = at::full({300 * kMiB}, 2, torch::kByte);
  for (const auto& block : {first, second}) {
    const auto flags = flags_at(block.const_data_ptr<uint8_t>() + block.numel() / 2);
    trivium::testing::report(flags.find(" hg ") != std::string::npos, __FILE__, __LINE__, "expected huge pages (hg) but got " + flags);
  }
  CHECK_TRUE(first.eq(1).all().item<bool>() && second.eq(2).all().item<bool>());
#endif
}

// A thread's first allocations come from an arena of its own, away from the heap.
static void other_arenas_get_huge_pages() {
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) return;
  std::string flags;
  std::thread([&] {
    const auto block = at::full({9 << 20}, 1, torch::kByte);
    flags = flags_at(block.const_data_ptr<uint8_t>() + block.numel() / 2);
  }).join();
  trivium::testing::report(flags.find(" hg ") != std::string::npos, __FILE__, __LINE__, "expected huge pages (hg) but got " + flags);
#endif
}

int main() {
  growth_of_the_heap_gets_huge_pages();
  other_arenas_get_huge_pages();
  return trivium::testing::finish("allocator");
}
