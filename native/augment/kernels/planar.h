// Sixteen interleaved RGB pixels ↔ three vectors of sixteen levels. Only for files of this folder.
#pragma once

#include <cstdint>
#include <cstring>

#include "augment/kernels/vector.h"

namespace trivium::augment {

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define TRIVIUM_SHUFFLES
#endif
#endif

#ifdef TRIVIUM_SHUFFLES

typedef uint8_t Bytes16 __attribute__((vector_size(16)));

/// pixels: 48 bytes r g b r g b … → red, green, blue, 16 bytes each.
TRIVIUM_INLINE void split16(const uint8_t* pixels, uint8_t* red, uint8_t* green, uint8_t* blue) {
  Bytes16 a, b, c;
  std::memcpy(&a, pixels, 16);
  std::memcpy(&b, pixels + 16, 16);
  std::memcpy(&c, pixels + 32, 16);
  const Bytes16 red_ab = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, -1, -1, -1, -1, -1);
  const Bytes16 red16 = __builtin_shufflevector(red_ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
  const Bytes16 green_ab = __builtin_shufflevector(a, b, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, -1, -1, -1, -1, -1);
  const Bytes16 green16 = __builtin_shufflevector(green_ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
  const Bytes16 blue_ab = __builtin_shufflevector(a, b, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, -1, -1, -1, -1, -1, -1);
  const Bytes16 blue16 = __builtin_shufflevector(blue_ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
  std::memcpy(red, &red16, 16);
  std::memcpy(green, &green16, 16);
  std::memcpy(blue, &blue16, 16);
}

/// The reverse of split16.
TRIVIUM_INLINE void join16(const uint8_t* red, const uint8_t* green, const uint8_t* blue, uint8_t* pixels) {
  Bytes16 r, g, b;
  std::memcpy(&r, red, 16);
  std::memcpy(&g, green, 16);
  std::memcpy(&b, blue, 16);
  const Bytes16 first_rg = __builtin_shufflevector(r, g, 0, 16, -1, 1, 17, -1, 2, 18, -1, 3, 19, -1, 4, 20, -1, 5);
  const Bytes16 first = __builtin_shufflevector(first_rg, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15);
  const Bytes16 middle_rg = __builtin_shufflevector(r, g, 21, -1, 6, 22, -1, 7, 23, -1, 8, 24, -1, 9, 25, -1, 10, 26);
  const Bytes16 middle = __builtin_shufflevector(middle_rg, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15);
  const Bytes16 last_rg = __builtin_shufflevector(r, g, -1, 11, 27, -1, 12, 28, -1, 13, 29, -1, 14, 30, -1, 15, 31, -1);
  const Bytes16 last = __builtin_shufflevector(last_rg, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31);
  std::memcpy(pixels, &first, 16);
  std::memcpy(pixels + 16, &middle, 16);
  std::memcpy(pixels + 32, &last, 16);
}

#else

inline void split16(const uint8_t* pixels, uint8_t* red, uint8_t* green, uint8_t* blue) {
  for (int i = 0; i < 16; ++i) red[i] = pixels[i * 3], green[i] = pixels[i * 3 + 1], blue[i] = pixels[i * 3 + 2];
}

inline void join16(const uint8_t* red, const uint8_t* green, const uint8_t* blue, uint8_t* pixels) {
  for (int i = 0; i < 16; ++i) pixels[i * 3] = red[i], pixels[i * 3 + 1] = green[i], pixels[i * 3 + 2] = blue[i];
}

#endif

/// Pixels that a block of channel mixing works on: two registers of the widest kind for 16-bit sums.
constexpr int kPixels = 32;

struct Planes {
  alignas(32) uint8_t red[kPixels], green[kPixels], blue[kPixels];
};

TRIVIUM_INLINE void split(const uint8_t* pixels, Planes& planes) {
  for (int i = 0; i < kPixels; i += 16) split16(pixels + i * 3, planes.red + i, planes.green + i, planes.blue + i);
}

TRIVIUM_INLINE void join(const uint8_t* red, const uint8_t* green, const uint8_t* blue, uint8_t* pixels) {
  for (int i = 0; i < kPixels; i += 16) join16(red + i, green + i, blue + i, pixels + i * 3);
}

/// Runs `block(kPixels pixels in, kPixels pixels out)` over `count` pixels; the rest that fills no block goes through a copy.
template <typename Block>
TRIVIUM_INLINE void in_blocks(const uint8_t* source, uint8_t* target, int64_t count, const Block& block) {
  int64_t at = 0;
  for (; at + kPixels <= count; at += kPixels) block(source + at * 3, target + at * 3);
  if (at < count) {
    uint8_t some[kPixels * 3] = {}, result[kPixels * 3];
    std::memcpy(some, source + at * 3, static_cast<size_t>((count - at) * 3));
    block(some, result);
    std::memcpy(target + at * 3, result, static_cast<size_t>((count - at) * 3));
  }
}

}  // namespace trivium::augment
