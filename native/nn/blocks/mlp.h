// The two-layer networks of transformer blocks, with timm's names: GELU, and SwiGLU (Shazeer 2020, arXiv 2002.05202) packed or apart.
#pragma once

#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <memory>

#include "nn/blocks/linear.h"
#include "nn/module.h"

namespace trivium::nn {

struct MlpShape {
  enum class Kind {
    Gelu,          // fc1, fc2
    PackedSwiGlu,  // fc1 makes gate and value in one product (timm's GluMlp): DINOv2 giant, EVA-02 tiny and small
    SwiGlu,        // fc1_g (gate), fc1_x (value), fc2: EVA-02 base and large, DINOv3 plus
  };
  Kind kind = Kind::Gelu;
  int64_t width = 0;   // D
  int64_t hidden = 0;  // width of what fc2 reads
  bool norm = false;   // a layer norm before fc2 (EVA-02's sub-layer norm)
  double norm_eps = 1e-6;
};

/// [N, T, D] → [N, T, D].
class Mlp : public Module {
 public:
  explicit Mlp(const MlpShape& shape);
  torch::Tensor forward(const torch::Tensor& tokens) override;

  /// The layer whose output is added to the residual stream.
  Linear& last() { return *fc2_; }
  /// Of a packed SwiGLU: [2 · hidden, D], the rows of the gate first. Null for the other kinds.
  Linear* packed() { return kind_ == MlpShape::Kind::PackedSwiGlu ? fc1_.get() : nullptr; }

 private:
  MlpShape::Kind kind_;
  int64_t hidden_;
  std::shared_ptr<Linear> fc1_, fc1_g_, fc1_x_;
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<Linear> fc2_;
};

}  // namespace trivium::nn
