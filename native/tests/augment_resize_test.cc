// Resampling against values that Pillow gives (tests/golden/augment_resize.py has many more) and against identities.
#include "augment/resize.h"

#include <cstdint>
#include <cstdio>
#include <vector>

#include "core/error.h"

using trivium::augment::resize;
using trivium::augment::resize_and_center_crop;

static int failures = 0;
#define EXPECT(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                                \
    }                                                                            \
  } while (false)

/// A row of grey pixels.
static std::vector<uint8_t> grey(const std::vector<int>& levels) {
  std::vector<uint8_t> out;
  for (const int level : levels) out.insert(out.end(), 3, static_cast<uint8_t>(level));
  return out;
}

template <typename Function>
static bool throws(Function function) {
  try {
    function();
  } catch (const trivium::Error&) {
    return true;
  }
  return false;
}

int main() {
  // A quarter-pixel ramp: the exact weights of the triangle filter, and its clamped ends.
  EXPECT(resize(grey({0, 100}).data(), 1, 2, 1, 4, "bilinear") == grey({0, 25, 75, 100}));
  // Halving averages pairs with the widened triangle: (1·a + 3·b + 3·c + 1·d) / 8 inside.
  EXPECT(resize(grey({0, 0, 80, 80, 0, 0}).data(), 1, 6, 1, 3, "bilinear") == grey({11, 60, 11}));
  // Columns and rows are the same by symmetry.
  EXPECT(resize(grey({0, 100}).data(), 2, 1, 4, 1, "bilinear") == grey({0, 25, 75, 100}));
  // Bicubic overshoots an edge and is clipped to 0 … 255.
  const std::vector<uint8_t> edge = resize(grey({0, 0, 255, 255}).data(), 1, 4, 1, 8, "bicubic");
  EXPECT(edge.front() == 0 && edge.back() == 255 && edge[3 * 3] < edge[4 * 3]);

  std::vector<uint8_t> noise(37 * 53 * 3);
  uint32_t state = 1;
  for (uint8_t& value : noise) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<uint8_t>(state >> 24);
  }
  EXPECT(resize(noise.data(), 37, 53, 37, 53, "bicubic") == noise);

  // The window of the cropped form is that of the whole picture.
  const std::vector<uint8_t> whole = resize(noise.data(), 37, 53, 20, 28, "bilinear");
  const std::vector<uint8_t> part = resize_and_center_crop(noise.data(), 37, 53, 20, 11, "bilinear");
  // Offsets round halves to even: (20 − 11) / 2 = 4.5 → 4 and (28 − 11) / 2 = 8.5 → 8.
  for (int64_t y = 0; y < 11; ++y) {
    for (int64_t x = 0; x < 11 * 3; ++x) EXPECT(part[y * 33 + x] == whole[(y + 4) * 28 * 3 + 8 * 3 + x]);
  }

  EXPECT(throws([&] { resize(noise.data(), 37, 53, 20, 28, "lanczos"); }));
  EXPECT(throws([&] { resize(noise.data(), 37, 53, 0, 28, "bilinear"); }));
  EXPECT(throws([&] { resize(noise.data(), 37, 53, 20, 10000, "bilinear"); }));
  EXPECT(throws([&] { resize_and_center_crop(noise.data(), 37, 53, 20, 21, "bilinear"); }));
  if (failures == 0) std::printf("augment_resize: ok\n");
  return failures == 0 ? 0 : 1;
}
