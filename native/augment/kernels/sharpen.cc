#include "augment/kernels/sharpen.h"

#include <cstring>

#include "augment/kernels/blend.h"
#include "augment/kernels/vector.h"

namespace trivium::augment {
namespace {

/// `count` values of a row; neighbours of a channel lie 3 bytes apart.
template <typename Factor>
TRIVIUM_INLINE void sharpen_values(const uint8_t* above, const uint8_t* row, const uint8_t* below, uint8_t* target, int64_t count,
                                   Factor factor) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t corners = static_cast<uint16_t>(above[i - 3] + above[i + 3] + below[i - 3] + below[i + 3]);
    const uint16_t edges = static_cast<uint16_t>(above[i] + row[i - 3] + row[i + 3] + below[i]);
    const uint16_t sum = static_cast<uint16_t>(corners + edges + 5 * row[i] + 6);
    // Rounded division by 13, exact for sums up to 13 · 255.
    const uint16_t smoothed = static_cast<uint16_t>((static_cast<uint32_t>(sum) * 5042) >> 16);
    target[i] = blend(row[i], static_cast<uint8_t>(smoothed), factor);
  }
}

template <typename Factor>
TRIVIUM_INLINE void sharpen_row(const uint8_t* __restrict above, const uint8_t* __restrict row, const uint8_t* __restrict below,
                                uint8_t* __restrict target, int64_t count, Factor factor) {
  if (count < kBlock) return sharpen_values(above, row, below, target, count, factor);
  int64_t at = 0;
  for (; at + kBlock <= count; at += kBlock) sharpen_values(above + at, row + at, below + at, target + at, kBlock, factor);
  at = count - kBlock;  // the last block overlaps the one before it
  sharpen_values(above + at, row + at, below + at, target + at, kBlock, factor);
}

TRIVIUM_VECTORISED
void sharpen_little(const uint8_t* above, const uint8_t* row, const uint8_t* below, uint8_t* target, int64_t count, SmallFactor factor) {
  sharpen_row(above, row, below, target, count, factor);
}

TRIVIUM_VECTORISED
void sharpen_much(const uint8_t* above, const uint8_t* row, const uint8_t* below, uint8_t* target, int64_t count, float factor) {
  sharpen_row(above, row, below, target, count, factor);
}

}  // namespace

void sharpen(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, float factor) {
  const int64_t stride = width * 3;
  if (height < 3 || width < 3) {
    std::memcpy(target, source, static_cast<size_t>(height * stride));
    return;
  }
  const SmallFactor small = small_factor(factor <= kLargestSmallFactor ? factor : 0.0f);
  std::memcpy(target, source, static_cast<size_t>(stride));
  for (int64_t y = 1; y + 1 < height; ++y) {
    const uint8_t* row = source + y * stride;
    uint8_t* to = target + y * stride;
    std::memcpy(to, row, 3);
    const uint8_t *above = row - stride + 3, *below = row + stride + 3;
    if (factor <= kLargestSmallFactor) {
      sharpen_little(above, row + 3, below, to + 3, stride - 6, small);
    } else {
      sharpen_much(above, row + 3, below, to + 3, stride - 6, factor);
    }
    std::memcpy(to + stride - 3, row + stride - 3, 3);
  }
  std::memcpy(target + (height - 1) * stride, source + (height - 1) * stride, static_cast<size_t>(stride));
}

}  // namespace trivium::augment
