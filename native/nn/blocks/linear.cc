#include "nn/blocks/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <cmath>

namespace trivium::nn {

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_features));
  weight = register_parameter("weight", at::empty({out_features, in_features}).uniform_(-bound, bound));
  if (with_bias) bias = register_parameter("bias", at::empty({out_features}).uniform_(-bound, bound));
}

torch::Tensor Linear::forward(const torch::Tensor& input) { return forward(input, bias); }

torch::Tensor Linear::forward(const torch::Tensor& input, const torch::Tensor& outer_bias) {
  return outer_bias.defined() ? at::linear(input, weight, outer_bias) : at::linear(input, weight);
}

}  // namespace trivium::nn
