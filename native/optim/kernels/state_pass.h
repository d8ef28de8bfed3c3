// Loops over the state of an optimizer, each byte read and written once. Free of LibTorch: compiled without contraction into fused
// multiply-adds, so that every machine rounds alike.
#pragma once

#include <cstdint>

namespace trivium::optim::kernels {

/// Elements that one thread works on at a time: its five arrays stay within the cache of a core.
constexpr int64_t kPiece = 16384;

/// A piece of one parameter, element by element the same in all arrays. `average` may be null.
struct AdamPiece {
  float* weights;
  const float* gradient;
  float* mean;
  float* square;
  float* average;
  int64_t count;
};

struct AdamConstants {
  float gradient_scale;
  float keep;           // 1 − learning rate · weight decay
  float toward1;        // 1 − beta1
  float beta2, toward2;   // toward2 = 1 − beta2, which float32 cannot subtract
  float step_size;      // learning rate / (1 − beta1^t)
  float root_correction;  // sqrt(1 − beta2^t)
  float eps;
  float average_weight;   // 1 − decay of the average
};

void adamw(const AdamPiece& piece, const AdamConstants& constants);

/// Σ x², accumulated in double.
double square_sum(const float* values, int64_t count);

/// moved ← w + scale · g.
void ascend(const float* weights, const float* gradient, float scale, float* moved, int64_t count);

}  // namespace trivium::optim::kernels
