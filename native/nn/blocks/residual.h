// The two residual blocks of He et al. 2015 (arXiv 1512.03385, figure 5), with timm's names.
#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <cstdint>
#include <memory>

#include "core/options.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/drop_path.h"
#include "nn/module.h"

namespace trivium::nn {

/// The shortcut where shape changes: 1×1 convolution "0" and batch norm "1".
class Downsample : public Module {
 public:
  Downsample(int64_t in_channels, int64_t out_channels, int64_t stride);
  torch::Tensor forward(const torch::Tensor& input) override;

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d bn_{nullptr};
};

/// Two 3×3 convolutions: [N, in, H, W] → [N, channels, H/stride, W/stride]. `drop_path`: probability that a sample skips them. The option
/// use_cbam puts a CBAM at the end of the branch (Woo et al. 2018, figure 3).
class BasicBlock : public Module {
 public:
  static constexpr int64_t kExpansion = 1;
  BasicBlock(int64_t in_channels, int64_t channels, int64_t stride, double drop_path, const Options& options);
  torch::Tensor forward(const torch::Tensor& input) override;

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr};
  std::shared_ptr<Cbam> cbam_;  // null without use_cbam
  std::shared_ptr<DropPath> drop_path_;
  std::shared_ptr<Downsample> downsample_;  // null where the shape stays
};

/// 1×1, 3×3 (which carries the stride), 1×1: [N, in, H, W] → [N, 4 · channels, H/stride, W/stride].
class Bottleneck : public Module {
 public:
  static constexpr int64_t kExpansion = 4;
  Bottleneck(int64_t in_channels, int64_t channels, int64_t stride, double drop_path, const Options& options);
  torch::Tensor forward(const torch::Tensor& input) override;

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  std::shared_ptr<Cbam> cbam_;  // null without use_cbam
  std::shared_ptr<DropPath> drop_path_;
  std::shared_ptr<Downsample> downsample_;
};

}  // namespace trivium::nn
