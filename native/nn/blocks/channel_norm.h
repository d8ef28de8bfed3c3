// Normalisation over the channels of each position, in the three kinds that the ConvNeXt family knows.
#pragma once

#include <cstdint>

#include "nn/module.h"

namespace trivium::nn {

enum class NormKind {
  Layer,   // (x − mean) / √(variance + eps) · weight + bias: Ba et al. 2016, arXiv 1607.06450
  Rms,     // x / √(mean of squares + eps) · weight: Zhang and Sennrich 2019, arXiv 1910.07467
  Simple,  // x / √(unbiased variance + eps) · weight: timm's SimpleNorm
};

/// [..., C] → [..., C], over the last axis. Tensors: weight [C], starting at 1; bias [C], starting at 0, for Layer alone.
class ChannelNorm : public Module {
 public:
  ChannelNorm(int64_t channels, double eps, NormKind kind = NormKind::Layer);
  torch::Tensor forward(const torch::Tensor& input) override;

 private:
  int64_t channels_;
  double eps_;
  NormKind kind_;
  torch::Tensor weight_, bias_;
};

/// The same over axis 1 of a map: [N, C, H, W] → [N, C, H, W]. On channels-last maps it copies nothing.
class MapNorm : public ChannelNorm {
 public:
  using ChannelNorm::ChannelNorm;
  torch::Tensor forward(const torch::Tensor& map) override;
};

}  // namespace trivium::nn
