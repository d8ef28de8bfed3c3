#include "core/allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#include <unistd.h>
#endif

namespace trivium {
namespace {

#ifdef __GLIBC__
/// LibTorch's allocator, with an eye on the heaps that it takes from: what they grow by gets huge pages, before anything is written there.
/// Blocks share them, so that hardly any memory is held for it.
class HeapAllocator final : public c10::Allocator {
 public:
  explicit HeapAllocator(c10::Allocator* base) : base_(base), begin_(heap_end()), advised_(begin_) {}

  c10::DataPtr allocate(size_t bytes) override {
    auto block = base_->allocate(bytes);
    if (bytes >= kLarge) advise(reinterpret_cast<uintptr_t>(block.get()));
    return block;
  }
  c10::DeleterFnPtr raw_deleter() const override { return base_->raw_deleter(); }
  bool is_simple_data_ptr(const c10::DataPtr& block) const override { return base_->is_simple_data_ptr(block); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { base_->copy_data(to, from, bytes); }

 private:
  static constexpr size_t kLarge = 1 << 16;  // growth for a smaller block waits for the next large one
  static constexpr uintptr_t kPage = 4096;
  // glibc's HEAP_MAX_SIZE: another arena than the first takes its memory in such pieces, reserved whole and aligned to their size.
  static constexpr uintptr_t kArenaHeap = 64 << 20;
  static constexpr size_t kSeen = 256;

  static uintptr_t heap_end() { return reinterpret_cast<uintptr_t>(sbrk(0)) / kPage * kPage; }  // no system call: glibc knows it

  void advise(uintptr_t block) {
    const uintptr_t end = heap_end();
    if (block < begin_ || block >= end) return advise_arena(block / kArenaHeap);
    uintptr_t from = advised_.load(std::memory_order_relaxed);
    // Of several threads one goes on. An end below is one that the heap has given back.
    if (end == from || !advised_.compare_exchange_strong(from, end) || end < from) return;
    madvise(reinterpret_cast<void*>(from), end - from, MADV_HUGEPAGE);  // advice: a kernel without them says no
  }

  void advise_arena(uintptr_t heap) {
    if (seen_[heap % kSeen].exchange(heap, std::memory_order_relaxed) == heap) return;
    madvise(reinterpret_cast<void*>(heap * kArenaHeap), kArenaHeap, MADV_HUGEPAGE);
  }

  c10::Allocator* base_;
  const uintptr_t begin_;           // the heap's end before any block of ours
  std::atomic<uintptr_t> advised_;  // the heap's end up to which it was done
  std::array<std::atomic<uintptr_t>, kSeen> seen_{};  // numbers of arenas' pieces, which other pieces may displace
};

void tune_glibc() {
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") || std::getenv("MALLOC_TRIM_THRESHOLD_") || std::getenv("GLIBC_TUNABLES")) return;
  constexpr int kMiB = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, 1024 * kMiB);  // blocks below this come from the heap and are reused
  mallopt(M_TRIM_THRESHOLD, 1536 * kMiB);  // the heap's free top is given back only past this, which bounds what is kept
  mallopt(M_TOP_PAD, 64 * kMiB);
  mallopt(M_ARENA_MAX, 2);  // one arena a thread would keep the same blocks several times
  c10::SetAllocator(c10::DeviceType::CPU, new HeapAllocator(c10::GetCPUAllocator()));  // for as long as the process lives
}
#endif

}  // namespace

void tune_allocator() {
#ifdef __GLIBC__
  static std::once_flag once;
  std::call_once(once, tune_glibc);
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
