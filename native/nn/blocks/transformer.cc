#include "nn/blocks/transformer.h"

#include <ATen/ops/full.h>

#include "nn/blocks/token_merging.h"

namespace trivium::nn {
namespace {

constexpr double kLayerScale = 1e-5;

/// timm's LayerScale as a module, for its name: "gamma".
class LayerScale : public torch::nn::Module {
 public:
  explicit LayerScale(int64_t width) { gamma = register_parameter("gamma", at::full({width}, kLayerScale)); }
  torch::Tensor gamma;
};

torch::nn::LayerNorm norm(int64_t width, double eps) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(eps)); }

torch::Tensor scaled(const torch::Tensor& branch, const torch::Tensor& gamma) { return gamma.defined() ? branch * gamma : branch; }

}  // namespace

TransformerBlock::TransformerBlock(const BlockShape& shape, std::shared_ptr<Rotary> rotary)
    : post_norm_(shape.post_norm), merged_(shape.merged), rotary_(std::move(rotary)) {
  const int64_t width = shape.attention.width;
  const bool parameter = shape.scale == BlockShape::Scale::Parameter, submodule = shape.scale == BlockShape::Scale::Submodule;
  if (parameter) {
    gamma_1_ = register_parameter("gamma_1", at::full({width}, kLayerScale));
    gamma_2_ = register_parameter("gamma_2", at::full({width}, kLayerScale));
  }
  const auto layer_scale = [&](const char* name) { return register_module(name, std::make_shared<LayerScale>(width))->gamma; };
  // The order in which timm registers them is the order of its parameters.
  const auto attention = [&] { attn_ = register_module("attn", std::make_shared<Attention>(shape.attention, rotary_)); };
  const auto mlp = [&] { mlp_ = register_module("mlp", std::make_shared<Mlp>(shape.mlp)); };
  if (post_norm_) attention();
  norm1_ = register_module("norm1", norm(width, shape.norm_eps));
  if (!post_norm_) attention();
  if (submodule) gamma_1_ = layer_scale("ls1");
  drop_path1_ = register_module("drop_path1", std::make_shared<DropPath>(shape.drop_path));
  if (post_norm_) mlp();
  norm2_ = register_module("norm2", norm(width, shape.norm_eps));
  if (!post_norm_) mlp();
  if (submodule) gamma_2_ = layer_scale("ls2");
  drop_path2_ = register_module("drop_path2", std::make_shared<DropPath>(shape.drop_path));
}

torch::Tensor TransformerBlock::forward(const torch::Tensor& tokens) {
  TokenState state;
  return forward(tokens, state);
}

torch::Tensor TransformerBlock::forward(const torch::Tensor& tokens, TokenState& state) {
  torch::Tensor keys;
  auto* wanted = merged_ > 0 ? &keys : nullptr;
  auto branch = post_norm_ ? norm1_->forward(attn_->forward(tokens, state, wanted))
                           : scaled(attn_->forward(norm1_->forward(tokens), state, wanted), gamma_1_);
  auto mixed = tokens + drop_path1_->forward(branch);
  if (merged_ > 0) {
    mixed = merge_tokens(mixed, keys, merged_, state);
    if (rotary_) rotary_->turn(state);
  }
  branch = post_norm_ ? norm2_->forward(mlp_->forward(mixed)) : scaled(mlp_->forward(norm2_->forward(mixed)), gamma_2_);
  return mixed + drop_path2_->forward(branch);
}

}  // namespace trivium::nn
