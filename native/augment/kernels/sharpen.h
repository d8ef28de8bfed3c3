// Blend with the smoothed picture (torchvision's adjust_sharpness, PIL's ImageEnhance.Sharpness).
#pragma once

#include <cstdint>

namespace trivium::augment {

/// factor · pixel + (1 − factor) · smoothed, where smoothed is the 3×3 mean with weight 5 in the middle, rounded; the outermost
/// pixels stay as they are, and so does a picture of fewer than 3 pixels a side. target must not be source.
void sharpen(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, float factor);

}  // namespace trivium::augment
