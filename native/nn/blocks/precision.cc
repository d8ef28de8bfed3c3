#include "nn/blocks/precision.h"

#include <ATen/ops/linalg_vector_norm.h>

namespace trivium::nn {

torch::Tensor unit_rows(const torch::Tensor& rows) {
  FullPrecision full;
  const auto wide = widen(rows);
  return wide / at::linalg_vector_norm(wide, 2, at::IntArrayRef{1}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace trivium::nn
