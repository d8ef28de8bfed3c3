// Global response normalisation: Woo et al. 2023, "ConvNeXt V2", arXiv 2301.00808, §3.2 and algorithm 1. timm's names.
#pragma once

#include <cstdint>

#include "nn/module.h"

namespace trivium::nn {

/// [N, H, W, C] → [N, H, W, C]: x · (1 + weight · n) + bias, where n is each channel's length over the positions divided by the mean of
/// these lengths over the channels. Tensors: weight [C] and bias [C], both starting at 0, so that it starts as the identity.
class GlobalResponseNorm : public Module {
 public:
  explicit GlobalResponseNorm(int64_t channels);
  torch::Tensor forward(const torch::Tensor& input) override;

 private:
  torch::Tensor weight_, bias_;
};

}  // namespace trivium::nn
