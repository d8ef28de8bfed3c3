#include "nn/backbones/vision_transformer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <torch/nn/modules/conv.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/checkpoint.h"
#include "nn/blocks/init.h"
#include "nn/blocks/patches.h"
#include "nn/blocks/token_merging.h"

namespace trivium::nn {
namespace {

/// Non-overlapping patches through one linear map: [N, 3, S, S] → [N, T, D], T = (S / patch)², row by row.
class PatchEmbed : public Module {
 public:
  PatchEmbed(int64_t width, int64_t patch_size) {
    proj_ = register_module("proj", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, width, patch_size).stride(patch_size)));
  }
  torch::Tensor forward(const torch::Tensor& images) override { return convolve_patches(images, proj_->weight, proj_->bias).flatten(1, 2); }

 private:
  torch::nn::Conv2d proj_{nullptr};
};

double read_fraction(const Options& options, const std::string& key, double lowest, double fallback) {
  const double value = options.number(key, fallback);
  if (!(value >= lowest && value <= 1)) {
    throw error(ErrorKind::Config, options.owner(), ": expected ", key, " between ", lowest, " and 1 but got ", value);
  }
  return value;
}

/// [N, patches, D] with P rows of zeros in front. Unlike expand and cat, padding never asks for the batch size, which a traced graph would
/// freeze; and 0 + x is x to the last bit.
torch::Tensor behind_prefix(const torch::Tensor& patches, int64_t prefix) {
  return prefix > 0 ? at::constant_pad_nd(patches, {0, 0, prefix, 0}) : patches;
}

}  // namespace

VisionTransformer::VisionTransformer(const TransformerShape& shape, const Options& options) : shape_(shape) {
  const auto common = read_common(options, shape.image_size);
  shape_.image_size = common.image_size;
  shape_.patch_size = read_size(options, "patch_size", shape.patch_size, 1 << 10);
  if (shape_.hidden == 0) shape_.hidden = 4 * shape_.width;
  if (shape_.image_size % shape_.patch_size != 0) {
    throw error(ErrorKind::Config, options.owner(), ": expected an image_size that patch_size ", shape_.patch_size, " divides but got ",
                shape_.image_size);
  }
  side_ = shape_.image_size / shape_.patch_size;
  prefix_ = (shape_.class_token ? 1 : 0) + shape_.registers;
  checkpoint_ = options.boolean("gradient_checkpointing", false);
  const int64_t width = shape_.width, patches = side_ * side_;

  if (shape_.class_token) cls_token_ = register_parameter("cls_token", at::empty({1, 1, width}));
  if (shape_.registers > 0) reg_token_ = register_parameter("reg_token", at::empty({1, shape_.registers, width}));
  if (shape_.position_embedding) {
    pos_embed_ = register_parameter("pos_embed", at::empty({1, patches + (shape_.prefix_position ? prefix_ : 0), width}));
  }
  patch_embed_ = register_module("patch_embed", std::make_shared<PatchEmbed>(width, shape_.patch_size));
  build_blocks(options);
  const auto norm_options = torch::nn::LayerNormOptions({width}).eps(shape_.norm_eps);
  norm_ = register_module(shape_.norm_after_pool ? "fc_norm" : "norm", torch::nn::LayerNorm(norm_options));
  if (common.num_classes > 0) head_ = register_module("head", std::make_shared<Linear>(width, common.num_classes));
  const int64_t learned = options.integer("token_learner_tokens", 0);
  if (learned < 0 || learned >= patches) {
    throw error(ErrorKind::Config, options.owner(), ": expected token_learner_tokens between 0 (off) and ", patches - 1,
                ", fewer than the image's ", patches, " patches, but got ", learned);
  }
  initialise();
  if (learned > 0) token_learner_ = register_module("token_learner", std::make_shared<TokenLearner>(width, learned));
  if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
  if (!(cbam_ = read_cbam(options, width))) return;
  for (const auto* key : {"token_merging_ratio", "token_learner_tokens"}) {
    if (options.number(key, 0) == 0) continue;
    throw error(ErrorKind::Config, options.owner(), ": use_cbam needs the patches as a map, and with ", key, " they are none. Remove one.");
  }
  register_module("cbam", cbam_);
}

void VisionTransformer::build_blocks(const Options& options) {
  const int64_t depth = shape_.depth;
  const auto drop_path = drop_path_schedule(options, depth);
  const double ratio = read_fraction(options, "token_merging_ratio", 0, 0);
  const double inflection = read_fraction(options, "token_merging_inflection", -1, 0);
  if (options.has("token_merging_inflection") && ratio == 0) {
    throw error(ErrorKind::Config, options.owner(), ": token_merging_inflection shapes token_merging_ratio, which is not set");
  }
  // TokenLearner stands in the middle (section 3.3 of its paper); what it has learned is not merged any more.
  if (options.has("token_learner_tokens") && options.integer("token_learner_tokens") > 0) learner_block_ = depth / 2;
  const int64_t merging = learner_block_ >= 0 ? learner_block_ : depth;
  merged_ = merging_schedule(merging, static_cast<double>(merged_per_block(ratio, side_ * side_, merging)), inflection);
  if (ratio > 0 && std::all_of(merged_.begin(), merged_.end(), [](int64_t count) { return count == 0; })) {
    throw error(ErrorKind::Config, options.owner(), ": token_merging_ratio: ", ratio, " of ", side_ * side_, " patches over ", merging,
                " blocks is less than one token a block, so that none would be merged. Raise it, or remove it.");
  }
  merged_.resize(depth, 0);

  if (shape_.rotary.grid != RotaryShape::Grid::None) {
    rotary_ = std::make_shared<Rotary>(shape_.rotary, shape_.width / shape_.heads, side_);
  }
  BlockShape block;
  block.attention = {shape_.width, shape_.heads, shape_.layout, shape_.attention_bias, shape_.attention_norm, shape_.norm_eps};
  block.mlp = {shape_.mlp, shape_.width, shape_.hidden, shape_.mlp_norm, shape_.norm_eps};
  block.scale = shape_.scale;
  block.post_norm = shape_.post_norm;
  block.norm_eps = shape_.norm_eps;
  const auto chain = register_module("blocks", std::make_shared<Chain>());
  for (int64_t i = 0; i < depth; ++i) {
    block.drop_path = drop_path[i];
    block.merged = merged_[i];
    blocks_.push_back(std::make_shared<TransformerBlock>(block, rotary_));
    chain->append(blocks_.back());
  }
}

// timm's init_weights_vit_timm and Eva.init_weights: linear layers N(0, 0.02) truncated with zero biases, and what differs.
void VisionTransformer::initialise() {
  at::NoGradGuard no_grad;
  for (const auto& module : modules(/*include_self=*/false)) {
    const auto layer = std::dynamic_pointer_cast<Linear>(module);
    if (!layer) continue;
    truncated_normal_(layer->weight, 0.02);
    if (layer->bias.defined()) layer->bias.zero_();
  }
  if (pos_embed_.defined()) truncated_normal_(pos_embed_, 0.02);
  const bool eva = shape_.start == TransformerShape::Start::Eva;
  for (auto& token : {cls_token_, reg_token_}) {
    if (!token.defined()) continue;
    if (eva) truncated_normal_(token, 0.02);
    else token.normal_(0.0, 1e-6);
  }
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (eva) {
      const double scale = std::sqrt(2.0 * static_cast<double>(i + 1));
      blocks_[i]->attention().last().weight.div_(scale);
      blocks_[i]->mlp().last().weight.div_(scale);
    } else if (auto* packed = blocks_[i]->mlp().packed()) {
      // The half that is not gated starts as the constant 1, as timm's GluMlp does.
      packed->weight.narrow(0, shape_.hidden, shape_.hidden).normal_(0.0, 1e-6);
      packed->bias.narrow(0, shape_.hidden, shape_.hidden).fill_(1.0);
    }
  }
  if (eva && head_) head_->weight.mul_(0.001);
}

torch::Tensor VisionTransformer::embed(const torch::Tensor& images) {
  auto patches = patch_embed_->forward(images);  // [N, T, D]
  if (patches.size(1) != side_ * side_ || images.size(2) != shape_.image_size) {
    throw error(ErrorKind::Shape, "expected images that give ", side_ * side_, " patches but got ", images.size(2), "x", images.size(3),
                " pixels, which give ", patches.size(1), ". Build the network with that image_size.");
  }
  auto added = pos_embed_;
  if (added.defined() && !shape_.prefix_position) added = behind_prefix(added, prefix_);
  if (prefix_ > 0) {
    auto front = cls_token_;
    if (reg_token_.defined()) front = front.defined() ? at::cat({front, reg_token_}, 1) : reg_token_;
    front = at::constant_pad_nd(front, {0, 0, 0, side_ * side_});  // [1, P + T, D]
    added = added.defined() ? added + front : front;
  }
  const auto tokens = behind_prefix(patches, prefix_);
  return added.defined() ? tokens + added : tokens;
}

torch::Tensor VisionTransformer::forward_features(const torch::Tensor& images) {
  auto tokens = embed(images);
  TokenState state;
  state.prefix = prefix_;
  if (rotary_) rotary_->start(state, tokens.device());
  for (int64_t i = 0; i < shape_.depth; ++i) {
    if (i == learner_block_) {
      tokens = token_learner_->forward(tokens, state);
      if (rotary_) rotary_->turn(state);
    }
    // The state leaves by the side: nothing in it takes a gradient. Running the block again finds the same matches.
    const auto after = std::make_shared<TokenState>();
    tokens = checkpointed(checkpoint_ && is_training(), [block = blocks_[i], state, after](const torch::Tensor& input) {
      *after = state;
      return block->forward(input, *after);
    }, tokens, blocks_[i]);
    state = *after;
    if (mixstyle_ && i + 1 < shape_.depth && (i + 1 == std::max<int64_t>(1, shape_.depth / 4) || i + 1 == shape_.depth / 2)) {
      tokens = mixstyle_->mix_tokens(tokens, prefix_);
    }
    if (cbam_ && i + 2 == shape_.depth) tokens = cbam_->on_tokens(tokens, prefix_, side_);
  }
  tokens = unmerge_tokens(tokens, state);
  return shape_.norm_after_pool ? tokens : norm_->forward(tokens);
}

torch::Tensor VisionTransformer::pool(const torch::Tensor& features) {
  // Tokens that were merged have been handed back to their patches, so that this mean counts each as often as it stands for.
  const auto pooled = shape_.pool == TransformerShape::Pool::Token ? features.select(1, 0) : features.slice(1, prefix_).mean(1);
  return shape_.norm_after_pool ? norm_->forward(pooled) : pooled;
}

torch::Tensor VisionTransformer::classify(const torch::Tensor& pooled) { return classify_with(head_, pooled); }

std::vector<std::vector<std::string>> VisionTransformer::layers() const {
  std::vector<std::vector<std::string>> parts{{}};
  if (cls_token_.defined()) parts[0].push_back("cls_token");
  if (reg_token_.defined()) parts[0].push_back("reg_token");
  if (pos_embed_.defined()) parts[0].push_back("pos_embed");
  parts[0].push_back("patch_embed");
  append_parts(parts, "blocks", blocks_.size());
  if (token_learner_) parts[1 + learner_block_].push_back("token_learner");
  if (cbam_) parts.back().push_back("cbam");
  if (!shape_.norm_after_pool) parts.back().push_back("norm");  // fc_norm is of timm's last group, the classifier's
  return parts;
}

std::vector<std::vector<std::string>> VisionTransformer::stages() const {
  auto parts = layers();
  if (shape_.norm_after_pool) parts.back().push_back("fc_norm");
  return parts;
}

}  // namespace trivium::nn
