#include "nn/blocks/conv_norm.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include "nn/blocks/init.h"

namespace trivium::nn {

torch::nn::Conv2d conv(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride) {
  auto options = torch::nn::Conv2dOptions(in_channels, out_channels, kernel).stride(stride).padding(kernel / 2).bias(false);
  torch::nn::Conv2d layer(options);
  kaiming_fan_out_(layer->weight);
  return layer;
}

ConvNorm::ConvNorm(int64_t in_channels, int64_t out_channels, bool pool) : pool_(pool) {
  conv_ = register_module("conv", conv(in_channels, out_channels, 3));
  bn_ = register_module("bn", torch::nn::BatchNorm2d(out_channels));
}

torch::Tensor ConvNorm::forward(const torch::Tensor& input) {
  auto map = conv_->forward(input);
  if (pool_) map = at::max_pool2d(map, {2, 2}, {2, 2});
  return at::relu(bn_->forward(map));
}

torch::Tensor average_pool(const torch::Tensor& map) { return at::adaptive_avg_pool2d(map, {1, 1}).flatten(1); }

}  // namespace trivium::nn
