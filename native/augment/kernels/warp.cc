#include "augment/kernels/warp.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "augment/kernels/vector.h"

namespace trivium::augment {
namespace {

/// Whole number nearest to |value| < 2^22, halves to even, without a call.
TRIVIUM_INLINE float nearest(float value) { return (value + 12582912.0f) - 12582912.0f; }

uint8_t to_level(float value) { return static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f)); }

void fill_pixels(uint8_t* target, int64_t count, const std::array<uint8_t, 3>& level) {
  if (level[0] == level[1] && level[1] == level[2]) {
    std::memset(target, level[0], static_cast<size_t>(count * 3));
    return;
  }
  for (int64_t i = 0; i < count; ++i) std::memcpy(target + i * 3, level.data(), 3);
}

/// A row of the result is a row of the source moved sideways: shears along x and whole translations.
bool keeps_rows(const InverseMatrix& m) { return m[0] == 1 && m[3] == 0 && m[4] == 1; }

void copy_rows(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const InverseMatrix& m,
               const std::array<uint8_t, 3>& outside) {
  const double middle = static_cast<double>(height - 1) / 2;
  const int64_t down = static_cast<int64_t>(std::nearbyint(static_cast<float>(m[5])));
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* to = target + y * width * 3;
    const int64_t row = y + down;
    const int64_t across = static_cast<int64_t>(std::nearbyint(static_cast<float>(m[1] * (static_cast<double>(y) - middle) + m[2])));
    const int64_t first = std::clamp<int64_t>(-across, 0, width), last = std::clamp<int64_t>(width - across, first, width);
    if (row < 0 || row >= height || first == last) {
      fill_pixels(to, width, outside);
      continue;
    }
    fill_pixels(to, first, outside);
    std::memcpy(to + first * 3, source + (row * width + first + across) * 3, static_cast<size_t>((last - first) * 3));
    fill_pixels(to + last * 3, width - last, outside);
  }
}

/// For each pixel of an output row the byte at which its source pixel begins; −1 outside.
TRIVIUM_VECTORISED
void source_offsets(float x0, float x_step, float y0, float y_step, int32_t height, int32_t width, int64_t count, int32_t* __restrict offsets) {
  const float last_x = static_cast<float>(width - 1), last_y = static_cast<float>(height - 1);
  for (int64_t x = 0; x < count; ++x) {
    const float column = nearest(x0 + x_step * static_cast<float>(static_cast<int32_t>(x)));
    const float row = nearest(y0 + y_step * static_cast<float>(static_cast<int32_t>(x)));
    const bool inside = (column >= 0.0f) & (column <= last_x) & (row >= 0.0f) & (row <= last_y);
    const int32_t offset = (static_cast<int32_t>(row) * width + static_cast<int32_t>(column)) * 3;
    offsets[x] = inside ? offset : -1;
  }
}

}  // namespace

void warp_nearest(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const InverseMatrix& m, const WarpFill& fill) {
  const std::array<uint8_t, 3> outside{to_level(fill.level[0]), to_level(fill.level[1]), to_level(fill.level[2])};
  if (keeps_rows(m)) return copy_rows(source, target, height, width, m, outside);
  const double cx = static_cast<double>(width - 1) / 2, cy = static_cast<double>(height - 1) / 2;
  thread_local std::vector<int32_t> offsets;
  offsets.resize(static_cast<size_t>(width));
  for (int64_t y = 0; y < height; ++y) {
    const double from_middle = static_cast<double>(y) - cy;
    source_offsets(static_cast<float>(m[1] * from_middle + m[2] - m[0] * cx + cx), static_cast<float>(m[0]),
                   static_cast<float>(m[4] * from_middle + m[5] - m[3] * cx + cy), static_cast<float>(m[3]), static_cast<int32_t>(height),
                   static_cast<int32_t>(width), width, offsets.data());
    // The source is convex: what lies inside is one run.
    int64_t first = 0, last = width;
    while (first < width && offsets[first] < 0) ++first;
    while (last > first && offsets[last - 1] < 0) --last;
    uint8_t* to = target + y * width * 3;
    fill_pixels(to, first, outside);
    for (int64_t x = first; x < last; ++x) {  // a fourth byte rides along; the next pixel covers it
      uint32_t pixel;
      std::memcpy(&pixel, source + offsets[x], 4);
      std::memcpy(to + x * 3, &pixel, 4);
    }
    fill_pixels(to + last * 3, width - last, outside);
  }
}

}  // namespace trivium::augment
