#include "nn/blocks/pointwise_conv.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <cmath>

namespace trivium::nn {

PointwiseConv::PointwiseConv(int64_t in_channels, int64_t out_channels) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_channels));
  weight = register_parameter("weight", at::empty({out_channels, in_channels, 1, 1}).uniform_(-bound, bound));
  bias = register_parameter("bias", at::empty({out_channels}).uniform_(-bound, bound));
}

torch::Tensor PointwiseConv::forward(const torch::Tensor& input) { return at::linear(input, weight.flatten(1), bias); }

}  // namespace trivium::nn
