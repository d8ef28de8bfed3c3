// The linear layer that backbones are made of: PyTorch's, as a type of our own, so that adapters find it in any family.
#pragma once

#include <cstdint>

#include "nn/module.h"

namespace trivium::nn {

/// [..., in] → [..., out]: x · weightᵀ + bias. weight [out, in], bias [out] (undefined without). PyTorch's start: both uniform in ±1/√in.
class Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool bias = true);
  torch::Tensor forward(const torch::Tensor& input) override;

  /// With a bias [out] that the family puts together itself, for a layer made without one (SwinV2's and EVA's q_bias and v_bias).
  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& outer_bias);

  torch::Tensor weight, bias;
};

}  // namespace trivium::nn
