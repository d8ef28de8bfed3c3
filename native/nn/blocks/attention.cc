#include "nn/blocks/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

#include "nn/blocks/token_mixing.h"

namespace trivium::nn {

Attention::Attention(const AttentionShape& shape, std::shared_ptr<Rotary> rotary)
    : heads_(shape.heads), head_width_(shape.width / shape.heads), rotary_(std::move(rotary)) {
  using Layout = AttentionShape::Layout;
  const int64_t width = shape.width;
  if (shape.layout == Layout::NoKeyBias && shape.bias) {
    q_bias_ = register_parameter("q_bias", at::zeros({width}));
    v_bias_ = register_parameter("v_bias", at::zeros({width}));
  }
  if (shape.layout == Layout::Separate) {
    q_proj_ = register_module("q_proj", std::make_shared<Linear>(width, width, shape.bias));
    k_proj_ = register_module("k_proj", std::make_shared<Linear>(width, width, false));
    v_proj_ = register_module("v_proj", std::make_shared<Linear>(width, width, shape.bias));
  } else {
    qkv_ = register_module("qkv", std::make_shared<Linear>(width, 3 * width, shape.layout == Layout::Fused && shape.bias));
  }
  if (shape.inner_norm) {
    norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(shape.norm_eps)));
  }
  proj_ = register_module("proj", std::make_shared<Linear>(width, width));
}

torch::Tensor Attention::heads(const torch::Tensor& projected) const {
  return projected.reshape({-1, projected.size(1), heads_, head_width_}).transpose(1, 2);
}

/// Query, key and value [N, H, P + T, d] → [N, P + T, D].
torch::Tensor Attention::mix(torch::Tensor q, torch::Tensor k, const torch::Tensor& v, const TokenState& state, torch::Tensor* keys) const {
  if (keys != nullptr) *keys = k.detach().mean(1);
  if (rotary_) {
    q = rotary_->apply(q, state);
    k = rotary_->apply(k, state);
  }
  torch::Tensor bias;
  if (state.sizes.defined()) {
    // [N, 1, 1, P + T]; a prefix token counts once: log 1 = 0.
    bias = at::constant_pad_nd(state.sizes.log().squeeze(2), {state.prefix, 0}).unsqueeze(1).unsqueeze(1).to(q.scalar_type());
  }
  return mix_tokens(q, k, v, bias);
}

torch::Tensor Attention::forward(const torch::Tensor& tokens, const TokenState& state, torch::Tensor* keys) {
  torch::Tensor mixed;  // [N, P + T, D]
  if (qkv_) {
    const auto projected = q_bias_.defined() ? qkv_->forward(tokens, at::cat({q_bias_, at::zeros_like(q_bias_), v_bias_}))
                                             : qkv_->forward(tokens);  // [N, P + T, 3D]
    const bool plain = keys == nullptr && !(rotary_ && rotary_->used()) && !state.sizes.defined();
    if (plain) {
      mixed = mix_tokens(projected, heads_);
    } else {
      const auto qkv = split_heads(projected, heads_);
      mixed = mix(qkv[0], qkv[1], qkv[2], state, keys);
    }
  } else {
    mixed = mix(heads(q_proj_->forward(tokens)), heads(k_proj_->forward(tokens)), heads(v_proj_->forward(tokens)), state, keys);
  }
  if (!norm_.is_empty()) mixed = norm_->forward(mixed);
  return proj_->forward(mixed);
}

}  // namespace trivium::nn
