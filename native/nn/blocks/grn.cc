#include "nn/blocks/grn.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>

namespace trivium::nn {
namespace {

constexpr double kEps = 1e-6;

}  // namespace

GlobalResponseNorm::GlobalResponseNorm(int64_t channels) {
  weight_ = register_parameter("weight", at::zeros({channels}));
  bias_ = register_parameter("bias", at::zeros({channels}));
}

torch::Tensor GlobalResponseNorm::forward(const torch::Tensor& input) {
  // The lengths are summed in float32 at least: a map of 56×56 positions has more squares than bfloat16 can count.
  const auto type = input.scalar_type();
  const auto sum_type = type == torch::kDouble ? torch::kDouble : torch::kFloat;
  const auto length = at::linalg_vector_norm(input, 2, at::IntArrayRef{1, 2}, /*keepdim=*/true, sum_type);  // [N, 1, 1, C]
  const auto response = length / (length.mean(at::IntArrayRef{-1}, true) + kEps);
  // x + (weight · (x · n) + bias) with one pass over x: the factor has no positions.
  return at::addcmul(bias_.to(type), input, (1 + weight_ * response).to(type));
}

}  // namespace trivium::nn
