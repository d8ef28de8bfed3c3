// The kernels of colour.h for AVX-512 with VBMI and VNNI: the same whole-number arithmetic on 64 pixels at once. Only for colour.cc.
#pragma once

#include <cstdint>

#include "augment/kernels/blend.h"

namespace trivium::augment {

/// Whether this processor has what they need.
bool has_wide_colour();

int64_t wide_luma_sum(const uint8_t* pixels, int64_t count);
void wide_to_luma(const uint8_t* source, uint8_t* target, int64_t count);
void wide_saturate(const uint8_t* source, uint8_t* target, int64_t count, SmallFactor factor);

/// shift in 65536ths of a circle.
void wide_turn_hue(const uint8_t* source, uint8_t* target, int64_t count, uint16_t shift);

/// Bits of a fraction of a level in the arithmetic of hues.
constexpr int kHueBits = 3;

}  // namespace trivium::augment
