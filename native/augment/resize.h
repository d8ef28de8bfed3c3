// Antialiased resampling of 8-bit images, the fixed-point two-pass algorithm of Pillow's ImagingResample (what torchvision calls
// antialias=True): the same coefficients, the same rounding, the order of passes of Pillow 13.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trivium::augment {

/// pixels: height × width × 3, row-major → out_height × out_width × 3. interpolation: "bilinear" or "bicubic" (a = −0.5).
/// Single-threaded and free of ATen: safe to call on any thread.
std::vector<uint8_t> resize(const uint8_t* pixels, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                            const std::string& interpolation);

/// The same for a window of a larger picture, whose rows lie `stride` bytes apart, into `target` (out_height × out_width × 3).
void resize_into(const uint8_t* pixels, int64_t stride, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                 const std::string& interpolation, uint8_t* target);

/// Shorter side to `resize_to` (aspect kept, the longer side truncated as torchvision's Resize does), then the central
/// crop_to × crop_to window (torchvision's CenterCrop offsets).
std::vector<uint8_t> resize_and_center_crop(const uint8_t* pixels, int64_t height, int64_t width, int64_t resize_to, int64_t crop_to,
                                            const std::string& interpolation);

/// The picture with its shorter side at `resize_to`: how large it is then.
struct Size {
  int64_t height, width;
};
Size resized_size(int64_t height, int64_t width, int64_t resize_to);

/// The central `crop` window of the picture resampled so that its shorter side is `resize_to`, into `target` (crop.height × crop.width
/// × 3). Throws ShapeError for a window that is not inside.
void resize_and_center_crop_into(const uint8_t* pixels, int64_t height, int64_t width, int64_t resize_to, Size crop,
                                 const std::string& interpolation, uint8_t* target);

/// The crop_height × crop_width window whose first pixel is (top, left). The caller has checked that it lies inside.
std::vector<uint8_t> crop(const uint8_t* pixels, int64_t width, int64_t top, int64_t left, int64_t crop_height, int64_t crop_width);

/// First row (or column) of a centred window, rounded as torchvision's CenterCrop rounds (halves to even).
int64_t center_offset(int64_t size, int64_t crop_size);

}  // namespace trivium::augment
