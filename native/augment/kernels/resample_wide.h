// Both passes of the resampling on processors with AVX-512 VBMI and VNNI: sixteen sums at once, four taps an instruction. Integer
// arithmetic throughout, so that the result is that of the plain loops bit for bit.
#pragma once

#include <cstdint>
#include <vector>

#include "augment/kernels/resample.h"

namespace trivium::augment {

/// Whether this processor has what the functions below need; they may be called on no other.
bool has_wide_resample();

/// Which bytes of a row meet which weights, for sixteen output bytes and four taps at a time.
class WideAcross {
 public:
  /// False when sixteen output bytes draw from more than 128 bytes of the row (shrinking more than about sevenfold).
  bool prepare(const Weights& weights, int64_t width);
  void run(const uint8_t* source, int64_t rows, int64_t stride, uint8_t* target, int64_t target_stride) const;

 private:
  struct alignas(64) Block {
    uint8_t place[64];      // of tap t of output byte i: at 4 · i + t, counted from `offset`
    int8_t digits[3][64];   // its weight = Σ digit · 256^d
    uint64_t here, behind;  // which of the 2 · 64 bytes from `offset` on belong to the row
    int64_t offset;
  };

  std::vector<Block> blocks_;
  int64_t groups_ = 0;  // of four taps
  int64_t bytes_ = 0;   // of an output row
  bool two_ = false;    // some place lies in the second 64 bytes
};

/// As resample_down.
void resample_down_wide(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target);

}  // namespace trivium::augment
