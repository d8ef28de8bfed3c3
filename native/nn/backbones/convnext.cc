#include "nn/backbones/convnext.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/depthwise_conv.h"
#include "nn/blocks/drop_path.h"
#include "nn/blocks/grn.h"
#include "nn/blocks/init.h"
#include "nn/blocks/mixstyle.h"
#include "nn/blocks/patches.h"
#include "nn/blocks/pointwise_conv.h"

namespace trivium::nn {
namespace {

constexpr int64_t kSmallestImage = 32;  // the stem divides by 4, the stages by 8
constexpr int64_t kMlpRatio = 4;
constexpr double kLayerScale = 1e-6;
constexpr double kStd = 0.02;

/// timm's start for every convolution and linear layer of the family.
template <typename Layer>
std::shared_ptr<Layer> started(std::shared_ptr<Layer> layer) {
  at::NoGradGuard no_grad;
  truncated_normal_(layer->weight, kStd);
  layer->bias.zero_();
  return layer;
}

/// A convolution with bias: [N, in, H, W] → [N, out, H', W'].
class Conv : public Module {
 public:
  Conv(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride, int64_t padding) : stride_(stride), padding_(padding) {
    weight = register_parameter("weight", at::empty({out_channels, in_channels, kernel, kernel}));
    bias = register_parameter("bias", at::zeros({out_channels}));
  }
  torch::Tensor forward(const torch::Tensor& map) override {
    if (padding_ == 0 && weight.size(2) == stride_) return convolve_patches(map, weight, bias).permute({0, 3, 1, 2});
    return at::conv2d(map, weight, bias, {stride_, stride_}, at::IntArrayRef{padding_, padding_});
  }

  torch::Tensor weight, bias;

 private:
  int64_t stride_, padding_;
};

std::shared_ptr<Conv> conv_layer(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride, int64_t padding = 0) {
  return started(std::make_shared<Conv>(in_channels, out_channels, kernel, stride, padding));
}

class Activate : public Module {
 public:
  explicit Activate(Activation kind) : kind_(kind) {}
  torch::Tensor forward(const torch::Tensor& input) override {
    if (kind_ == Activation::Silu) return at::silu(input);
    return kind_ == Activation::GeluTanh ? at::gelu(input, "tanh") : at::gelu(input);
  }

 private:
  Activation kind_;
};

/// fc1, activation, response normalisation (V2), fc2: [N, H, W, C] → [N, H, W, C].
class ConvNextMlp : public Module {
 public:
  ConvNextMlp(int64_t channels, const ConvNextShape& shape) : activation_(shape.activation) {
    const int64_t hidden = kMlpRatio * channels;
    const auto layer = [&](int64_t in, int64_t out) -> std::shared_ptr<Module> {
      if (shape.conv_mlp) return started(std::make_shared<PointwiseConv>(in, out));
      return started(std::make_shared<Linear>(in, out));
    };
    fc1_ = register_module("fc1", layer(channels, hidden));
    if (shape.grn) grn_ = register_module("grn", std::make_shared<GlobalResponseNorm>(hidden));
    fc2_ = register_module("fc2", layer(hidden, channels));
  }
  torch::Tensor forward(const torch::Tensor& input) override {
    auto hidden = activation_.forward(fc1_->forward(input));  // [N, H, W, 4C]
    if (grn_) hidden = grn_->forward(hidden);
    return fc2_->forward(hidden);
  }

 private:
  Activate activation_;
  std::shared_ptr<Module> fc1_, fc2_;
  std::shared_ptr<GlobalResponseNorm> grn_;
};

/// x + mlp(norm(depthwise convolution(x))): [N, C, H, W] → [N, C, H, W] (figure 4 of 2201.03545, figure 5 of 2301.00808).
class ConvNextBlock : public Module {
 public:
  ConvNextBlock(int64_t channels, int64_t kernel, const ConvNextShape& shape, double drop_path, const Options& options) {
    if (!shape.grn) gamma_ = register_parameter("gamma", at::full({channels}, kLayerScale));
    conv_dw_ = register_module("conv_dw", started(std::make_shared<DepthwiseConv>(channels, kernel)));
    norm_ = register_module("norm", std::make_shared<ChannelNorm>(channels, shape.eps, shape.norm));
    mlp_ = register_module("mlp", std::make_shared<ConvNextMlp>(channels, shape));
    if ((cbam_ = read_cbam(options, channels))) register_module("cbam", cbam_);
    drop_path_ = register_module("drop_path", std::make_shared<DropPath>(drop_path));
  }

  torch::Tensor forward(const torch::Tensor& map) override {
    // A channels-last map is [N, H, W, C] in memory: the permutations move nothing.
    auto branch = mlp_->forward(norm_->forward(conv_dw_->forward(map).permute({0, 2, 3, 1})));
    if (gamma_.defined()) branch = branch * gamma_;
    branch = branch.permute({0, 3, 1, 2});
    if (cbam_) branch = cbam_->forward(branch);
    return drop_path_->forward(branch) + map;
  }

 private:
  torch::Tensor gamma_;  // undefined in V2
  std::shared_ptr<DepthwiseConv> conv_dw_;
  std::shared_ptr<ChannelNorm> norm_;
  std::shared_ptr<ConvNextMlp> mlp_;
  std::shared_ptr<Cbam> cbam_;
  std::shared_ptr<DropPath> drop_path_;
};

/// Halving (but in the first stage), then the blocks: [N, in, H, W] → [N, C, H/2, W/2].
class ConvNextStage : public Module {
 public:
  ConvNextStage(int64_t in_channels, size_t index, const ConvNextShape& shape, const double* drop_path, const Options& options) {
    const int64_t channels = shape.dims[index];
    if (index > 0) {
      downsample_ = register_module("downsample", std::make_shared<Chain>());
      downsample_->append(std::make_shared<MapNorm>(in_channels, shape.eps, shape.norm));
      downsample_->append(conv_layer(in_channels, channels, 2, 2));
    }
    blocks = register_module("blocks", std::make_shared<Chain>());
    for (int64_t i = 0; i < shape.depths[index]; ++i) {
      blocks->append(std::make_shared<ConvNextBlock>(channels, shape.kernels[index], shape, drop_path[i], options));
    }
  }
  torch::Tensor forward(const torch::Tensor& map) override { return blocks->forward(downsample_ ? downsample_->forward(map) : map); }

  std::shared_ptr<Chain> blocks;

 private:
  std::shared_ptr<Chain> downsample_;
};

/// [N, C] → [N, hidden].
class HiddenLayer : public Module {
 public:
  HiddenLayer(int64_t channels, int64_t hidden) { fc_ = register_module("fc", started(std::make_shared<Linear>(channels, hidden))); }
  torch::Tensor forward(const torch::Tensor& pooled) override { return at::gelu(fc_->forward(pooled)); }

 private:
  std::shared_ptr<Linear> fc_;
};

/// What follows pooling: normalisation (unless it came before), a hidden layer where the network has one, the classifier.
class ConvNextHead : public Module {
 public:
  ConvNextHead(int64_t channels, int64_t num_classes, const ConvNextShape& shape) {
    if (!shape.head_norm_first) norm_ = register_module("norm", std::make_shared<ChannelNorm>(channels, shape.eps, shape.norm));
    if (shape.head_hidden > 0) pre_logits_ = register_module("pre_logits", std::make_shared<HiddenLayer>(channels, shape.head_hidden));
    const int64_t features = shape.head_hidden > 0 ? shape.head_hidden : channels;
    if (num_classes > 0) fc = register_module("fc", started(std::make_shared<Linear>(features, num_classes)));
  }
  /// [N, C] → pooled features [N, D].
  torch::Tensor forward(const torch::Tensor& pooled) override {
    const auto features = norm_ ? norm_->forward(pooled) : pooled;
    return pre_logits_ ? pre_logits_->forward(features) : features;
  }

  bool has_hidden() const { return pre_logits_ != nullptr; }

  std::shared_ptr<Linear> fc;

 private:
  std::shared_ptr<ChannelNorm> norm_;
  std::shared_ptr<HiddenLayer> pre_logits_;
};

std::shared_ptr<Chain> make_stem(const ConvNextShape& shape) {
  const int64_t width = shape.dims[0];
  auto stem = std::make_shared<Chain>();
  if (shape.stem == ConvNextStem::Patch) {
    stem->append(conv_layer(3, width, 4, 4));
  } else {
    // timm's make_divisible: half the width to the nearest multiple of 8.
    const int64_t middle = shape.stem == ConvNextStem::OverlapTiered ? std::max<int64_t>(8, (width / 2 + 4) / 8 * 8) : width;
    stem->append(conv_layer(3, middle, 3, 2, 1));
    if (shape.stem == ConvNextStem::OverlapAct) stem->append(std::make_shared<Activate>(shape.activation));
    stem->append(conv_layer(middle, width, 3, 2, 1));
  }
  stem->append(std::make_shared<MapNorm>(width, shape.eps, shape.norm));
  return stem;
}

class ConvNext : public Backbone {
 public:
  ConvNext(const ConvNextEntry& entry, const Options& options) {
    const auto& shape = entry.shape;
    const auto common = read_common(options, entry.entry.preprocessing.image_size);
    if (common.image_size < kSmallestImage) {
      throw error(ErrorKind::Config, options.owner(), ": expected image_size of at least ", kSmallestImage, " but got ", common.image_size);
    }
    const auto drop_path = drop_path_schedule(options, std::accumulate(shape.depths.begin(), shape.depths.end(), int64_t{0}));
    stem_ = register_module("stem", make_stem(shape));
    stages_ = register_module("stages", std::make_shared<Chain>());
    int64_t channels = shape.dims[0];
    const bool checkpoint = options.boolean("gradient_checkpointing", false);
    const double* rates = drop_path.data();
    for (size_t i = 0; i < shape.dims.size(); ++i) {
      blocks_.push_back(std::make_shared<ConvNextStage>(channels, i, shape, rates, options));
      blocks_.back()->blocks->set_checkpointing(checkpoint);
      stages_->append(blocks_.back());
      channels = shape.dims[i];
      rates += shape.depths[i];
    }
    if (shape.head_norm_first) norm_pre_ = register_module("norm_pre", std::make_shared<MapNorm>(channels, shape.eps, shape.norm));
    head_ = register_module("head", std::make_shared<ConvNextHead>(channels, common.num_classes, shape));
    num_features_ = shape.head_hidden > 0 ? shape.head_hidden : channels;
    if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    auto map = stem_->forward(images);  // [N, C, S/4, S/4]
    for (size_t i = 0; i < blocks_.size(); ++i) {
      map = blocks_[i]->forward(map);
      if (mixstyle_ && i < 2) map = mixstyle_->forward(map);
    }
    return norm_pre_ ? norm_pre_->forward(map) : map;  // [N, 8C, S/32, S/32]
  }
  torch::Tensor pool(const torch::Tensor& features) override { return head_->forward(average_pool(features)); }
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(head_->fc, pooled); }
  int64_t num_features() const override { return num_features_; }

  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts{{"stem"}};
    for (size_t i = 0; i < blocks_.size(); ++i) {
      const auto stage = "stages." + std::to_string(i);
      const size_t first = parts.size();
      append_parts(parts, stage + ".blocks", blocks_[i]->blocks->links().size());
      if (i > 0) parts[first].push_back(stage + ".downsample");
    }
    if (norm_pre_) parts.back().push_back("norm_pre");  // head.norm and head.pre_logits are of timm's last group, the classifier's
    return parts;
  }
  std::vector<std::vector<std::string>> stages() const override {
    std::vector<std::vector<std::string>> parts{{"stem"}, {"stages.0"}, {"stages.1"}, {"stages.2"}, {"stages.3"}};
    parts.back().push_back(norm_pre_ ? "norm_pre" : "head.norm");
    if (head_->has_hidden()) parts.back().push_back("head.pre_logits");
    return parts;
  }

 private:
  int64_t num_features_ = 0;
  std::shared_ptr<Chain> stem_, stages_;
  std::vector<std::shared_ptr<ConvNextStage>> blocks_;
  std::shared_ptr<MixStyle> mixstyle_;
  std::shared_ptr<MapNorm> norm_pre_;
  std::shared_ptr<ConvNextHead> head_;
};

}  // namespace

const BackboneFamily& convnext_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          const auto& entries = convnext_entries();
                          const auto named = [&](const ConvNextEntry& candidate) { return candidate.entry.name == name; };
                          return std::make_shared<ConvNext>(*std::find_if(entries.begin(), entries.end(), named), options);
                        }};
    for (const auto& each : convnext_entries()) made.entries.push_back(each.entry);
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
