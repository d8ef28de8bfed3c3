// Affine resampling of interleaved RGB, the result as large as the source (torchvision's affine and rotate on tensors: the grid of
// pixel centres, zeros outside, no antialiasing).
#pragma once

#include <array>
#include <cstdint>

namespace trivium::augment {

/// Source position of an output pixel, both relative to the picture's centre: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
using InverseMatrix = std::array<double, 6>;

/// What lies outside the source. `given` false: zeros, into which bilinear interpolation fades. true: `level`, into which it fades
/// by the share of the source under it, twice (as torchvision does when a fill is named, be it 0).
struct WarpFill {
  bool given = false;
  std::array<float, 3> level{0, 0, 0};
};

/// Both buffers must have room for 4 bytes more than height × width × 3. target must not be source.
void warp_nearest(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const InverseMatrix& matrix, const WarpFill& fill);
void warp_bilinear(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const InverseMatrix& matrix, const WarpFill& fill);

}  // namespace trivium::augment
