#include "nn/blocks/transformer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "nn/blocks/init.h"

namespace trivium::nn {

std::shared_ptr<Linear> vit_linear(int64_t in_features, int64_t out_features) {
  const auto layer = std::make_shared<Linear>(in_features, out_features);
  truncated_normal_(layer->weight, 0.02);
  at::NoGradGuard no_grad;
  layer->bias.zero_();
  return layer;
}

torch::nn::LayerNorm vit_norm(int64_t width) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(1e-6)); }

Attention::Attention(int64_t width, int64_t heads) : heads_(heads), head_width_(width / heads) {
  qkv_ = register_module("qkv", vit_linear(width, 3 * width));
  proj_ = register_module("proj", vit_linear(width, width));
}

torch::Tensor Attention::forward(const torch::Tensor& tokens) {
  const int64_t count = tokens.size(1);
  // The batch is −1 and never a number: a number would be frozen into a traced graph.
  const auto qkv = qkv_->forward(tokens)                               // [N, T, 3D]
                       .reshape({-1, count, 3, heads_, head_width_})   // [N, T, 3, H, d]
                       .permute({2, 0, 3, 1, 4});                      // [3, N, H, T, d]
  const auto mixed = at::scaled_dot_product_attention(qkv.select(0, 0), qkv.select(0, 1), qkv.select(0, 2));  // [N, H, T, d]
  return proj_->forward(mixed.transpose(1, 2).flatten(2));             // [N, T, D]
}

Mlp::Mlp(int64_t width, int64_t hidden) {
  fc1_ = register_module("fc1", vit_linear(width, hidden));
  fc2_ = register_module("fc2", vit_linear(hidden, width));
}

torch::Tensor Mlp::forward(const torch::Tensor& tokens) { return fc2_->forward(at::gelu(fc1_->forward(tokens))); }

TransformerBlock::TransformerBlock(int64_t width, int64_t heads, int64_t hidden) {
  norm1_ = register_module("norm1", vit_norm(width));
  attn_ = register_module("attn", std::make_shared<Attention>(width, heads));
  norm2_ = register_module("norm2", vit_norm(width));
  mlp_ = register_module("mlp", std::make_shared<Mlp>(width, hidden));
}

torch::Tensor TransformerBlock::forward(const torch::Tensor& tokens) {
  const auto mixed = tokens + attn_->forward(norm1_->forward(tokens));
  return mixed + mlp_->forward(norm2_->forward(mixed));
}

}  // namespace trivium::nn
