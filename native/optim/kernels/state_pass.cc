#include "optim/kernels/state_pass.h"

#include <cmath>

#include "core/vectorised.h"

namespace trivium::optim::kernels {
namespace {

constexpr int64_t kLanes = 16;

}  // namespace

// The order of torch.optim.AdamW's operations (algorithm 2 of arXiv 1711.05101 as its kernels round it).
TRIVIUM_VECTORISED
void adamw(const AdamPiece& piece, const AdamConstants& constants) {
  const AdamConstants c = constants;
  float* __restrict weights = piece.weights;
  const float* from = piece.from;  // may be `weights`
  const float* __restrict gradient = piece.gradient;
  float* __restrict mean = piece.mean;
  float* __restrict square = piece.square;
  // Two loops instead of a condition inside one.
  if (piece.average == nullptr) {
#pragma GCC ivdep
    for (int64_t i = 0; i < piece.count; ++i) {
      const float g = gradient[i] * c.gradient_scale;
      const float m = mean[i] + c.toward1 * (g - mean[i]);
      const float v = square[i] * c.beta2 + c.toward2 * g * g;
      mean[i] = m;
      square[i] = v;
      weights[i] = from[i] * c.keep - c.step_size * (m / (std::sqrt(v) / c.root_correction + c.eps));
    }
    return;
  }
  float* __restrict average = piece.average;
#pragma GCC ivdep
  for (int64_t i = 0; i < piece.count; ++i) {
    const float g = gradient[i] * c.gradient_scale;
    const float m = mean[i] + c.toward1 * (g - mean[i]);
    const float v = square[i] * c.beta2 + c.toward2 * g * g;
    mean[i] = m;
    square[i] = v;
    const float w = from[i] * c.keep - c.step_size * (m / (std::sqrt(v) / c.root_correction + c.eps));
    weights[i] = w;
    average[i] = average[i] + c.average_weight * (w - average[i]);
  }
}

TRIVIUM_VECTORISED
double square_sum(const float* values, int64_t count) {
  double sums[kLanes] = {};
  int64_t at = 0;
  for (; at + kLanes <= count; at += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) {
      const double value = values[at + i];
      sums[i] += value * value;
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  for (; at < count; ++at) total += static_cast<double>(values[at]) * values[at];
  return total;
}

TRIVIUM_VECTORISED
void ascend(float* __restrict weights, float* __restrict kept, const float* __restrict gradient, float scale, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float w = weights[i];
    kept[i] = w;
    weights[i] = w + scale * gradient[i];
  }
}

}  // namespace trivium::optim::kernels
