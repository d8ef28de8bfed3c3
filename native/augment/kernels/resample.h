// The two passes of a separable resampling in fixed point: weights of 22 bits, sums rounded to 8.
#pragma once

#include <cstdint>

namespace trivium::augment {

// 8 bits of pixel, 2 bits of head room for the negative lobes of bicubic, the rest is fraction.
constexpr int kPrecisionBits = 32 - 8 - 2;

/// For each output position: the first input position, how many, and their weights (`taps` to a position).
struct Weights {
  const int64_t* first;
  const int64_t* count;
  const int32_t* values;
  int64_t taps;
};

/// `rows` rows (`stride` bytes apart) of RGB pixels → `width` pixels each, `target_stride` bytes apart.
void resample_across(const uint8_t* source, int64_t rows, int64_t stride, const Weights& weights, int64_t width, uint8_t* target,
                     int64_t target_stride);

/// `values` bytes of each row (`stride` bytes apart) → `height` rows of `values` bytes.
void resample_down(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target);

}  // namespace trivium::augment
