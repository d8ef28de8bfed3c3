#include "nn/backbones/resnet.h"

#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <array>
#include <map>
#include <numeric>
#include <string>

#include "nn/backbones/common.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/drop_path.h"
#include "nn/blocks/mixstyle.h"
#include "nn/blocks/residual.h"

namespace trivium::nn {
namespace {

struct Shape {
  bool bottleneck;
  std::array<int64_t, 4> depth;
  std::array<int64_t, 4> channels;
  double crop_fraction;
  std::string tag;  // of the published weights; empty: none
};

constexpr int64_t kStem = 64;

const std::map<std::string, Shape>& shapes() {
  static const std::array<int64_t, 4> wide{64, 128, 256, 512};
  static const std::map<std::string, Shape> table{
      {"resnet18", {false, {2, 2, 2, 2}, wide, 0.95, "a1_in1k"}},
      {"resnet26", {true, {2, 2, 2, 2}, wide, 0.875, "bt_in1k"}},
      {"resnet34", {false, {3, 4, 6, 3}, wide, 0.95, "a1_in1k"}},
      {"resnet50", {true, {3, 4, 6, 3}, wide, 0.95, "a1_in1k"}},
      {"resnet101", {true, {3, 4, 23, 3}, wide, 0.95, "a1h_in1k"}},
      {"resnet152", {true, {3, 8, 36, 3}, wide, 0.95, "a1h_in1k"}},
      {"resnet_test", {false, {1, 1, 1, 1}, {8, 16, 16, 32}, 0.95, ""}},
  };
  return table;
}

class ResNet : public Backbone {
 public:
  ResNet(const std::string& name, const Options& options) : cifar_stem_(options.boolean("cifar_stem", false)) {
    const auto& shape = shapes().at(name);
    const auto common = read_common(options, 224);
    const auto drop_path = drop_path_schedule(options, std::accumulate(shape.depth.begin(), shape.depth.end(), int64_t{0}));

    conv1_ = register_module("conv1", cifar_stem_ ? conv(3, kStem, 3) : conv(3, kStem, 7, 2));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(kStem));
    int64_t width = kStem;
    size_t index = 0;
    for (size_t stage = 0; stage < layers_.size(); ++stage) {
      layers_[stage] = register_module("layer" + std::to_string(stage + 1), std::make_shared<Chain>());
      for (int64_t block = 0; block < shape.depth[stage]; ++block) {
        const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
        const int64_t channels = shape.channels[stage];
        if (shape.bottleneck) {
          layers_[stage]->append(std::make_shared<Bottleneck>(width, channels, stride, drop_path[index++], options));
          width = channels * Bottleneck::kExpansion;
        } else {
          layers_[stage]->append(std::make_shared<BasicBlock>(width, channels, stride, drop_path[index++], options));
          width = channels * BasicBlock::kExpansion;
        }
      }
    }
    num_features_ = width;
    const bool checkpoint = options.boolean("gradient_checkpointing", false);
    for (auto& layer : layers_) layer->set_checkpointing(checkpoint);
    if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
    if (common.num_classes > 0) fc_ = register_module("fc", std::make_shared<Linear>(width, common.num_classes));
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    auto map = at::relu(bn1_->forward(conv1_->forward(images)));        // [N, 64, S/2, S/2]; S with the CIFAR stem
    if (!cifar_stem_) map = at::max_pool2d(map, {3, 3}, {2, 2}, {1, 1});  // [N, 64, S/4, S/4]
    for (size_t i = 0; i < layers_.size(); ++i) {
      map = layers_[i]->forward(map);
      if (mixstyle_ && i < 2) map = mixstyle_->forward(map);
    }
    return map;  // [N, D, S/32, S/32]; S/8 with the CIFAR stem
  }

  torch::Tensor pool(const torch::Tensor& features) override { return average_pool(features); }
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(fc_, pooled); }
  int64_t num_features() const override { return num_features_; }
  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts{{"conv1", "bn1"}};
    for (size_t i = 0; i < layers_.size(); ++i) append_parts(parts, "layer" + std::to_string(i + 1), layers_[i]->links().size());
    return parts;
  }
  std::vector<std::vector<std::string>> stages() const override {
    return {{"conv1", "bn1"}, {"layer1"}, {"layer2"}, {"layer3"}, {"layer4"}};
  }

 private:
  bool cifar_stem_;
  int64_t num_features_ = 0;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::array<std::shared_ptr<Chain>, 4> layers_;
  std::shared_ptr<MixStyle> mixstyle_;
  std::shared_ptr<Linear> fc_;
};

}  // namespace

const BackboneFamily& resnet_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          return std::make_shared<ResNet>(name, options);
                        }};
    for (const auto& [name, shape] : shapes()) {
      const bool published = !shape.tag.empty();
      made.entries.push_back({name, "resnet", "He et al. 2015, arXiv 1512.03385", true,
                              {224, kImageNetMean, kImageNetStd, "bicubic", shape.crop_fraction},
                              published ? "timm/" + name + "." + shape.tag : "", published ? "Apache-2.0" : ""});
    }
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
