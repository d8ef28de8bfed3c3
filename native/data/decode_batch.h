// Many pictures at once: read, decoded, resampled and cropped on threads of our own, straight into the batch.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace trivium::data {

/// A file, a part of a file, or bytes in memory (when `bytes` is set; the caller keeps them alive).
struct EncodedPicture {
  std::string path;
  int64_t offset = 0;
  int64_t length = -1;  // −1: to the end of the file
  const uint8_t* bytes = nullptr;
};

struct BatchGeometry {
  int64_t resize_to;   // shorter side
  int64_t crop_to;     // side of the central square, ≤ resize_to
  int64_t max_pixels;  // of the picture as it is stored
  std::string interpolation = "bilinear";
};

/// What became of each picture.
struct BatchResult {
  std::vector<uint8_t> done;   // [N] 0: this decoder does not take it, its place in the batch is untouched
  std::vector<int32_t> sizes;  // [N, 2] height and width before resampling
};

/// @param threads ≥ 1, counting the caller's
/// @param out     [N, crop_to, crop_to, 3]
/// @param stop    set by another thread to leave the rest undone
BatchResult decode_batch(const std::vector<EncodedPicture>& pictures, const BatchGeometry& geometry, int threads, uint8_t* out,
                         const std::atomic<bool>& stop);

/// XXH64 of the bytes of each picture; of one that cannot be read, of nothing.
std::vector<uint64_t> hash_batch(const std::vector<EncodedPicture>& pictures, int threads);

}  // namespace trivium::data
