// JPEG decoding with libjpeg-turbo, where CMake found its headers; elsewhere every picture is left to the caller's other decoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace trivium::data {

/// [height, width, 3] RGB, 8 bits, at the beginning of `pixels`, which may be longer: its memory is used again.
struct Picture {
  std::vector<uint8_t> pixels;
  int64_t height = 0;
  int64_t width = 0;
};

/// "libjpeg-turbo 2.1.5", or "" when the addon was built without it.
std::string jpeg_library();

/// A grey or three-channel JPEG of at most `max_pixels`, turned as its EXIF orientation says; the accurate integer IDCT and smooth
/// chroma upsampling of libjpeg-turbo at full size, which is what Pillow and libvips use. Colour profiles are not applied.
///
/// False for whatever is not such a picture or makes the library complain (CMYK, damage, too many pixels, odd EXIF): another
/// decoder then gives the pixels or the reason. Thread-safe.
bool decode_jpeg(const uint8_t* bytes, size_t length, int64_t max_pixels, Picture& picture);

}  // namespace trivium::data
