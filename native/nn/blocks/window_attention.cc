#include "nn/blocks/window_attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "kernels/window_attention.h"
#include "nn/blocks/init.h"
#include "nn/blocks/precision.h"
#include "nn/blocks/reorder.h"
#include "nn/blocks/watched.h"

namespace trivium::nn {
namespace {

constexpr int64_t kBiasHidden = 512;
constexpr double kLargestScale = 100;
constexpr double kLargestBias = 16;
constexpr double kNotNeighbours = -100;
constexpr double kSmallestLength = 1e-12;

/// Eq. 4: sign(x) · log2(1 + |8 x|) / log2 8 with x = offset / (window − 1) in [−1, 1].
torch::Tensor log_spaced_offsets(int64_t window, int64_t reference) {
  const int64_t extent = 2 * window - 1;
  auto table = at::empty({extent * extent, 2});
  auto* values = table.mutable_data_ptr<float>();
  const auto spaced = [&](int64_t offset) {
    // In float32 step by step, as timm does.
    const float x = static_cast<float>(offset) / static_cast<float>(std::max<int64_t>(reference - 1, 1)) * 8.0F;
    return std::copysign(std::log2(std::abs(x) + 1.0F) / 3.0F, x);
  };
  for (int64_t i = 0; i < extent; ++i) {
    for (int64_t j = 0; j < extent; ++j) {
      *values++ = spaced(i - window + 1);
      *values++ = spaced(j - window + 1);
    }
  }
  return table;
}

torch::Tensor offsets_between_tokens(int64_t window) {
  const int64_t tokens = window * window, extent = 2 * window - 1;
  auto index = at::empty({tokens * tokens}, at::kLong);
  auto* values = index.mutable_data_ptr<int64_t>();
  for (int64_t a = 0; a < tokens; ++a) {
    for (int64_t b = 0; b < tokens; ++b) {
      *values++ = (a / window - b / window + window - 1) * extent + (a % window - b % window + window - 1);
    }
  }
  return index;
}

/// Where the token at each place of each window stands in the unshifted, padded map. The map is first rolled by the shift and then padded.
torch::Tensor window_order(const WindowGrid& grid) {
  const int64_t padded = grid.padded();
  auto index = at::empty({padded * padded}, at::kLong);
  auto* values = index.mutable_data_ptr<int64_t>();
  const auto source = [&](int64_t row, int64_t column) {
    if (row >= grid.side || column >= grid.side) return row * padded + column;
    return (row + grid.shift) % grid.side * padded + (column + grid.shift) % grid.side;
  };
  for (int64_t w = 0; w < grid.count(); ++w) {
    for (int64_t t = 0; t < grid.tokens(); ++t) {
      *values++ = source(w / grid.across() * grid.window + t / grid.window, w % grid.across() * grid.window + t % grid.window);
    }
  }
  return index;
}

/// [windows, T, T]. After the roll the last windows hold pieces from opposite borders: tokens attend within their piece.
torch::Tensor shift_mask(const WindowGrid& grid) {
  const int64_t padded = grid.padded(), tokens = grid.tokens();
  const auto band = [&](int64_t position) { return position < padded - grid.window ? 0 : position < padded - grid.shift ? 1 : 2; };
  auto mask = at::zeros({grid.count(), tokens, tokens});
  auto* values = mask.mutable_data_ptr<float>();
  for (int64_t w = 0; w < grid.count(); ++w) {
    const int64_t top = w / grid.across() * grid.window, left = w % grid.across() * grid.window;
    const auto piece = [&](int64_t t) { return 3 * band(top + t / grid.window) + band(left + t % grid.window); };
    for (int64_t a = 0; a < tokens; ++a) {
      for (int64_t b = 0; b < tokens; ++b) *values++ = piece(a) == piece(b) ? 0.0F : static_cast<float>(kNotNeighbours);
    }
  }
  return mask;
}

/// `constant`, moved once to where `like` is.
const torch::Tensor& beside(torch::Tensor& constant, const torch::Tensor& like) {
  if (constant.device() != like.device()) constant = constant.to(like.device());
  return constant;
}

/// Offsets → one number for each head, before the sigmoid: [(2w − 1)², 2] → [(2w − 1)², heads].
class PositionMlp : public Module {
 public:
  explicit PositionMlp(int64_t heads) {
    in_ = register_module("0", swin_linear(2, kBiasHidden));
    out_ = register_module("2", swin_linear(kBiasHidden, heads, /*bias=*/false));
  }
  torch::Tensor forward(const torch::Tensor& offsets) override { return out_->forward(at::relu(in_->forward(offsets))); }

 private:
  std::shared_ptr<Linear> in_, out_;
};

/// Vectors of zeros (positions that a map was filled up with, before q_bias is learned) stay zeros and pass no gradient, where the quotient
/// by 1e-12 of PyTorch's normalize would pass 10¹² times the gradient.
torch::Tensor unit(const torch::Tensor& vectors) {
  const auto length = at::linalg_vector_norm(vectors, 2, at::IntArrayRef{-1}, /*keepdim=*/true).clamp_min(kSmallestLength);
  const auto units = vectors / length;
  return at::GradMode::is_enabled() && vectors.requires_grad() ? units * (length > kSmallestLength).to(units.scalar_type()) : units;
}

/// What a grid decides: two of kernels::WindowWeights.
struct Fixed {
  torch::Tensor mask, order;
};

/// kernels/window_attention.h as an operation with a gradient.
struct FusedAttention : torch::autograd::Function<FusedAttention> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& qkv, const torch::Tensor& scale,
                               const torch::Tensor& bias, const Fixed& fixed) {
    const auto own = qkv.contiguous();
    const kernels::WindowWeights weights{scale.flatten(), bias.contiguous(), fixed.mask, fixed.order};
    context->save_for_backward({own, weights.scale, weights.bias});
    context->saved_data["order"] = fixed.order;
    if (fixed.mask.defined()) context->saved_data["mask"] = fixed.mask;
    return kernels::window_attention(own, weights);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    if (at::GradMode::is_enabled()) {
      throw error(ErrorKind::Config, "SwinV2's attention: gradients of gradients are not available. Use another network for them.");
    }
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const kernels::WindowWeights weights{saved[1], saved[2], data.find("mask") != data.end() ? data["mask"].toTensor() : torch::Tensor(),
                                         data["order"].toTensor()};
    auto [qkv, scale, bias] = kernels::window_attention_backward(gradients[0].contiguous(), saved[0], weights);
    return {qkv, scale.view({-1, 1, 1}), bias, torch::Tensor()};
  }
};

/// Whether the kernel runs.
bool fuses(const torch::Tensor& qkv) { return kernels::has_window_attention(qkv) && !operators_are_watched(); }

}  // namespace

std::shared_ptr<Linear> swin_linear(int64_t in_features, int64_t out_features, bool bias) {
  const auto layer = std::make_shared<Linear>(in_features, out_features, bias);
  truncated_normal_(layer->weight, 0.02);
  at::NoGradGuard no_grad;
  if (bias) layer->bias.zero_();
  return layer;
}

WindowAttention::WindowAttention(int64_t width, int64_t heads, const WindowGrid& grid, int64_t pretrained_window)
    : width_(width), heads_(heads), grid_(grid) {
  logit_scale_ = register_parameter("logit_scale", at::full({heads, 1, 1}, std::log(10.0)));
  q_bias_ = register_parameter("q_bias", at::zeros({width}));
  v_bias_ = register_parameter("v_bias", at::zeros({width}));
  cpb_mlp_ = register_module("cpb_mlp", std::make_shared<PositionMlp>(heads));
  qkv_ = register_module("qkv", swin_linear(width, 3 * width, /*bias=*/false));
  proj_ = register_module("proj", swin_linear(width, width));
  no_bias_ = at::zeros({width});
  coordinates_ = log_spaced_offsets(grid.window, pretrained_window > 0 ? pretrained_window : grid.window);
  offset_ = offsets_between_tokens(grid.window);
  order_ = window_order(grid);
  inverse_ = order_.argsort();
  if (grid.shift > 0) mask_ = shift_mask(grid);
}

/// [heads, T, T]: 16 · σ(cpb_mlp(offset)) (§3.3; at most 16).
torch::Tensor WindowAttention::position_bias() {
  FullPrecision full;
  const auto offsets = beside(coordinates_, logit_scale_).to(logit_scale_.scalar_type());
  const auto table = at::sigmoid(cpb_mlp_->forward(offsets)) * kLargestBias;  // [(2w − 1)², heads]
  return spread(table.t().contiguous(), beside(offset_, table)).view({heads_, grid_.tokens(), grid_.tokens()});
}

/// The same as the kernel, in operators: for other devices and types, and for graphs. [N, L, 3C] → [N, L, C].
torch::Tensor WindowAttention::mixed_by_operators(const torch::Tensor& qkv, const torch::Tensor& scale, const torch::Tensor& bias) {
  const auto parts = reordered(qkv, beside(order_, qkv), beside(inverse_, qkv))
                         .reshape({-1, grid_.count(), grid_.tokens(), 3, heads_, width_ / heads_})
                         .permute({3, 0, 1, 4, 2, 5})
                         .unbind(0);  // 3 × [N, windows, heads, T, d]
  const auto value = parts[2];
  const auto query = (unit(parts[0]) * scale).to(value.scalar_type()), key = unit(parts[1]).to(value.scalar_type());
  const auto weights = mask_.defined() ? bias + beside(mask_, bias).to(bias.scalar_type()).unsqueeze(1) : bias.unsqueeze(0);
  const auto mixed = at::scaled_dot_product_attention(query, key, value, weights.to(value.scalar_type()), 0.0, false, 1.0);
  const auto windows = mixed.transpose(2, 3).reshape({-1, order_.size(0), width_});
  return reordered(windows, beside(inverse_, qkv), beside(order_, qkv));
}

torch::Tensor WindowAttention::forward(const torch::Tensor& map) {
  const int64_t padded = grid_.padded(), filled = padded - grid_.side;
  const auto whole = filled > 0 ? at::constant_pad_nd(map, {0, 0, 0, filled, 0, filled}) : map;
  // Linear layers work position by position, so they run before the map is cut and after it is whole again; the batch is −1 and never a
  // number, which a traced graph would freeze.
  const auto bias = at::cat({q_bias_, beside(no_bias_, map).to(q_bias_.scalar_type()), v_bias_});
  const auto qkv = qkv_->forward(whole.flatten(1, 2), bias);                 // [N, L, 3C]
  const auto scale = logit_scale_.clamp_max(std::log(kLargestScale)).exp();  // [heads, 1, 1]
  torch::Tensor mixed;  // [N, L, C]
  if (fuses(qkv)) {
    const Fixed fixed{mask_.defined() ? beside(mask_, qkv) : mask_, beside(order_, qkv)};
    mixed = FusedAttention::apply(qkv, scale.to(at::kFloat), position_bias().to(at::kFloat), fixed);
  } else {
    mixed = mixed_by_operators(qkv, scale, position_bias());
  }
  const auto result = proj_->forward(mixed).unflatten(1, {padded, padded});
  return filled > 0 ? result.slice(1, 0, grid_.side).slice(2, 0, grid_.side) : result;
}

}  // namespace trivium::nn
