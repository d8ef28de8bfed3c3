#include "nn/blocks/cbam.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <algorithm>

#include "nn/blocks/linear.h"

namespace trivium::nn {
namespace {

constexpr int64_t kReduction = 16;
constexpr int64_t kKernel = 7;
constexpr double kMomentum = 0.01;

/// The authors' Sequential(Flatten, Linear, ReLU, Linear): [N, C] → [N, C].
class SharedMlp : public Module {
 public:
  explicit SharedMlp(int64_t channels) {
    const int64_t hidden = std::max<int64_t>(channels / kReduction, 1);
    squeeze_ = register_module("1", std::make_shared<Linear>(channels, hidden));
    excite_ = register_module("3", std::make_shared<Linear>(hidden, channels));
  }
  torch::Tensor forward(const torch::Tensor& pooled) override { return excite_->forward(at::relu(squeeze_->forward(pooled))); }

 private:
  std::shared_ptr<Linear> squeeze_, excite_;
};

class ChannelGate : public Module {
 public:
  explicit ChannelGate(int64_t channels) { mlp_ = register_module("mlp", std::make_shared<SharedMlp>(channels)); }
  torch::Tensor forward(const torch::Tensor& map) override {
    const auto average = at::adaptive_avg_pool2d(map, {1, 1}).flatten(1);  // [N, C]
    const auto gate = at::sigmoid(mlp_->forward(average) + mlp_->forward(map.amax({2, 3})));
    return map * gate.unsqueeze(-1).unsqueeze(-1).to(map.scalar_type());
  }

 private:
  std::shared_ptr<SharedMlp> mlp_;
};

/// Convolution and normalisation, the authors' BasicConv without its ReLU.
class SpatialConv : public Module {
 public:
  SpatialConv() {
    conv_ = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 1, kKernel).padding(kKernel / 2).bias(false)));
    bn_ = register_module("bn", torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(1).momentum(kMomentum)));
  }
  torch::Tensor forward(const torch::Tensor& map) override { return bn_->forward(conv_->forward(map)); }

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d bn_{nullptr};
};

class SpatialGate : public Module {
 public:
  SpatialGate() { spatial_ = register_module("spatial", std::make_shared<SpatialConv>()); }
  torch::Tensor forward(const torch::Tensor& map) override {
    const auto pooled = at::cat({map.amax({1}, true), map.mean(at::IntArrayRef{1}, true)}, 1);  // [N, 2, H, W]
    return map * at::sigmoid(spatial_->forward(pooled)).to(map.scalar_type());
  }

 private:
  std::shared_ptr<SpatialConv> spatial_;
};

}  // namespace

Cbam::Cbam(int64_t channels) {
  channel_gate_ = register_module("ChannelGate", std::make_shared<ChannelGate>(channels));
  spatial_gate_ = register_module("SpatialGate", std::make_shared<SpatialGate>());
}

torch::Tensor Cbam::forward(const torch::Tensor& map) { return spatial_gate_->forward(channel_gate_->forward(map)); }

torch::Tensor Cbam::on_tokens(const torch::Tensor& tokens, int64_t prefix, int64_t side) {
  // The batch is −1 and never a number: a number would be frozen into a traced graph.
  const auto map = tokens.slice(1, prefix).transpose(1, 2).reshape({-1, tokens.size(2), side, side});
  const auto patches = forward(map).flatten(2).transpose(1, 2);
  return prefix > 0 ? at::cat({tokens.slice(1, 0, prefix), patches}, 1) : patches;
}

std::shared_ptr<Cbam> read_cbam(const Options& options, int64_t channels) {
  return options.boolean("use_cbam", false) ? std::make_shared<Cbam>(channels) : nullptr;
}

}  // namespace trivium::nn
