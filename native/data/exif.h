// The one thing of EXIF that changes pixels: how the camera was held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "data/jpeg.h"

namespace trivium::data {

/// Whether an APP1 segment is EXIF (others are XMP).
bool is_exif(const uint8_t* segment, size_t length);

/// 1 to 8, as TIFF 6.0 numbers them; 1 where the tag is missing; nothing when the segment is not what the standard says.
std::optional<int> exif_orientation(const uint8_t* segment, size_t length);

/// The picture upright.
Picture turned(const Picture& picture, int orientation);

}  // namespace trivium::data
