// A linear layer whose weight is stored as a 1×1 convolution: what timm's `conv_mlp` networks have.
#pragma once

#include <cstdint>

#include "nn/blocks/linear.h"

namespace trivium::nn {

/// [..., in] → [..., out] over the last axis. weight [out, in, 1, 1] and bias [out], with PyTorch's start. Takes adapters as any linear layer.
class PointwiseConv : public Linear {
 public:
  PointwiseConv(int64_t in_channels, int64_t out_channels) : Linear(in_channels, out_channels, /*bias=*/true, {1, 1}) {}
};

}  // namespace trivium::nn
