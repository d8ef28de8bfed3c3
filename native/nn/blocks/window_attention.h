// Attention inside windows with cosine similarity and a continuous relative position bias: Liu et al. 2022, "Swin Transformer V2",
// arXiv 2111.09883, §3.2–3.3. timm's names.
#pragma once

#include <cstdint>
#include <memory>

#include "nn/blocks/linear.h"
#include "nn/module.h"

namespace trivium::nn {

/// The windows that cut a map of `side`² positions into squares of `window`², from which every second block shifts them by `shift`.
struct WindowGrid {
  int64_t side, window, shift;

  int64_t padded() const { return (side + window - 1) / window * window; }  // the side with the last windows filled up
  int64_t across() const { return padded() / window; }
  int64_t count() const { return across() * across(); }
  int64_t tokens() const { return window * window; }
};

/// A linear layer with timm's Swin start: weights N(0, 0.02) truncated, bias 0.
std::shared_ptr<Linear> swin_linear(int64_t in_features, int64_t out_features, bool bias = true);

/// [N, side, side, C] → the same. Tensors: logit_scale [heads, 1, 1], q_bias and v_bias [C] (there is no key bias), cpb_mlp.{0, 2},
/// qkv, proj.
class WindowAttention : public Module {
 public:
  /// `pretrained_window`: the window that the weights were trained with, whose coordinates those of a larger one continue; 0: this one.
  WindowAttention(int64_t width, int64_t heads, const WindowGrid& grid, int64_t pretrained_window);
  torch::Tensor forward(const torch::Tensor& map) override;

 private:
  torch::Tensor position_bias();
  torch::Tensor mixed_by_operators(const torch::Tensor& qkv, const torch::Tensor& scale, const torch::Tensor& bias);

  int64_t width_, heads_;
  WindowGrid grid_;
  torch::Tensor logit_scale_, q_bias_, v_bias_;
  std::shared_ptr<Module> cpb_mlp_;
  std::shared_ptr<Linear> qkv_, proj_;
  // Functions of the grid alone, in no state dict; they follow the map to its device.
  torch::Tensor coordinates_;     // [(2w − 1)², 2] log-spaced offsets
  torch::Tensor offset_;          // [w⁴] which of them lies between two tokens of a window
  torch::Tensor order_, inverse_; // [padded²] position → place in its window, and back
  torch::Tensor no_bias_;         // [C] zeros: that of the keys
  torch::Tensor mask_;            // [windows, T, T] −100 between what only the shift made neighbours; undefined without a shift
};

}  // namespace trivium::nn
