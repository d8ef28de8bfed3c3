#include "optim/kernels/state_pass.h"

#include <cmath>

#include "core/vectorised.h"

namespace trivium::optim::kernels {
namespace {

constexpr int64_t kLine = 16;    // floats in a cache line
constexpr int64_t kAhead = 512;  // floats that are asked for before they are needed; the processor's own guesses stop at the end of a page

enum class Use { Again, Once };

// Asks for line `at` of each array, kAhead later. An address past the end is no access.
template <Use use>
inline __attribute__((always_inline)) void ask(const float* values, int64_t at) {
  __builtin_prefetch(values + at + kAhead, 0, use == Use::Once ? 0 : 3);
}

// The order of torch.optim.AdamW's operations (algorithm 2 of arXiv 1711.05101 as its kernels round it).
template <bool averages>
inline __attribute__((always_inline)) void adamw_elements(const AdamPiece& piece, const AdamConstants& c, int64_t begin, int64_t end) {
  float* __restrict weights = piece.weights;
  const float* __restrict gradient = piece.gradient;
  float* __restrict mean = piece.mean;
  float* __restrict square = piece.square;
  float* __restrict average = piece.average;
#pragma GCC ivdep
  for (int64_t i = begin; i < end; ++i) {
    const float g = gradient[i] * c.gradient_scale;
    const float m = mean[i] + c.toward1 * (g - mean[i]);
    const float v = square[i] * c.beta2 + c.toward2 * g * g;
    mean[i] = m;
    square[i] = v;
    const float w = weights[i] * c.keep - c.step_size * (m / (std::sqrt(v) / c.root_correction + c.eps));
    weights[i] = w;
    if constexpr (averages) average[i] = average[i] + c.average_weight * (w - average[i]);
  }
}

template <bool averages>
inline __attribute__((always_inline)) void adamw_lines(const AdamPiece& piece, const AdamConstants& constants) {
  const AdamConstants c = constants;
  int64_t at = 0;
  for (; at + kLine <= piece.count; at += kLine) {
    ask<Use::Again>(piece.weights, at);
    ask<Use::Once>(piece.gradient, at);
    ask<Use::Again>(piece.mean, at);
    ask<Use::Again>(piece.square, at);
    if constexpr (averages) ask<Use::Again>(piece.average, at);
    adamw_elements<averages>(piece, c, at, at + kLine);
  }
  adamw_elements<averages>(piece, c, at, piece.count);
}

}  // namespace

TRIVIUM_VECTORISED
void adamw(const AdamPiece& piece, const AdamConstants& constants) {
  // Two loops instead of a condition inside one.
  if (piece.average == nullptr) adamw_lines<false>(piece, constants);
  else adamw_lines<true>(piece, constants);
}

TRIVIUM_VECTORISED
double square_sum(const float* values, int64_t count) {
  double sums[kLine] = {};
  int64_t at = 0;
  for (; at + kLine <= count; at += kLine) {
    ask<Use::Again>(values, at);
    for (int64_t i = 0; i < kLine; ++i) {
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
void ascend(const float* __restrict weights, const float* __restrict gradient, float scale, float* __restrict moved, int64_t count) {
  int64_t at = 0;
  for (; at + kLine <= count; at += kLine) {
    ask<Use::Again>(weights, at);
    ask<Use::Once>(gradient, at);
    ask<Use::Again>(moved, at);
    for (int64_t i = at; i < at + kLine; ++i) moved[i] = weights[i] + scale * gradient[i];
  }
  for (; at < count; ++at) moved[at] = weights[at] + scale * gradient[at];
}

}  // namespace trivium::optim::kernels
