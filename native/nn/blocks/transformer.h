// The pre-norm transformer block of Dosovitskiy et al. 2020 (arXiv 2010.11929, eq. 2–3), with timm's names.
#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "nn/blocks/linear.h"
#include "nn/module.h"

namespace trivium::nn {

/// A linear layer with timm's ViT start: weights N(0, 0.02) truncated, bias 0.
std::shared_ptr<Linear> vit_linear(int64_t in_features, int64_t out_features);

/// Multi-head self-attention: [N, T, D] → [N, T, D]. `heads` divides D.
class Attention : public Module {
 public:
  Attention(int64_t width, int64_t heads);
  torch::Tensor forward(const torch::Tensor& tokens) override;

 private:
  int64_t heads_, head_width_;
  std::shared_ptr<Linear> qkv_, proj_;
};

/// Two linear layers around GELU: [N, T, D] → [N, T, D].
class Mlp : public Module {
 public:
  Mlp(int64_t width, int64_t hidden);
  torch::Tensor forward(const torch::Tensor& tokens) override;

 private:
  std::shared_ptr<Linear> fc1_, fc2_;
};

/// x + attention(norm(x)), then x + mlp(norm(x)): [N, T, D] → [N, T, D].
class TransformerBlock : public Module {
 public:
  TransformerBlock(int64_t width, int64_t heads, int64_t hidden);
  torch::Tensor forward(const torch::Tensor& tokens) override;

 private:
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<Attention> attn_;
  std::shared_ptr<Mlp> mlp_;
};

/// timm's ViT layer norm, eps 1e-6.
torch::nn::LayerNorm vit_norm(int64_t width);

}  // namespace trivium::nn
