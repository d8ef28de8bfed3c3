// Bilinear warps in fixed point: shares of 14 bits, the blend across a row rounded to 7 bits of fraction, so that every product fits
// the 16-bit multiply-and-add and every machine gives the same levels.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "augment/kernels/planar.h"
#include "augment/kernels/vector.h"
#include "augment/kernels/warp.h"

namespace trivium::augment {
namespace {

constexpr int kShareBits = 14;
constexpr int32_t kOne = 1 << kShareBits;
constexpr int kKept = 7;                                  // bits of fraction between the two blends
constexpr int kLastShift = kKept + kShareBits;

uint8_t to_level(float value) { return static_cast<uint8_t>(std::clamp(std::nearbyint(value), 0.0f, 255.0f)); }

/// Where an output row comes from: (x0 + x · x_step, y0 + x · y_step).
struct Line {
  float x0, x_step, y0, y_step;
};

/// For each output pixel: byte of the upper left source pixel (−1 when one of the four lies outside), and both blends' weights, the
/// first in the lower half of a word.
struct Taps {
  std::vector<int32_t> offset;
  std::vector<uint32_t> across, down;
  void resize(int64_t count) {
    offset.resize(static_cast<size_t>(count));
    across.resize(static_cast<size_t>(count));
    down.resize(static_cast<size_t>(count));
  }
};

TRIVIUM_INLINE float clamped(float value, float highest) {
  value = value > 0.0f ? value : 0.0f;
  return value < highest ? value : highest;
}

TRIVIUM_VECTORISED
void find_taps(Line line, int32_t height, int32_t width, int64_t count, int32_t* __restrict offset, uint32_t* __restrict across,
               uint32_t* __restrict down) {
  const float last_x = static_cast<float>(width - 1), last_y = static_cast<float>(height - 1);
  for (int64_t x = 0; x < count; ++x) {
    const float place = static_cast<float>(static_cast<int32_t>(x));
    const float column = line.x0 + line.x_step * place, row = line.y0 + line.y_step * place;
    const bool inside = (column >= 0.0f) & (column < last_x) & (row >= 0.0f) & (row < last_y);
    // Kept inside also where the result is not used, so that the loop has no branches.
    const float column_inside = clamped(column, last_x), row_inside = clamped(row, last_y);
    const int32_t left = static_cast<int32_t>(column_inside), top = static_cast<int32_t>(row_inside), corner = (top * width + left) * 3;
    const int32_t right_share = static_cast<int32_t>((column_inside - static_cast<float>(left)) * static_cast<float>(kOne) + 0.5f);
    const int32_t lower_share = static_cast<int32_t>((row_inside - static_cast<float>(top)) * static_cast<float>(kOne) + 0.5f);
    offset[x] = inside ? corner : -1;
    across[x] = static_cast<uint32_t>(kOne - right_share) | (static_cast<uint32_t>(right_share) << 16);
    down[x] = static_cast<uint32_t>(kOne - lower_share) | (static_cast<uint32_t>(lower_share) << 16);
  }
}

#if defined(TRIVIUM_SHUFFLES) && defined(__SSE2__)
#define TRIVIUM_WARP_SSE
#include <emmintrin.h>

/// Left and right levels of three channels, side by side in 16 bits, from the 8 bytes at `pixel`.
TRIVIUM_INLINE __m128i load_pair(const uint8_t* pixel) {
  uint64_t bytes;
  std::memcpy(&bytes, pixel, 8);
  typedef uint64_t Two __attribute__((vector_size(16)));
  const Bytes16 levels = reinterpret_cast<Bytes16>(Two{bytes, 0});  // byte 15 is a zero
  return reinterpret_cast<__m128i>(__builtin_shufflevector(levels, levels, 0, 15, 3, 15, 1, 15, 4, 15, 2, 15, 5, 15, 15, 15, 15, 15));
}

TRIVIUM_INLINE uint32_t blend_pixel(const uint8_t* corner, int64_t stride, uint32_t across, uint32_t down) {
  const __m128i share = _mm_set1_epi32(static_cast<int>(across)), half = _mm_set1_epi32(1 << (kShareBits - kKept - 1));
  const __m128i upper = _mm_srli_epi32(_mm_add_epi32(_mm_madd_epi16(load_pair(corner), share), half), kShareBits - kKept);
  const __m128i lower = _mm_srli_epi32(_mm_add_epi32(_mm_madd_epi16(load_pair(corner + stride), share), half), kShareBits - kKept);
  const __m128i both = _mm_or_si128(upper, _mm_slli_epi32(lower, 16));
  const __m128i sum = _mm_madd_epi16(both, _mm_set1_epi32(static_cast<int>(down)));
  const __m128i levels = _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(1 << (kLastShift - 1))), kLastShift);
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(_mm_packs_epi32(levels, levels), levels)));
}
#else
inline uint32_t blend_pixel(const uint8_t* corner, int64_t stride, uint32_t across, uint32_t down) {
  const auto row = [&](const uint8_t* at) {
    const uint32_t sum = at[0] * (across & 0xffff) + at[3] * (across >> 16);
    return (sum + (1 << (kShareBits - kKept - 1))) >> (kShareBits - kKept);
  };
  uint8_t levels[4] = {};
  for (int c = 0; c < 3; ++c) {
    const uint32_t sum = row(corner + c) * (down & 0xffff) + row(corner + stride + c) * (down >> 16);
    levels[c] = static_cast<uint8_t>((sum + (1 << (kLastShift - 1))) >> kLastShift);
  }
  uint32_t word;
  std::memcpy(&word, levels, 4);
  return word;
}
#endif

/// Output pixels [first, last) of a row, all four taps of each inside. Reads 2 bytes behind the taps, writes one behind the last pixel.
TRIVIUM_VECTORISED
void blend_run(const uint8_t* source, int64_t stride, const int32_t* offset, const uint32_t* across, const uint32_t* down, int64_t first,
               int64_t last, uint8_t* target) {
  for (int64_t x = first; x < last; ++x) {  // a fourth byte rides along; the next pixel covers it
    const uint32_t levels = blend_pixel(source + offset[x], stride, across[x], down[x]);
    std::memcpy(target + x * 3, &levels, 4);
  }
}

/// A pixel at the edge or outside of the source: taps that lie outside count as black, or as the fill.
void blend_at_edge(const uint8_t* source, int64_t height, int64_t width, float column, float row, const WarpFill& fill, uint8_t* to) {
  if (!(column > -1 && row > -1 && column < static_cast<float>(width) && row < static_cast<float>(height))) {
    for (int c = 0; c < 3; ++c) to[c] = to_level(fill.level[c]);
    return;
  }
  const float left_edge = std::floor(column), top_edge = std::floor(row);
  const int64_t left = static_cast<int64_t>(left_edge), top = static_cast<int64_t>(top_edge);
  const float right_share = column - left_edge, lower_share = row - top_edge;
  const float weights[4] = {(1 - right_share) * (1 - lower_share), right_share * (1 - lower_share), (1 - right_share) * lower_share,
                            right_share * lower_share};
  float share = 0, sums[3] = {};
  for (int tap = 0; tap < 4; ++tap) {
    const int64_t tap_x = left + tap % 2, tap_y = top + tap / 2;
    if (tap_x < 0 || tap_y < 0 || tap_x >= width || tap_y >= height) continue;
    share += weights[tap];
    for (int c = 0; c < 3; ++c) sums[c] += static_cast<float>(source[(tap_y * width + tap_x) * 3 + c]) * weights[tap];
  }
  for (int c = 0; c < 3; ++c) to[c] = to_level(fill.given ? (sums[c] - fill.level[c]) * share + fill.level[c] : sums[c]);
}

/// Whole pixels to the side, up or down: nothing is between two pixels.
bool moves_whole_pixels(const InverseMatrix& m) {
  return m[0] == 1 && m[1] == 0 && m[3] == 0 && m[4] == 1 && m[2] == std::nearbyint(m[2]) && m[5] == std::nearbyint(m[5]);
}

}  // namespace

void warp_bilinear(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const InverseMatrix& m, const WarpFill& fill) {
  if (moves_whole_pixels(m)) return warp_nearest(source, target, height, width, m, fill);
  const double cx = static_cast<double>(width - 1) / 2, cy = static_cast<double>(height - 1) / 2;
  thread_local Taps taps;
  taps.resize(width);
  for (int64_t y = 0; y < height; ++y) {
    const double from_middle = static_cast<double>(y) - cy;
    const Line line{static_cast<float>(m[1] * from_middle + m[2] - m[0] * cx + cx), static_cast<float>(m[0]),
                    static_cast<float>(m[4] * from_middle + m[5] - m[3] * cx + cy), static_cast<float>(m[3])};
    find_taps(line, static_cast<int32_t>(height), static_cast<int32_t>(width), width, taps.offset.data(), taps.across.data(),
              taps.down.data());
    // The source is convex: what lies inside is one run.
    int64_t first = 0, last = width;
    while (first < width && taps.offset[static_cast<size_t>(first)] < 0) ++first;
    while (last > first && taps.offset[static_cast<size_t>(last - 1)] < 0) --last;
    uint8_t* to = target + y * width * 3;
    blend_run(source, width * 3, taps.offset.data(), taps.across.data(), taps.down.data(), first, last, to);
    const auto at_edge = [&](int64_t x) {
      const float place = static_cast<float>(x);
      blend_at_edge(source, height, width, line.x0 + line.x_step * place, line.y0 + line.y_step * place, fill, to + x * 3);
    };
    for (int64_t x = 0; x < first; ++x) at_edge(x);
    for (int64_t x = last; x < width; ++x) at_edge(x);
  }
}

}  // namespace trivium::augment
