#include "nn/backbones/cifar_resnet.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/relu.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <array>
#include <cmath>
#include <map>

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/drop_path.h"
#include "nn/blocks/mixstyle.h"

namespace trivium::nn {
namespace {

constexpr int64_t kSmallestImage = 4;  // two halvings must leave a position
constexpr int64_t kStages = 3;

struct Shape {
  int64_t blocks;  // of a stage: n of §4.2
  int64_t width;   // channels of the first stage
};

const std::map<std::string, Shape>& shapes() {
  static const std::map<std::string, Shape> table{{"resnet20", {3, 16}}, {"resnet32", {5, 16}},   {"resnet44", {7, 16}},
                                                  {"resnet56", {9, 16}}, {"resnet110", {18, 16}}, {"cifar_resnet_test", {1, 4}}};
  return table;
}

/// He et al. 2015, arXiv 1502.01852, eq. 10: the start of the published networks, for convolutions and the classifier.
void he_fan_in_(torch::Tensor weight) {
  at::NoGradGuard no_grad;
  weight.normal_(0.0, std::sqrt(2.0 / static_cast<double>(weight.numel() / weight.size(0))));
}

torch::nn::Conv2d he_conv(int64_t in_channels, int64_t out_channels, int64_t stride) {
  auto layer = conv(in_channels, out_channels, 3, stride);
  he_fan_in_(layer->weight);
  return layer;
}

/// Two 3×3 convolutions around a shortcut that takes every second position and pads with channels of zeros where the shape changes.
class PlainShortcutBlock : public Module {
 public:
  PlainShortcutBlock(int64_t in_channels, int64_t channels, double drop_path, const Options& options)
      : added_((channels - in_channels) / 2) {
    conv1_ = register_module("conv1", he_conv(in_channels, channels, added_ > 0 ? 2 : 1));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(channels));
    conv2_ = register_module("conv2", he_conv(channels, channels, 1));
    bn2_ = register_module("bn2", torch::nn::BatchNorm2d(channels));
    if ((cbam_ = read_cbam(options, channels))) register_module("cbam", cbam_);
    drop_path_ = register_module("drop_path", std::make_shared<DropPath>(drop_path));
  }

  torch::Tensor forward(const torch::Tensor& input) override {
    auto branch = bn2_->forward(conv2_->forward(at::relu(bn1_->forward(conv1_->forward(input)))));
    if (cbam_) branch = cbam_->forward(branch);
    return at::relu(drop_path_->forward(branch) + shortcut(input));
  }

 private:
  torch::Tensor shortcut(const torch::Tensor& input) const {
    if (added_ == 0) return input;
    const auto every_second = input.slice(2, 0, std::nullopt, 2).slice(3, 0, std::nullopt, 2);
    return at::constant_pad_nd(every_second, {0, 0, 0, 0, added_, added_});
  }

  int64_t added_;  // channels of zeros on either side
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr};
  std::shared_ptr<Cbam> cbam_;
  std::shared_ptr<DropPath> drop_path_;
};

class CifarResNet : public Backbone {
 public:
  CifarResNet(const std::string& name, const Options& options) {
    const auto shape = shapes().at(name);
    const auto common = read_common(options, 32);
    if (common.image_size < kSmallestImage) {
      throw error(ErrorKind::Config, options.owner(), ": expected image_size of at least ", kSmallestImage, " but got ", common.image_size);
    }
    const auto drop_path = drop_path_schedule(options, kStages * shape.blocks);
    conv1_ = register_module("conv1", he_conv(3, shape.width, 1));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(shape.width));
    int64_t channels = shape.width;
    size_t block = 0;
    for (size_t stage = 0; stage < layers_.size(); ++stage) {
      layers_[stage] = register_module("layer" + std::to_string(stage + 1), std::make_shared<Chain>());
      const int64_t out = shape.width << stage;
      for (int64_t i = 0; i < shape.blocks; ++i) {
        layers_[stage]->append(std::make_shared<PlainShortcutBlock>(channels, out, drop_path[block++], options));
        channels = out;
      }
    }
    num_features_ = channels;
    const bool checkpoint = options.boolean("gradient_checkpointing", false);
    for (auto& layer : layers_) layer->set_checkpointing(checkpoint);
    if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
    if (common.num_classes > 0) {
      linear_ = register_module("linear", std::make_shared<Linear>(channels, common.num_classes));
      he_fan_in_(linear_->weight);
    }
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    auto map = at::relu(bn1_->forward(conv1_->forward(images)));  // [N, 16, S, S]
    for (size_t i = 0; i < layers_.size(); ++i) {
      map = layers_[i]->forward(map);
      if (mixstyle_ && i < 2) map = mixstyle_->forward(map);
    }
    return map;  // [N, 64, S/4, S/4]
  }
  torch::Tensor pool(const torch::Tensor& features) override { return average_pool(features); }
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(linear_, pooled); }
  int64_t num_features() const override { return num_features_; }
  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts{{"conv1", "bn1"}};
    for (size_t i = 0; i < layers_.size(); ++i) append_parts(parts, "layer" + std::to_string(i + 1), layers_[i]->links().size());
    return parts;
  }
  std::vector<std::vector<std::string>> stages() const override { return {{"conv1", "bn1"}, {"layer1"}, {"layer2"}, {"layer3"}}; }

 private:
  int64_t num_features_ = 0;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::array<std::shared_ptr<Chain>, kStages> layers_;
  std::shared_ptr<MixStyle> mixstyle_;
  std::shared_ptr<Linear> linear_;
};

}  // namespace

const BackboneFamily& cifar_resnet_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          return std::make_shared<CifarResNet>(name, options);
                        }};
    const Preprocessing cifar{32, kImageNetMean, kImageNetStd, "bilinear", 1.0};  // what the published networks were trained with
    for (const auto& [name, shape] : shapes()) {
      made.entries.push_back({name, "cifar_resnet", "He et al. 2015, arXiv 1512.03385, section 4.2", true, cifar, "", ""});
    }
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
