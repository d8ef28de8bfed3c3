#include "nn/blocks/residual.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/relu.h>

#include "nn/blocks/conv_norm.h"

namespace trivium::nn {
namespace {

// The last normalisation of a branch starts at zero, so that every block starts as its shortcut (Goyal et al. 2017, §5.1; timm's default).
void zero_scale(torch::nn::BatchNorm2d& norm) {
  at::NoGradGuard no_grad;
  norm->weight.zero_();
}

bool changes_shape(int64_t in_channels, int64_t out_channels, int64_t stride) { return stride != 1 || in_channels != out_channels; }

}  // namespace

Downsample::Downsample(int64_t in_channels, int64_t out_channels, int64_t stride) {
  conv_ = register_module("0", conv(in_channels, out_channels, 1, stride));
  bn_ = register_module("1", torch::nn::BatchNorm2d(out_channels));
}

torch::Tensor Downsample::forward(const torch::Tensor& input) { return bn_->forward(conv_->forward(input)); }

BasicBlock::BasicBlock(int64_t in_channels, int64_t channels, int64_t stride, double drop_path, const Options& options) {
  conv1_ = register_module("conv1", conv(in_channels, channels, 3, stride));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(channels));
  conv2_ = register_module("conv2", conv(channels, channels, 3));
  bn2_ = register_module("bn2", torch::nn::BatchNorm2d(channels));
  zero_scale(bn2_);
  if ((cbam_ = read_cbam(options, channels))) register_module("cbam", cbam_);
  drop_path_ = register_module("drop_path", std::make_shared<DropPath>(drop_path));
  if (changes_shape(in_channels, channels, stride)) {
    downsample_ = register_module("downsample", std::make_shared<Downsample>(in_channels, channels, stride));
  }
}

torch::Tensor BasicBlock::forward(const torch::Tensor& input) {
  auto branch = at::relu(bn1_->forward(conv1_->forward(input)));
  branch = bn2_->forward(conv2_->forward(branch));
  if (cbam_) branch = cbam_->forward(branch);
  return at::relu(drop_path_->forward(branch) + (downsample_ ? downsample_->forward(input) : input));
}

Bottleneck::Bottleneck(int64_t in_channels, int64_t channels, int64_t stride, double drop_path, const Options& options) {
  const int64_t out_channels = channels * kExpansion;
  conv1_ = register_module("conv1", conv(in_channels, channels, 1));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(channels));
  conv2_ = register_module("conv2", conv(channels, channels, 3, stride));
  bn2_ = register_module("bn2", torch::nn::BatchNorm2d(channels));
  conv3_ = register_module("conv3", conv(channels, out_channels, 1));
  bn3_ = register_module("bn3", torch::nn::BatchNorm2d(out_channels));
  zero_scale(bn3_);
  if ((cbam_ = read_cbam(options, out_channels))) register_module("cbam", cbam_);
  drop_path_ = register_module("drop_path", std::make_shared<DropPath>(drop_path));
  if (changes_shape(in_channels, out_channels, stride)) {
    downsample_ = register_module("downsample", std::make_shared<Downsample>(in_channels, out_channels, stride));
  }
}

torch::Tensor Bottleneck::forward(const torch::Tensor& input) {
  auto branch = at::relu(bn1_->forward(conv1_->forward(input)));
  branch = at::relu(bn2_->forward(conv2_->forward(branch)));
  branch = bn3_->forward(conv3_->forward(branch));
  if (cbam_) branch = cbam_->forward(branch);
  return at::relu(drop_path_->forward(branch) + (downsample_ ? downsample_->forward(input) : input));
}

}  // namespace trivium::nn
