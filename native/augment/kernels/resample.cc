#include "augment/kernels/resample.h"

#include <cstring>
#include <vector>

#include "augment/kernels/planar.h"
#include "augment/kernels/resample_wide.h"
#include "augment/kernels/vector.h"

namespace trivium::augment {
namespace {

constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

TRIVIUM_INLINE uint8_t clip8(int32_t value) {
  const int32_t pixel = value >> kPrecisionBits;
  return static_cast<uint8_t>(pixel < 0 ? 0 : (pixel > 255 ? 255 : pixel));
}

#ifdef TRIVIUM_SHUFFLES
// A pixel and the byte behind it in four lanes.
typedef int32_t Lanes __attribute__((vector_size(16)));
typedef uint32_t Words __attribute__((vector_size(16)));

TRIVIUM_INLINE Lanes load_pixel(const uint8_t* pixel) {
  uint32_t word;
  std::memcpy(&word, pixel, 4);
  const Bytes16 bytes = reinterpret_cast<Bytes16>(Words{word, 0, 0, 0});  // byte 15 is a zero
  return reinterpret_cast<Lanes>(__builtin_shufflevector(bytes, bytes, 0, 15, 15, 15, 1, 15, 15, 15, 2, 15, 15, 15, 3, 15, 15, 15));
}

/// Rounded sums as levels, in the lowest four bytes.
TRIVIUM_INLINE uint32_t to_levels(Lanes sums) {
  Lanes pixel = sums >> kPrecisionBits;
  pixel = pixel < 0 ? Lanes{} : pixel;
  pixel = pixel > 255 ? Lanes{} + 255 : pixel;
  const Bytes16 bytes = reinterpret_cast<Bytes16>(pixel);
  return reinterpret_cast<Words>(__builtin_shufflevector(bytes, bytes, 0, 4, 8, 12, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))[0];
}
#else
struct Lanes {
  int32_t value[4];
  Lanes operator+(const Lanes& o) const {
    return {{value[0] + o.value[0], value[1] + o.value[1], value[2] + o.value[2], value[3] + o.value[3]}};
  }
  Lanes operator*(int32_t w) const { return {{value[0] * w, value[1] * w, value[2] * w, value[3] * w}}; }
};
inline Lanes load_pixel(const uint8_t* pixel) { return {{pixel[0], pixel[1], pixel[2], pixel[3]}}; }
inline uint32_t to_levels(const Lanes& sums) {
  uint8_t levels[4];
  for (int c = 0; c < 4; ++c) levels[c] = clip8(sums.value[c]);
  uint32_t word;
  std::memcpy(&word, levels, 4);
  return word;
}
#endif

/// Rows at once, so that a weight is read once for all of them. Reads one byte behind the last pixel of each row.
template <int kRows>
TRIVIUM_INLINE void rows_across(const uint8_t* source, int64_t stride, const Weights& weights, int64_t width, uint8_t* target,
                                int64_t target_stride) {
  const auto pixel = [&](int64_t x, uint32_t* levels) {
    const uint8_t* from = source + weights.first[x] * 3;
    const int32_t* weight = weights.values + x * weights.taps;
    Lanes sums[kRows];
    for (int row = 0; row < kRows; ++row) sums[row] = load_pixel(from + row * stride) * weight[0];
    for (int64_t tap = 1; tap < weights.count[x]; ++tap) {
      for (int row = 0; row < kRows; ++row) sums[row] = sums[row] + load_pixel(from + row * stride + tap * 3) * weight[tap];
    }
    const Lanes half = Lanes{kHalf, kHalf, kHalf};
    for (int row = 0; row < kRows; ++row) levels[row] = to_levels(sums[row] + half);
  };
  uint32_t levels[kRows];
  for (int64_t x = 0; x + 1 < width; ++x) {  // a fourth byte rides along; the next pixel covers it
    pixel(x, levels);
    for (int row = 0; row < kRows; ++row) std::memcpy(target + row * target_stride + x * 3, &levels[row], 4);
  }
  pixel(width - 1, levels);
  for (int row = 0; row < kRows; ++row) std::memcpy(target + row * target_stride + (width - 1) * 3, &levels[row], 3);
}

TRIVIUM_VECTORISED
void four_rows_across(const uint8_t* source, int64_t stride, const Weights& weights, int64_t width, uint8_t* target, int64_t target_stride) {
  rows_across<4>(source, stride, weights, width, target, target_stride);
}

TRIVIUM_VECTORISED
void row_across(const uint8_t* source, const Weights& weights, int64_t width, uint8_t* target) {
  rows_across<1>(source, 0, weights, width, target, 0);
}

/// `count` values of each row of `source`, weighted by `weights` over `taps` rows.
TRIVIUM_VECTORISED
void weigh_rows(const uint8_t* __restrict source, int64_t stride, const int32_t* __restrict weights, int64_t taps, int64_t count,
                uint8_t* __restrict target) {
  int64_t at = 0;
  for (; at + kBlock <= count; at += kBlock) {
    int32_t sums[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) sums[i] = kHalf;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const uint8_t* row = source + tap * stride + at;
      const int32_t weight = weights[tap];
      for (int64_t i = 0; i < kBlock; ++i) sums[i] += row[i] * weight;
    }
    for (int64_t i = 0; i < kBlock; ++i) target[at + i] = clip8(sums[i]);
  }
  for (; at < count; ++at) {
    int32_t sum = kHalf;
    for (int64_t tap = 0; tap < taps; ++tap) sum += source[tap * stride + at] * weights[tap];
    target[at] = clip8(sum);
  }
}

}  // namespace

void resample_across_plainly(const uint8_t* source, int64_t rows, int64_t stride, const Weights& weights, int64_t width, uint8_t* target,
                             int64_t target_stride) {
  int64_t y = 0;
  for (; y + 4 < rows; y += 4) four_rows_across(source + y * stride, stride, weights, width, target + y * target_stride, target_stride);
  for (; y + 1 < rows; ++y) row_across(source + y * stride, weights, width, target + y * target_stride);
  // Behind the last row nothing may be read.
  const int64_t bytes = (weights.first[width - 1] + weights.count[width - 1]) * 3;
  thread_local std::vector<uint8_t> last;
  if (static_cast<int64_t>(last.size()) < bytes + 1) last.resize(static_cast<size_t>(bytes + 1));
  std::memcpy(last.data(), source + y * stride, static_cast<size_t>(bytes));
  row_across(last.data(), weights, width, target + y * target_stride);
}

void resample_down_plainly(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target) {
  for (int64_t y = 0; y < height; ++y) {
    weigh_rows(source + weights.first[y] * stride, stride, weights.values + y * weights.taps, weights.count[y], values, target + y * values);
  }
}

Across::Across() = default;
Across::~Across() = default;

void Across::prepare(const Weights& weights, int64_t width) {
  weights_ = weights;
  width_ = width;
  if (has_wide_resample() && wide_ == nullptr) wide_ = std::make_unique<WideAcross>();
  use_wide_ = wide_ != nullptr && wide_->prepare(weights, width);
}

void Across::run(const uint8_t* source, int64_t rows, int64_t stride, uint8_t* target, int64_t target_stride) const {
  if (use_wide_) return wide_->run(source, rows, stride, target, target_stride);
  resample_across_plainly(source, rows, stride, weights_, width_, target, target_stride);
}

void resample_down(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target) {
  if (has_wide_resample()) return resample_down_wide(source, values, stride, weights, height, target);
  resample_down_plainly(source, values, stride, weights, height, target);
}

}  // namespace trivium::augment
