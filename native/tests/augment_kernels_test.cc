// Kernels that have a form of their own for a generation of vector instructions, against slow loops: whole-number arithmetic to the
// last bit, whichever form this processor takes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "augment/kernels/blend.h"
#include "augment/kernels/colour.h"
#include "augment/kernels/rows.h"
#include "augment/kernels/warp.h"

using namespace trivium::augment;

static int failures = 0;
#define EXPECT(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                                \
    }                                                                            \
  } while (false)

static uint32_t state = 1;
static uint32_t draw() { return (state = state * 1664525u + 1013904223u) >> 8; }

static std::vector<uint8_t> noise(int64_t count) {
  std::vector<uint8_t> out(static_cast<size_t>(count));
  for (uint8_t& level : out) level = static_cast<uint8_t>(draw() >> 16);
  return out;
}

static int luma_of(const uint8_t* pixel) { return (19589 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2]) >> 16; }

/// Hue, saturation and value and back, in real numbers.
static void turned(const uint8_t* pixel, double shift, double* result) {
  const double r = pixel[0], g = pixel[1], b = pixel[2], high = std::max({r, g, b}), low = std::min({r, g, b}), chroma = high - low;
  double hue = chroma == 0 ? 0 : high == r ? (g - b) / chroma : high == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
  hue += 6 * shift + 12;
  for (int c = 0; c < 3; ++c) {
    const double at = std::fmod(hue - 2 * c + 12, 6.0);
    result[c] = low + std::clamp(std::fabs(at - 3) - 1, 0.0, 1.0) * chroma;
  }
}

static void test_colour() {
  // below a block, a block, blocks and a rest
  for (const int64_t count : {1, 15, 63, 64, 65, 200, 50 * 50}) {
    const std::vector<uint8_t> source = noise(count * 3);
    std::vector<uint8_t> grey(source.size()), vivid(source.size()), turn(source.size());
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += luma_of(&source[i * 3]);
    EXPECT(luma_sum(source.data(), count) == sum);
    to_luma(source.data(), grey.data(), count);
    for (const float factor : {0.0f, 0.37f, 1.0f, 1.9f}) {
      saturate(source.data(), vivid.data(), count, factor);
      for (int64_t i = 0; i < count * 3; ++i) {
        const int base = luma_of(&source[i / 3 * 3]);
        EXPECT(grey[i] == base);
        EXPECT(vivid[i] == blend(source[i], static_cast<uint8_t>(base), small_factor(factor)));
      }
    }
    for (const double shift : {-0.5, -0.07, 0.0, 0.2, 0.49}) {
      turn_hue(source.data(), turn.data(), count, shift);
      for (int64_t i = 0; i < count; ++i) {
        double expected[3];
        turned(&source[i * 3], shift, expected);
        for (int c = 0; c < 3; ++c) EXPECT(std::fabs(turn[i * 3 + c] - expected[c]) <= 1);
        if (shift == 0) EXPECT(std::equal(&turn[i * 3], &turn[i * 3] + 3, &source[i * 3]));
      }
    }
    std::vector<uint8_t> same = source;
    saturate(same.data(), same.data(), count, 0.37f);  // in place
    saturate(source.data(), vivid.data(), count, 0.37f);
    EXPECT(same == vivid);
  }
}

static void test_rows() {
  ChannelPattern scale, shift;
  for (size_t i = 0; i < scale.size(); ++i) {
    scale[i] = 0.017f + 0.001f * static_cast<float>(i % 3);
    shift[i] = -2.1f + 0.3f * static_cast<float>(i % 3);
  }
  for (const int64_t count : {3, 47 * 3, 48 * 3, 49 * 3, 1000 * 3}) {
    const std::vector<uint8_t> source = noise(count);
    std::vector<float> plain(count + 8), streamed(count + 8);
    for (const int64_t offset : {0, 1, 4}) {  // some of these no whole number of vectors
      std::fill(streamed.begin(), streamed.end(), 77.0f);
      normalise(source.data(), plain.data() + offset, count, scale, shift);
      normalise_streamed(source.data(), streamed.data() + offset, count, scale, shift);
      EXPECT(std::equal(plain.begin() + offset, plain.begin() + offset + count, streamed.begin() + offset));
      EXPECT(streamed[offset + count] == 77.0f);
    }
  }
}

/// The four pixels around each place, outside as black, in real numbers.
static void test_bilinear_warp() {
  constexpr double kTurn = 0.3;
  const InverseMatrix matrices[] = {{std::cos(kTurn), std::sin(kTurn), 0, -std::sin(kTurn), std::cos(kTurn), 0},
                                    {1, 0.31, 2.4, 0, 1, 0}, {1, 0, 0, -0.2, 1, 1.7}, {0.6, 0, 0.3, 0, 0.7, -0.2},
                                    {1, 0, 3, 0, 1, -2}, {1, 0, 100, 0, 1, 0}};
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{40, 57}, {1, 9}, {9, 1}, {2, 2}}) {
    std::vector<uint8_t> source = noise(height * width * 3 + 16), result(source.size());
    for (const InverseMatrix& m : matrices) {
      warp_bilinear(source.data(), result.data(), height, width, m, {});
      double worst = 0;
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          const double cx = (width - 1) / 2.0, cy = (height - 1) / 2.0, dx = x - cx, dy = y - cy;
          const double column = m[0] * dx + m[1] * dy + m[2] + cx, row = m[3] * dx + m[4] * dy + m[5] + cy;
          for (int64_t c = 0; c < 3; ++c) {
            double sum = 0;
            for (int64_t ty = static_cast<int64_t>(std::floor(row)), i = 0; i < 2; ++i, ++ty) {
              for (int64_t tx = static_cast<int64_t>(std::floor(column)), k = 0; k < 2; ++k, ++tx) {
                if (tx < 0 || ty < 0 || tx >= width || ty >= height) continue;
                sum += (1 - std::fabs(column - tx)) * (1 - std::fabs(row - ty)) * source[(ty * width + tx) * 3 + c];
              }
            }
            worst = std::max(worst, std::fabs(sum - result[(y * width + x) * 3 + c]));
          }
        }
      }
      EXPECT(worst <= 0.55);  // half a level, and the shares' 14 bits
    }
  }
}

int main() {
  test_colour();
  test_rows();
  test_bilinear_warp();
  if (failures == 0) std::printf("augment_kernels: ok\n");
  return failures == 0 ? 0 : 1;
}
