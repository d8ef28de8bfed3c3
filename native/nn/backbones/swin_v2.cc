#include "nn/backbones/swin_v2.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/gelu.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/drop_path.h"
#include "nn/blocks/mixstyle.h"
#include "nn/blocks/patches.h"
#include "nn/blocks/window_attention.h"

namespace trivium::nn {
namespace {

constexpr int64_t kPatch = 4;
constexpr int64_t kMlpRatio = 4;

struct Shape {
  std::string name;
  int64_t width;
  std::array<int64_t, 4> depths, heads;
  int64_t window, image_size;
  std::array<int64_t, 4> pretrained_windows;  // 0: the window itself
  double crop_fraction;
  std::string tag;  // of the published weights; empty: none
};

const std::vector<Shape>& shapes() {
  using Four = std::array<int64_t, 4>;
  constexpr Four tiny{2, 2, 6, 2}, deep{2, 2, 18, 2}, heads3{3, 6, 12, 24}, heads4{4, 8, 16, 32}, heads6{6, 12, 24, 48}, same{0, 0, 0, 0},
      from12{12, 12, 12, 6};
  static const std::vector<Shape> list{
      {"swinv2_tiny_window8_256", 96, tiny, heads3, 8, 256, same, 0.9, "ms_in1k"},
      {"swinv2_tiny_window16_256", 96, tiny, heads3, 16, 256, same, 0.9, "ms_in1k"},
      {"swinv2_small_window8_256", 96, deep, heads3, 8, 256, same, 0.9, "ms_in1k"},
      {"swinv2_small_window16_256", 96, deep, heads3, 16, 256, same, 0.9, "ms_in1k"},
      {"swinv2_base_window8_256", 128, deep, heads4, 8, 256, same, 0.9, "ms_in1k"},
      {"swinv2_base_window16_256", 128, deep, heads4, 16, 256, same, 0.9, "ms_in1k"},
      {"swinv2_base_window12_192", 128, deep, heads4, 12, 192, same, 0.9, "ms_in22k"},
      {"swinv2_base_window12to16_192to256", 128, deep, heads4, 16, 256, from12, 0.9, "ms_in22k_ft_in1k"},
      {"swinv2_base_window12to24_192to384", 128, deep, heads4, 24, 384, from12, 1.0, "ms_in22k_ft_in1k"},
      {"swinv2_large_window12_192", 192, deep, heads6, 12, 192, same, 0.9, "ms_in22k"},
      {"swinv2_large_window12to16_192to256", 192, deep, heads6, 16, 256, from12, 0.9, "ms_in22k_ft_in1k"},
      {"swinv2_large_window12to24_192to384", 192, deep, heads6, 24, 384, from12, 1.0, "ms_in22k_ft_in1k"},
      {"swinv2_test", 8, {1, 2, 1, 1}, {1, 2, 4, 8}, 4, 64, same, 0.9, ""},
  };
  return list;
}

torch::nn::LayerNorm swin_norm(int64_t width) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})); }

/// A normalisation that starts at zero, so that every block starts as the identity (timm's start for res-post-norm, §3.2).
torch::nn::LayerNorm closing_norm(int64_t width) {
  auto norm = swin_norm(width);
  at::NoGradGuard no_grad;
  norm->weight.zero_();
  return norm;
}

/// Patches of 4×4 pixels: [N, 3, S, S] → [N, S/4, S/4, C].
class SwinPatchEmbed : public Module {
 public:
  explicit SwinPatchEmbed(int64_t width) {
    proj_ = register_module("proj", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, width, kPatch).stride(kPatch)));
    norm_ = register_module("norm", swin_norm(width));
  }
  torch::Tensor forward(const torch::Tensor& images) override { return norm_->forward(convolve_patches(images, proj_->weight, proj_->bias)); }

 private:
  torch::nn::Conv2d proj_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
};

/// Four neighbours into one: [N, H, W, C] → [N, ⌈H/2⌉, ⌈W/2⌉, 2C].
class PatchMerging : public Module {
 public:
  explicit PatchMerging(int64_t width) {
    reduction_ = register_module("reduction", swin_linear(4 * width, 2 * width, /*bias=*/false));
    norm_ = register_module("norm", swin_norm(2 * width));
  }
  torch::Tensor forward(const torch::Tensor& map) override {
    const int64_t side = map.size(1), half = (side + 1) / 2, width = map.size(3);
    const auto even = side % 2 == 0 ? map : at::constant_pad_nd(map, {0, 0, 0, 1, 0, 1});
    const auto neighbours = even.reshape({-1, half, 2, half, 2, width}).permute({0, 1, 3, 4, 2, 5}).flatten(3);  // [N, H/2, W/2, 4C]
    return norm_->forward(reduction_->forward(neighbours));
  }

 private:
  std::shared_ptr<Linear> reduction_;
  torch::nn::LayerNorm norm_{nullptr};
};

/// Two linear layers around GELU: [N, H, W, C] → [N, H, W, C].
class SwinMlp : public Module {
 public:
  explicit SwinMlp(int64_t width) {
    fc1_ = register_module("fc1", swin_linear(width, kMlpRatio * width));
    fc2_ = register_module("fc2", swin_linear(kMlpRatio * width, width));
  }
  torch::Tensor forward(const torch::Tensor& map) override { return fc2_->forward(at::gelu(fc1_->forward(map))); }

 private:
  std::shared_ptr<Linear> fc1_, fc2_;
};

/// x + norm(attention(x)), then x + norm(mlp(x)): [N, H, W, C] → the same (figure 1 of the paper).
class SwinBlock : public Module {
 public:
  SwinBlock(int64_t width, int64_t heads, const WindowGrid& grid, int64_t pretrained_window, double drop_path) {
    attn_ = register_module("attn", std::make_shared<WindowAttention>(width, heads, grid, pretrained_window));
    norm1_ = register_module("norm1", closing_norm(width));
    drop_path1_ = register_module("drop_path1", std::make_shared<DropPath>(drop_path));
    mlp_ = register_module("mlp", std::make_shared<SwinMlp>(width));
    norm2_ = register_module("norm2", closing_norm(width));
    drop_path2_ = register_module("drop_path2", std::make_shared<DropPath>(drop_path));
  }
  torch::Tensor forward(const torch::Tensor& map) override {
    const auto mixed = map + drop_path1_->forward(norm1_->forward(attn_->forward(map)));
    return mixed + drop_path2_->forward(norm2_->forward(mlp_->forward(mixed)));
  }

 private:
  std::shared_ptr<WindowAttention> attn_;
  std::shared_ptr<SwinMlp> mlp_;
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<DropPath> drop_path1_, drop_path2_;
};

class SwinStage : public Module {
 public:
  /// `side` of the maps inside the stage; every second block shifts its windows, unless one window holds the map.
  SwinStage(const Shape& shape, size_t index, int64_t side, const double* drop_path) {
    const int64_t width = shape.width << index;
    if (index > 0) downsample_ = register_module("downsample", std::make_shared<PatchMerging>(width / 2));
    blocks = register_module("blocks", std::make_shared<Chain>());
    const int64_t window = std::min(side, shape.window);
    for (int64_t i = 0; i < shape.depths[index]; ++i) {
      const int64_t shift = i % 2 == 1 && side > window ? shape.window / 2 : 0;
      blocks->append(std::make_shared<SwinBlock>(width, shape.heads[index], WindowGrid{side, window, shift},
                                                 shape.pretrained_windows[index], drop_path[i]));
    }
  }
  torch::Tensor forward(const torch::Tensor& map) override { return blocks->forward(downsample_ ? downsample_->forward(map) : map); }

  std::shared_ptr<Chain> blocks;

 private:
  std::shared_ptr<PatchMerging> downsample_;
};

class ClassifierHead : public Module {
 public:
  ClassifierHead(int64_t width, int64_t num_classes) {
    if (num_classes > 0) fc = register_module("fc", swin_linear(width, num_classes));
  }
  torch::Tensor forward(const torch::Tensor& pooled) override { return classify_with(fc, pooled); }

  std::shared_ptr<Linear> fc;
};

class SwinV2 : public Backbone {
 public:
  SwinV2(const Shape& shape, const Options& options) {
    const auto common = read_common(options, shape.image_size);
    if (common.image_size < kPatch) {
      throw error(ErrorKind::Config, options.owner(), ": expected image_size of at least ", kPatch, " but got ", common.image_size);
    }
    image_size_ = common.image_size;
    const auto drop_path = drop_path_schedule(options, std::accumulate(shape.depths.begin(), shape.depths.end(), int64_t{0}));
    num_features_ = shape.width << 3;
    patch_embed_ = register_module("patch_embed", std::make_shared<SwinPatchEmbed>(shape.width));
    layers_ = register_module("layers", std::make_shared<Chain>());
    const bool checkpoint = options.boolean("gradient_checkpointing", false);
    const double* rates = drop_path.data();
    int64_t side = common.image_size / kPatch;
    for (size_t i = 0; i < shape.depths.size(); ++i) {
      if (i > 0) side = (side + 1) / 2;
      stages_.push_back(std::make_shared<SwinStage>(shape, i, side, rates));
      stages_.back()->blocks->set_checkpointing(checkpoint);
      layers_->append(stages_.back());
      rates += shape.depths[i];
    }
    norm_ = register_module("norm", swin_norm(num_features_));
    head_ = register_module("head", std::make_shared<ClassifierHead>(num_features_, common.num_classes));
    if ((cbam_ = read_cbam(options, num_features_))) register_module("cbam", cbam_);
    if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    if (images.size(2) != image_size_ || images.size(3) != image_size_) {
      throw error(ErrorKind::Shape, "expected images of ", image_size_, "x", image_size_, " pixels but got ", images.size(2), "x",
                  images.size(3), ". Build the network with that image_size.");
    }
    auto map = patch_embed_->forward(images);  // [N, S/4, S/4, C]
    for (size_t i = 0; i < stages_.size(); ++i) {
      map = stages_[i]->forward(map);
      if (mixstyle_ && i < 2) map = mixstyle_->mix(map, {1, 2});
    }
    map = norm_->forward(map);  // [N, S/32, S/32, 8C]
    return cbam_ ? cbam_->forward(map.permute({0, 3, 1, 2})).permute({0, 2, 3, 1}) : map;
  }
  torch::Tensor pool(const torch::Tensor& features) override { return features.mean(at::IntArrayRef{1, 2}); }
  torch::Tensor classify(const torch::Tensor& pooled) override { return head_->forward(pooled); }
  int64_t num_features() const override { return num_features_; }

  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts{{"patch_embed"}};
    for (size_t i = 0; i < stages_.size(); ++i) {
      const auto stage = "layers." + std::to_string(i);
      const size_t first = parts.size();
      append_parts(parts, stage + ".blocks", stages_[i]->blocks->links().size());
      if (i > 0) parts[first].push_back(stage + ".downsample");
    }
    append_last(parts.back());
    return parts;
  }
  std::vector<std::vector<std::string>> stages() const override {
    std::vector<std::vector<std::string>> parts{{"patch_embed"}, {"layers.0"}, {"layers.1"}, {"layers.2"}, {"layers.3"}};
    append_last(parts.back());
    return parts;
  }

 private:
  void append_last(std::vector<std::string>& part) const {
    part.push_back("norm");
    if (cbam_) part.push_back("cbam");
  }

  int64_t image_size_ = 0, num_features_ = 0;
  std::shared_ptr<SwinPatchEmbed> patch_embed_;
  std::shared_ptr<Chain> layers_;
  std::vector<std::shared_ptr<SwinStage>> stages_;
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<ClassifierHead> head_;
  std::shared_ptr<Cbam> cbam_;
  std::shared_ptr<MixStyle> mixstyle_;
};

}  // namespace

const BackboneFamily& swin_v2_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          const auto named = [&](const Shape& candidate) { return candidate.name == name; };
                          return std::make_shared<SwinV2>(*std::find_if(shapes().begin(), shapes().end(), named), options);
                        }};
    for (const auto& shape : shapes()) {
      const bool published = !shape.tag.empty();
      made.entries.push_back({shape.name, "swin_v2", "Liu et al. 2022, arXiv 2111.09883", true,
                              {shape.image_size, kImageNetMean, kImageNetStd, "bicubic", shape.crop_fraction},
                              published ? "timm/" + shape.name + "." + shape.tag : "", published ? "MIT" : ""});
    }
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
