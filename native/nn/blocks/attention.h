// Multi-head self-attention of vision transformers, Vaswani et al. 2017, eq. 1, with timm's names and its three layouts of q, k and v.
#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "nn/blocks/linear.h"
#include "nn/blocks/rotary.h"
#include "nn/blocks/tokens.h"
#include "nn/module.h"

namespace trivium::nn {

struct AttentionShape {
  enum class Layout {
    Fused,      // qkv.{weight, bias}: ViT, DINOv2
    NoKeyBias,  // qkv.weight, q_bias, v_bias: EVA, EVA-02 tiny and small, DINOv3
    Separate,   // q_proj, k_proj (never a bias), v_proj: EVA-02 base and large
  };
  int64_t width = 0;  // D
  int64_t heads = 1;  // divides D
  Layout layout = Layout::Fused;
  bool bias = true;         // of q and v, and of k where it has one
  bool inner_norm = false;  // a layer norm before the output projection (EVA-CLIP)
  double norm_eps = 1e-6;
};

/// [N, P + T, D] → [N, P + T, D].
class Attention : public Module {
 public:
  explicit Attention(const AttentionShape& shape, std::shared_ptr<Rotary> rotary = nullptr);

  torch::Tensor forward(const torch::Tensor& tokens) override { return forward(tokens, {}, nullptr); }

  /// A token of `state.sizes` patches draws as much attention as those patches would (log size on the logits; Bolya et al. 2022,
  /// arXiv 2210.09461, eq. 1). `keys`, when asked for, becomes the keys averaged over heads, before rotation: [N, P + T, d].
  torch::Tensor forward(const torch::Tensor& tokens, const TokenState& state, torch::Tensor* keys);

  /// The layer whose output is added to the residual stream.
  Linear& last() { return *proj_; }

 private:
  torch::Tensor heads(const torch::Tensor& projected) const;
  torch::Tensor mix(torch::Tensor q, torch::Tensor k, const torch::Tensor& v, const TokenState& state, torch::Tensor* keys) const;

  int64_t heads_, head_width_;
  std::shared_ptr<Rotary> rotary_;
  torch::Tensor q_bias_, v_bias_;
  std::shared_ptr<Linear> qkv_, q_proj_, k_proj_, v_proj_;
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<Linear> proj_;
};

}  // namespace trivium::nn
