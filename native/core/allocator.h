// glibc's allocator, told to keep large blocks: a training step frees and takes the same few hundred megabytes again and again,
// and giving them back to the kernel each time costs up to a quarter of the step in page faults.
#pragma once

namespace trivium {

/// Called once at load. Does nothing when the user tuned malloc through its environment variables, or on another C library.
void tune_allocator();

}  // namespace trivium
