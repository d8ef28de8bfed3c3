#include "nn/blocks/channel_norm.h"

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "nn/blocks/precision.h"

namespace trivium::nn {

ChannelNorm::ChannelNorm(int64_t channels, double eps, NormKind kind) : channels_(channels), eps_(eps), kind_(kind) {
  weight_ = register_parameter("weight", at::ones({channels}));
  if (kind == NormKind::Layer) bias_ = register_parameter("bias", at::zeros({channels}));
}

torch::Tensor ChannelNorm::forward(const torch::Tensor& input) {
  if (kind_ == NormKind::Layer) return at::layer_norm(input, {channels_}, weight_, bias_, eps_);
  const auto wide = widen(input);
  torch::Tensor spread;  // [..., 1]
  if (kind_ == NormKind::Rms) {
    spread = wide.square().mean(at::IntArrayRef{-1}, true);
  } else {
    const double bessel = static_cast<double>(channels_) / static_cast<double>(channels_ - 1);
    spread = (wide - wide.mean(at::IntArrayRef{-1}, true)).square().mean(at::IntArrayRef{-1}, true) * bessel;
  }
  return (wide * (spread + eps_).rsqrt() * weight_).to(input.scalar_type());
}

torch::Tensor MapNorm::forward(const torch::Tensor& map) { return ChannelNorm::forward(map.permute({0, 2, 3, 1})).permute({0, 3, 1, 2}); }

}  // namespace trivium::nn
