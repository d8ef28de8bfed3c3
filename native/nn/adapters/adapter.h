// What can be attached to a linear layer: a few weights that are trained in place of the layer's own.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace trivium::nn {

/// The bias of the outputs from `first` on. A layer's own bias is one part, from 0; SwinV2 and EVA keep q_bias and v_bias beside a qkv
/// that has none.
struct BiasPart {
  int64_t first;
  torch::Tensor values;
};

class LinearAdapter {
 public:
  virtual ~LinearAdapter() = default;

  /// What is trained, by the name that it has in the layer: "lora_A".
  virtual std::vector<std::pair<std::string, torch::Tensor>> weights() const = 0;

  /// What the layer is given in place of its input [..., in].
  virtual torch::Tensor enter(const torch::Tensor& input) const { return input; }

  /// What comes out in place of the layer's output [..., out]. `input` is what `enter` returned.
  virtual torch::Tensor leave(const torch::Tensor& /*input*/, const torch::Tensor& output, bool /*training*/) const { return output; }

  /// Writes the adapter into weight [out, in] and bias, so that the layer alone computes the same; float64, changed in place.
  virtual void merge(torch::Tensor& weight, std::vector<BiasPart>& bias) const = 0;

  /// Takes it out again. Only called when `can_unmerge`.
  virtual void unmerge(torch::Tensor& weight, std::vector<BiasPart>& bias) const = 0;
  virtual bool can_unmerge() const { return true; }
};

}  // namespace trivium::nn
