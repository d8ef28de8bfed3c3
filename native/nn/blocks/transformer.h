// The transformer block of Dosovitskiy et al. 2020 (arXiv 2010.11929, eq. 2–3) and of its heirs, with timm's names.
#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "nn/blocks/attention.h"
#include "nn/blocks/drop_path.h"
#include "nn/blocks/mlp.h"
#include "nn/blocks/tokens.h"
#include "nn/module.h"

namespace trivium::nn {

struct BlockShape {
  enum class Scale {
    None,
    Submodule,  // ls1.gamma, ls2.gamma: DINOv2
    Parameter,  // gamma_1, gamma_2: DINOv3
  };
  AttentionShape attention;
  MlpShape mlp;
  Scale scale = Scale::None;  // LayerScale (Touvron et al. 2021, arXiv 2103.17239): a learned factor for each channel of a branch, 1e-5 at first
  bool post_norm = false;     // the norms close the branches, x + norm(f(x)): EVA-02-CLIP enormous
  double norm_eps = 1e-6;
  double drop_path = 0;       // chance that a branch is left out
  int64_t merged = 0;         // image tokens that are merged between attention and MLP (blocks/token_merging.h)
};

/// x + attention(norm(x)), then x + mlp(norm(x)): [N, P + T, D] → [N, P + T − merged, D].
class TransformerBlock : public Module {
 public:
  explicit TransformerBlock(const BlockShape& shape, std::shared_ptr<Rotary> rotary = nullptr);

  /// As with a fresh TokenState without prefix.
  torch::Tensor forward(const torch::Tensor& tokens) override;
  torch::Tensor forward(const torch::Tensor& tokens, TokenState& state);

  Attention& attention() { return *attn_; }
  Mlp& mlp() { return *mlp_; }

 private:
  bool post_norm_;
  int64_t merged_;
  std::shared_ptr<Rotary> rotary_;
  torch::Tensor gamma_1_, gamma_2_;  // undefined without LayerScale
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<Attention> attn_;
  std::shared_ptr<Mlp> mlp_;
  std::shared_ptr<DropPath> drop_path1_, drop_path2_;
};

}  // namespace trivium::nn
