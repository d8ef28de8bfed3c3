#include "augment/kernels/blur.h"

#include <cmath>
#include <cstring>

#include "augment/kernels/vector.h"

namespace trivium::augment {
namespace {

// Levels with 7 bits of fraction times weights with 15, each product rounded to 7 bits again: sums stay within 16 bits.
constexpr int kLevelBits = 7;

TRIVIUM_INLINE int16_t weighed(int16_t level, int16_t weight) {
  return static_cast<int16_t>((((static_cast<int32_t>(level) * weight) >> 14) + 1) >> 1);
}

TRIVIUM_VECTORISED
void weigh_across(const int16_t* __restrict padded, const int16_t* __restrict weights, int64_t taps, int64_t count,
                  int16_t* __restrict target) {
  for (int64_t at = 0; at < count; at += kBlock) {
    int16_t sums[kBlock] = {};
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int16_t weight = weights[tap];
      for (int64_t i = 0; i < kBlock; ++i) sums[i] = static_cast<int16_t>(sums[i] + weighed(padded[at + tap * 3 + i], weight));
    }
    for (int64_t i = 0; i < kBlock; ++i) target[at + i] = sums[i];
  }
}

TRIVIUM_VECTORISED
void weigh_down(const int16_t* const* __restrict rows, const int16_t* __restrict weights, int64_t taps, int64_t count,
                uint8_t* __restrict target) {
  for (int64_t at = 0; at < count; at += kBlock) {
    int16_t sums[kBlock] = {};
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int16_t* row = rows[tap] + at;
      const int16_t weight = weights[tap];
      for (int64_t i = 0; i < kBlock; ++i) sums[i] = static_cast<int16_t>(sums[i] + weighed(row[i], weight));
    }
    uint8_t levels[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) {
      const int16_t level = static_cast<int16_t>((static_cast<uint16_t>(sums[i]) + (1 << (kLevelBits - 1))) >> kLevelBits);
      levels[i] = static_cast<uint8_t>(level > 255 ? 255 : level);
    }
    std::memcpy(target + at, levels, static_cast<size_t>(count - at < kBlock ? count - at : kBlock));
  }
}

int64_t mirrored(int64_t at, int64_t size) { return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at; }

}  // namespace

std::vector<int16_t> gaussian_weights(int64_t size, double sigma) {
  std::vector<double> values(static_cast<size_t>(size));
  double total = 0;
  for (int64_t i = 0; i < size; ++i) {
    const double distance = static_cast<double>(i) - static_cast<double>(size - 1) / 2;
    total += values[i] = std::exp(-distance * distance / (2 * sigma * sigma));
  }
  std::vector<int16_t> weights;
  int32_t rest = 32767;
  for (const double value : values) {
    weights.push_back(static_cast<int16_t>(std::lround(value / total * 32767)));
    rest -= weights.back();
  }
  weights[size / 2] = static_cast<int16_t>(weights[size / 2] + rest);  // a flat picture stays flat
  return weights;
}

void blur(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const std::vector<int16_t>& weights,
          std::vector<int16_t>& scratch) {
  const int64_t taps = static_cast<int64_t>(weights.size()), half = taps / 2, values = width * 3;
  // Rows of whole blocks, so that no loop has a remainder.
  const int64_t stride = (values + kBlock - 1) / kBlock * kBlock, padded_values = stride + taps * 3;
  scratch.assign(static_cast<size_t>(height * stride + padded_values), 0);
  int16_t* padded = scratch.data() + height * stride;
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = source + y * values;
    for (int64_t i = 0; i < values; ++i) padded[half * 3 + i] = static_cast<int16_t>(row[i] << kLevelBits);
    for (int64_t x = 0; x < half; ++x) {
      for (int c = 0; c < 3; ++c) {
        padded[x * 3 + c] = static_cast<int16_t>(row[mirrored(x - half, width) * 3 + c] << kLevelBits);
        padded[(half + width + x) * 3 + c] = static_cast<int16_t>(row[mirrored(width + x, width) * 3 + c] << kLevelBits);
      }
    }
    weigh_across(padded, weights.data(), taps, stride, scratch.data() + y * stride);
  }
  std::vector<const int16_t*> rows(static_cast<size_t>(taps));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t tap = 0; tap < taps; ++tap) rows[tap] = scratch.data() + mirrored(y + tap - half, height) * stride;
    weigh_down(rows.data(), weights.data(), taps, values, target + y * values);
  }
}

}  // namespace trivium::augment
