// Convolution, batch normalisation and ReLU: the unit that the small convolutional networks are made of.
#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>

#include "nn/module.h"

namespace trivium::nn {

/// A square convolution without bias, "same" padding for odd kernels, weights by kaiming_fan_out_.
torch::nn::Conv2d conv(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride = 1);

/// [N, in, H, W] → [N, out, H, W]. State names: conv.weight, bn.{weight, bias, running_mean, running_var, num_batches_tracked}.
class ConvNorm : public Module {
 public:
  /// `pool`: a 2×2 maximum is taken between convolution and normalisation, so that the latter runs on a quarter of the positions.
  ConvNorm(int64_t in_channels, int64_t out_channels, bool pool = false);
  torch::Tensor forward(const torch::Tensor& input) override;

 private:
  bool pool_;
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d bn_{nullptr};
};

/// Global average: [N, C, H, W] → [N, C].
torch::Tensor average_pool(const torch::Tensor& map);

}  // namespace trivium::nn
