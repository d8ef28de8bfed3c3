#include "nn/blocks/mlp.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>

namespace trivium::nn {

Mlp::Mlp(const MlpShape& shape) : kind_(shape.kind), hidden_(shape.hidden) {
  if (kind_ == MlpShape::Kind::SwiGlu) {
    fc1_g_ = register_module("fc1_g", std::make_shared<Linear>(shape.width, hidden_));
    fc1_x_ = register_module("fc1_x", std::make_shared<Linear>(shape.width, hidden_));
  } else {
    const int64_t rows = kind_ == MlpShape::Kind::PackedSwiGlu ? 2 * hidden_ : hidden_;
    fc1_ = register_module("fc1", std::make_shared<Linear>(shape.width, rows));
  }
  if (shape.norm) norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({hidden_}).eps(shape.norm_eps)));
  fc2_ = register_module("fc2", std::make_shared<Linear>(hidden_, shape.width));
}

torch::Tensor Mlp::forward(const torch::Tensor& tokens) {
  torch::Tensor hidden;
  switch (kind_) {
    case MlpShape::Kind::Gelu: hidden = at::gelu(fc1_->forward(tokens)); break;
    case MlpShape::Kind::SwiGlu: hidden = at::silu(fc1_g_->forward(tokens)) * fc1_x_->forward(tokens); break;
    case MlpShape::Kind::PackedSwiGlu: {
      const auto both = fc1_->forward(tokens);
      hidden = at::silu(both.narrow(-1, 0, hidden_)) * both.narrow(-1, hidden_, hidden_);
      break;
    }
  }
  if (!norm_.is_empty()) hidden = norm_->forward(hidden);
  return fc2_->forward(hidden);
}

}  // namespace trivium::nn
