#include "nn/blocks/token_learner.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include "nn/blocks/precision.h"

namespace trivium::nn {
namespace {

constexpr int64_t kBottleneck = 64;

}  // namespace

TokenLearner::TokenLearner(int64_t width, int64_t tokens) {
  norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(1e-6)));
  fc1_ = register_module("fc1", std::make_shared<Linear>(width, kBottleneck));
  fc2_ = register_module("fc2", std::make_shared<Linear>(kBottleneck, tokens));
}

torch::Tensor TokenLearner::forward(const torch::Tensor& tokens) {
  TokenState state;
  return forward(tokens, state);
}

torch::Tensor TokenLearner::weights(const torch::Tensor& image_tokens, const torch::Tensor& sizes) {
  auto scores = widen(fc2_->forward(at::gelu(fc1_->forward(norm_->forward(image_tokens))))).transpose(1, 2);  // [N, S, T]
  if (sizes.defined()) scores = scores + sizes.log().transpose(1, 2);
  return at::softmax(scores, 2);
}

torch::Tensor TokenLearner::forward(const torch::Tensor& tokens, TokenState& state) {
  const auto image = state.prefix > 0 ? tokens.slice(1, state.prefix) : tokens;
  const auto selection = weights(image, state.sizes);
  const auto learned = at::matmul(selection.to(image.scalar_type()), image);
  if (state.positions.defined()) {
    at::NoGradGuard no_grad;
    const FullPrecision full;
    state.positions = at::matmul(selection, state.positions);
  }
  state.sizes = torch::Tensor();
  state.origin = torch::Tensor();
  return state.prefix > 0 ? at::cat({tokens.slice(1, 0, state.prefix), learned}, 1) : learned;
}

}  // namespace trivium::nn
