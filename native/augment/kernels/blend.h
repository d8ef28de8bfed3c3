// base + factor · (level − base), truncated and clipped to 0 … 255: torchvision's blend of a picture with its grey or smoothed self.
// Only for files of this folder.
#pragma once

#include <cstdint>

#include "augment/kernels/vector.h"

namespace trivium::augment {

/// Factors below 2 as a whole and a 15-bit part, so that 16-bit lanes are enough: 6 bits of fraction remain.
struct SmallFactor {
  int16_t whole, part;
};

constexpr float kLargestSmallFactor = 1.999f;

inline SmallFactor small_factor(float factor) {
  const int16_t whole = factor >= 1.0f ? 1 : 0;
  const float part = (factor - static_cast<float>(whole)) * 32768.0f + 0.5f;
  return {whole, static_cast<int16_t>(part > 32767.0f ? 32767.0f : part)};
}

TRIVIUM_INLINE uint8_t blend(uint8_t level, uint8_t base, SmallFactor factor) {
  const int16_t difference = static_cast<int16_t>(level - base);
  const int16_t scaled = static_cast<int16_t>(difference * 128);
  const int16_t product = static_cast<int16_t>((static_cast<int32_t>(scaled) * factor.part) >> 16);  // in 64ths
  int16_t value = static_cast<int16_t>(static_cast<int16_t>(base * 64 + difference * 64 * factor.whole + product) >> 6);
  value = value < 0 ? int16_t{0} : value;
  value = value > 255 ? int16_t{255} : value;
  return static_cast<uint8_t>(value);
}

TRIVIUM_INLINE uint8_t blend(uint8_t level, uint8_t base, float factor) {
  float value = static_cast<float>(level) * factor + static_cast<float>(base) * (1.0f - factor);
  value = value < 0.0f ? 0.0f : value;
  value = value > 255.0f ? 255.0f : value;
  return static_cast<uint8_t>(static_cast<int32_t>(value));
}

}  // namespace trivium::augment
