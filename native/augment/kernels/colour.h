// Operations that mix the channels of a pixel, over `count` interleaved RGB pixels; source and target may be the same.
#pragma once

#include <cstdint>

namespace trivium::augment {

/// Sum of ⌊0.2989 r + 0.587 g + 0.114 b⌋ (the luma of ITU-R 601 as torchvision rounds its weights).
int64_t luma_sum(const uint8_t* pixels, int64_t count);

/// All three channels become the luma.
void to_luma(const uint8_t* source, uint8_t* target, int64_t count);

/// factor · pixel + (1 − factor) · luma, clipped and truncated.
void saturate(const uint8_t* source, uint8_t* target, int64_t count, float factor);

/// Hue turned by `shift` of a full circle (any number), value and saturation kept: what goes to HSV and back, without the divisions.
void turn_hue(const uint8_t* source, uint8_t* target, int64_t count, double shift);

}  // namespace trivium::augment
