#include "augment/kernels/colour.h"

#include <cmath>

#include "augment/kernels/blend.h"
#include "augment/kernels/planar.h"
#include "augment/kernels/vector.h"
#include "augment/kernels/wide_colour.h"

namespace trivium::augment {
namespace {

// The weights of 2^16 in two bytes each (0.2989 = 19589, 0.587 = 38470, 0.114 = 7471), so that every sum fits 16 bits without a sign.
TRIVIUM_INLINE uint8_t luma(uint8_t red, uint8_t green, uint8_t blue) {
  const uint16_t upper = static_cast<uint16_t>(76 * red + 150 * green + 29 * blue);
  const uint16_t lower = static_cast<uint16_t>(133 * red + 70 * green + 47 * blue);
  return static_cast<uint8_t>(static_cast<uint16_t>(upper + (lower >> 8)) >> 8);
}

TRIVIUM_INLINE void luma(const Planes& planes, uint8_t* result) {
  for (int i = 0; i < kPixels; ++i) result[i] = luma(planes.red[i], planes.green[i], planes.blue[i]);
}

// All of hue turning is scaled by the chroma (highest − lowest), so that nothing is divided: hue in sixths of a circle times chroma
// runs from 0 to 6 · chroma, here in eighths of a level, kHueBits (12,240 at most; twice that fits 16 bits).

/// A channel is lowest + clip(|hue − 3| − 1, 0, 1) · chroma for red, with the hue moved by a third of the circle for the others.
TRIVIUM_INLINE int16_t channel_of(int16_t hue, int16_t chroma, int16_t lowest) {
  const int16_t distance = static_cast<int16_t>(hue - 3 * chroma);
  int16_t part = static_cast<int16_t>((distance < 0 ? -distance : distance) - chroma);
  part = part < 0 ? 0 : part;
  part = part > chroma ? chroma : part;
  return static_cast<int16_t>(lowest + ((part + (1 << (kHueBits - 1))) >> kHueBits));
}

TRIVIUM_INLINE void turn_hue_block(const uint8_t* source, uint8_t* target, uint16_t shift) {
  Planes planes;
  split(source, planes);
  for (int i = 0; i < kPixels; ++i) {
    const int16_t r = planes.red[i], g = planes.green[i], b = planes.blue[i];
    const int16_t highest = r > g ? (r > b ? r : b) : (g > b ? g : b);
    const int16_t lowest = r < g ? (r < b ? r : b) : (g < b ? g : b);
    const int16_t chroma = static_cast<int16_t>((highest - lowest) << kHueBits);
    const int16_t circle = static_cast<int16_t>(6 * chroma);
    // Times the chroma: (g − b), 2 + (b − r) or 4 + (r − g), for the highest of r, g, b; red wins ties, then green.
    const int16_t from_blue = static_cast<int16_t>(4 * chroma + ((r - g) << kHueBits));
    const int16_t from_green = static_cast<int16_t>(2 * chroma + ((b - r) << kHueBits));
    const int16_t from_red = static_cast<int16_t>((g - b) << kHueBits);
    int16_t hue = highest == g ? from_green : from_blue;
    hue = highest == r ? from_red : hue;
    hue = static_cast<int16_t>(hue + static_cast<int16_t>((static_cast<uint32_t>(static_cast<uint16_t>(circle)) * shift) >> 16));
    hue = hue < 0 ? static_cast<int16_t>(hue + circle) : hue;
    hue = hue >= circle ? static_cast<int16_t>(hue - circle) : hue;
    const int16_t third = static_cast<int16_t>(2 * chroma);
    int16_t green_hue = static_cast<int16_t>(hue - third), blue_hue = static_cast<int16_t>(hue + third);
    green_hue = green_hue < 0 ? static_cast<int16_t>(green_hue + circle) : green_hue;
    blue_hue = blue_hue >= circle ? static_cast<int16_t>(blue_hue - circle) : blue_hue;
    planes.red[i] = static_cast<uint8_t>(channel_of(hue, chroma, lowest));
    planes.green[i] = static_cast<uint8_t>(channel_of(green_hue, chroma, lowest));
    planes.blue[i] = static_cast<uint8_t>(channel_of(blue_hue, chroma, lowest));
  }
  join(planes.red, planes.green, planes.blue, target);
}

TRIVIUM_VECTORISED
int64_t sum_of_luma(const uint8_t* pixels, int64_t count) {
  int64_t total = 0;
  int64_t at = 0;
  Planes planes;
  uint8_t grey[kPixels];
  for (; at + kPixels <= count; at += kPixels) {
    split(pixels + at * 3, planes);
    luma(planes, grey);
    int32_t sum = 0;
    for (int i = 0; i < kPixels; ++i) sum += grey[i];
    total += sum;
  }
  for (; at < count; ++at) total += luma(pixels[at * 3], pixels[at * 3 + 1], pixels[at * 3 + 2]);
  return total;
}

TRIVIUM_VECTORISED
void all_to_luma(const uint8_t* source, uint8_t* target, int64_t count) {
  in_blocks(source, target, count, [](const uint8_t* from, uint8_t* to) {
    Planes planes;
    alignas(32) uint8_t grey[kPixels];
    split(from, planes);
    luma(planes, grey);
    join(grey, grey, grey, to);
  });
}

template <typename Factor>
TRIVIUM_INLINE void saturate_block(const uint8_t* source, uint8_t* target, Factor factor) {
  Planes planes;
  alignas(32) uint8_t grey[kPixels];
  split(source, planes);
  luma(planes, grey);
  for (int i = 0; i < kPixels; ++i) planes.red[i] = blend(planes.red[i], grey[i], factor);
  for (int i = 0; i < kPixels; ++i) planes.green[i] = blend(planes.green[i], grey[i], factor);
  for (int i = 0; i < kPixels; ++i) planes.blue[i] = blend(planes.blue[i], grey[i], factor);
  join(planes.red, planes.green, planes.blue, target);
}

TRIVIUM_VECTORISED
void saturate_little(const uint8_t* source, uint8_t* target, int64_t count, SmallFactor factor) {
  in_blocks(source, target, count, [factor](const uint8_t* from, uint8_t* to) { saturate_block(from, to, factor); });
}

TRIVIUM_VECTORISED
void saturate_much(const uint8_t* source, uint8_t* target, int64_t count, float factor) {
  in_blocks(source, target, count, [factor](const uint8_t* from, uint8_t* to) { saturate_block(from, to, factor); });
}

TRIVIUM_VECTORISED
void all_turn_hue(const uint8_t* source, uint8_t* target, int64_t count, uint16_t shift) {
  in_blocks(source, target, count, [shift](const uint8_t* from, uint8_t* to) { turn_hue_block(from, to, shift); });
}

}  // namespace

int64_t luma_sum(const uint8_t* pixels, int64_t count) {
  return has_wide_colour() ? wide_luma_sum(pixels, count) : sum_of_luma(pixels, count);
}

void to_luma(const uint8_t* source, uint8_t* target, int64_t count) {
  (has_wide_colour() ? wide_to_luma : all_to_luma)(source, target, count);
}

void saturate(const uint8_t* source, uint8_t* target, int64_t count, float factor) {
  if (factor <= kLargestSmallFactor) {
    return (has_wide_colour() ? wide_saturate : saturate_little)(source, target, count, small_factor(factor));
  }
  saturate_much(source, target, count, factor);
}

void turn_hue(const uint8_t* source, uint8_t* target, int64_t count, double shift) {
  const long parts = std::lround((shift - std::floor(shift)) * 65536);  // of a circle
  (has_wide_colour() ? wide_turn_hue : all_turn_hue)(source, target, count, static_cast<uint16_t>(parts == 65536 ? 0 : parts));
}

}  // namespace trivium::augment
