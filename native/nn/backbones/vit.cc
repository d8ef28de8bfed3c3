#include "nn/backbones/vit.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <torch/nn/modules/conv.h>

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/init.h"
#include "nn/blocks/transformer.h"

namespace trivium::nn {
namespace {

struct Shape {
  int64_t width, depth, heads, patch_size, image_size;
};

constexpr int64_t kMlpRatio = 4;

Shape shape_of(const std::string& name) {
  if (name == "vit_tiny_patch16_224") return {192, 12, 3, 16, 224};
  if (name == "vit_small_patch16_224") return {384, 12, 6, 16, 224};
  if (name == "vit_base_patch16_224") return {768, 12, 12, 16, 224};
  if (name == "vit_test") return {32, 2, 2, 8, 32};
  throw error(ErrorKind::Config, "expected a vision transformer but got \"", name, "\"");
}

/// Non-overlapping patches through one linear map: [N, 3, S, S] → [N, T, D], T = (S / patch)².
class PatchEmbed : public Module {
 public:
  PatchEmbed(int64_t width, int64_t patch_size) {
    proj_ = register_module("proj", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, width, patch_size).stride(patch_size)));
  }
  torch::Tensor forward(const torch::Tensor& images) override { return proj_->forward(images).flatten(2).transpose(1, 2); }

 private:
  torch::nn::Conv2d proj_{nullptr};
};

class VisionTransformer : public Backbone {
 public:
  VisionTransformer(const std::string& name, const Options& options) {
    const auto shape = shape_of(name);
    const auto common = read_common(options, shape.image_size);
    const int64_t patch_size = read_size(options, "patch_size", shape.patch_size, 1 << 10);
    if (common.image_size % patch_size != 0) {
      throw error(ErrorKind::Config, options.owner(), ": expected an image_size that patch_size ", patch_size, " divides but got ",
                  common.image_size);
    }
    const int64_t side = common.image_size / patch_size;
    patches_ = side * side;
    width_ = shape.width;

    cls_token_ = register_parameter("cls_token", at::empty({1, 1, width_}).normal_(0.0, 1e-6));
    pos_embed_ = register_parameter("pos_embed", at::empty({1, patches_ + 1, width_}));
    truncated_normal_(pos_embed_, 0.02);
    patch_embed_ = register_module("patch_embed", std::make_shared<PatchEmbed>(width_, patch_size));
    blocks_ = register_module("blocks", std::make_shared<Chain>());
    for (int64_t i = 0; i < shape.depth; ++i) {
      blocks_->append(std::make_shared<TransformerBlock>(width_, shape.heads, kMlpRatio * width_));
    }
    norm_ = register_module("norm", vit_norm(width_));
    if (common.num_classes > 0) head_ = register_module("head", vit_linear(width_, common.num_classes));
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    const auto patches = patch_embed_->forward(images);  // [N, T, D]
    if (patches.size(1) != patches_) {
      throw error(ErrorKind::Shape, "expected images that give ", patches_, " patches but got ", images.size(2), "x", images.size(3),
                  " pixels, which give ", patches.size(1), ". Build the network with that image_size.");
    }
    // The class token is put in front by padding with zeros and adding: unlike expand and cat this never asks for the batch size,
    // which a traced graph would freeze. 0 + x is x, so the result is the same to the last bit.
    const auto front = at::constant_pad_nd(cls_token_, {0, 0, 0, patches_});  // [1, 1 + T, D]
    auto tokens = at::constant_pad_nd(patches, {0, 0, 1, 0}) + (pos_embed_ + front);
    return norm_->forward(blocks_->forward(tokens));  // [N, 1 + T, D]
  }

  torch::Tensor pool(const torch::Tensor& features) override { return features.select(1, 0); }  // the class token, [N, D]
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(head_, pooled); }
  int64_t num_features() const override { return width_; }
  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts{{"cls_token", "pos_embed", "patch_embed"}};
    append_parts(parts, "blocks", blocks_->links().size());
    parts.push_back({"norm"});
    return parts;
  }

 private:
  int64_t patches_ = 0, width_ = 0;
  torch::Tensor cls_token_, pos_embed_;
  std::shared_ptr<PatchEmbed> patch_embed_;
  std::shared_ptr<Chain> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<Linear> head_;
};

}  // namespace

const BackboneFamily& vit_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          return std::make_shared<VisionTransformer>(name, options);
                        }};
    const auto add = [&](const std::string& name, int64_t image_size, const std::string& tag) {
      made.entries.push_back({name, "vit", "Dosovitskiy et al. 2020, arXiv 2010.11929", false,
                              {image_size, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, "bicubic", 0.9}, tag.empty() ? "" : "timm/" + name + "." + tag,
                              tag.empty() ? "" : "Apache-2.0"});
    };
    add("vit_base_patch16_224", 224, "augreg2_in21k_ft_in1k");
    add("vit_small_patch16_224", 224, "augreg_in21k_ft_in1k");
    add("vit_test", 32, "");
    add("vit_tiny_patch16_224", 224, "augreg_in21k_ft_in1k");
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
