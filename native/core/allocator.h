// glibc's allocator, told to keep large blocks: a training step frees and takes the same few hundred megabytes again and again,
// and giving them back to the kernel each time costs up to a quarter of the step in page faults. And huge pages under the heap: a step's
// streams over weights and activations cross a page every fraction of a microsecond, and each is looked up in the page tables, in a virtual
// machine in two of them.
#pragma once

#include <cstddef>

namespace trivium {

/// Called at load, before any tensor is made; again: nothing. Does nothing when the user tuned malloc through its environment variables, or
/// on another C library.
void tune_allocator();

/// Asks for huge pages under a large block that is no part of the heap or was taken before `tune_allocator`.
void advise_huge_pages(void* data, size_t bytes);

}  // namespace trivium
