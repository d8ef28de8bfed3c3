// The two passes of a separable resampling in fixed point: weights of 22 bits, sums rounded to 8.
#pragma once

#include <cstdint>
#include <memory>

namespace trivium::augment {

// 8 bits of pixel, 2 bits of head room for the negative lobes of bicubic, the rest is fraction.
constexpr int kPrecisionBits = 32 - 8 - 2;

/// For each output position: the first input position, how many, and their weights (`taps` to a position).
struct Weights {
  const int64_t* first;
  const int64_t* count;
  const int32_t* values;
  int64_t taps;
};

class WideAcross;

/// Rows of RGB pixels → `width` pixels each. Prepared once, then run over any number of rows, by one thread at a time.
class Across {
 public:
  Across();
  ~Across();
  /// `weights` must stay alive.
  void prepare(const Weights& weights, int64_t width);
  /// `rows` ≥ 1, `stride` bytes apart → `target_stride` bytes apart. Nothing behind the last pixel that has a weight is read.
  void run(const uint8_t* source, int64_t rows, int64_t stride, uint8_t* target, int64_t target_stride) const;

 private:
  Weights weights_{};
  int64_t width_ = 0;
  std::unique_ptr<WideAcross> wide_;
  bool use_wide_ = false;
};

/// `values` bytes of each row (`stride` bytes apart) → `height` rows of `values` bytes.
void resample_down(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target);

/// Both as any processor can run them; the functions above choose for the one at hand.
void resample_across_plainly(const uint8_t* source, int64_t rows, int64_t stride, const Weights& weights, int64_t width, uint8_t* target,
                             int64_t target_stride);
void resample_down_plainly(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target);

}  // namespace trivium::augment
