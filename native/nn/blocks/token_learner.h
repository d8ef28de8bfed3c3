// TokenLearner, Ryoo et al. 2021, arXiv 2106.11297, in its version 1.1 (google-research/scenic, TokenLearnerModuleV11).
#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "nn/added_block.h"
#include "nn/blocks/linear.h"
#include "nn/blocks/tokens.h"
#include "nn/module.h"

namespace trivium::nn {

/// S tokens, each a weighted mean of all image tokens: [N, P + T, D] → [N, P + S, D]. The weights are a softmax over the T tokens (over
/// space, not over S) of layer norm → linear(64) → GELU → linear(S). The prefix is neither read nor changed.
class TokenLearner : public Module, public AddedBlock {
 public:
  TokenLearner(int64_t width, int64_t tokens);

  /// As with a fresh TokenState without prefix.
  torch::Tensor forward(const torch::Tensor& tokens) override;

  /// A merged token weighs as much as its patches would. Positions become the weighted means, without gradient, so that their rotation has
  /// to be computed anew; a learned token stands for no patches: sizes and origin end here.
  torch::Tensor forward(const torch::Tensor& tokens, TokenState& state);

  /// [N, S, T], rows that sum to 1. `sizes` as in TokenState.
  torch::Tensor weights(const torch::Tensor& image_tokens, const torch::Tensor& sizes);

 private:
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<Linear> fc1_, fc2_;
};

}  // namespace trivium::nn
