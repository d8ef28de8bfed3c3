// A convolution of each channel with a kernel of its own.
#pragma once

#include <cstdint>

#include "nn/module.h"

namespace trivium::nn {

/// [N, C, H, W] → the same, stride 1, an odd kernel whose padding keeps the size. Tensors: weight [C, 1, k, k] (not set: the family starts
/// it) and bias [C], zero.
class DepthwiseConv : public Module {
 public:
  DepthwiseConv(int64_t channels, int64_t kernel);
  torch::Tensor forward(const torch::Tensor& map) override;

  torch::Tensor weight, bias;
};

}  // namespace trivium::nn
