// The one network behind the families vit, dinov2, dinov3 and eva: patches, transformer blocks, pooling. A family is a table of shapes.
#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/mixstyle.h"
#include "nn/blocks/rotary.h"
#include "nn/blocks/token_learner.h"
#include "nn/blocks/transformer.h"
#include "nn/module.h"

namespace trivium::nn {

struct TransformerShape {
  int64_t width, depth, heads, patch_size, image_size;
  int64_t hidden = 0;  // of the MLPs; 0: 4 · width

  AttentionShape::Layout layout = AttentionShape::Layout::Fused;
  bool attention_bias = true;
  bool attention_norm = false;
  MlpShape::Kind mlp = MlpShape::Kind::Gelu;
  bool mlp_norm = false;
  BlockShape::Scale scale = BlockShape::Scale::None;
  bool post_norm = false;
  double norm_eps = 1e-6;

  bool class_token = true;
  int64_t registers = 0;          // Darcet et al. 2023, arXiv 2309.16588
  bool position_embedding = true;
  bool prefix_position = true;    // the position embedding has rows for class token and registers too
  RotaryShape rotary = {};

  enum class Pool { Token, Average } pool = Pool::Token;  // the class token, or the mean of the image's tokens
  bool norm_after_pool = false;                           // "fc_norm" on the pooled features; otherwise "norm" on all tokens
  enum class Start { Vit, Eva } start = Start::Vit;       // initial weights
};

/// Reads num_classes, image_size, patch_size (divides image_size), drop_path_rate (linear over depth, 0 in the first block),
/// gradient_checkpointing, token_merging_ratio with token_merging_inflection, token_learner_tokens, use_cbam (on the patches as a map, before
/// the last block, so that the class token sees it; not where tokens are merged or learned), and use_mixstyle with mixstyle_p and
/// mixstyle_alpha (on the tokens behind the prefix, after the first and the second quarter of the blocks).
class VisionTransformer : public Backbone {
 public:
  VisionTransformer(const TransformerShape& shape, const Options& options);

  /// [N, 3, S, S] → [N, P + T, D], class token and registers first. Merged tokens are handed back to all of their patches, so that T does
  /// not change; with token_learner_tokens T is their number.
  torch::Tensor forward_features(const torch::Tensor& images) override;
  torch::Tensor pool(const torch::Tensor& features) override;
  torch::Tensor classify(const torch::Tensor& pooled) override;
  int64_t num_features() const override { return shape_.width; }
  std::vector<std::vector<std::string>> layers() const override;
  std::vector<std::vector<std::string>> stages() const override;

  /// r of every block, 0 where none are merged.
  const std::vector<int64_t>& merged() const { return merged_; }

 private:
  void build_blocks(const Options& options);
  void initialise();
  torch::Tensor embed(const torch::Tensor& images);

  TransformerShape shape_;
  int64_t side_ = 0, prefix_ = 0;  // patches along a side; class token and registers
  bool checkpoint_ = false;
  int64_t learner_block_ = -1;     // the block that reads learned tokens
  std::vector<int64_t> merged_;
  std::shared_ptr<Rotary> rotary_;
  torch::Tensor cls_token_, reg_token_, pos_embed_;
  std::shared_ptr<Module> patch_embed_;
  std::vector<std::shared_ptr<TransformerBlock>> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<Linear> head_;
  std::shared_ptr<TokenLearner> token_learner_;
  std::shared_ptr<Cbam> cbam_;
  std::shared_ptr<MixStyle> mixstyle_;
};

}  // namespace trivium::nn
