// A linear layer whose weight is stored as a 1×1 convolution: what timm's `conv_mlp` networks have.
#pragma once

#include <cstdint>

#include "nn/module.h"

namespace trivium::nn {

/// [..., in] → [..., out] over the last axis. weight [out, in, 1, 1] and bias [out], with PyTorch's start.
class PointwiseConv : public Module {
 public:
  PointwiseConv(int64_t in_channels, int64_t out_channels);
  torch::Tensor forward(const torch::Tensor& input) override;

  torch::Tensor weight, bias;
};

}  // namespace trivium::nn
