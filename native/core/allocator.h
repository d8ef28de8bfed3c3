// glibc's allocator, told to keep large blocks: a training step frees and takes the same few hundred megabytes again and again,
// and giving them back to the kernel each time costs up to a quarter of the step in page faults.
#pragma once

#include <cstddef>

namespace trivium {

/// Called once at load. Does nothing when the user tuned malloc through its environment variables, or on another C library.
void tune_allocator();

/// Asks for huge pages under a large block that is written once, from one end to the other: its page faults become 512 times fewer. Blocks
/// of a training step do not gain from it, and hold a third more memory.
void advise_huge_pages(void* data, size_t bytes);

}  // namespace trivium
